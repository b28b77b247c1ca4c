"""A study is the same in any folder, under any environment, and with any words in its texts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.workflow.study_run import StudyRun

FOLDER = "100 % (sizes) 2026-11-25T10:00 größer"
TITLE = "Is {wildcards} 50 % better than {size}, or $HOME `date` 'so' \\ so?"
OWN_SCRIPTS = ("random", "statistics", "csv", "yaml", "json", "types")


def hostile_environment(folder: Path) -> dict[str, str]:
    """Return what modules, notebooks and terminals leave behind."""
    (folder / "bin").mkdir()
    for name in ("python", "python3"):
        (folder / "bin" / name).write_text("#!/bin/sh\necho another Python >&2; exit 3\n")
        (folder / "bin" / name).chmod(0o755)
    (folder / "startup").write_text(f"export PATH={folder}/bin:$PATH PYTHONPATH={folder}/bin\npython() {{ false; }}\n")
    return {
        "BASH_ENV": str(folder / "startup"),
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "PYTHONIOENCODING": "ascii",
        "OMP_NUM_THREADS": "3",
    }


def test_a_hostile_place_gives_the_same_study(
    finished_study: StudyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = StudyRun.create(tmp_path / FOLDER)
    for name in OWN_SCRIPTS:
        (study.folder / f"{name}.py").write_text("raise SystemExit('my own notes')\n")
    changed = yaml.safe_load((study.folder / "tiny.yaml").read_text(encoding="utf-8"))
    changed |= {"title": TITLE, "description": "{method} {{}} %s %(a)s ü"}
    (study.folder / "tiny.yaml").write_text(yaml.safe_dump(changed, sort_keys=False), encoding="utf-8")
    for variable, value in hostile_environment(tmp_path).items():
        monkeypatch.setenv(variable, value)
    # `python -m snakemake` itself would import the own scripts; the command of that name does not.
    command = [str(Path(sys.executable).parent / "snakemake"), "--cores", "2", "--configfile", "tiny.yaml"]
    done = subprocess.run(command, cwd=study.folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    page = (study.folder / "reports/tiny/report.html").read_text(encoding="utf-8")
    assert "Is {wildcards} 50 % better than {size}, or $HOME `date`" in page
    for table in ("metrics.csv", "history.csv", "summary.csv", "comparison.csv"):
        ours, theirs = (one.folder / "results/tiny" / table for one in (finished_study, study))
        assert ours.read_bytes() == theirs.read_bytes(), table


def test_braces_in_the_projects_path_are_reported_before_anything_runs(tmp_path: Path) -> None:
    study = StudyRun.create(tmp_path / "run {sizes}")
    done = study.snakemake("--cores", "1")
    assert done.returncode != 0
    assert "has braces in its path" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert not (study.folder / "results").exists()


def test_names_that_the_locale_cannot_write_are_reported_before_anything_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = StudyRun.create(tmp_path / "project")
    study.edit("tiny.yaml", "title: A tiny study", "title: Eine größere Studie")
    for variable, value in {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}.items():
        monkeypatch.setenv(variable, value)
    done = study.snakemake("--cores", "1")
    assert done.returncode != 0
    assert "Set PYTHONUTF8=1" in done.stdout + done.stderr
    assert not (study.folder / "results").exists()
