"""Protects what an export holds: every table with a dictionary that fits it, forms for papers, figures, predictions."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pandas as pd
import pytest
from smallmix.commands.export import TABLE_FORMS
from smallmix.commands.main import main
from smallmix.errors import SmallmixError
from smallmix.figures.catalogue import draw_figure
from smallmix.figures.figure_files import pdf_bytes
from smallmix.figures.names import FIGURE_NAMES
from smallmix.report.export import FORMS
from smallmix.tables.columns import CELLS, METRICS
from smallmix.tables.statistics_columns import COMPARISON, SUMMARY

from tests.synthetic_study import SyntheticStudy
from tests.unit.figures.study_with_tables import build_study_with_tables, tables_of

PROFILE = Path(__file__).with_name("tabular-data-package.json")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> SyntheticStudy:
    return build_study_with_tables(
        tmp_path_factory.mktemp("study"), images=True, sizes=[500, 100], missing=["n500/non/seed2"]
    )


@pytest.fixture(scope="module")
def folder(made: SyntheticStudy, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("exported")
    options = ["--output", str(place), "--root", str(made.root), "--predictions", "--without-figures"]
    assert main(["export", "synthetic", *options]) == 0
    return place


@pytest.fixture(scope="module")
def package(folder: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads((folder / "datapackage.json").read_text(encoding="utf-8"))
    return value


def test_the_dictionary_follows_the_standard(package: dict[str, Any]) -> None:
    profile = json.loads(PROFILE.read_text(encoding="utf-8"))
    jsonschema.validate(package, profile)
    broken = json.loads(json.dumps(package))
    broken["resources"][0]["schema"]["fields"][0]["type"] = "decimal"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(broken, profile)


def test_every_field_of_every_table_is_what_the_dictionary_says(package: dict[str, Any], folder: Path) -> None:
    named = {resource["path"] for resource in package["resources"]}
    present = {path.relative_to(folder).as_posix() for path in folder.rglob("*.csv")}
    assert {path for path in present if not path.startswith("tables/")} == named
    assert len([path for path in named if path.startswith("predictions/")]) == 17  # of 18 cells one is missing
    for resource in package["resources"]:
        content = (folder / resource["path"]).read_bytes()
        assert resource["hash"] == f"sha256:{hashlib.sha256(content).hexdigest()}"
        assert resource["bytes"] == len(content)
        header, *rows = csv.reader(io.StringIO(content.decode()))
        fields = resource["schema"]["fields"]
        assert header == [field["name"] for field in fields]
        for row in rows:
            for field, text in zip(fields, row, strict=True):
                if text == "":
                    assert not field.get("constraints", {}).get("required"), (resource["path"], field["name"])
                elif field["type"] == "integer":
                    int(text)
                elif field["type"] == "number":
                    assert math.isfinite(float(text))


def test_the_dictionary_says_what_docs_columns_says(package: dict[str, Any]) -> None:
    described = {resource["path"]: resource for resource in package["resources"]}
    for table in (METRICS, CELLS, SUMMARY, COMPARISON):
        resource = described[f"data/{table.file}"]
        assert resource["description"] == f"A row is {table.rows}."
        assert resource["schema"]["missingValues"] == [""]
        for column, field in zip(table.of_study(0).columns, resource["schema"]["fields"], strict=True):
            unit = f" Unit: {column.unit}." if column.unit else ""
            assert field["description"] == f"{column.meaning}.{unit}"
            required = column.dtype != "text" and not column.may_be_empty
            assert field.get("constraints", {}).get("required", False) == required


def test_tables_are_those_of_the_study(made: SyntheticStudy, folder: Path) -> None:
    for name in ("metrics", "history", "cells", "summary", "comparison", "claims", "subset_table"):
        assert (folder / "data" / f"{name}.csv").read_bytes() == (made.layout.results / f"{name}.csv").read_bytes()


def test_the_main_and_the_summary_table_for_papers(made: SyntheticStudy, folder: Path) -> None:
    mean = tables_of(made).mean_of("best_test_accuracy", 100, "label-mix")
    for name in ("accuracy", "sensitivity"):
        latex = (folder / "tables" / f"{name}.tex").read_text(encoding="utf-8")
        assert latex.count(r"\toprule") == latex.count(r"\bottomrule") == 1
        assert f"{100 * mean.mean:.2f} $\\pm$ " in latex
        assert f"| {100 * mean.mean:.2f} ± " in (folder / "tables" / f"{name}.md").read_text(encoding="utf-8")


def test_predictions_give_back_the_accuracy(made: SyntheticStudy, folder: Path) -> None:
    table = pd.read_csv(folder / "predictions" / "n100" / "label-mix" / "seed1.csv")
    accuracy = made.metrics("n100/label-mix/seed1")["final_test_accuracy"]
    assert float(np.mean(table["label"] == table["predicted"])) == pytest.approx(accuracy)
    with np.load(made.folder("n100/label-mix/seed1") / "predictions.npz") as arrays:
        np.testing.assert_array_equal(table.filter(like="logit_").to_numpy(np.float16), arrays["logits"])


def test_figures_in_three_forms(made: SyntheticStudy, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "synthetic", "--output", str(tmp_path), "--root", str(made.root)]) == 0
    out = capsys.readouterr().out
    assert "1 of 18 cells have no current result" in out
    names = {path.name for path in (tmp_path / "figures").iterdir()}
    assert names == {f"{name}.{kind}" for name in FIGURE_NAMES for kind in ("svg", "png", "pdf", "json")}
    for name in FIGURE_NAMES:
        assert (tmp_path / "figures" / f"{name}.pdf").read_bytes().startswith(b"%PDF")
    assert not (tmp_path / "predictions").exists()


def files_below(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_the_forms_that_are_asked_for_and_no_others(
    made: SyntheticStudy, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The data with their dictionary are always there: they are what the forms are made from."""
    monkeypatch.setattr("smallmix.commands.export.FIGURE_NAMES", ("calibration", "selection_gap"))
    options = ["--root", str(made.root), "--tables", "latex", "csv", "latex", "--figures", "pdf"]
    assert main(["export", "synthetic", "--output", str(tmp_path), *options]) == 0
    found, whole = files_below(tmp_path), files_below(folder)
    tables = {name for name in found if name.startswith("tables/")}
    assert tables == {name for name in whole if name.startswith("tables/") and not name.endswith(".md")}
    assert {Path(name).suffix for name in tables} == {".tex", ".csv"}
    assert {name for name in found if name.startswith("figures/")} == {
        "figures/calibration.pdf",
        "figures/selection_gap.pdf",
    }
    data = {name for name in whole if name.startswith("data/")} | {"datapackage.json"}
    assert found - tables == data | {"figures/calibration.pdf", "figures/selection_gap.pdf"}
    for name in tables | data:
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes() or name == "datapackage.json"


def test_an_unknown_form_is_named_with_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["export", "demo", "--output", "out", "--figures", "bmp"])
    error = capsys.readouterr().err
    assert "bmp" in error
    assert all(form in error for form in ("pdf", "svg", "png", "json"))


def test_every_form_of_the_command_has_a_writer() -> None:
    assert set(TABLE_FORMS) == set(FORMS)


def test_equal_figures_give_equal_pdf(made: SyntheticStudy) -> None:
    drawn = [pdf_bytes(draw_figure("calibration", tables_of(made), made.root)[0]) for _ in range(2)]
    assert drawn[0] == drawn[1]


def test_a_study_without_results_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "demo", "--output", str(tmp_path / "out"), "--root", str(tmp_path)]) == 1
    assert "study demo has no collected result" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_two_studies_do_not_share_a_folder(
    made: SyntheticStudy, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = build_study_with_tables(tmp_path / "other", name="second", sizes=[100])
    output = ["--output", str(tmp_path / "out"), "--without-figures"]
    assert main(["export", "synthetic", "--root", str(made.root), *output]) == 0
    before = files_below(tmp_path / "out")
    assert main(["export", "second", "--root", str(other.root), *output]) == 2
    assert "has the export of another study (smallmix-synthetic)" in capsys.readouterr().err
    assert files_below(tmp_path / "out") == before
    assert main(["export", "synthetic", "--root", str(made.root), *output]) == 0


def test_an_export_again_leaves_no_table_of_the_one_before(
    made: SyntheticStudy, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Drawn and formatted files may have been edited for a paper: they stay, and are named."""
    output = ["--root", str(made.root), "--output", str(tmp_path / "out"), "--figures", "svg"]
    assert main(["export", "synthetic", *output, "--predictions"]) == 0
    edited = tmp_path / "out" / "predictions" / "n500" / "non" / "seed1.csv"
    edited.write_text("mine", encoding="utf-8")
    (tmp_path / "out" / "figures" / "mine.svg").touch()
    capsys.readouterr()
    assert main(["export", "synthetic", *output, "--tables", "csv"]) == 0
    told = capsys.readouterr().out
    predictions = {name for name in files_below(tmp_path / "out") if name.startswith("predictions/")}
    assert predictions == {"predictions/n500/non/seed1.csv"}
    assert "removed 16 tables of an earlier export, such as predictions/n100/data-mix/seed0.csv" in told
    assert "other files in tables/ and figures/ as they are, such as figures/mine.svg" in told


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("results/synthetic", "/results, where runs write and replace files."),
        ("results", "/results, where runs write and replace files."),
        ("reports/synthetic", "/reports/synthetic, where runs write and replace files."),
        ("logs", "/logs, where runs write and replace files."),
        ("reports/reference/x", "/reports/reference, where `smallmix keep` puts finished studies, each into a folder"),
        ("workflow/x", "/workflow, where the project's own files lie."),
        (".", "is the project itself. Name a folder of its own."),
    ],
)
def test_folders_of_others_are_not_written_into(
    made: SyntheticStudy, place: str, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = files_below(made.root)
    output = ["--output", str(made.root / place), "--without-figures"]
    assert main(["export", "synthetic", "--root", str(made.root), *output]) == 2
    assert reason in capsys.readouterr().err
    assert files_below(made.root) == before


def test_folders_of_runs_here_are_not_written_into_with_results_from_elsewhere(
    made: SyntheticStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["export", str(made.layout.results), "--output", "results/demo", "--without-figures"]) == 2
    assert list(tmp_path.iterdir()) == []


def test_an_export_that_fails_leaves_nothing(
    made: SyntheticStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise SmallmixError("the images are not there")

    monkeypatch.setattr("smallmix.figures.catalogue.plot_figure", refuse)
    assert main(["export", "synthetic", "--root", str(made.root), "--output", str(tmp_path / "out")]) == 1
    assert not (tmp_path / "out").exists()


def test_a_kept_study_is_exported_with_what_it_has(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = Path(__file__).resolve().parents[3] / "reports" / "reference" / "row-1000"
    output = ["--output", str(tmp_path / "out"), "--figures", "svg"]
    assert main(["export", str(kept), "--root", str(tmp_path), *output]) == 0
    assert "left out, because a kept study has no images and no predictions: methods_preview" in capsys.readouterr().out
    found = files_below(tmp_path / "out")
    assert {"figures/accuracy_by_size.svg", "data/metrics.csv", "tables/accuracy.tex"} <= found
    assert "figures/methods_preview.svg" not in found
    assert main(["export", str(kept), "--root", str(tmp_path), *output, "--predictions"]) == 1
    assert "predictions are not kept" in capsys.readouterr().err
