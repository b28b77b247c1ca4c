"""Protects what the page says, for every state of a study."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any, get_args

import pytest
from smallmix.report.method_section import compose_protocol
from smallmix.report.page import render_page
from smallmix.report.runs_section import compose_runs, find_logs
from smallmix.report.tables_section import accuracy_view
from smallmix.study.study import Study
from smallmix.tables.cell_status import Status
from smallmix.tables.study_tables import load_tables

from tests.synthetic_study import SyntheticStudy
from tests.unit.figures.study_with_tables import (
    PUBLISHED,
    build_study_with_tables,
    mean_best_percent,
    tables_of,
    write_all_tables,
)
from tests.unit.report.rendered_page import COMMAND, Page, render, section, spaced


def test_the_answer_comes_first_and_says_the_numbers(html: str, troubled: SyntheticStudy) -> None:
    answer = spaced(html[html.index('<section id="answer"') : html.index('<section id="accuracy"')])
    assert html.index('<section id="answer"') < html.index("<svg")
    assert "label-mix came out ahead of non at all 3 training-set sizes tried" in answer
    assert "data-mix came out ahead of non at all 3 training-set sizes tried" in answer
    assert "95 % interval" in answer
    assert (
        "No hypothesis is declared in advance: with 3 seeds the exact test cannot give a p-value below 0.25" in answer
    )
    assert "24 finished" in answer
    assert "24 of 27 runs are finished" in answer
    gain = load_tables(troubled.study, troubled.root).comparison
    chosen = gain[(gain["size"] == "100") & (gain["method"] == "label-mix") & (gain["selection"] == "best")]
    mean = 100 * float(chosen[chosen["reference"] == "non"]["difference"].iloc[0])
    assert f"{mean:+.1f} points" in answer


def test_what_was_chosen_and_normalised_on_which_images_is_said(html: str, tmp_path: Path) -> None:
    assert "No images are held out for choosing, and nothing else was chosen by a result." in html
    assert "by mean and deviation per channel of all 1,000 training images, also where a subset is smaller" in html
    methods = {
        "plain": {"mix": "none", "beta": None},
        **{f"mix-{beta:g}".replace(".", "-"): {"mix": "images", "beta": [1 + beta, beta]} for beta in (0.2, 1.0)},
    }
    several = build_study_with_tables(tmp_path, sizes=[100], seeds=[0], methods=methods)
    text = render(several, names=())
    assert "picks the best of several distributions here picks it on the test images" in text


def test_differences_stand_with_their_tests_and_with_what_pairing_gained(html: str) -> None:
    section = html[html.index('<section id="differences"') : html.index('<section id="curves"')]
    assert "times the sum of the two methods&#39; own variances" in section
    assert '<table id="table-comparison"' in section
    for column in ("p, sign flip", "least possible", "p, Holm", "p, t test", "Variance ratio"):
        assert f">{column}</th>" in section


def test_troubled_runs_are_named_with_reason_log_and_remedy(html: str) -> None:
    runs = html[html.index('<section id="runs"') : html.index('<section id="method"')]
    assert "n1000/label-mix/seed2" in runs
    assert "iteration 11: loss 812.4" in runs
    assert "the loss is not finite" in runs
    assert "n100/data-mix/seed1" in runs
    assert "2 of 3 (1 failed)" in runs
    assert "2 of 3 (1 outdated)" in runs
    assert "2 of 3 (1 waiting)" in runs
    command = re.search(r"<code>(snakemake [^<]+)</code>", runs)
    assert command is not None
    assert command[1].startswith(f"{COMMAND} --forcerun results/")
    assert "results/synthetic/cells/n100/data-mix/seed1/metrics.json" in command[1]
    assert "n500/non/seed2" not in command[1]


def test_published_values_stand_beside_ours(html: str) -> None:
    table = html[html.index('<table id="table-accuracy"') :]
    table = table[: table.index("</table>")]
    for value in ("47.83", "57.43", "53.25", "44.60", "26.79"):
        assert f">{value}<" in table
    assert "published" in table
    assert 'scope="colgroup" colspan="3">label-mix' in table


def test_the_loss_grid_says_which_losses_can_be_compared(html: str) -> None:
    curves = section(html, "curves")
    assert "data-mix and label-mix: these have the same expected training loss at the same weights" in curves
    assert "Neither task is the harder one." in curves
    assert "at least 0.50 nats with data-mix and 0.50 nats with label-mix" in curves
    assert "says nothing beside that of another" not in curves
    # The page and the caption of the figure say the same.
    assert curves.count("these have the same expected training loss") == 2


@pytest.mark.parametrize(
    ("beta", "said"),
    [
        ([1.0, 1.0], "cannot be compared between methods that mix differently"),
        ([1.4, 0.4], "data-mix and narrow: these have the same expected training loss"),
    ],
)
def test_other_distributions_are_compared_only_where_they_may(tmp_path: Path, beta: list[float], said: str) -> None:
    methods = {
        "plain": {"mix": "none", "beta": None},
        "data-mix": {"mix": "images", "beta": beta},
        "narrow": {"mix": "images-and-labels", "beta": [0.4, 0.4]},
    }
    made = build_study_with_tables(tmp_path, sizes=[100], seeds=[0], methods=methods)
    curves = section(render(made, names=("loss_curves",)), "curves")
    assert curves.count(said) == 2


STATES: dict[str, dict[str, Any]] = {
    "one seed": {"sizes": [500, 100], "seeds": [0]},
    "one size and method": {"sizes": [100], "methods": {"only": {"mix": "images", "beta": [1, 1]}}, "seeds": [0]},
    "complete": {"sizes": [500, 100], "seeds": [0, 1]},
    "published, other data": {"sizes": [500], "seeds": [0], "dataset": "digits", "published": PUBLISHED},
    "reference last": {
        "sizes": [500],
        "methods": {"mixed": {"mix": "images-and-labels", "beta": [1, 1]}, "plain": {"mix": "none", "beta": None}},
        "seeds": [0, 1],
    },
}


@pytest.mark.parametrize("state", STATES)
def test_awkward_studies_are_rendered(tmp_path: Path, state: str) -> None:
    text = render(build_study_with_tables(tmp_path, **STATES[state]), names=("accuracy_by_size_log",))
    parsed = Page(text)
    assert parsed.unbalanced == []
    assert len(parsed.named("h1")) == 1
    assert "is not drawn yet" in text
    if state == "one seed":
        assert "one seed: no interval" in text
        assert "With one seed each, no difference can be told from luck" in text
    if state == "complete":
        assert "To finish the study" not in text
    if state == "one size and method":
        assert "does not say whether mixup helps" in text
    if state == "published, other data":
        assert "not comparable" in text
    if state == "reference last":
        assert "mixed came out ahead of plain at the one size tried (" in text


def test_a_study_without_any_run_is_rendered(tmp_path: Path) -> None:
    made = build_study_with_tables(tmp_path, sizes=[500, 100], seeds=[0])
    for cell in made.study.cells:
        made.remove(cell.id)
    write_all_tables(made)
    text = render(made)
    assert "No run is finished yet, so there is no answer." in text
    assert "6 waiting" in text
    assert Page(text).unbalanced == []


def test_every_status_of_a_run_has_its_own_words(tmp_path: Path) -> None:
    """A run that only the store has, or that was begun, is not one that was never run."""
    tables = tables_of(build_study_with_tables(tmp_path))
    statuses = get_args(Status)
    cells = tables.cells.head(len(statuses)).assign(status=list(statuses))
    runs = compose_runs(dataclasses.replace(tables, cells=cells))
    others = len(tables.study.cells) - len(statuses)
    assert {text: count for text, _, count in runs.counts} == {
        "finished": 1, "outdated": 1, "failed": 1, "trained, not copied yet": 1, "begun": 1, "waiting": 1 + others,
    }  # fmt: skip


def test_a_study_without_any_table_is_rendered(tmp_path: Path) -> None:
    made = build_study_with_tables(tmp_path / "a", sizes=[100], seeds=[0])
    tables = load_tables(made.study, tmp_path / "b")
    text = render_page(tables, tmp_path / "nothing", command=COMMAND)
    assert "No run is finished yet" in text
    assert f"<code>{COMMAND}</code>" in text
    unknown = render_page(tables, tmp_path / "nothing")
    assert "<code>snakemake" not in unknown, "no command is made up where nobody knows the files"


def test_adopted_cells_are_named_once_and_their_origin_is_among_what_identifies_them(troubled: SyntheticStudy) -> None:
    tables = tables_of(troubled)
    assert "Adopted from" not in render_page(tables, troubled.root / "nothing")
    origin = {"code_fingerprint": "feedbeef", "iterations": 50, "version": "0.4.0", "adopted_by": "0.4.1"}
    cells = [f"n{size}/non/seed{seed}" for size in (1000, 100) for seed in range(3)]
    other = {**origin, "code_fingerprint": "cafe", "iterations": 1, "cells": ["n500/non/seed0"]}
    provenance = {
        **tables.provenance,
        "adopted": [{**origin, "cells": cells[:4]}, other, {**origin, "cells": cells[4:]}],
        "notes": ["7 cells were trained by smallmix 0.4.0 and adopted by 0.4.1."],
    }
    html = render_page(dataclasses.replace(tables, provenance=provenance), troubled.root / "nothing")
    assert "7 cells were trained by smallmix 0.4.0 and adopted by 0.4.1." in section(html, "answer")
    text = section(html, "provenance")
    assert text.lower().count("adopted") == 2
    assert (
        "Adopted from code fingerprint feedbeef6 of 24 cells, trained by smallmix 0.4.0, after a replay of 50 " in text
    )
    assert (
        "Adopted from code fingerprint cafe1 of 24 cells, trained by smallmix 0.4.0, after a replay of 1 iter" in text
    )


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ({"commit": "c0ffee", "modified": False}, "smallmix 0.4.0, git commit c0ffee."),
        ({"commit": "c0ffee", "modified": True}, "smallmix 0.4.0, git commit c0ffee, with uncommitted changes."),
        ({}, "smallmix 0.4.0, outside of a git checkout."),
    ],
)
def test_the_code_that_collected_the_tables_is_said_in_a_sentence(
    troubled: SyntheticStudy, source: dict[str, str | bool], sentence: str
) -> None:
    tables = tables_of(troubled)
    provenance = {**tables.provenance, "collected_by": {"version": "0.4.0", **source}}
    html = render_page(dataclasses.replace(tables, provenance=provenance), troubled.root / "nothing")
    assert f"The tables were collected by {sentence}" in section(html, "provenance")
    older = {key: value for key, value in provenance.items() if key != "collected_by"}
    html = render_page(dataclasses.replace(tables, provenance=older), troubled.root / "nothing")
    assert "The tables were collected by" not in html


def test_the_largest_memory_of_a_process_is_said_where_records_have_it(troubled: SyntheticStudy) -> None:
    tables = tables_of(troubled)
    (group,) = tables.provenance["environments"]
    provenance = {**tables.provenance, "environments": [{**group, "peak_memory_bytes": 1_230_000_000}]}
    html = render_page(dataclasses.replace(tables, provenance=provenance), troubled.root / "nothing")
    assert "at most 1.2 GB of memory a process." in spaced(html)
    older = {**provenance, "environments": [{**group, "peak_memory_bytes": 0}]}
    html = render_page(dataclasses.replace(tables, provenance=older), troubled.root / "nothing")
    assert "of memory a process" not in html


def test_runs_that_fell_back_from_captured_steps_are_named_with_the_reason(troubled: SyntheticStudy) -> None:
    tables = tables_of(troubled)
    assert "fell back" not in render_page(tables, troubled.root / "nothing")
    cells = [f"n{size}/non/seed{seed}" for size in (1000, 500, 100) for seed in range(8)]
    captured = {"executor": "graph", "evaluation": "graph"}
    failed = {"executor": "eager", "evaluation": "eager", "fallback": "captured steps do not work here (a, then b)"}
    halfway = {"executor": "graph", "evaluation": "eager", "evaluation_fallback": "RuntimeError: c."}
    compiled = {"executor": "graph-compiled"}
    ways = ((captured, cells[:5]), (halfway, cells[3:6]), (failed, cells[:22]), (compiled, cells[22:23]))
    provenance = {
        **tables.provenance,
        "executions": [{"execution": execution, "cells": places} for execution, places in ways],
    }
    text = section(render_page(dataclasses.replace(tables, provenance=provenance), troubled.root / "nothing"), "method")
    assert "6 runs replayed whole steps as CUDA graphs. 1 run replayed compiled steps as CUDA graphs (rec" in text
    assert (
        "3 runs fell back to evaluations started kernel by kernel, with the same numbers in more time: "
        "n1000/non/seed3, n1000/non/seed4, n1000/non/seed5. The reason: RuntimeError: c. "
        "22 runs fell back to steps started one by one, with the same numbers in more time: n1000/non/seed0, "
    ) in text
    assert "n100/non/seed3 and 2 more. The reason: captured steps do not work here (a, then b)." in text


def test_the_article_is_named_only_by_studies_that_name_it(html: str, tmp_path: Path) -> None:
    assert "the article&#39;s rule, chosen on the test images" in html
    other = render(build_study_with_tables(tmp_path, sizes=[100], seeds=[0]), names=())
    assert "Accuracies are the best evaluation of a run unless a table says otherwise, chosen on the test" in other
    assert "article&#39;s rule" not in other
    assert not re.search(r"article.{1,6}s protocol", other)
    assert "#deviations" in html
    assert "deviations" not in other


@pytest.mark.parametrize(
    ("recipe", "sentence"),
    [
        ({}, "learning rate 0.1, multiplied by 0.1 at 33 % and 66 % of the budget, momentum 0.9, weight decay 0.0001;"),
        (
            {"schedule": "cosine", "warm_up": 0.05},
            "learning rate 0.1 falling to 0 along half a cosine (Loshchilov and Hutter 2017) after a linear warm-up of "
            "5 % of the budget (Goyal et al. 2017), momentum 0.9, weight decay 0.0001;",
        ),
        (
            {"nesterov": True, "decay_normalization": False},
            "Nesterov momentum 0.9, weight decay 0.0001 without normalisation layers and biases (He et al. 2019);",
        ),
    ],
)
def test_the_recipe_is_said_with_its_sources(recipe: dict[str, Any], sentence: str, troubled: SyntheticStudy) -> None:
    configuration = troubled.study.configuration
    study = Study.from_configuration({**configuration, "recipe": {**configuration["recipe"], **recipe}})
    protocol = dict(compose_protocol(dataclasses.replace(load_tables(troubled.study, troubled.root), study=study)))
    assert sentence in protocol["Training"]


def test_runs_link_to_the_logs_that_are_there(troubled: SyntheticStudy) -> None:
    tables, layout = tables_of(troubled), troubled.layout
    page = layout.report / "report.html"
    assert find_logs(layout, page) == {}
    assert "Log" not in compose_runs(tables, COMMAND).every.columns
    folder = troubled.root / "logs" / tables.study.name / "cells"
    for cell in ("n100/non/seed0", "n1000/label-mix/seed2"):
        (folder / cell).parent.mkdir(parents=True, exist_ok=True)
        (folder / f"{cell}.log").write_text("a line\n", encoding="utf-8")
    logs = find_logs(layout, page)
    assert set(logs) == {"n100/non/seed0", "n1000/label-mix/seed2"}
    for cell, address in logs.items():
        assert (page.parent / address).resolve() == (folder / f"{cell}.log").resolve()
    runs = compose_runs(tables, COMMAND, logs)
    links = {(row[0].text, row[1].text, row[2].text): row[-1].link for row in runs.every.rows}
    assert links["100", "non", "0"] == logs["n100/non/seed0"]
    assert sum(bool(link) for link in links.values()) == 2
    (failed,) = [trouble for trouble in runs.troubles if trouble.status == "failed"]
    html = render_page(tables, troubled.root / "nothing", logs=logs)
    assert f'<a href="{failed.log}">The whole log of n1000/label-mix/seed2</a>' in html
    for file in folder.rglob("*.log"):
        file.unlink()


def test_many_methods_stand_below_each_other(tmp_path: Path) -> None:
    methods = {f"mix-{place}": {"mix": "images", "beta": [1.0 + place, 1.0]} for place in range(7)}
    made = build_study_with_tables(tmp_path, sizes=[500, 100], seeds=[0, 1], methods=methods)
    view = accuracy_view(tables_of(made))
    assert view.columns == ("Method", "100 images", "500 images")
    assert [row[0].text for row in view.rows] == list(methods)
    means = tables_of(made)
    for row in view.rows:
        for size, entry in zip((100, 500), row[1:], strict=True):
            assert entry.text == f"{mean_best_percent(means, size, row[0].text):.2f}"  # two seeds: no interval
    assert "mean over two seeds" in view.caption


def test_a_name_with_a_number_stays_on_one_line_of_a_heading(tmp_path: Path) -> None:
    """CIFAR-10 was parted at its hyphen on phones."""
    text = render(build_study_with_tables(tmp_path, title="CIFAR-10 <b> & label-mix"), names=("accuracy_by_size_log",))
    assert '<h1><span class="name">CIFAR-10</span> &lt;b&gt; &amp; label-mix</h1>' in text
