"""Protects claims.csv from end to end: every published claim and number has a row with a verdict and a reason."""

from __future__ import annotations

import argparse
import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from smallmix.collection.collect import collect
from smallmix.collection.subset_table import tabulate_subsets, write_subset_table
from smallmix.collection.tables import write_tables
from smallmix.commands import compare_methods, judge_claims
from smallmix.errors import SmallmixError
from smallmix.statistics.claims import COLUMNS, RULES
from smallmix.statistics.claims import judge_claims as judge
from smallmix.statistics.evidence import load_evidence
from smallmix.study.published import load_published

from tests.synthetic_study import SyntheticStudy, build_synthetic_study
from tests.unit.statistics.made_up_evidence import make_evidence

ARTICLE = Path(__file__).resolve().parents[3] / "workflow" / "published" / "article.yaml"


def build(root: Path, **choices: Any) -> SyntheticStudy:
    made = build_synthetic_study(root, test_images=60, published=str(ARTICLE), **choices)
    write_tables(collect(made.study, made.layout, made.code_fingerprint), made.layout.results)
    write_subset_table(tabulate_subsets(made.layout), made.layout.results / "subset_table.csv")
    return made


def run(module: object, made: SyntheticStudy, *options: str) -> int:
    parser = argparse.ArgumentParser()
    module.add_arguments(parser)  # type: ignore[attr-defined]
    arguments = ["--study", str(made.layout.study_file), "--root", str(made.root), *options]
    return int(module.run(parser.parse_args(arguments)))  # type: ignore[attr-defined]


def rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


def test_every_published_claim_has_a_rule_and_every_rule_a_claim() -> None:
    assert {claim.judged_by for claim in load_published(ARTICLE).claims} == set(RULES)


def test_a_study_is_judged_from_its_files(tmp_path: Path) -> None:
    base = build(tmp_path, name="base", sizes=(5000, 1000, 500, 100), seeds=(0, 1))
    longer = build(tmp_path, name="longer", sizes=(1000, 100), seeds=(0, 1), budgets={"default": {"epochs": 40}})
    balanced = build(tmp_path, name="balanced", sizes=(500, 100), seeds=(0, 1), rule="balanced")
    others = [str(one.layout.study_file) for one in (longer, balanced)]
    assert run(judge_claims, base, "--compare-with", *others) == 0
    table = rows(base.layout.results / "claims.csv")
    assert tuple(table[0]) == COLUMNS
    assert [row["id"] for row in table if row["kind"] == "claim"] == ["1", "2", "3", "4", "5", "6"]
    assert len([row for row in table if row["kind"] == "number"]) == 31
    assert {row["verdict"] for row in table} <= {"reproduced", "partly", "not reproduced", "not tested"}
    assert all(row["reason"] for row in table)
    claims = {row["id"]: row for row in table if row["kind"] == "claim"}
    for identifier in ("1", "2", "3", "4"):
        assert claims[identifier]["verdict"] != "not tested"
        assert "differs from the article: 2 seeds instead of one" in claims[identifier]["reason"]
        assert "instead of 40,000 iterations at 100 images" in claims[identifier]["reason"]
    assert claims["1"]["verdict"] == "reproduced"
    before = (base.layout.results / "claims.csv").read_bytes()
    run(judge_claims, base, "--compare-with", *others)
    assert (base.layout.results / "claims.csv").read_bytes() == before


def test_collected_studies_are_used_where_the_study_names_them(tmp_path: Path) -> None:
    """What is not collected yet, and the study itself, is left out; later it is found."""
    names = ["base", "longer", "balanced"]
    base = build(tmp_path, name="base", sizes=(5000, 1000, 500, 100), seeds=(0, 1), compare_with=names)
    verdicts = []
    for more in (
        {"name": "none"},
        {"name": "longer", "sizes": (1000, 100), "budgets": {"default": {"epochs": 40}}},
        {"name": "balanced", "sizes": (500, 100), "rule": "balanced"},
    ):
        if more["name"] != "none":
            build(tmp_path, seeds=(0, 1), **more)
        assert run(judge_claims, base) == 0
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
        assert run(judge_claims, made) == 0
        claims = {row["id"]: row for row in rows(made.layout.results / "claims.csv") if row["kind"] == "claim"}
        for identifier in ("5", "6"):
            assert (claims[identifier]["verdict"] != "not tested") == tested
            assert ("needs the article's budgets" in claims[identifier]["reason"]) == (not tested)


def test_a_study_of_other_images_is_told_what_it_lacks(tmp_path: Path) -> None:
    made = build(tmp_path, name="demo", dataset="digits", sizes=(100, 20), seeds=(0,), width=8)
    assert run(judge_claims, made) == 0
    table = rows(made.layout.results / "claims.csv")
    assert {row["verdict"] for row in table if row["kind"] == "number"} == {"not tested"}
    claims = {row["id"]: row for row in table if row["kind"] == "claim"}
    assert claims["2"]["verdict"] == claims["3"]["verdict"] == "not tested"
    assert "the images of digits instead of CIFAR-10" in claims["1"]["reason"]


def test_partial_tables_are_judged_where_they_lie(tmp_path: Path) -> None:
    made = build_synthetic_study(tmp_path, sizes=(500, 100), seeds=(0,), test_images=60, published=str(ARTICLE))
    folder = tmp_path / "partial"
    write_tables(collect(made.study, made.layout, made.code_fingerprint), folder)
    assert run(judge_claims, made, "--tables", str(folder)) == 0
    assert (folder / "claims.csv").exists()
    assert not (made.layout.results / "claims.csv").exists()


def test_a_study_that_names_nothing_published_has_an_empty_table(tmp_path: Path) -> None:
    made = build_synthetic_study(tmp_path, sizes=(100,), seeds=(0,), test_images=20)
    assert run(judge_claims, made) == 0
    assert (made.layout.results / "claims.csv").read_text() == ",".join(COLUMNS) + "\n"


def test_an_unknown_rule_is_told(tmp_path: Path) -> None:
    published = load_published(ARTICLE)
    published = replace(published, claims=(replace(published.claims[0], judged_by="guess"),))
    row = judge(published, make_evidence())[0]
    assert row.verdict == "not tested"
    assert "no rule is called guess" in row.reason


def test_the_comparison_is_written_beside_the_results(tmp_path: Path) -> None:
    made = build(tmp_path, sizes=(100,), seeds=(0, 1, 2))
    assert run(compare_methods, made) == 0
    assert len(rows(made.layout.results / "comparison.csv")) == 3 * 3 * 2


@pytest.mark.parametrize("name", ["metrics.csv", "history.csv", "subset_table.csv"])
@pytest.mark.parametrize("content", ["size,method\n1,2\n", "size,method,seed,x,smallest_class\n1,non,zero,0,0\n"])
def test_damaged_tables_are_explained(tmp_path: Path, name: str, content: str) -> None:
    made = build(tmp_path, sizes=(100,), seeds=(0,))
    (made.layout.results / name).write_text(content)
    with pytest.raises(SmallmixError, match=name):
        load_evidence(made.study, made.root)


def test_missing_tables_are_explained(tmp_path: Path) -> None:
    made = build(tmp_path, sizes=(100,), seeds=(0,))
    (made.layout.results / "metrics.csv").unlink()
    with pytest.raises(SmallmixError, match="collect-metrics"):
        load_evidence(made.study, made.root)
