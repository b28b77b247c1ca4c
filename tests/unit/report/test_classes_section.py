"""Protects the sections of the classes and of the metrics: the page says what their tables say."""

from __future__ import annotations

from pathlib import Path

import pytest
from smallmix.report.classes_section import metrics_view

from tests.study_outputs import PageText
from tests.synthetic_study import CLASSES, SyntheticStudy
from tests.unit.figures.study_with_tables import build_study_with_tables, tables_of
from tests.unit.report.rendered_page import render, section

MINUS = "\N{MINUS SIGN}"
METRIC = """
def worst_class(logits, labels):
    right = logits.argmax(axis=1) == labels
    return min(right[labels == label].mean() for label in range(logits.shape[1]))
"""


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> SyntheticStudy:
    """Two sizes, three methods, three seeds, and two metrics: one of the user's, one that is ready."""
    root = tmp_path_factory.mktemp("measured")
    (root / "my_metric.py").write_text(METRIC, encoding="utf-8")
    metrics = {"worst": f"{root}/my_metric.py:worst_class", "f1": "macro-f1"}
    return build_study_with_tables(root, sizes=[500, 100], metrics=metrics)


@pytest.fixture(scope="module")
def html(measured: SyntheticStudy) -> str:
    return render(measured, names=("accuracy_by_class", "confusion_matrices"))


def test_the_table_of_the_classes_says_what_class_summary_holds(measured: SyntheticStudy, html: str) -> None:
    columns, *rows = PageText(html).tables["table-classes"]
    assert columns == ["Class", "non", "data-mix", "label-mix", f"label-mix {MINUS} non", "95 % interval"]
    assert sorted(row[0] for row in rows) == sorted(CLASSES)
    summary = tables_of(measured).class_summary
    of_all = summary[summary["size"] == "all"]
    for row in rows:
        for place, method in ((1, "non"), (2, "data-mix"), (3, "label-mix")):
            one = of_all[(of_all["method"] == method) & (of_all["class"] == row[0])].iloc[0]
            assert row[place] == f"{100 * one['mean']:.2f} ± {50 * (one['high'] - one['low']):.1f}"
        assert row[4].replace(MINUS, "-") in (f"{100 * one['difference']:+.1f}", "0.0")
    gains = [float(row[4].replace(MINUS, "-")) for row in rows]
    assert gains == sorted(gains, reverse=True)


def test_the_section_has_both_figures_and_says_what_it_is_of(html: str) -> None:
    text = section(html, "classes")
    assert "the network at the end of the budget" in text
    for title in ("Accuracy by class", "What the classes are taken for"):
        assert f". {title}." in text
    assert text.count("The numbers of figure") == 4  # the summary to click on, and the caption of the table


def test_the_table_of_the_metrics_says_what_their_summary_holds(measured: SyntheticStudy, html: str) -> None:
    text = section(html, "metrics")
    assert "worst_class of my_metric.py" in text
    assert "the mean over classes of the F1 score" in text
    columns, *rows = PageText(html).tables["table-metrics"]
    assert columns == ["Metric", "Training images", "Method", "Seeds", "Mean", "Difference"]
    assert len(rows) == 2 * 3 * 3
    summary = tables_of(measured).own_metric_summary
    one = summary[(summary["size"] == "500") & (summary["method"] == "data-mix") & (summary["metric"] == "worst")].iloc[
        0
    ]
    row = next(row for row in rows if row[:3] == ["worst", "500", "data-mix"])
    assert row[3] == "3"
    assert row[4] == f"{one['mean']:#.4g} ({one['low']:#.4g} to {one['high']:#.4g})".replace("-", MINUS)
    difference = f"{one['difference']:+#.4g} ({one['difference_low']:+#.4g} to {one['difference_high']:+#.4g})"
    assert row[5] == difference.replace("-", MINUS)
    assert next(row for row in rows if row[:3] == ["worst", "all", "non"])[5] == "\N{EN DASH}"


def test_a_study_without_metrics_has_no_section_of_them(tmp_path: Path) -> None:
    made = build_study_with_tables(tmp_path, sizes=[100], seeds=[0])
    html = render(made, names=())
    assert 'id="metrics"' not in html
    assert 'href="#metrics"' not in html
    assert metrics_view(tables_of(made)) is None


def test_one_size_is_no_mean_over_sizes(tmp_path: Path) -> None:
    made = build_study_with_tables(tmp_path, sizes=[100], seeds=[0], metrics={"f1": "macro-f1"})
    page = PageText(render(made, names=()))
    assert {row[1] for row in page.tables["table-metrics"][1:]} == {"100"}
    assert "mean of all sizes" not in page.captions["table-classes"]
    assert page.tables["table-classes"][1][-1] == "\N{EN DASH}"  # one seed has no interval
