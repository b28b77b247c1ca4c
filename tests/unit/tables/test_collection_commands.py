"""Protects the commands around tables: what they write where, say of an incomplete study, and remove."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest
from smallmix.commands import data, tables
from smallmix.commands.outdated import discard
from smallmix.errors import SmallmixError
from smallmix.report.so_far import report_so_far

from tests.synthetic_study import CODE_FINGERPRINT, SyntheticStudy, build_synthetic_study


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SyntheticStudy:
    monkeypatch.setattr("smallmix.tables.collect.training_code", lambda cell: CODE_FINGERPRINT)
    return build_synthetic_study(tmp_path, sizes=(100,), seeds=range(10), test_images=20)


def collect(made: SyntheticStudy, *options: str) -> int:
    parser = argparse.ArgumentParser()
    command = tables.COMMANDS["collect-metrics"]
    command.add_arguments(parser)
    study = str(made.layout.study_file)
    return command.run(parser.parse_args(["--study", study, "--root", str(made.root), *options]))


def test_a_complete_study_is_written_beside_its_cells(made: SyntheticStudy) -> None:
    assert collect(made, "--require-complete") == 0
    names = {path.name for path in made.layout.results.iterdir() if path.is_file()}
    assert names == {"study.json", "metrics.csv", "history.csv", "cells.csv", "provenance.json"}


def test_an_incomplete_study_is_refused_and_nothing_is_written(made: SyntheticStudy) -> None:
    made.damage("n100/non/seed3", "code")
    made.remove("n100/label-mix/seed0")
    with pytest.raises(SmallmixError) as raised:
        collect(made, "--require-complete")
    message = str(raised.value)
    assert "n100/non/seed3: outdated: the training code changed since" in message
    assert "n100/label-mix/seed0: waiting: not trained yet" in message
    assert "type your last Snakemake command once more, with this at its end" in message
    assert message.splitlines()[-1].strip() == (
        "--forcerun "
        "results/synthetic/cells/n100/non/seed3/metrics.json results/synthetic/cells/n100/label-mix/seed0/metrics.json"
    )
    assert not (made.layout.results / "metrics.csv").exists()


def test_many_stale_cells_are_retrained_by_their_rule(made: SyntheticStudy) -> None:
    for cell in made.study.cells[:25]:
        made.damage(cell.id, "code")
    with pytest.raises(SmallmixError) as raised:
        collect(made, "--require-complete")
    assert str(raised.value).endswith("--forcerun train_cell")
    assert "and 5 more" in str(raised.value)


def test_a_partial_collection_goes_where_the_user_says(
    made: SyntheticStudy, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made.damage("n100/non/seed3", "truncated")
    assert collect(made, "--output", str(tmp_path / "partial")) == 0
    printed = capsys.readouterr().out
    assert "synthetic: 30 cells: 29 current, 1 outdated" in printed
    assert "n100/non/seed3: outdated: metrics.json is cut off" in printed
    assert len((tmp_path / "partial" / "metrics.csv").read_text().splitlines()) == 30
    assert not (made.layout.results / "metrics.csv").exists()


def test_subsets_are_tabulated(made: SyntheticStudy, tmp_path: Path) -> None:
    parser = argparse.ArgumentParser()
    data.COMMANDS["tabulate-subsets"].add_arguments(parser)
    study, output = str(made.layout.study_file), tmp_path / "table.csv"
    arguments = parser.parse_args(["--study", study, "--root", str(made.root), "--output", str(output)])
    assert data.COMMANDS["tabulate-subsets"].run(arguments) == 0
    assert output.read_text().splitlines()[0] == "size,smallest_class,largest_class,missing_classes"
    assert len(output.read_text().splitlines()) == 2


def test_the_report_so_far_has_every_part_whose_files_are_there(made: SyntheticStudy) -> None:
    made.damage("n100/non/seed3", "truncated")
    made.fail("n100/label-mix/seed0", "out of memory")
    _, page, left_out = report_so_far(made.layout, "snakemake --cores 2")
    assert left_out == []
    assert page == made.root / "reports" / "synthetic" / "so-far" / "report.html"
    text = page.read_text(encoding="utf-8")
    assert "out of memory" in text
    assert "metrics.json is cut off" in text
    tables = made.layout.results / "so-far"
    assert len((tables / "metrics.csv").read_text().splitlines()) == 1 + 28
    assert (tables / "comparison.csv").exists()
    assert not (made.layout.results / "metrics.csv").exists()


def test_the_report_so_far_leaves_out_what_has_no_files(
    made: SyntheticStudy, capsys: pytest.CaptureFixture[str]
) -> None:
    (made.layout.dataset / "dataset.json").unlink()
    _, page, left_out = report_so_far(made.layout, None)
    assert left_out == ["the subsets", "the classes"]
    assert page.exists()
    assert "Delete the folder" not in capsys.readouterr().out, "remedies of its steps are for others"


def test_outdated_results_are_listed_with_reasons_then_removed(
    made: SyntheticStudy, capsys: pytest.CaptureFixture[str]
) -> None:
    made.damage("n100/non/seed3", "edited")
    metrics = made.folder("n100/non/seed3") / "metrics.json"
    discard(made.layout, dry_run=True)
    assert f"outdated: {metrics}: its files contradict each other: best_test_accuracy" in capsys.readouterr().out
    assert metrics.exists()
    discard(made.layout, dry_run=False)
    assert f"removed: {metrics}" in capsys.readouterr().out
    assert [path for path in made.layout.results.rglob("metrics.json") if path == metrics] == []
    assert len(list(made.layout.results.rglob("metrics.json"))) == 29
    discard(made.layout, dry_run=False)
    assert "every result on the disk belongs to this configuration, data and code" in capsys.readouterr().out


def test_results_whose_images_are_not_there_are_named_and_kept(
    made: SyntheticStudy, capsys: pytest.CaptureFixture[str]
) -> None:
    (made.layout.dataset / "dataset.json").unlink()
    discard(made.layout, dry_run=False)
    assert "not judged, because their training images are not here: 30 cells" in capsys.readouterr().out
    assert len(list(made.layout.results.rglob("metrics.json"))) == 30
