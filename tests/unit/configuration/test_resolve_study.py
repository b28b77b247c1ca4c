"""The command resolve-study: exit codes, one message without a traceback, and a file that is whole or absent."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from smallmix.study.configuration import load_configuration, load_study
from smallmix.study.study import Study
from smallmix.study.study_names import study_files

PROJECT = Path(__file__).resolve().parents[3]
DEMO = "workflow/studies/demo.yaml"


def resolve_study(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command as people and rules do, in the project's folder."""
    environment = {**os.environ, "PYTHONPATH": str(PROJECT / "workflow")}
    return subprocess.run(
        [sys.executable, "-m", "smallmix", "resolve-study", *arguments],
        cwd=PROJECT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_writes_a_study_that_can_be_loaded(tmp_path: Path) -> None:
    output = tmp_path / "deep" / "study.json"
    done = resolve_study("config.yaml", DEMO, "--output", str(output))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    study = Study.load(output)
    assert study.name == "demo"
    again = tmp_path / "again.json"
    done = resolve_study("--configuration", study.to_json(), "--output", str(again))
    assert done.returncode == 0
    assert again.read_bytes() == output.read_bytes()
    assert [path.name for path in output.parent.iterdir()] == ["study.json"]


def test_an_overlay_alone_is_merged_with_the_base_as_snakemake_does(tmp_path: Path) -> None:
    outputs = [tmp_path / name for name in ("alone.json", "both.json", "absolute.json")]
    named = [[DEMO], ["config.yaml", DEMO], [DEMO, str(PROJECT / "config.yaml")]]
    for output, files in zip(outputs, named, strict=True):
        assert resolve_study(*files, "--output", str(output)).returncode == 0
    assert len({output.read_bytes() for output in outputs}) == 1


@pytest.mark.parametrize("own", [True, False])
def test_the_base_is_that_of_the_folder_or_else_the_projects_own(tmp_path: Path, own: bool) -> None:
    overlay = tmp_path / "my-study.yaml"
    overlay.touch()
    if own:
        (tmp_path / "config.yaml").touch()
    base = tmp_path / "config.yaml" if own else PROJECT / "config.yaml"
    assert study_files([str(overlay)], tmp_path) == [base, overlay]
    assert study_files([], tmp_path) == [base]


def test_prints_what_can_be_used_as_a_configuration(tmp_path: Path) -> None:
    done = resolve_study()
    assert done.returncode == 0
    (tmp_path / "printed.yaml").write_text(done.stdout, encoding="utf-8")
    cwd = os.getcwd()
    os.chdir(PROJECT)
    try:
        assert load_configuration([tmp_path / "printed.yaml"]) == load_configuration([PROJECT / "config.yaml"])
    finally:
        os.chdir(cwd)
    assert yaml.safe_load(done.stdout)["study"] == "article"


@pytest.mark.parametrize(
    "configuration",
    [
        *("", "{", "[]", "3", "null", '{"methods": 3}', '{"methods": [["a"]]}', '{"methods": []}', "{}"),
        '{"methods": [], "seeds": [], "subsets": {"sizes": []}}',
        '{"methods": [["a", {"mix": "none"}]], "seeds": [0], "subsets": {"sizes": [3], "rule": "head"}, "recipe": 3}',
    ],
)
def test_a_text_that_is_no_configuration_is_refused(configuration: str) -> None:
    done = resolve_study("--configuration", configuration)
    assert done.returncode == 2
    assert "--configuration does not hold a resolved configuration" in done.stderr
    assert "Name the study instead" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_a_workflow_hands_over_is_not_resolved_a_second_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the models of the configuration nor the reader of its files are even loaded."""
    monkeypatch.chdir(PROJECT)
    handed_over = load_study([PROJECT / "config.yaml", PROJECT / DEMO]).to_json()
    program = (
        "import sys; from smallmix.commands.main import main; "
        "code = main(sys.argv[1:]); print(*sys.modules, sep='\\n'); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "resolve-study", "--configuration", handed_over, "--output", "study.json"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(PROJECT / "workflow")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert (tmp_path / "study.json").read_text(encoding="utf-8") == handed_over + "\n"
    loaded = done.stdout.split()
    assert "smallmix.study.command_lines" in loaded
    assert not {"pydantic", "smallmix.study.section", "smallmix.study.configuration"} & set(loaded)


@pytest.mark.parametrize("command", ["train_cell", "data", "tables"])
def test_jobs_do_without_the_models_of_the_configuration(command: str) -> None:
    code = (
        f"import ast, sys, pathlib; import smallmix.commands.{command} as module; "
        "tree = ast.parse(pathlib.Path(module.__file__).read_text()); "
        "[exec(ast.unparse(node)) for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom)) "
        "and getattr(node, 'module', '') != '__future__']; "
        "sys.exit('smallmix.study.section' in sys.modules)"
    )
    environment = {**os.environ, "PYTHONPATH": str(PROJECT / "workflow")}
    assert subprocess.run([sys.executable, "-c", code], cwd=PROJECT, env=environment, check=False).returncode == 0


def test_problems_are_reported_once_without_a_traceback_and_nothing_is_written(tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("study: bad\nrecipe: {learning_rat: 0.1, momentum: 2}\n", encoding="utf-8")
    output = tmp_path / "study.json"
    done = resolve_study("config.yaml", str(bad), "--output", str(output))
    assert done.returncode == 2
    assert done.stdout == ""
    assert "2 problems" in done.stderr
    assert f"recipe.learning_rat ({bad}, line 2): unknown key; did you mean learning_rate?" in done.stderr
    assert "Traceback" not in done.stderr
    assert not output.exists()


def test_published_numbers_are_judged_before_days_of_training(tmp_path: Path) -> None:
    (tmp_path / "published.yaml").write_text("source: {title: x}\nacuracies: []\n", encoding="utf-8")
    (tmp_path / "own.yaml").write_text(f"study: own\npublished: {tmp_path / 'published.yaml'}\n", encoding="utf-8")
    done = resolve_study("config.yaml", str(tmp_path / "own.yaml"))
    assert done.returncode == 2
    assert "did you mean accuracies" in done.stderr
