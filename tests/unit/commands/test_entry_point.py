"""`smallmix` itself: its help, exit codes, and what is said about names of before and misspelled ones."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from smallmix import errors
from smallmix.commands.main import FOR_PEOPLE, MODULES, RENAMED, STEPS, main
from smallmix.errors import EXIT_CODES, INCOMPLETE, INTERRUPTED, NOBODY_READS, SmallmixError
from smallmix.project_files import PROJECT


def help_text(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    with pytest.raises(SystemExit) as raised:
        main([*words, "--help"])
    assert raised.value.code == 0
    return capsys.readouterr().out


def test_help_lists_every_command_in_its_group_with_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    text = help_text(capsys)
    people, steps = text.index("for people:"), text.index("steps of the workflow:")
    example, codes = text.index("example:"), text.index("exit codes:")
    assert people < steps < example < codes
    for name in FOR_PEOPLE:
        assert f"\n  {name} " in text[people:steps], name
    for name in STEPS:
        assert f"\n  {name} " in text[steps:example], name
    assert "smallmix run demo" in text[example:codes]


@pytest.mark.parametrize("name", sorted(MODULES))
def test_every_command_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert f"usage: smallmix {name}" in help_text(capsys, name)


@pytest.mark.parametrize("words", [["--help"], ["run", "--help"], ["plan", "--help"], ["keep", "--help"]])
def test_help_loads_no_large_library(words: list[str]) -> None:
    """Each takes tenths of a second."""
    large = {"torch", "numpy", "pandas", "rich", "pydantic", "yaml", "snakemake", "matplotlib", "jinja2", "rocrate"}
    program = (
        "import atexit, sys; from smallmix.commands.main import main\n"
        f"atexit.register(lambda: print(sorted({large!r} & set(sys.modules)), file=sys.stderr))\n"
        f"main({words!r})"
    )
    environment = {**os.environ, "PYTHONPATH": str(PROJECT / "workflow")}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"


def test_exit_codes_are_those_of_the_errors_and_stand_in_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    raised = {
        kind.exit_code for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, SmallmixError)
    }
    assert set(EXIT_CODES) == raised | {0, INCOMPLETE, INTERRUPTED, NOBODY_READS}
    text = help_text(capsys)
    shown = dict(re.findall(r"^  (\d+) +(.+)$", text[text.index("exit codes:") :], flags=re.MULTILINE))
    assert {int(code): meaning for code, meaning in shown.items()} == EXIT_CODES


@pytest.mark.parametrize("old", sorted(RENAMED))
def test_an_old_name_is_answered_with_the_new_one(old: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([old, "--configfile", "config.yaml"]) == 2
    assert f"{old} is called {RENAMED[old]} now. Type: smallmix {RENAMED[old]} " in capsys.readouterr().err
    assert RENAMED[old] in FOR_PEOPLE


def test_studies_may_be_named_as_snakemake_is_told_of_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    overlay = tmp_path / "mine.yaml"
    overlay.write_text("study: mine\n", encoding="utf-8")
    named = (
        ["demo", str(overlay), "--brief"],
        ["--brief", "--configfile", "demo", str(overlay)],
        ["demo", "--brief", f"--configfile={overlay}"],
    )
    for typed in named:
        assert main(["plan", *typed, "--root", str(tmp_path)]) == 0
        assert capsys.readouterr().out.startswith("smallmix: study mine: 36 of 36 cells")


def test_a_misspelled_command_and_options_in_the_way_are_explained(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pln"]) == 2
    assert "there is no command pln. Did you mean plan" in capsys.readouterr().err
    assert main(["plan", "demo", "--brief", "laptop"]) == 2
    assert "unknown: laptop. Studies stand before the options" in capsys.readouterr().err


def test_no_command_is_asked_for_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert "for people:" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["plan", "report", "keep", "discard", "adopt", "resolve-study", "run"])
def test_an_unknown_study_is_reported_alike_everywhere(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([name, "dmo"]) == 2
    message = capsys.readouterr().err
    assert message.startswith(f"smallmix {name}: dmo: is neither a study nor a file. Did you mean demo?")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["status demo", "plan demo --brief", "resolve-study demo"])
def test_a_closed_output_is_no_error(command: str, tmp_path: Path) -> None:
    typed = f"{shlex.quote(sys.executable)} {shlex.quote(str(PROJECT / 'workflow'))} {command} --root {tmp_path} >&-"
    done = subprocess.run(["bash", "-c", typed], stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is always full")
@pytest.mark.parametrize("command", ["status demo", "resolve-study demo"])
def test_a_full_disk_behind_the_output_is_said_without_a_traceback(command: str, tmp_path: Path) -> None:
    typed = f"{shlex.quote(sys.executable)} {shlex.quote(str(PROJECT / 'workflow'))} {command} --root {tmp_path}"
    done = subprocess.run(["bash", "-c", f"{typed} > /dev/full"], stderr=subprocess.PIPE, text=True)
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert "cannot write what it prints: No space left on device. Free some space" in done.stderr


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["status", "demo", "--root", "/no/such/folder"], "argument --root: /no/such/folder is no folder. Name one"),
        (["plan", "demo", "--cores", "0"], "argument --cores: 0 is no whole number from 1 on"),
        (["plan", "demo", "--cores", "all"], "argument --cores: all is no whole number from 1 on"),
    ],
)
def test_values_that_cannot_be_meant_are_refused(
    words: list[str], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert problem in capsys.readouterr().err
