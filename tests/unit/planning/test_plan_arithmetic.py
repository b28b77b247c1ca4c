"""Protects the arithmetic of the plan: operations, bytes, seconds, and the words that carry them, by hand.

A network of width 4 with one block a stage, on digits of 8 x 8 x 1 pixels (1,297 and 500 images, ten classes).

Operations of a forward pass (twice the multiplications): the stem 2 x 9 x 4 x 64 = 4,608; the first block
2 x 9 x 64 x 4 x 8 = 36,864; the others 2 x 9 x 16 x 8 x 12 = 2 x 9 x 4 x 16 x 24 = 2 x 9 x 32 x 48 = 27,648 with
projections of 1,024; the classifier 640. Together 128,128.

Weights: 36; 16 + 288; 24 + 864 + 32; 48 + 3,456 + 128; 96 + 13,824 + 512; 64 behind the last block; 330.
Together 19,718.

256 images are two batches an epoch: 50 epochs are 100 steps that see 12,800 images, with 50 evaluations of 500 and of
200 images. 100 images are one batch: 300 steps that see 30,000 images, with 3 evaluations of 500 and of 100 images.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from smallmix.errors import ConfigurationError
from smallmix.planning import capacity as capacity_module
from smallmix.planning import probe as probe_module
from smallmix.planning.capacity import Capacity
from smallmix.planning.cost import (
    ImagesInNumbers,
    checkpoint_bytes,
    dataset_bytes,
    evaluation_flops,
    result_bytes,
    training_flops,
)
from smallmix.planning.plan import brief_plan, full_plan
from smallmix.planning.probe import Probe
from smallmix.study.study import Study

from tests.synthetic_configuration import build_configuration

FORWARD = 128_128
DIGITS = ImagesInNumbers(side=8, channels=1, classes=10, train_count=1297, test_count=500)


@pytest.fixture
def study() -> Study:
    """Two sizes, two methods, two seeds."""
    configuration = build_configuration(
        dataset="digits",
        sizes=(256, 100),
        methods={"non": {"mix": "none", "beta": None}, "label-mix": {"mix": "images-and-labels", "beta": [1.0, 1.0]}},
        seeds=(0, 1),
        width=4,
        budgets={"default": {"epochs": 50}, "100": {"iterations": 300}},
    )
    configuration["model"]["blocks"] = [1, 1, 1, 1]
    configuration["evaluation"] |= {"iteration_budgets": {"every": 100}, "clean_train_limit": 200}
    return Study.from_configuration(configuration)


@pytest.mark.parametrize(
    ("dataset", "images"),
    [
        ({"name": "digits"}, DIGITS),
        ({"name": "cifar10"}, ImagesInNumbers(32, 3, 10, 50_000, 10_000)),
        (
            {"name": "image-list", "image-list": {"image_size": 16, "color": "grey"}},
            ImagesInNumbers(16, 1, 10, 256, 10_000),
        ),
    ],
    ids=["digits", "cifar10", "image-list"],
)
def test_images_that_are_not_there_yet(study: Study, dataset: dict[str, Any], images: ImagesInNumbers) -> None:
    study.configuration["dataset"] |= dataset
    assert ImagesInNumbers.of(study, None) == images


def test_an_unknown_data_set_is_no_image_list(study: Study) -> None:
    study.configuration["dataset"]["name"] = "svhn"
    with pytest.raises(ConfigurationError, match=r"dataset\.name is 'svhn'; it must be cifar10, digits or image-list"):
        ImagesInNumbers.of(study, None)


def test_operations_of_training_and_evaluation(study: Study) -> None:
    """Forward and backward together are three forward passes."""
    large, small = study.cells[0].value, study.cells[-1].value
    assert (large.size, small.size) == (256, 100)
    assert training_flops(large, DIGITS) == 3 * 12_800 * FORWARD
    assert training_flops(small, DIGITS) == 3 * 30_000 * FORWARD
    assert evaluation_flops(large, DIGITS) == 50 * (500 + 200) * FORWARD
    assert evaluation_flops(small, DIGITS) == 3 * (500 + 100) * FORWARD


def test_bytes_of_results_checkpoints_and_images(study: Study) -> None:
    """Results lie in the store and in the study's folder; checkpoints are three, of weights and momentum in 4 bytes."""
    large, small = study.cells[0].value, study.cells[-1].value
    assert result_bytes(large, DIGITS) == 2 * (500 * 10 * 2 + 50 * 90 + 8_000)
    assert result_bytes(small, DIGITS) == 2 * (500 * 10 * 2 + 3 * 90 + 8_000)
    assert checkpoint_bytes(large, DIGITS) == 3 * 2 * 4 * 19_718
    assert dataset_bytes(DIGITS) == (1297 + 500) * (64 + 8)


# On a core: 2.5 s to start, 0.4 ms a layer (10 of them) and step, 60 billion operations a second. At 256 images
# 2.5 + 100 x 0.004 + 0.0820 + 50 x 2 x 0.004 / 3 + 0.0747 = 3.1901 s; at 100 images 2.5 + 300 x 0.004 + 0.1922 +
# 3 x 2 x 0.004 / 3 + 0.0038 = 3.9040 s. Four cells each: 28.376 s.
@pytest.mark.parametrize(
    ("cores", "at_once", "seconds"), [(1, 1, "28 s"), (2, 2, "14 s"), (4, 4, "7 s"), (16, 8, "4 s")]
)
def test_the_first_line_divides_the_time_by_the_cells_at_once(
    study: Study, tmp_path: Path, cores: int, at_once: int, seconds: str
) -> None:
    """Eight cells cannot be faster than the longest of them."""
    assert brief_plan(study, tmp_path, Capacity(cores)) == (
        f"smallmix: study synthetic: 8 of 8 cells to train on CPU ({at_once} at once); roughly {seconds}, "
        "by assumed speeds."
    )


def test_some_cells_are_counted_and_timed_alone(study: Study, tmp_path: Path) -> None:
    """Two cells of 256 images on one core: 6.38 s."""
    line = brief_plan(study, tmp_path, Capacity(1), {"n256/non/seed0", "n256/non/seed1"})
    assert line == (
        "smallmix: study synthetic: 2 of the 8 cells that are not trained yet, 8 in all, to train on CPU (1 at once); "
        "roughly 6 s, by assumed speeds."
    )


# The probe finds steps twice as long as assumed: starts stay, all else doubles. 2.5 + 2 x 0.6901 = 3.880 s and
# 2.5 + 2 x 1.4040 = 5.308 s; four of each, two at once: 18.4 s.
@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """A probe of steps of 2 x (0.004 + 0.00082002) s, in the place of one that takes its time."""
    probe = Probe("cpu", seconds_a_step=0.00964004, flops_a_second=1.5e10)
    monkeypatch.setattr(probe_module, "probe", lambda cell, images: probe)
    monkeypatch.setattr(capacity_module, "usable_cores", lambda: 2)


@pytest.mark.usefixtures("measured")
def test_the_plan_adds_up(study: Study, tmp_path: Path) -> None:
    """PFLOP: (3 x 12,800 + 50 x 700) x 128,128 = 9.40e-6 a cell and (3 x 30,000 + 3 x 600) x 128,128 = 1.176e-5.

    Bytes with two at once: 4 x (45,000 + 36,540) + 2 x 473,232 + 129,384 = 1,402,008.
    """
    lines = full_plan(study, tmp_path, Capacity(2), ()).splitlines()
    rows = {line.split()[0]: line.split() for line in lines if line.strip().startswith(("256 ", "100 "))}
    assert rows["256"] == ["256", "4", "0", "0", "0", "0", "0", "4", "100", "9.4e-06", "4", "s"]
    assert rows["100"] == ["100", "4", "0", "0", "0", "0", "0", "4", "300", "1.18e-05", "5", "s"]
    assert (
        "To train: 8 of 8 cells, 1,600 iterations, 8.47e-05 PFLOP (6.58e-05 for training, 1.89e-05 for evaluations)."
    ) in lines
    assert "Estimated time: 18 s with 2 cells at once, starts and evaluations included." in lines
    assert "Disk: about 1.4 MB more." in lines
    assert any(line.startswith("Measured here: 9.6 ms a step, 15 GFLOP/s a cell, on cpu") for line in lines)


@pytest.mark.usefixtures("measured")
def test_one_cell_at_a_time_has_one_checkpoint(study: Study, tmp_path: Path) -> None:
    """4 x (45,000 + 36,540) + 473,232 + 129,384 = 928,776 bytes; 36.8 s, or 18.4 s with both cores."""
    lines = full_plan(study, tmp_path, Capacity(1), ()).splitlines()
    assert "Disk: about 929 kB more." in lines
    assert "Estimated time: 37 s with 1 cell at once, starts and evaluations included." in lines
    assert "With --cores all: 18 s with 2 cells at once." in lines


def test_two_gpus_train_two_cells_at_once(study: Study, tmp_path: Path) -> None:
    """On a GPU: 9 s to start, 0.15 ms a layer and step; the operations hardly count."""
    line = brief_plan(study, tmp_path, Capacity(16, on_gpus=2))
    # 9 + 100 x 10 x 0.00015 + 50 x 2 x 10 x 0.00015 / 3 = 9.2 s; 9 + 300 x 0.0015 + 0.003 = 9.45 s; 4 x 18.65 / 2.
    assert line == "smallmix: study synthetic: 8 of 8 cells to train on 2 GPUs; roughly 37 s, by assumed speeds."
