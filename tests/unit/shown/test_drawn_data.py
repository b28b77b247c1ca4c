"""Protects what the figures draw: means, seeds, ends of interval bars, curves, published values, by the hand study.

Artists are found by the group name that the page also goes by: series-<place of the method>-<part>.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.figure import Figure

from tests.hand_study import METHODS
from tests.study_outputs import drawn_figure
from tests.synthetic_study import SyntheticStudy

T = 4.302653  # 97.5 % quantile of Student's t with 2 degrees of freedom
ALL_SIZES = ("accuracy_by_size", "accuracy_by_size_log", "accuracy_by_size_small")


@dataclass(frozen=True)
class Drawn:
    """What one method has in one panel: by x, the mean, the seeds (sorted), and the ends of the bar."""

    means: dict[float, float]
    seeds: dict[float, list[float]]
    bars: dict[float, tuple[float, float]]


def close(x: float, y: float) -> float:
    """A size on the axis stands for the study's size that it lies near: methods are drawn beside each other."""
    return min((100.0, 500.0), key=lambda size: abs(np.log(size / x)) + 0 * y)


def drawn_by_method(axes: Axes, method: str) -> Drawn:
    """The data of a method's artists in a panel whose x axis is the number of images."""
    front = f"series-{METHODS.index(method)}-"
    means: dict[float, float] = {}
    for line in axes.lines:
        x, y = np.asarray(line.get_xdata(), dtype=float), np.asarray(line.get_ydata(), dtype=float)
        if line.get_gid() == f"{front}mean" and line.get_linestyle() != "None" and len(x) == 2:
            means.update({close(*point): point[1] for point in zip(x, y, strict=True)})
    seeds: dict[float, list[float]] = {}
    bars: dict[float, tuple[float, float]] = {}
    for collection in axes.collections:
        if not str(collection.get_gid()).startswith(front):
            continue
        if isinstance(collection, PathCollection):
            for x, y in np.asarray(collection.get_offsets(), dtype=float):
                seeds.setdefault(close(x, y), []).append(float(y))
        elif isinstance(collection, LineCollection):
            for segment in collection.get_segments():
                low, high = sorted(float(y) for y in np.asarray(segment)[:, 1])
                bars[close(*np.asarray(segment)[0])] = low, high
    return Drawn(means, {size: sorted(of_size) for size, of_size in seeds.items()}, bars)


def check(axes: Axes, method: str, size: float, seeds: list[float], spread: float) -> None:
    """The mean, the dots, and the bar of a method at a size; `spread` is the sum of squared deviations."""
    drawn = drawn_by_method(axes, method)
    mean, reach = sum(seeds) / 3, T * (spread / 2 / 3) ** 0.5
    assert drawn.means[size] == pytest.approx(mean, abs=1e-4)
    assert drawn.seeds[size] == pytest.approx(sorted(seeds), abs=1e-4)
    assert drawn.bars[size] == pytest.approx((mean - reach, mean + reach), abs=1e-3)


def panel(figure: Figure, title: str) -> Axes:
    """The panel whose title begins so, a line break and a minus sign aside."""
    titles = [axes.get_title(loc="left").replace("\n", " ").replace("\N{MINUS SIGN}", "-") for axes in figure.axes]
    return figure.axes[next(place for place, text in enumerate(titles) if text.startswith(title))]


@pytest.mark.parametrize("name", ALL_SIZES)
def test_best_accuracies_are_drawn(hand_study: SyntheticStudy, name: str) -> None:
    """Percent; deviations: -1, 0, 1; -1, 1, 0; -0.5, -1, 1.5; -1, 0, 1; 0, 1.5, -1.5; 0, -0.5, 0.5."""
    (axes,) = drawn_figure(hand_study, name).axes
    check(axes, "non", 500, [44.0, 45.0, 46.0], 2.0)
    check(axes, "data-mix", 500, [57.0, 59.0, 58.0], 2.0)
    check(axes, "label-mix", 500, [56.5, 56.0, 58.5], 3.5)
    check(axes, "non", 100, [27.0, 28.0, 29.0], 2.0)
    check(axes, "data-mix", 100, [29.0, 30.5, 27.5], 4.5)
    check(axes, "label-mix", 100, [26.0, 25.5, 26.5], 0.5)


@pytest.mark.parametrize("name", ALL_SIZES)
def test_published_values_are_drawn_hollow(hand_study: SyntheticStudy, name: str) -> None:
    (axes,) = drawn_figure(hand_study, name).axes
    expected = {"non": (26.79, 44.60), "data-mix": (31.72, 58.59), "label-mix": (33.84, 57.84)}
    for place, method in enumerate(METHODS):
        (line,) = [one for one in axes.lines if one.get_gid() == f"series-{place}-published"]
        found = {close(x, y): y for x, y in zip(*np.asarray(line.get_xydata()).T, strict=True)}
        assert (found[100], found[500]) == pytest.approx(expected[method])
        assert line.get_markerfacecolor() == "none"


def test_sizes_lie_where_the_linear_axis_says(hand_study: SyntheticStudy) -> None:
    (axes,) = drawn_figure(hand_study, "accuracy_by_size").axes
    low, high = axes.get_xlim()
    assert low <= 0
    assert high >= 500
    for line in axes.lines:
        if str(line.get_gid()).endswith(("-mean", "-published")) and len(np.asarray(line.get_xdata())) == 2:
            assert sorted(np.asarray(line.get_xdata(), dtype=float)) == [100, 500]


def test_the_selection_gap_is_drawn(hand_study: SyntheticStudy) -> None:
    """Best minus last in points. non, 500: 1, 1, 4; squared deviations 1 + 1 + 4."""
    (axes,) = drawn_figure(hand_study, "selection_gap").axes
    check(axes, "non", 500, [1.0, 1.0, 4.0], 6.0)
    check(axes, "data-mix", 500, [1.5, 0.5, 1.0], 0.5)
    check(axes, "label-mix", 500, [2.1, 0.6, 2.1], 1.5)
    check(axes, "non", 100, [0.5, 2.0, 0.5], 1.5)
    check(axes, "data-mix", 100, [1.0, 1.5, 0.5], 0.5)
    check(axes, "label-mix", 100, [0.5, 1.5, 1.0], 0.5)


# Confidence minus accuracy at the end, in points: 85.8486 - (43, 44, 42), 69.0568 - (55.5, 58.5, 57),
# 45.0853 - (54.4, 55.4, 56.4); then with 100 images. The spread is that of the accuracies.
GAPS = {
    ("non", 500): ([42.8486, 41.8486, 43.8486], 2.0),
    ("data-mix", 500): ([13.5568, 10.5568, 12.0568], 4.5),
    ("label-mix", 500): ([-9.3147, -10.3147, -11.3147], 2.0),
    ("non", 100): ([59.3486, 59.8486, 57.3486], 3.5),
    ("data-mix", 100): ([41.0568, 40.0568, 42.0568], 2.0),
    ("label-mix", 100): ([19.5853, 21.0853, 19.5853], 1.5),
}


@pytest.mark.parametrize(("method", "size"), GAPS)
def test_the_calibration_is_drawn(hand_study: SyntheticStudy, method: str, size: int) -> None:
    """Left the error, which is the distance; right the gap with its sign."""
    left, right = drawn_figure(hand_study, "calibration").axes
    gaps, spread = GAPS[method, size]
    check(left, method, size, [abs(gap) for gap in gaps], spread)
    check(right, method, size, gaps, spread)


def test_the_zero_of_the_calibration_is_drawn(hand_study: SyntheticStudy) -> None:
    """The mean of 100 sqrt(2 p (1 - p) / (pi 1000)) for the three confidences: 0.879, 1.166 and 1.255 points."""
    left = drawn_figure(hand_study, "calibration").axes[0]
    (line,) = [line for line in left.lines if line.get_gid() == "by-chance"]
    points = np.asarray(line.get_xydata())
    assert points[:, 0].tolist() == [100, 500]
    assert points[:, 1] == pytest.approx([1.1004, 1.1004], abs=2e-3)


# Mean and ends of the bars in points: best filled and above the row's middle, last hollow and below it. Computed as for
# the table of comparisons. The pair of data-mix and non is stored reversed.
DIFFERENCES = {
    "non - data-mix": {
        100: ((-1.0, -6.4141, 4.4141), (-1.0, -6.6919, 4.6919)),
        500: ((-13.0, -15.4841, -10.5159), (-14.0, -17.2862, -10.7138)),
    },
    "label-mix - non": {
        100: ((-2.0, -4.1513, 0.1513), (-2.0, -4.4841, 0.4841)),
        500: ((12.0, 9.8486, 14.1513), (12.4, 8.0973, 16.7027)),
    },
    "label-mix - data-mix": {
        100: ((-3.0, -7.9683, 1.9683), (-3.0, -7.4783, 1.4783)),
        500: ((-1.0, -5.4783, 3.4783), (-1.6, -4.8862, 1.6862)),
    },
}


@pytest.mark.parametrize("pair", DIFFERENCES)
def test_paired_differences_are_drawn(hand_study: SyntheticStudy, pair: str) -> None:
    figure = drawn_figure(hand_study, "paired_differences")
    axes, first = panel(figure, pair), figure.axes[0]  # whose labels hold for the whole row
    rows = {
        float(tick.get_text().replace(",", "")): height
        for height, tick in zip(first.get_yticks(), first.get_yticklabels(), strict=True)
    }
    marks = {}
    for line in axes.lines:
        if str(line.get_gid()).endswith("-difference"):
            height = float(np.asarray(line.get_ydata())[0])
            marks[round(height, 6)] = (float(np.asarray(line.get_xdata())[0]), line.get_markerfacecolor() == "none")
    bars = {
        round(float(np.asarray(line.get_ydata())[0]), 6): np.asarray(line.get_xdata(), dtype=float)
        for line in axes.lines
        if str(line.get_gid()).endswith("-interval")
    }
    assert len(marks) == len(bars) == 4
    for size, (best, last) in DIFFERENCES[pair].items():
        of_row = sorted(height for height in marks if abs(height - rows[size]) < 0.5)
        for height, (mean, low, high), hollow in zip(of_row, (best, last), (False, True), strict=True):
            assert marks[height][0] == pytest.approx(mean, abs=1e-4)
            assert marks[height][1] == hollow
            assert bars[height] == pytest.approx([low, high], abs=1e-3)


def curve(axes: Axes, method: str, part: str) -> dict[int, float]:
    """Iteration -> value of the one curve of a method's part in a panel."""
    (line,) = [one for one in axes.lines if one.get_gid() == f"series-{METHODS.index(method)}-{part}"]
    return {round(x): float(y) for x, y in zip(*np.asarray(line.get_xydata(), dtype=float).T, strict=True)}


# Percent. At first 10, then 5 points below the median, but where one of three seeds has its best. The median of the
# last tenth from its second third on, and the last. label-mix, 500: medians 54.8, 55.8, 56.8; best 56.5 at the 130th,
# where the mean is (56.5 + 50.8 + 51.8) / 3 = 53.0333.
TEST_CURVES = {
    ("label-mix", 500): {
        390: 10.0,
        780: 50.8,
        390 * 130: 53.033333,
        390 * 180: 52.533333,  # (49.8 + 56.0 + 51.8) / 3
        390 * 280: 50.8,
        390 * 281: 55.8,
        390 * 299: 55.8,
        117_000: 55.4,
    },
    ("non", 100): {
        390: 10.0,
        780: 22.1,
        390 * 20: 23.9,  # (27.0 + 21.1 + 23.6) / 3
        390 * 95: 22.1,
        390 * 96: 27.1,
        40_000: 27.0,
    },
}


@pytest.mark.parametrize(("method", "size"), TEST_CURVES)
def test_the_mean_accuracy_curves_are_drawn(hand_study: SyntheticStudy, method: str, size: int) -> None:
    axes = panel(drawn_figure(hand_study, "accuracy_curves"), f"{size} images")
    drawn = curve(axes, method, "test")
    assert len(drawn) == {500: 300, 100: 103}[size]
    for iteration, value in TEST_CURVES[method, size].items():
        assert drawn[iteration] == pytest.approx(value, abs=1e-4), iteration
    assert curve(axes, method, "end") == {max(drawn): pytest.approx(drawn[max(drawn)], abs=1e-6)}


@pytest.mark.parametrize("size", [500, 100])
def test_the_clean_accuracy_and_single_seeds_are_drawn(hand_study: SyntheticStudy, size: int) -> None:
    """25 in the first tenth, then the mean of 90, 92 and 91, or of 95, 97 and 96."""
    axes = panel(drawn_figure(hand_study, "accuracy_curves"), f"{size} images")
    clean = curve(axes, "data-mix", "clean")
    tenth = {500: 11_700, 100: 4_000}[size]
    assert {round(y, 4) for x, y in clean.items() if x < tenth} == {25.0}
    assert {round(y, 4) for x, y in clean.items() if x >= tenth} == {{500: 91.0, 100: 96.0}[size]}
    lines = [line for line in axes.lines if line.get_gid() == f"series-{METHODS.index('data-mix')}-seeds"]
    ends = sorted(float(np.asarray(line.get_ydata())[-1]) for line in lines)
    assert ends == pytest.approx({500: [55.5, 57.0, 58.5], 100: [27.0, 28.0, 29.0]}[size])


# Levels of the losses behind the first tenth: as optimised, clean, test until the middle and after it. Means of seeds.
LOSSES = {
    ("non", 500): (0.025, 0.002, 2.0, 3.1),
    ("data-mix", 500): (0.95, 0.32, 1.5, 1.85),
    ("label-mix", 500): (1.25, 0.42, 1.4, 1.75),
    ("non", 100): (0.015, 0.005, 2.05, 4.1),
    ("data-mix", 100): (1.10, 0.22, 2.0, 2.04),
    ("label-mix", 100): (1.366667, 0.52, 1.9, 2.4),  # (1.30 + 1.45 + 1.35) / 3
}


@pytest.mark.parametrize(("method", "size"), LOSSES)
def test_the_mean_loss_curves_are_drawn(hand_study: SyntheticStudy, method: str, size: int) -> None:
    figure = drawn_figure(hand_study, "loss_curves")
    axes = figure.axes[(0 if size == 100 else 3) + METHODS.index(method)]
    assert panel(figure, method) is figure.axes[METHODS.index(method)]
    train, clean, lowest, end = LOSSES[method, size]
    last, tenth = {500: 117_000, 100: 40_000}[size], {500: 11_700, 100: 4_000}[size]
    for part, start, level in (("training", 2.2, train), ("clean", 2.1, clean)):
        drawn = curve(axes, method, part)
        assert {round(y, 5) for x, y in drawn.items() if x < tenth} == {start}
        assert {round(y, 5) for x, y in drawn.items() if x >= tenth} == {round(level, 5)}
        assert max(drawn) == last
    test = curve(axes, method, "test")
    assert {round(y, 5) for x, y in test.items() if x < tenth} == {2.3}
    assert {round(y, 5) for x, y in test.items() if tenth <= x <= last / 2} == {lowest}
    assert {round(y, 5) for x, y in test.items() if x > last / 2} == {end}


def test_rows_of_loss_panels_are_high_enough(hand_study: SyntheticStudy) -> None:
    """Zero to above the highest loss that lasts: 3.2 at 500 images, 4.2 at 100."""
    figure = drawn_figure(hand_study, "loss_curves")
    assert figure.axes[0].get_ylabel().startswith("100 images")
    assert figure.axes[3].get_ylabel().startswith("500 images")
    for axes, highest in ((figure.axes[3], 3.2), (figure.axes[0], 4.2)):
        low, high = axes.get_ylim()
        assert low == 0
        assert highest < high < 1.5 * highest
