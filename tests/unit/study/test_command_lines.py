"""The command that finishes a study names what made it, and can be typed as it stands."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from smallmix.project_files import PROJECT, WORKFLOW
from smallmix.study.command_lines import (
    CALL,
    command_typed,
    note_call,
    noted_call,
    run_command,
    smallmix_command,
)
from smallmix.version import VERSION


def test_the_files_that_made_a_study_are_named_in_their_order() -> None:
    assert run_command([Path("config.yaml")]) == "snakemake --cores all"
    files = [Path("config.yaml"), Path("workflow/studies/laptop.yaml"), Path("my own/lap top.yaml")]
    words = shlex.split(run_command(files))
    assert words[3:] == ["--configfile", "workflow/studies/laptop.yaml", "my own/lap top.yaml"]


def test_files_in_the_working_folder_are_named_as_seen_from_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    files = [Path("config.yaml"), tmp_path / "config.yaml", tmp_path / "studies" / "a.yaml", Path("/elsewhere/b.yaml")]
    assert run_command(files) == "snakemake --cores all --configfile studies/a.yaml /elsewhere/b.yaml"


@pytest.mark.parametrize(
    "settings",
    [
        {"seeds": [0, 1]},
        {"dataset": {"cifar10": {"archive": "/a b/c'd.tar.gz"}}},
        {"title": "50 % {off} $HOME", "published": None, "recipe": {"learning_rate": 0.05}},
    ],
)
def test_settings_of_the_command_line_come_back_as_they_were(settings: dict[str, Any]) -> None:
    words = shlex.split(run_command([Path("config.yaml"), Path("a.yaml")], settings))
    typed = dict(word.split("=", 1) for word in words[words.index("--config") + 1 :])
    assert {key: yaml.safe_load(value) for key, value in typed.items()} == settings


def test_only_the_process_that_became_snakemake_knows_what_was_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CALL, "")
    assert noted_call() is None
    note_call(["smallmix", "run", "my study.yaml", "-n"])
    assert noted_call() == "smallmix run 'my study.yaml' -n"
    program = f"import sys; sys.path.insert(0, {str(WORKFLOW)!r}); import smallmix.study.command_lines as lines; "
    done = subprocess.run(
        [sys.executable, "-c", program + "print(lines.noted_call())"], capture_output=True, text=True, check=True
    )
    assert done.stdout == "None\n"


def test_how_to_start_this_smallmix_can_be_pasted_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in (tmp_path, PROJECT, WORKFLOW):
        monkeypatch.chdir(folder)
        done = subprocess.run(f"{smallmix_command()} --version", shell=True, capture_output=True, text=True, check=True)
        assert done.stdout == f"smallmix {VERSION}\n"


def test_the_command_is_as_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CALL, "")
    typed = ["/venv/bin/snakemake", "cells", "--profile", "p q", "--directory=/x y", "--cores", "2"]
    assert command_typed(typed) == "snakemake cells --profile 'p q' '--directory=/x y' --cores 2"
    assert command_typed(["/lib/snakemake/__main__.py", "-n"]) == "python -m snakemake -n"
    assert command_typed(["/venv/bin/snakemake"]) == "snakemake"
    note_call(["smallmix", "run", "demo"])
    assert command_typed(typed) == "smallmix run demo"
