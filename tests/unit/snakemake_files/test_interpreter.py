"""Whatever the environment names, a rule's command starts Snakemake's own Python and this package."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from smallmix.errors import ConfigurationError
from smallmix.snakemake_files import interpreter
from smallmix.snakemake_files.interpreter import explain_encoding, rule_command
from smallmix.study.command_lines import hand_over, take_over
from smallmix.study.configuration import load_study
from smallmix.study.study import Study
from smallmix.version import VERSION

PROJECT = Path(__file__).resolve().parents[3]
OWN_MODULES = ("random", "statistics", "csv", "yaml", "json", "jsonschema", "pydantic", "smallmix", "argparse", "torch")


def run_in_bash(command: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a script as Snakemake runs a rule's shell command."""
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        ["bash", "-c", f"set -euo pipefail; {command}"],
        cwd=folder,
        env={**clean, **environment},
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )


@pytest.mark.parametrize(
    "startup",
    [
        "export PATH={bin}:$PATH",
        "export PATH={bin}",
        "python() {{ echo another Python; return 3; }}; export -f python",
        "shopt -s expand_aliases; alias python=false",
        "export PYTHONPATH={own}",
        "unset PATH PYTHONPATH",
    ],
)
def test_a_startup_file_of_bash_changes_nothing(tmp_path: Path, startup: str) -> None:
    """Module systems and conda put others first there."""
    for folder in ("bin", "own"):
        (tmp_path / folder).mkdir()
    (tmp_path / "bin" / "python").write_text("#!/bin/sh\necho another Python; exit 3\n")
    (tmp_path / "bin" / "python").chmod(0o755)
    (tmp_path / "own" / "smallmix.py").write_text("raise SystemExit('another package')")
    (tmp_path / "startup").write_text(startup.format(bin=tmp_path / "bin", own=tmp_path / "own") + "\n")
    done = run_in_bash(f"{rule_command()} --version", tmp_path, BASH_ENV=str(tmp_path / "startup"))
    assert (done.returncode, done.stdout) == (0, f"smallmix {VERSION}\n"), done.stderr


@pytest.mark.parametrize("given", [{}, {"PYTHONPATH": "."}, {"PYTHONPATH": ":"}])
def test_own_scripts_in_the_working_folder_are_not_imported(tmp_path: Path, given: dict[str, str]) -> None:
    """Named like libraries, and never meant for us."""
    names = OWN_MODULES if not given else ("smallmix",)  # who puts his folder into PYTHONPATH means it
    for name in names:
        (tmp_path / f"{name}.py").write_text("raise SystemExit('my own notes')")
    command = f"{rule_command()} resolve-study {PROJECT / 'workflow/studies/demo.yaml'} --help"
    done = run_in_bash(command, tmp_path, **given)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["random", "statistics", "csv", "yaml"])
def test_nor_by_the_command_that_people_type(tmp_path: Path, name: str) -> None:
    (tmp_path / f"{name}.py").write_text("raise SystemExit('my own notes')")
    command = f"{sys.executable} -m smallmix train-cell --help"
    done = run_in_bash(command, tmp_path, PYTHONPATH=str(PROJECT / "workflow"))
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["2026-11-25T10:00:00", "run {a}", "100 % 'done'", "$HOME & co; ls", "größer 数"])
def test_any_folder_will_do(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / name / "workflow"
    shutil.copytree(PROJECT / "workflow", folder, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / name / "python").symlink_to(sys.executable)
    monkeypatch.setattr(interpreter, "WORKFLOW", folder)
    done = run_in_bash(f"{rule_command()} --version", tmp_path / name)
    assert (done.returncode, done.stdout) == (0, f"smallmix {VERSION}\n"), done.stderr


def test_a_rules_own_environment_brings_its_python() -> None:
    assert rule_command(own_environments=True).startswith("python ")


@pytest.mark.parametrize("encoding", [{"PYTHONIOENCODING": "ascii"}, {"PYTHONIOENCODING": "latin-1"}, {"LC_ALL": "C"}])
def test_labels_of_any_language_are_printed_anywhere(tmp_path: Path, encoding: dict[str, str]) -> None:
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text("study: cats\ntitle: قطة, 猫 and größer\npublished: ~\n", encoding="utf-8")
    files = f"{PROJECT / 'config.yaml'} {overlay}"
    environment = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", **encoding, "PYTHONPATH": str(PROJECT / "workflow")}
    for command in (rule_command(), f"{sys.executable} -m smallmix"):
        done = run_in_bash(f"{command} resolve-study {files}", PROJECT, **environment)
        assert done.returncode == 0, done.stderr
        assert "title:" in done.stdout


def test_file_names_that_the_locale_cannot_write_are_reported_before_anything_runs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "getfilesystemencoding", lambda: "ascii")
    assert explain_encoding("data/birds") is None
    for names in ("data/vögel", "data/猫"):
        message = explain_encoding(names)
        assert message is not None
        assert "ascii" in message
        assert "PYTHONUTF8=1" in message
    monkeypatch.setattr(sys, "getfilesystemencoding", lambda: "utf-8")
    assert explain_encoding("data/vögel") is None


@pytest.mark.parametrize("backend", ["module://matplotlib_inline.backend_inline", "nonsense", "tkagg"])
def test_a_notebooks_or_a_desktops_backend_does_not_matter(tmp_path: Path, backend: str) -> None:
    done = run_in_bash(f"{rule_command()} plot-figures --study nothing.json", tmp_path, MPLBACKEND=backend)
    assert "cannot read the study in nothing.json" in done.stderr
    program = (
        "from smallmix.commands.main import main; main(['plan', '--check-gpus']); "
        "import matplotlib.pyplot as pyplot; pyplot.figure()"
    )
    done = run_in_bash(
        f'{sys.executable} -c "{program}"', tmp_path, MPLBACKEND=backend, PYTHONPATH=str(PROJECT / "workflow")
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture
def large(tmp_path: Path) -> Study:
    """Return a value larger than any argument of a command can be."""
    overlay = tmp_path / "large.yaml"
    seeds = ", ".join(str(2_000_000_000 + number) for number in range(10_000))
    overlay.write_text(
        "study: large\npublished: ~\nmethods: {data-mix: ~, label-mix: ~}\nsubsets: {sizes: [100]}\n"
        f"budgets: {{500: ~, 250: ~}}\nseeds: [{seeds}]\ndescription: '{{ö}} 100 % {'ü' * 3_950}'\n",
        encoding="utf-8",
    )
    return load_study([PROJECT / "config.yaml", overlay])


def test_a_study_of_any_length_is_handed_over(large: Study, tmp_path: Path) -> None:
    assert len(large.to_json()) > 128 * 1024
    argument = hand_over(large, tmp_path / "handed")
    assert take_over(argument) == large.to_json() + "\n"
    command = f"{rule_command()} resolve-study --configuration {argument} --output {tmp_path / 'study.json'}"
    done = run_in_bash(command, PROJECT)
    assert done.returncode == 0, done.stderr
    assert Study.load(tmp_path / "study.json").to_json() == large.to_json()


def test_two_configurations_of_one_study_do_not_share_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(PROJECT)
    study = load_study([Path("config.yaml")])
    other = Study.from_configuration({**study.configuration, "title": "another"})
    assert hand_over(study, tmp_path) != hand_over(other, tmp_path)


def test_a_file_that_is_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"gone\.json"):
        take_over(f"@{tmp_path}/gone.json")
