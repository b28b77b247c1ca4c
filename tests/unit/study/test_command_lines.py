"""The command that finishes a study names what made it, and can be typed as it stands."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from smallmix.study.command_lines import command_typed, run_command


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


def test_the_command_is_as_typed() -> None:
    typed = ["/venv/bin/snakemake", "cells", "--profile", "p q", "--directory=/x y", "--cores", "2"]
    assert command_typed(typed, {}) == "snakemake cells --profile 'p q' '--directory=/x y' --cores 2"
    assert command_typed(["/lib/snakemake/__main__.py", "-n"], {}) == "python -m snakemake -n"
    assert command_typed(["/venv/bin/snakemake"], {}) == "snakemake"
    assert command_typed(typed, {"SMALLMIX_COMMAND": "smallmix run demo"}) == "smallmix run demo"
