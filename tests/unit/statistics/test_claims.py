"""Protects claims.csv from end to end: every published claim and number has a row with a verdict and a reason."""

from __future__ import annotations

import argparse
import csv
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from smallmix.commands.tables import COMMANDS
from smallmix.errors import SmallmixError
from smallmix.statistics.claims import OF_EVERY_SIZE, QUESTION_RULES, RULES, JudgedClaim
from smallmix.statistics.claims import judge_claims as judge
from smallmix.statistics.study_results import load_study_results
from smallmix.study.published import load_published
from smallmix.tables.collect import collect
from smallmix.tables.collected_tables import write_study_tables
from smallmix.tables.statistics_columns import CLAIMS
from smallmix.tables.subset_table import tabulate_subsets, write_subset_table

from tests.synthetic_configuration import ARTICLE_BUDGETS, ARTICLE_SIZES, METHODS
from tests.synthetic_study import SyntheticStudy, build_synthetic_study
from tests.unit.statistics.made_up_results import make_study_results

REFERENCE = "Differs from the article's protocol (see protocol)"
ARTICLE = Path(__file__).resolve().parents[3] / "workflow" / "published" / "article.yaml"


def build(root: Path, **choices: Any) -> SyntheticStudy:
    made = build_synthetic_study(root, test_images=60, published=str(ARTICLE), **choices)
    write_study_tables(collect(made.study, made.layout, made.code_fingerprint), made.layout.results)
    write_subset_table(tabulate_subsets(made.layout), made.layout.results / "subset_table.csv")
    return made


def run(name: str, made: SyntheticStudy, *options: str) -> int:
    parser, command = argparse.ArgumentParser(), COMMANDS[name]
    command.add_arguments(parser)
    arguments = ["--study", str(made.layout.study_file), "--root", str(made.root), *options]
    return command.run(parser.parse_args(arguments))


def rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


def test_every_published_claim_has_a_rule_and_every_rule_a_claim() -> None:
    assert {claim.judged_by for claim in load_published(ARTICLE).claims} == set(RULES)
    assert set(OF_EVERY_SIZE) <= set(RULES)


def test_every_open_question_has_a_rule_and_every_rule_a_question() -> None:
    assert {one.answered_by for one in load_published(ARTICLE).questions} == set(QUESTION_RULES)


def test_open_questions_are_answered_beside_the_claims(tmp_path: Path) -> None:
    """Of a study of three seeds alone, and of one beside a study that trains longer, whichever is judged."""
    base = build(tmp_path, name="base", sizes=(1000, 100), seeds=(0, 1, 2), budgets={"default": {"iterations": 100}})
    longer = build(
        tmp_path, name="longer", sizes=(1000, 100), seeds=(0, 1, 2), budgets={"default": {"iterations": 400}}
    )
    found = []
    other = build(tmp_path, name="other", sizes=(500,), seeds=(0, 1, 2))
    for made, others in ((base, ()), (base, (other, longer)), (longer, (base, other))):
        options = ["--compare-with", *(str(one.layout.study_file) for one in others)] if others else []
        assert run("judge-claims", made, *options) == 0
        table = rows(made.layout.results / "claims.csv")
        assert [row["id"] for row in table if row["kind"] == "question"] == [f"question-{one}" for one in range(1, 7)]
        assert all(row["statement"].endswith("?") for row in table if row["kind"] == "question")
        found.append({row["id"]: row for row in table if row["kind"] == "question"})
    alone, beside, reverse = found
    assert alone["question-1"]["verdict"] in ("yes", "no", "in part")
    assert " further run lie" in alone["question-1"]["reason"]
    assert alone["question-1"]["found"].startswith("The 95 % prediction interval of a further run reaches up to ")
    assert alone["question-3"]["verdict"] == "not answered"
    assert alone["question-3"]["reason"].startswith("It needs two studies that differ only in their iterations")
    assert alone["question-3"]["found"] == ""
    assert beside["question-3"]["verdict"] in ("yes", "no", "undecided")
    assert "400 instead of 100 iterations add " in beside["question-3"]["found"]
    assert "0.0 to 0.0" not in beside["question-3"]["found"]
    assert reverse["question-3"] == beside["question-3"]


def test_an_unknown_rule_of_a_question_is_reported() -> None:
    published = load_published(ARTICLE)
    question = published.questions[0].model_copy(update={"answered_by": "guess"})
    published = published.model_copy(update={"claims": (), "questions": (question,)})
    row = judge(published, make_study_results())[1]
    assert (row.kind, row.verdict) == ("question", "not answered")
    assert row.reason.startswith("No rule is called guess; there are one_seed_is_enough, ")


def test_a_study_is_judged_from_its_files(tmp_path: Path) -> None:
    base = build(tmp_path, name="base", sizes=(5000, 1000, 500, 100), seeds=(0, 1))
    longer = build(tmp_path, name="longer", sizes=(1000, 100), seeds=(0, 1), budgets={"default": {"epochs": 40}})
    assert run("judge-claims", base, "--compare-with", str(longer.layout.study_file)) == 0
    table = rows(base.layout.results / "claims.csv")
    assert tuple(table[0]) == CLAIMS.names
    assert [row["id"] for row in table if row["kind"] == "claim"] == ["1", "2", "3", "4", "5", "6"]
    assert len([row for row in table if row["kind"] == "number"]) == 31
    assert len([row for row in table if row["kind"] == "gain"]) == 16
    assert all(row["reason"] for row in table)
    claims = {row["id"]: row for row in table if row["kind"] == "claim"}
    for identifier in ("1", "2", "4"):
        assert claims[identifier]["verdict"] in ("agrees here", "disagrees here", "undecided here")
        assert claims[identifier]["reason"].endswith(f"{REFERENCE}.")
        assert "instead of" not in claims[identifier]["reason"]
    assert (table[0]["kind"], table[0]["id"], table[0]["verdict"]) == ("protocol", "protocol", "differs")
    assert table[0]["reason"].startswith("Differs from the article: 2 seeds instead of one, ")
    assert "instead of 40,000 iterations at 100 images" in table[0]["reason"]
    assert sum("2 seeds instead of one" in row["reason"] for row in table) == 1
    before = (base.layout.results / "claims.csv").read_bytes()
    run("judge-claims", base, "--compare-with", str(longer.layout.study_file))
    assert (base.layout.results / "claims.csv").read_bytes() == before


def test_collected_studies_are_used_where_the_study_names_them(tmp_path: Path) -> None:
    """What is not collected yet, and the study itself, is left out; later it is found."""
    names = ["base", "longer", "balanced"]
    drawn = {"rule": "random", "redraw_per_seed": True}
    base = build(tmp_path, name="base", sizes=(5000, 1000, 500, 100), seeds=(0, 1), compare_with=names, **drawn)
    verdicts = []
    for more in (
        {"name": "none"},
        {"name": "longer", "sizes": (1000, 100), "budgets": {"default": {"epochs": 40}}, **drawn},
        {"name": "balanced", "sizes": (500, 100), "rule": "balanced", "redraw_per_seed": True},
    ):
        if more["name"] != "none":
            build(tmp_path, seeds=(0, 1), **more)
        assert run("judge-claims", base) == 0
        found = {
            row["id"]: row["verdict"] for row in rows(base.layout.results / "claims.csv") if row["kind"] == "claim"
        }
        verdicts.append([found[identifier] == "not tested" for identifier in ("2", "3")])
    assert verdicts == [[True, True], [False, True], [False, False]]
    assert [path.parent.name for path in base.layout.collected_studies] == names[1:]


def test_claims_on_late_training_need_the_whole_budget(tmp_path: Path) -> None:
    short = build(tmp_path, name="short", sizes=(500, 100), seeds=(0,))
    whole = build(tmp_path, name="whole", sizes=(100,), seeds=(0,), budgets={"default": {"iterations": 40000}})
    for made, tested in ((short, False), (whole, True)):
        assert run("judge-claims", made) == 0
        claims = {row["id"]: row for row in rows(made.layout.results / "claims.csv") if row["kind"] == "claim"}
        for identifier in ("5", "6"):
            assert (claims[identifier]["verdict"] != "not tested") == tested
            assert ("needs the article's budgets" in claims[identifier]["reason"]) == (not tested)


def test_a_study_of_other_images_learns_what_it_lacks(tmp_path: Path) -> None:
    made = build(tmp_path, name="demo", dataset="digits", sizes=(100, 20), seeds=(0,), width=8)
    assert run("judge-claims", made) == 0
    table = rows(made.layout.results / "claims.csv")
    assert {row["verdict"] for row in table if row["kind"] in ("number", "gain")} == {"not tested"}
    claims = {row["id"]: row for row in table if row["kind"] == "claim"}
    assert claims["2"]["verdict"] == claims["3"]["verdict"] == "not tested"
    assert "the images of digits instead of CIFAR-10" in table[0]["reason"]
    assert claims["1"]["reason"].endswith(f"{REFERENCE}.")


def test_partial_tables_are_judged_where_they_lie(tmp_path: Path) -> None:
    made = build_synthetic_study(tmp_path, sizes=(500, 100), seeds=(0,), test_images=60, published=str(ARTICLE))
    folder = tmp_path / "partial"
    write_study_tables(collect(made.study, made.layout, made.code_fingerprint), folder)
    assert run("judge-claims", made, "--tables", str(folder)) == 0
    assert (folder / "claims.csv").exists()
    assert not (made.layout.results / "claims.csv").exists()


def test_a_study_that_names_nothing_published_has_an_empty_table(tmp_path: Path) -> None:
    made = build_synthetic_study(tmp_path, sizes=(100,), seeds=(0,), test_images=20)
    assert run("judge-claims", made) == 0
    assert (made.layout.results / "claims.csv").read_text() == ",".join(CLAIMS.names) + "\n"


# Five seeds' noise, another for each method.
NOISE = {
    "non": (0.001, -0.002, 0.0, 0.002, -0.001),
    "data-mix": (-0.001, 0.002, 0.0, -0.002, 0.001),
    "label-mix": (0.002, 0.001, -0.002, -0.001, 0.0),
}


def claims_of(gains: Mapping[str, Callable[[int], float]], seeds: int = 5, **choices: Any) -> dict[str, JudgedClaim]:
    """The judged claims of a study of accuracies by hand; the methods' gains by size, in points."""
    sizes = choices.pop("sizes", ARTICLE_SIZES)
    accuracies = {
        (size, name): tuple(0.5 + gain(size) / 100 + noise for noise in NOISE[name][:seeds])
        for size in sizes
        for name, gain in {"non": lambda size: 0.0, **gains}.items()
    }
    results = make_study_results(accuracies, **{"budgets": ARTICLE_BUDGETS, **choices})
    return {row.identifier: row for row in judge(load_published(ARTICLE), results) if row.kind in ("claim", "protocol")}


HELPS = {"data-mix": lambda size: 5.0, "label-mix": lambda size: 8.0 if size > 1000 else 3.0}
HURTS_ONCE = {"data-mix": lambda size: 5.0, "label-mix": lambda size: -3.0 if size == 100 else 8.0}
NOTHING = {"data-mix": lambda size: 0.0, "label-mix": lambda size: 0.0}
LABELS_LEAD = {"data-mix": lambda size: 3.0, "label-mix": lambda size: 8.0}


@pytest.mark.parametrize(
    ("gains", "choices", "first", "fourth"),
    [
        (HELPS, {}, "reproduced", "reproduced"),
        (HURTS_ONCE, {}, "not reproduced", "reproduced"),
        (NOTHING, {}, "undecided", "undecided"),
        (LABELS_LEAD, {}, "reproduced", "not reproduced"),
        # Another protocol: nothing is reproduced, whatever comes out.
        (HELPS, {"width": 16}, "agrees here", "agrees here"),
        (HURTS_ONCE, {"dataset": "digits"}, "disagrees here", "agrees here"),
        (LABELS_LEAD, {"budgets": {"default": {"epochs": 20}}}, "agrees here", "disagrees here"),
        (NOTHING, {"rule": "balanced"}, "undecided here", "undecided here"),
        # Some of the article's sizes: what speaks of every size holds here; one size is enough to contradict.
        (LABELS_LEAD, {"sizes": (500, 250, 100)}, "agrees here", "disagrees here"),
        (HURTS_ONCE, {"sizes": (500, 250, 100)}, "not reproduced", "reproduced"),
        # One seed decides nothing.
        (HELPS, {"seeds": 1}, "undecided", "undecided"),
        (HURTS_ONCE, {"seeds": 1, "width": 16}, "undecided here", "undecided here"),
    ],
)
def test_the_verdict_of_a_claim_follows_outcome_and_protocol(
    gains: Mapping[str, Callable[[int], float]], choices: dict[str, Any], first: str, fourth: str
) -> None:
    found = claims_of(gains, **choices)
    assert (found["1"].verdict, found["4"].verdict) == (first, fourth)
    for row in (found["1"], found["4"]):
        assert row.found
        assert row.reason.startswith("Agrees if ")
        assert row.reason.endswith(".")


def test_another_distribution_is_another_protocol() -> None:
    methods = {**METHODS, "label-mix": {"mix": "images-and-labels", "beta": [0.2, 0.2]}}
    found = claims_of(LABELS_LEAD, methods=methods)
    assert found["1"].verdict == "agrees here"
    assert "Beta(0.2, 0.2) instead of Beta(1, 1) (label-mix)" in found["protocol"].reason


def test_untried_sizes_are_named() -> None:
    found = claims_of(LABELS_LEAD, sizes=(500, 250, 100))
    for identifier in ("1", "4"):
        assert "no 50,000, 20,000, 10,000, 5,000, 1,000 images" in found[identifier].reason


def test_what_a_reader_sees_of_a_claim() -> None:
    row = claims_of(LABELS_LEAD)["1"]
    assert row.found == (
        "mixup ahead in 16 of 16 comparisons, in 16 with the 95 % interval above zero; least gain +3.00 "
        "points, 95 % interval +2.61 to +3.39 (data-mix at 50,000)"
    )
    assert row.reason == (
        "Agrees if the 95 % interval of every way of mixing minus plain training, in best accuracy, lies above zero at "
        "every size. Disagrees if one lies below zero, by intervals that cover together in 95 % (16 comparisons). Else "
        "undecided. That the Beta distribution needs tuning is not judged here. Differs from the article's "
        "protocol (see protocol)."
    )


def test_claims_on_two_studies_are_judged_by_the_protocol_of_the_one_they_are_about() -> None:
    """The longer study differs from the article in what the claim is about; the article's own does not."""
    level = {5000: 0.8, 1000: 0.48, 500: 0.45, 100: 0.27}
    base = make_study_results(
        {
            (size, name): tuple(
                level[size] + noise for noise in (NOISE["label-mix"][::-1] if size == 1000 else NOISE[name])
            )
            for size in level
            for name in NOISE
        },
        budgets=ARTICLE_BUDGETS,
    )
    longer = make_study_results(
        {(size, name): tuple(level[size] + 0.2 + noise for noise in NOISE["label-mix"][::-1]) for size in (1000, 100)
         for name in NOISE},
        budgets={"default": {"iterations": 117000}},
    )  # fmt: skip
    for results, others in ((base, [longer]), (longer, [base])):
        rows = {row.identifier: row for row in judge(load_published(ARTICLE), results, others) if row.kind == "claim"}
        assert rows["2"].verdict == "reproduced"
        assert "117,000 iterations instead" not in rows["2"].reason


@pytest.mark.parametrize(("gain", "verdict"), [(0.05, "agrees here"), (-0.05, "disagrees here"), (0, "undecided here")])
@pytest.mark.parametrize("choices", [{}, {"dataset": "digits"}, {"width": 16}])
def test_what_the_article_did_not_try_is_never_reproduced(gain: float, verdict: str, choices: dict[str, Any]) -> None:
    """Claim 3 under `replicated` and `balanced`: the article trained on no balanced subset, whatever the protocol."""
    studies = [
        make_study_results(
            {(size, name): tuple(0.4 + level + noise for noise in noises[::step])
             for size in (500, 250, 100) for name, noises in NOISE.items()},
            budgets=ARTICLE_BUDGETS, rule=rule, redraw_per_seed=True, **choices,
        )
        for rule, level, step in (("random", 0.0, 1), ("balanced", gain, -1))
    ]  # fmt: skip
    for one, other in (studies, studies[::-1]):
        rows = {row.identifier: row for row in judge(load_published(ARTICLE), one, [other]) if row.kind == "claim"}
        assert rows["3"].verdict == verdict
        assert "balanced subsets, which the article did not train on" in rows["3"].reason


def test_a_source_with_a_protocol_of_its_own_is_compared_under_that() -> None:
    """The article's protocol has width 64 and other methods' names; a source that trained width 16 states so."""
    article = load_published(ARTICLE)
    protocol = article.protocol.model_copy(update={"width": 16})
    other = article.model_copy(update={"stated_protocol": protocol})
    accuracies = {(size, name): (0.5 + 0.1 * index,) * 3 for size in (500, 100) for index, name in enumerate(NOISE)}
    results = make_study_results(accuracies, budgets=ARTICLE_BUDGETS, width=16)
    found = {row.identifier: row for row in judge(other, results)}
    assert "width" not in found["protocol"].reason
    assert "width" not in found["accuracy-n500-non"].reason
    assert found["accuracy-n500-non"].verdict != "not tested"
    under_the_article = {row.identifier: row for row in judge(article, results)}
    assert "width 16 instead of 64" in under_the_article["protocol"].reason
    assert under_the_article["accuracy-n500-non"].verdict == "not tested"


def test_an_unknown_rule_is_reported(tmp_path: Path) -> None:
    published = load_published(ARTICLE)
    claim = published.claims[0].model_copy(update={"judged_by": "guess"})
    published = published.model_copy(update={"claims": (claim,)})
    row = judge(published, make_study_results())[1]
    assert row.verdict == "not tested"
    assert "no rule is called guess" in row.reason


def test_the_comparison_is_written_beside_the_results(tmp_path: Path) -> None:
    made = build(tmp_path, sizes=(100,), seeds=(0, 1, 2))
    assert run("compare-methods", made) == 0
    assert len(rows(made.layout.results / "comparison.csv")) == 3 * 3 * 2


@pytest.mark.parametrize("redrawn", [False, True])
def test_the_classes_of_small_subsets_are_counted_for_the_floor(tmp_path: Path, redrawn: bool) -> None:
    choices = {"rule": "random", "redraw_per_seed": True} if redrawn else {}
    made = build(tmp_path, sizes=(2000, 500, 100), seeds=(0, 1), **choices)
    counts = load_study_results(made.study, made.root).class_counts
    assert sorted(counts) == [(100, 0), (100, 1), (500, 0), (500, 1)]
    assert [sum(counts[place]) for place in sorted(counts)] == [100, 100, 500, 500]
    assert (counts[500, 0] != counts[500, 1]) == redrawn
    made.layout.subset_of(500, 0).unlink()
    assert (500, 0) not in load_study_results(made.study, made.root).class_counts


@pytest.mark.parametrize("name", ["metrics.csv", "history.csv", "subset_table.csv"])
@pytest.mark.parametrize("content", ["size,method\n1,2\n", "size,method,seed,x,smallest_class\n1,non,zero,0,0\n"])
def test_damaged_tables_are_explained(tmp_path: Path, name: str, content: str) -> None:
    made = build(tmp_path, sizes=(100,), seeds=(0,))
    (made.layout.results / name).write_text(content)
    with pytest.raises(SmallmixError, match=name):
        load_study_results(made.study, made.root)


def test_missing_tables_are_explained(tmp_path: Path) -> None:
    made = build(tmp_path, sizes=(100,), seeds=(0,))
    (made.layout.results / "metrics.csv").unlink()
    with pytest.raises(SmallmixError, match="collect-metrics"):
        load_study_results(made.study, made.root)
