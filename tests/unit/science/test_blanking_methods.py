"""Protects the methods that blank parts of images, Cutout and Random Erasing, against loops over single pixels."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from tests.every_method import method_value
from tests.unit.science.method_batch import IMAGES, MANY, Batch, tables_of


@pytest.mark.parametrize(
    ("side", "hole", "pixels"), [(32, 0.5, 16), (8, 0.5, 4), (28, 0.25, 7), (8, 0.01, 1), (9, 1.0, 9)]
)
@pytest.mark.parametrize("seed", range(4))
def test_cutout_blanks_a_square_around_each_centre(side: int, hole: float, pixels: int, seed: int) -> None:
    batch = Batch(method_value("cutout", hole=hole), side, seed)
    mixed = batch.mixed()
    for place in range(IMAGES):
        y = math.floor(batch.drawn["centre_y"][place] * np.float32(side))
        x = math.floor(batch.drawn["centre_x"][place] * np.float32(side))
        wanted = batch.images[place].numpy().copy()
        for row in range(y - pixels // 2, y - pixels // 2 + pixels):
            for column in range(x - pixels // 2, x - pixels // 2 + pixels):
                if 0 <= row < side and 0 <= column < side:
                    wanted[:, row, column] = 0
        assert np.array_equal(mixed[place], wanted)
        assert (mixed[place] == 0).any()


def test_cutout_holes_stick_out_over_the_border() -> None:
    """As in the paper: a quarter of the hole at a corner. Every pixel is as likely a centre as any other."""
    corner = {"centre_y": np.zeros(IMAGES, np.float32), "centre_x": np.zeros(IMAGES, np.float32)}
    assert (Batch(method_value("cutout"), 32, tables=corner).mixed() == 0).sum() == IMAGES * 3 * 8 * 8
    centres = tables_of(method_value("cutout"), MANY // IMAGES)
    for name in ("centre_y", "centre_x"):
        assert stats.kstest(centres[name].ravel(), "uniform").pvalue > 0.001


def erase_by_the_paper(
    generator: np.random.Generator, area: tuple[float, float], aspect: tuple[float, float]
) -> tuple[float, float, float, float]:
    """Algorithm 1 of the paper for an image of side 1, as it stands there: height, width, y, x."""
    while True:
        erased = generator.uniform(*area)
        ratio = generator.uniform(*aspect)
        height, width = math.sqrt(erased * ratio), math.sqrt(erased / ratio)
        x, y = generator.random(), generator.random()
        if x + width <= 1 and y + height <= 1:
            return height, width, y, x


@pytest.mark.parametrize(("area", "aspect"), [([0.02, 0.4], [0.3, 3.3]), ([0.1, 0.8], [0.5, 1.0])])
def test_random_erasing_draws_as_the_papers_algorithm(area: list[float], aspect: list[float]) -> None:
    value = method_value("random-erasing", area=area, aspect=aspect)
    tables = {name: table.ravel().astype(np.float64) for name, table in tables_of(value, 2000, images=10).items()}
    generator = np.random.default_rng(1)
    ends = (area[0], area[1]), (aspect[0], aspect[1])
    height, width, y, x = np.array([erase_by_the_paper(generator, *ends) for _ in range(20_000)]).T
    ours = {
        "area": (tables["height"] * tables["width"], height * width),
        "aspect": (tables["height"] / tables["width"], height / width),
        "y": (tables["place_y"] * (1 - tables["height"]), y),
        "x": (tables["place_x"] * (1 - tables["width"]), x),
    }
    for name, (drawn, wanted) in ours.items():
        assert stats.ks_2samp(drawn, wanted).pvalue > 0.001, name
    assert abs(tables["erased"].mean() - 0.5) < 4 * 0.5 / 20_000**0.5


@pytest.mark.parametrize("side", [8, 32])
@pytest.mark.parametrize("seed", range(6))
def test_random_erasing_blanks_its_rectangles_and_nothing_else(side: int, seed: int) -> None:
    batch = Batch(method_value("random-erasing"), side, seed)
    mixed = batch.mixed()
    for place in range(IMAGES):
        drawn = {name: np.float32(table[place]) for name, table in batch.drawn.items()}
        height = min(max(round(float(drawn["height"] * np.float32(side))), 1), side)
        width = min(max(round(float(drawn["width"] * np.float32(side))), 1), side)
        top = math.floor(drawn["place_y"] * np.float32(side - height + 1))
        left = math.floor(drawn["place_x"] * np.float32(side - width + 1))
        wanted = batch.images[place].numpy().copy()
        for row in range(top, top + height):
            for column in range(left, left + width):
                if drawn["erased"]:
                    wanted[:, row, column] = 0
        assert np.array_equal(mixed[place], wanted)


@pytest.mark.parametrize("probability", [0.1, 1.0])
def test_random_erasing_happens_as_often_as_asked(probability: float) -> None:
    erased = tables_of(method_value("random-erasing", probability=probability), 2000)["erased"]
    assert abs(erased.mean() - probability) <= 4 * (probability * (1 - probability) / erased.size) ** 0.5


@pytest.mark.parametrize("seed", range(4))
def test_the_last_pixel_can_be_erased_and_none_behind_it(seed: int) -> None:
    last = np.nextafter(np.float32(1), np.float32(0))
    ends = {name: np.full(IMAGES, last) for name in ("place_y", "place_x")}
    batch = Batch(method_value("random-erasing"), 28, seed, {**ends, "erased": np.ones(IMAGES, bool)})
    assert (batch.mixed()[:, :, -1, -1] == 0).all()
    for name in ("cutout", "cutmix"):
        shape = IMAGES if name == "cutout" else ()
        centre = {"centre_y": np.full(shape, last), "centre_x": np.full(shape, last)}
        changed = Batch(method_value(name), 28, seed, {**centre, "half": np.float32(0.25)})
        assert (changed.mixed() != changed.images.numpy())[:, :, -1, -1].any()
