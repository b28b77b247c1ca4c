"""Protects what figures do not show: accuracies beyond 0 to 100 %, bars of two seeds, and spikes that hide the rest."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from matplotlib.axes import Axes
from smallmix.figures.accuracy_by_size import describe_accuracy_by_size
from smallmix.figures.catalogue import TABLE_FIGURES
from smallmix.figures.figure_files import svg_text
from smallmix.figures.learning_curves import describe_loss_curves, draw_loss_curves, highest_loss
from smallmix.figures.names import NARROW_FIGURES
from smallmix.figures.paired_differences import describe_paired_differences
from smallmix.figures.style import NARROW
from smallmix.tables.study_tables import StudyTables
from smallmix.wording import unbroken

from tests.unit.figures.study_with_tables import build_study_with_tables, tables_of

ACCURACIES = ("accuracy_by_size", "accuracy_by_size_log", "accuracy_by_size_small", "accuracy_curves")


def edit_summary(tables: StudyTables, size: int, method: str, low: float, mean: float, high: float) -> StudyTables:
    """The tables with another mean and interval of the best accuracy at one size and method."""
    summary = tables.summary.copy()
    chosen = (summary["metric"] == "best_test_accuracy") & (summary["size"] == size) & (summary["method"] == method)
    assert chosen.sum() == 1
    summary.loc[chosen, ["low", "mean", "high"]] = [low, mean, high]
    return dataclasses.replace(tables, summary=summary)


def has_bars(axes: Axes) -> bool:
    """Whether any interval is drawn."""
    return any(len(bars.get_segments()) for bars in axes.collections if hasattr(bars, "get_segments"))


@pytest.mark.parametrize("name", ACCURACIES)
def test_accuracies_lie_within_0_and_100_percent(tmp_path: Path, name: str) -> None:
    tables = tables_of(build_study_with_tables(tmp_path, sizes=[500, 100]))
    tables = edit_summary(tables, 500, "label-mix", 0.7, 0.99, 1.28)
    tables = edit_summary(tables, 100, "non", -0.2, 0.02, 0.24)
    for axes in TABLE_FIGURES[name].draw(tables).axes:
        low, high = axes.get_ylim()
        assert 0 <= low < high <= 100


def test_a_cut_bar_is_said_and_only_then(tmp_path: Path) -> None:
    tables = tables_of(build_study_with_tables(tmp_path, sizes=[500, 100]))
    cut = edit_summary(tables, 500, "label-mix", 0.7, 0.99, 1.28)
    assert "Bars that reach the frame are longer" in describe_accuracy_by_size(cut).caption
    whole = edit_summary(tables, 100, "non", 0.1, 0.2, 0.3)
    whole = edit_summary(whole, 500, "label-mix", 0.7, 0.9, 0.99)
    longest = whole.summary[whole.summary["metric"] == "best_test_accuracy"][["low", "high"]]
    assert 0 <= longest["low"].min() < longest["high"].max() <= 1
    assert "reach the frame" not in describe_accuracy_by_size(whole).caption


def test_two_seeds_are_points_without_bars(tmp_path: Path) -> None:
    two = tables_of(build_study_with_tables(tmp_path / "two", sizes=[500, 100], seeds=[0, 1]))
    three = tables_of(build_study_with_tables(tmp_path / "three", sizes=[500, 100], seeds=[0, 1, 2]))
    for name in ("accuracy_by_size", "selection_gap", "calibration", "accuracy_by_class"):
        assert not any(has_bars(axes) for axes in TABLE_FIGURES[name].draw(two).axes)
    assert has_bars(TABLE_FIGURES["accuracy_by_size"].draw(three).axes[0])
    for name in ("paired_differences", "accuracy_by_class"):
        intervals = [
            [line for axes in TABLE_FIGURES[name].draw(tables).axes for line in axes.lines
             if str(line.get_gid()).endswith("-interval")] for tables in (two, three)
        ]  # fmt: skip
        assert not intervals[0]
        assert intervals[1]
    for text in (describe_accuracy_by_size(two), describe_paired_differences(two)):
        assert "Two seeds have no interval here" in text.caption
        assert "interval" not in " ".join(" ".join(row) for row in text.table.rows)
        assert not re.search(r"interval [+\d]", text.description)


def with_history(tables: StudyTables, losses: dict[int, float]) -> StudyTables:
    """The tables with these losses of every kind by iteration, of all methods at 100 images."""
    history = tables.history[tables.history["size"] == 100].copy()
    last = history["iteration"].max()
    for place, loss in losses.items():
        chosen = history["iteration"] == (last if place == -1 else sorted(set(history["iteration"]))[place])
        history.loc[chosen, ["train_loss", "clean_train_loss", "test_loss"]] = loss
    return dataclasses.replace(tables, history=history)


def test_an_early_spike_does_not_flatten_the_losses(tmp_path: Path) -> None:
    tables = tables_of(build_study_with_tables(tmp_path, sizes=[100], seeds=[0]))
    before = highest_loss(tables, 100)
    assert before is not None
    spiked = with_history(tables, {0: 480.0, 1: 95.0})
    after = highest_loss(spiked, 100)
    assert after is not None
    assert after < 2 * before
    assert draw_loss_curves(spiked).axes[0].get_ylim() == (0, after)
    caption = describe_loss_curves(spiked).caption
    assert "9 curves leave their panels at the top: the highest loss is 480, of" in caption
    assert "No mean curve leaves its panel." in describe_loss_curves(with_history(tables, {0: before / 2})).caption
    two = tables_of(build_study_with_tables(tmp_path / "two", sizes=[100], seeds=[0, 1]))
    assert "the highest mean over seeds is 480, of" in describe_loss_curves(with_history(two, {0: 480.0})).caption


def test_the_losses_that_remain_are_shown(tmp_path: Path) -> None:
    """A loss that is high to the end is no spike: computed by hand from its quantile."""
    tables = tables_of(build_study_with_tables(tmp_path, sizes=[100], seeds=[0]))
    history = tables.history[tables.history["size"] == 100].copy()
    late = history["iteration"] > 0.2 * history["iteration"].max()
    history.loc[late & (history["method"] == "label-mix"), "test_loss"] = 9.0
    found = highest_loss(dataclasses.replace(tables, history=history), 100)
    assert found == pytest.approx(1.12 * 9.0)
    # Where all losses are far below guessing ten classes, the panels end at their highest.
    low = history.assign(train_loss=0.5, clean_train_loss=0.25, test_loss=0.75)
    assert highest_loss(dataclasses.replace(tables, history=low), 100) == pytest.approx(1.12 * 0.75)


def test_a_figure_for_phones_has_its_panels_below_each_other(tmp_path: Path) -> None:
    tables = tables_of(build_study_with_tables(tmp_path, sizes=[500, 250, 100]))
    for name in NARROW_FIGURES:
        figure = TABLE_FIGURES[name].draw(tables, NARROW)
        assert figure.get_figwidth() == NARROW.width
        figure.draw_without_rendering()
        lefts = {round(axes.get_position().x0, 2) for axes in figure.axes}
        assert len(lefts) <= 2, name


def test_sizes_stand_in_one_order(tmp_path: Path) -> None:
    """The smallest first: from left to right, from top to bottom, and in every table."""
    tables = tables_of(build_study_with_tables(tmp_path, sizes=[1000, 250, 500, 100]))
    for name in TABLE_FIGURES:
        text = TABLE_FIGURES[name].describe(tables)
        groups: dict[tuple[str, ...], list[int]] = {}
        for row in text.table.rows:
            pair = row[1:3] if name == "paired_differences" else ()
            groups.setdefault(pair, []).append(int(row[0].replace(",", "")))
        assert all(sizes == sorted(sizes) for sizes in groups.values()), name
    titles = [axes.get_title(loc="left") for axes in TABLE_FIGURES["accuracy_curves"].draw(tables).axes]
    assert [title for title in titles if title] == ["100 images", "250 images", "500 images", "1,000 images"]
    axes = TABLE_FIGURES["paired_differences"].draw(tables).axes[0]
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == ["100", "250", "500", "1,000"]
    assert axes.yaxis_inverted()


def test_marks_say_the_numbers_of_the_summary(tmp_path: Path) -> None:
    tables = tables_of(build_study_with_tables(tmp_path, sizes=[500, 100]))
    tables = edit_summary(tables, 500, "non", 0.4, 0.5, 0.6)
    figure = TABLE_FIGURES["accuracy_by_size"].draw(tables)
    root = ElementTree.fromstring(svg_text(figure, "x"))
    svg = "{http://www.w3.org/2000/svg}"
    values = next(group for group in root.iter(f"{svg}g") if group.get("class") == "values")
    titles = [title.text for title in values.iter(f"{svg}title")]
    assert len(titles) == 6
    place = titles.index(unbroken("non, 500 images: 50.0 % (3 seeds, 40.0 % to 60.0 %)"))
    disc = list(values.iter(f"{svg}circle"))[place]
    axes = figure.axes[0]
    x, y = axes.transData.transform((500, 50))
    assert float(disc.get("cx", "")) == pytest.approx(72 * x / figure.dpi, abs=0.06)
    assert float(disc.get("cy", "")) == pytest.approx(72 * (figure.get_figheight() - y / figure.dpi), abs=0.06)


def test_what_lies_outside_of_a_panel_has_no_mark(tmp_path: Path) -> None:
    tables = tables_of(build_study_with_tables(tmp_path, sizes=[100], seeds=[0]))
    before = svg_text(draw_loss_curves(tables), "x").count("<circle")
    history = tables.history.copy()
    history.loc[(history["method"] == "non") & (history["iteration"] == history["iteration"].max()), "test_loss"] = 1e4
    assert svg_text(draw_loss_curves(dataclasses.replace(tables, history=history)), "x").count("<circle") == before - 1
