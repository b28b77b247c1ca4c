"""Failures are seen: one failed cell does not stop the others, and bad configurations start nothing."""

from __future__ import annotations

from pathlib import Path

from tests.workflow.study_run import StudyRun


def test_a_failed_cell_does_not_stop_the_others_and_is_shown(tmp_path: Path) -> None:
    study = StudyRun.create(tmp_path / "project")
    blocked = study.block_in_store(20)

    result = study.snakemake("--cores", "2")

    assert result.returncode != 0
    assert all((study.cell(f"n40/{method}/seed0") / "metrics.json").exists() for method in ("non", "label-mix"))
    assert not (study.cell("n20/non/seed0") / "metrics.json").exists()
    assert not (study.folder / "reports/tiny/report.html").exists()
    page = (study.folder / "reports/tiny/so-far/report.html").read_text(encoding="utf-8")
    assert "cannot use the store" in page, "the failed cells' reason stands in the report"
    assert "python -m snakemake --cores 2 --configfile tiny.yaml --forcerun" in page, (
        "and the command that finishes the study"
    )

    for path in blocked:
        path.unlink()
    study.run()
    assert (study.folder / "reports/tiny/report.html").exists()


def test_a_damaged_subset_is_made_again(tmp_path: Path) -> None:
    study = StudyRun.create(tmp_path / "project")
    study.run("subsets")
    subset = study.folder / "results/tiny/subsets/n20.csv"
    whole = subset.read_text(encoding="utf-8")
    first, second, rest = whole.split("\n", 2)
    row, label, _ = second.split(",")
    subset.write_text("\n".join([first, f"{row},{(int(label) + 1) % 10},wrong", rest]), encoding="utf-8")
    assert study.planned("subsets")["extract_subset"] == 1
    study.run("subsets")
    assert subset.read_text(encoding="utf-8") == whole
    assert study.planned("subsets") == {}


def test_a_bad_configuration_starts_nothing_and_reports_all_problems(tmp_path: Path) -> None:
    study = StudyRun.create(tmp_path / "project")
    study.edit("tiny.yaml", "model: {width: 4}", "model: {widht: 4}")
    study.edit("tiny.yaml", "seeds: [0]", "seeds: [0, 0]")
    result = study.snakemake("--cores", "1")
    message = result.stdout + result.stderr
    assert result.returncode != 0
    assert "model.widht" in message
    assert "did you mean width?" in message
    assert "seeds" in message
    assert "Traceback" not in message
    assert not (study.folder / "results").exists()


def test_a_file_without_a_study_is_laid_over_one_that_the_command_names(tmp_path: Path) -> None:
    study = StudyRun.create(tmp_path / "project")
    (study.folder / "more.yaml").write_text("seeds: [0, 1]\n", encoding="utf-8")
    call = ("subsets", "--dry-run", "--cores", "1")
    refused = study.snakemake(*call, laid_over=["more.yaml"])
    assert refused.returncode != 0
    assert "more.yaml): is missing in this file" in refused.stdout + refused.stderr
    allowed = study.snakemake(*call, "--config", "study=tiny", laid_over=["more.yaml"])
    assert allowed.returncode == 0, allowed.stderr


def test_a_run_opens_with_one_line_on_what_it_will_do(tmp_path: Path) -> None:
    study = StudyRun.create(tmp_path / "project")
    result = study.snakemake("subsets", "--cores", "1")
    assert result.returncode == 0
    assert (
        "smallmix: study tiny: 6 of 6 cells to train on CPU (1 at once), none of them in this run; about "
        in result.stdout + result.stderr
    )
