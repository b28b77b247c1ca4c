"""Protects the figures: every one is drawn for awkward studies, says its numbers in words, and has stable bytes."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
from matplotlib.collections import LineCollection
from smallmix.errors import SmallmixError
from smallmix.figures.accuracy_by_size import describe_accuracy_by_size
from smallmix.figures.calibration import describe_calibration, draw_calibration
from smallmix.figures.catalogue import TABLE_FIGURES, plot_figure
from smallmix.figures.figure_files import FigureTable, FigureText, svg_text
from smallmix.figures.learning_curves import draw_loss_curves, grid_sizes
from smallmix.figures.methods_preview import mixed_examples
from smallmix.figures.names import FIGURE_NAMES, NARROW_FIGURES
from smallmix.figures.seeds_by_size import accuracy_text, seeds_sentence
from smallmix.science.methods.images import Images
from smallmix.science.methods.images_and_labels import ImagesAndLabels
from smallmix.science.methods.none import Plain
from smallmix.study.layout import Layout
from smallmix.tables.columns import CELLS
from smallmix.tables.study_tables import SeedMean, load_tables
from smallmix.tables.table_files import read_table

from tests.synthetic_configuration import METHODS
from tests.synthetic_study import SyntheticStudy
from tests.unit.figures.study_with_tables import PUBLISHED, build_study_with_tables, mean_best_percent, tables_of

EIGHT_METHODS = {
    **METHODS,
    **{f"mixed-otherwise-{place}": {"mix": "images", "beta": [1.0 + place, 1.0]} for place in range(5)},
}
AWKWARD: dict[str, dict[str, Any]] = {
    "one size, one seed": {"sizes": [100], "seeds": [0]},
    "one method": {"sizes": [500, 100], "methods": {"only": {"mix": "none", "beta": None}}},
    "eight methods": {"sizes": [500, 100], "methods": EIGHT_METHODS, "seeds": [0, 1]},
    "close sizes": {"sizes": [100, 101, 102, 110], "seeds": [0]},
    "missing cells": {"sizes": [500, 100], "missing": ["n500/non/seed0", "n100/label-mix/seed1"]},
    "dollar signs and tags": {
        "sizes": [100],
        "methods": {"$(touch x)": {"mix": "none", "beta": None}, "<b>&\u202e$x$": {"mix": "images", "beta": [2, 1]}},
    },
}


@pytest.fixture(scope="module")
def ordinary(tmp_path_factory: pytest.TempPathFactory) -> SyntheticStudy:
    """Four sizes, three methods, three seeds, published numbers, images."""
    return build_study_with_tables(
        tmp_path_factory.mktemp("ordinary"), images=True, sizes=[1000, 500, 250, 100], published=PUBLISHED
    )


@pytest.mark.parametrize("name", FIGURE_NAMES)
def test_a_figure_is_three_files_with_readable_content(ordinary: SyntheticStudy, tmp_path: Path, name: str) -> None:
    written = plot_figure(name, tables_of(ordinary), ordinary.root, tmp_path)
    narrow = [f"{name}_narrow.svg"] if name in NARROW_FIGURES else []
    assert [path.name for path in written] == [f"{name}.svg", f"{name}.png", f"{name}.json", *narrow]
    for drawing in written[0], *written[3:]:
        ElementTree.parse(drawing)
    assert written[1].read_bytes().startswith(b"\x89PNG")
    words = json.loads(written[2].read_text(encoding="utf-8"))
    assert set(words) == {"title", "description", "caption", "table"}
    assert all(len(row) == len(words["table"]["columns"]) for row in words["table"]["rows"])
    assert words["table"]["rows"]


@pytest.mark.parametrize("name", FIGURE_NAMES)
def test_same_inputs_give_the_same_bytes(ordinary: SyntheticStudy, tmp_path: Path, name: str) -> None:
    first = plot_figure(name, tables_of(ordinary), ordinary.root, tmp_path / "a")
    # A setting of the machine must not show.
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "red", "svg.hashsalt": None}):
        second = plot_figure(name, tables_of(ordinary), ordinary.root, tmp_path / "b")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


@pytest.mark.parametrize("case", AWKWARD)
def test_awkward_studies_are_drawn(tmp_path: Path, case: str) -> None:
    made = build_study_with_tables(tmp_path, **AWKWARD[case])
    tables = tables_of(made)
    for name, maker in TABLE_FIGURES.items():
        drawing = svg_text(maker.draw(tables), name)
        ElementTree.fromstring(drawing.encode())
        assert "\u202e" not in drawing
        assert maker.describe(tables).description


def test_a_study_without_any_finished_run_is_drawn(tmp_path: Path) -> None:
    made = build_study_with_tables(tmp_path / "a", sizes=[100], seeds=[0])
    empty = load_tables(made.study, tmp_path / "b")
    for name in FIGURE_NAMES:
        plot_figure(name, empty, tmp_path / "b", tmp_path / "figures")
    assert "No finished run" in (tmp_path / "figures" / "accuracy_by_size.svg").read_text(encoding="utf-8")


def test_descriptions_contain_the_numbers(ordinary: SyntheticStudy) -> None:
    tables = tables_of(ordinary)
    text = describe_accuracy_by_size(tables)
    for size in ordinary.study.sizes:
        for method in ordinary.study.methods:
            mean = mean_best_percent(tables, size, method)
            assert f"{method} {mean:.1f}\N{NO-BREAK SPACE}% (3 seeds" in text.description
    assert "95 % t interval" in text.caption
    assert "Hollow markers" in text.caption


@pytest.mark.parametrize(
    "name", [name for name in TABLE_FIGURES if "curves" not in name and name != "confusion_matrices"]
)
def test_descriptions_name_every_size_and_method(ordinary: SyntheticStudy, name: str) -> None:
    description = TABLE_FIGURES[name].describe(tables_of(ordinary)).description
    for size in ordinary.study.sizes:
        assert f"{size:,} images" in description
    for method in ordinary.study.methods:
        assert method in description


def test_one_seed_is_said_and_drawn_without_bars(tmp_path: Path) -> None:
    made = build_study_with_tables(tmp_path, sizes=[500, 100], seeds=[0])
    text = describe_accuracy_by_size(tables_of(made))
    assert "no interval" in text.caption
    figure = TABLE_FIGURES["accuracy_by_size_log"].draw(tables_of(made))
    assert "seeds-" not in svg_text(figure, "x")
    assert not any(len(collection.get_paths()) for axes in figure.axes for collection in axes.collections), (
        "a bar or a cloud of dots was drawn for a single seed"
    )


def test_every_seed_is_drawn_as_a_dot(ordinary: SyntheticStudy) -> None:
    figure = TABLE_FIGURES["accuracy_by_size"].draw(tables_of(ordinary))
    dots = [c for c in figure.axes[0].collections if str(c.get_gid()).endswith("-seeds")]
    assert sum(len(np.asarray(cloud.get_offsets())) for cloud in dots) == 4 * 3 * 3


def test_no_drawn_dot_bar_or_line_is_cut_at_the_frame(tmp_path: Path) -> None:
    """One seed far above and one far below the intervals: every point lies inside the limits, with room around it."""
    made = build_study_with_tables(tmp_path, sizes=[500, 100])
    tables = tables_of(made)
    metrics = tables.metrics.copy()
    chosen = metrics["method"] == "label-mix"
    metrics.loc[chosen & (metrics["size"] == 500) & (metrics["seed"] == 0), "best_test_accuracy"] = 0.97
    metrics.loc[chosen & (metrics["size"] == 100) & (metrics["seed"] == 1), "best_test_accuracy"] = 0.02
    for name in ("accuracy_by_size", "accuracy_by_size_log", "selection_gap", "calibration"):
        figure = TABLE_FIGURES[name].draw(dataclasses.replace(tables, metrics=metrics))
        figure.draw_without_rendering()
        for axes in figure.axes:
            low, high = axes.get_ylim()
            # Of the axis' height; the radius of a dot is less. Below zero no calibration error lies.
            room = 0.02 * (high - low)
            heights = [
                *(y for line in axes.lines if "-mean" in str(line.get_gid()) for y in np.asarray(line.get_ydata())),
                *(y for cloud in axes.collections for _, y in np.ma.getdata(cloud.get_offsets()) if is_cloud(cloud)),
                *(y for bars in axes.collections for segment in segments_of(bars) for _, y in segment),
            ]
            assert len(heights) > 12
            if name.startswith("accuracy"):
                assert 0 <= low < high <= 100
                # Intervals that leave 0 to 100 % are cut at the frame. Nothing else is.
                heights = [height for height in heights if 0 <= height <= 100]
            assert max(heights) <= (high if high == 100 else high - room), name
            assert min(heights) >= (low if low == 0 else low + room), name


def is_cloud(collection: Any) -> bool:
    return str(collection.get_gid()).endswith("-seeds")


def segments_of(collection: Any) -> list[Any]:
    return list(collection.get_segments()) if hasattr(collection, "get_segments") else []


def test_lines_are_drawn_from_the_summary_and_dots_from_the_runs(ordinary: SyntheticStudy) -> None:
    tables = tables_of(ordinary)
    summary = tables.summary.copy()
    changed = (summary["metric"] == "best_test_accuracy") & (summary["size"] == 100) & (summary["method"] == "non")
    assert changed.sum() == 1
    summary.loc[changed, ["mean", "low", "high"]] = [0.111, 0.101, 0.131]
    before, after = (
        TABLE_FIGURES["accuracy_by_size"].draw(one) for one in (tables, dataclasses.replace(tables, summary=summary))
    )
    (line, *_), (old, *_) = (
        [line for line in figure.axes[0].lines if line.get_gid() == "series-0-mean"] for figure in (after, before)
    )
    assert np.asarray(line.get_ydata())[0] == pytest.approx(11.1)
    assert np.asarray(line.get_ydata())[1:] == pytest.approx(np.asarray(old.get_ydata())[1:])
    bars = [one for one in after.axes[0].collections if one.get_gid() == "series-0-mean"]
    assert [y for _, y in segments_of(bars[0])[0]] == pytest.approx([10.1, 13.1])
    clouds = [
        next(np.asarray(one.get_offsets()) for one in figure.axes[0].collections if one.get_gid() == "series-0-seeds")
        for figure in (after, before)
    ]
    np.testing.assert_array_equal(clouds[0], clouds[1])


def test_the_articles_rule_is_named_only_where_there_is_an_article(ordinary: SyntheticStudy, tmp_path: Path) -> None:
    other = tables_of(build_study_with_tables(tmp_path, sizes=[500, 100], seeds=[0, 1]))
    for name, maker in TABLE_FIGURES.items():
        text = maker.describe(other)
        assert "article" not in f"{text.title} {text.caption} {text.description}", name
    caption = describe_accuracy_by_size(tables_of(ordinary)).caption
    assert caption.startswith("Best test accuracy of each run (the article's rule: chosen on the test set,")
    assert describe_accuracy_by_size(other).caption.startswith("Best test accuracy of each run (chosen on the test set")


def test_a_text_survives_its_file() -> None:
    text = FigureText("A", "B <b>", "C", FigureTable(("x", "y"), (("1", "2"), ("3", "4"))))
    assert FigureText.from_json(text.to_json()) == text


def test_dots_and_bars_are_explained_by_the_seeds_that_there_are(tmp_path: Path) -> None:
    none = tables_of(build_study_with_tables(tmp_path / "a", sizes=[100], seeds=[0]))
    assert "no interval" in seeds_sentence(none, "best_test_accuracy", [100])
    assert seeds_sentence(none, "best_test_accuracy", [50]) == ""
    missing = ["n100/non/seed1", "n100/non/seed2"]
    some = tables_of(build_study_with_tables(tmp_path / "b", sizes=[500, 100], seeds=[0, 1, 2], missing=missing))
    assert "fewer than three seeds have no bar" in seeds_sentence(some, "best_test_accuracy", [500, 100])
    three = seeds_sentence(some, "best_test_accuracy", [500])
    assert "fewer than three" not in three
    assert "three seeds is wide: it reaches 4.3 standard errors to either side, that of ten seeds 2.3" in three
    two = tables_of(build_study_with_tables(tmp_path / "c", sizes=[100], seeds=[0, 1]))
    said = seeds_sentence(two, "best_test_accuracy", [100])
    assert "Two seeds have no interval here: it would reach 12.7 standard errors to either side" in said
    assert "bar" not in said


def test_two_seeds_are_dots_without_bars(tmp_path: Path) -> None:
    """In the figure of accuracies and in that of differences; three seeds have bars in both."""
    for seeds, bars in (([0, 1], False), ([0, 1, 2], True)):
        tables = tables_of(build_study_with_tables(tmp_path / str(len(seeds)), sizes=[500, 100], seeds=seeds))
        accuracies = TABLE_FIGURES["accuracy_by_size_log"].draw(tables).axes[0]
        drawn = [one for one in accuracies.collections if isinstance(one, LineCollection)]
        assert bool(drawn) == bars
        differences = TABLE_FIGURES["paired_differences"]
        lines = [line for axes in differences.draw(tables).axes for line in axes.lines]
        assert any(str(line.get_gid()).endswith("-interval") for line in lines) == bars
        assert any(str(line.get_gid()).endswith("-difference") for line in lines)
        text = differences.describe(tables)
        assert ("none" in {row[-1] for row in text.table.rows}) == (not bars)
        assert ("Two seeds have no interval" in text.caption) == (not bars)
        assert ("4.3 standard errors" in text.caption) == bars


def test_published_values_are_hollow(ordinary: SyntheticStudy) -> None:
    figure = TABLE_FIGURES["accuracy_by_size"].draw(tables_of(ordinary))
    hollow = [line for line in figure.axes[0].lines if str(line.get_gid()).endswith("-published")]
    assert len(hollow) == 3
    assert all(line.get_markerfacecolor() == "none" for line in hollow)
    assert 44.60 in np.round(np.asarray(hollow[0].get_ydata(), dtype=float), 2)


@pytest.mark.parametrize("methods", [METHODS, EIGHT_METHODS], ids=["three methods", "eight methods"])
def test_legends_cover_no_data_and_end_inside_the_figure(tmp_path: Path, methods: dict[str, Any]) -> None:
    tables = tables_of(build_study_with_tables(tmp_path, sizes=[500, 100], seeds=[0], methods=methods))
    for name, maker in TABLE_FIGURES.items():
        figure = maker.draw(tables)
        figure.draw_without_rendering()
        for legend in figure.legends:
            box = legend.get_window_extent()
            assert box.x1 <= figure.bbox.x1, name
            assert not any(box.overlaps(axes.get_window_extent()) for axes in figure.axes), name


def test_ids_of_two_figures_differ(ordinary: SyntheticStudy) -> None:
    figure = TABLE_FIGURES["accuracy_by_size"].draw(tables_of(ordinary))
    clips = [set(re.findall(r'clipPath id="([^"]+)"', svg_text(figure, name))) for name in ("one", "two")]
    assert clips[0]
    assert clips[0].isdisjoint(clips[1])


def test_the_grid_of_losses_follows_the_article_where_it_can(ordinary: SyntheticStudy, tmp_path: Path) -> None:
    assert grid_sizes(tables_of(ordinary)) == [100, 250, 500]
    other = build_study_with_tables(tmp_path, sizes=[1000, 400, 200, 100], seeds=[0])
    assert grid_sizes(tables_of(other)) == [100, 200, 400]
    assert len(draw_loss_curves(tables_of(other)).axes) == 9


def test_small_sizes_end_at_ten_thousand(tmp_path: Path) -> None:
    made = build_study_with_tables(tmp_path, sizes=[20000, 10000, 100], seeds=[0])
    assert tables_of(made).small_sizes == [100, 10000]


def test_the_preview_mixes_as_the_weights_say(ordinary: SyntheticStudy) -> None:
    classes = [str(place) for place in range(10)]
    examples = mixed_examples(Layout(ordinary.study, ordinary.root), classes, 4)
    assert list(examples) == list(ordinary.study.methods)
    for non, mixed in zip(examples["non"], examples["label-mix"], strict=True):
        assert (non.own_image == non.mixed_image).all()
        assert (non.own_image == mixed.own_image).all()
        assert mixed.own_label != mixed.partner_label
        weight = mixed.weight
        assert weight is not None
        assert mixed.shares == pytest.approx((weight, 1 - weight, 0), abs=1e-6)
        wanted = weight * mixed.own_image + (1 - weight) * mixed.partner_image
        assert abs(wanted - mixed.mixed_image).max() <= 0.5 + 1e-3  # in float32, as in training
        assert mixed.drawn == [f"λ = {weight:.2f}"]
        assert mixed.label(9) == [f"{round(100 * weight)} % {mixed.own_label}",
                                  f"{100 - round(100 * weight)} % {mixed.partner_label}"]  # fmt: skip
        assert (non.drawn, non.label(9)) == ([], [non.own_label])
    assert {example.shares for example in examples["data-mix"]} == {(1.0, 0.0, 0.0)}


def test_the_preview_mixes_by_the_function_that_trains(
    ordinary: SyntheticStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another way of mixing must show in the picture as well."""
    for method in (Plain, Images, ImagesAndLabels):
        monkeypatch.setattr(method, "mix", lambda self, images, row: images[row.partner])
    classes = [str(place) for place in range(10)]
    for examples in mixed_examples(Layout(ordinary.study, ordinary.root), classes, 2).values():
        assert all((example.mixed_image == example.partner_image).all() for example in examples)


def test_an_unknown_figure_and_a_damaged_table_are_explained(ordinary: SyntheticStudy, tmp_path: Path) -> None:
    with pytest.raises(SmallmixError, match="accuracy_by_size_log"):
        plot_figure("nothing", tables_of(ordinary), ordinary.root, tmp_path)
    (tmp_path / "cells.csv").write_text("size,method\n1,a\n", encoding="utf-8")
    with pytest.raises(SmallmixError, match=r"the columns seed, status, reason are missing.*collect-metrics"):
        read_table(tmp_path / "cells.csv", CELLS)


def test_the_calibration_error_has_its_zero_line(ordinary: SyntheticStudy) -> None:
    """Without it, 5 points of error on 500 test images look like an error of the network."""
    tables = tables_of(ordinary)
    words = describe_calibration(tables)
    smallest = min(tables.study.sizes)
    chance = tables.metrics[tables.metrics["size"] == smallest]["calibration_error_by_chance"].mean()
    assert 0.01 < chance < 0.2
    row = next(row for row in words.table.rows if row[0] == f"{smallest:,}")
    assert (words.table.columns[-1], row[-1]) == ("by chance alone", f"{100 * chance:.1f}\N{NO-BREAK SPACE}%")
    assert f"by chance alone {100 * chance:.1f}" in words.description
    assert "on 200 test images, by chance alone" in words.caption
    figure = draw_calibration(tables)
    (line,) = [line for line in figure.axes[0].lines if line.get_gid() == "by-chance"]
    points = np.asarray(line.get_xydata())
    assert points[:, 0].tolist() == sorted(tables.study.sizes)
    assert points[0, 1] == pytest.approx(100 * chance)


def test_the_ends_of_an_accuracy_stay_between_0_and_100_percent() -> None:
    """The interval of three scattered seeds reaches beyond what an accuracy can be."""
    text = accuracy_text(SeedMean(3, 0.44, -0.32, 1.2)).replace("\N{NO-BREAK SPACE}", " ")
    assert text == "44.0 % (3 seeds, 0.0 % to 100.0 %)"
