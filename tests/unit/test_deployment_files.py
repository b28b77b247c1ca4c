"""What other people's tools read: the workflow catalogue, deployment tools, container builders, citation managers."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml
from smallmix.version import VERSION

PROJECT = Path(__file__).resolve().parents[2]
CONFIG = yaml.safe_load((PROJECT / "config.yaml").read_text(encoding="utf-8"))
DOCKERFILE = (PROJECT / "envs" / "Dockerfile").read_text(encoding="utf-8")
IGNORED = (PROJECT / "envs" / "Dockerfile.dockerignore").read_text(encoding="utf-8")
ENTRY = PROJECT / "envs" / "container-entry.sh"


def instructions() -> list[tuple[str, str]]:
    """Return the Dockerfile's instructions with their arguments, without comments; continued lines are joined."""
    text = re.sub(r"^#.*\n", "", DOCKERFILE, flags=re.MULTILINE).replace("\\\n", " ")
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in text.splitlines() if line)]


def test_the_catalogue_finds_what_it_asks_for() -> None:
    """Its rules for standardized usage: workflow/Snakefile, config/README.md, rules ending on .smk, and this file."""
    settings = yaml.safe_load((PROJECT / ".snakemake-workflow-catalog.yml").read_text(encoding="utf-8"))
    assert set(settings) == {"usage"}
    assert set(settings["usage"]) == {"mandatory-flags", "software-stack-deployment", "report"}
    assert set(settings["usage"]["mandatory-flags"]) == {"desc", "flags"}
    deployment = settings["usage"]["software-stack-deployment"]
    assert deployment == {"conda": True, "apptainer": False, "apptainer+conda": False}
    assert (PROJECT / "workflow" / "Snakefile").is_file()
    assert {path.suffix for path in (PROJECT / "workflow" / "rules").iterdir()} == {".smk"}
    readme = (PROJECT / "README.md").read_text(encoding="utf-8").lower()
    assert "snakemake" in readme
    assert "workflow" in readme


def test_the_folder_that_is_deployed_holds_the_projects_configuration_and_names_its_keys() -> None:
    assert os.readlink(PROJECT / "config" / "config.yaml") == "../config.yaml"
    guide = (PROJECT / "config" / "README.md").read_text(encoding="utf-8")
    rows = "".join(line.split("|")[1] for line in guide.splitlines() if line.startswith("| `"))
    named = set(re.findall(r"`(\w+)`", rows))
    assert named <= set(CONFIG) | {"description"}
    assert {"study", "dataset", "subsets", "methods", "seeds", "model", "recipe", "budgets"} <= named


def test_the_image_has_a_pinned_base_the_hashed_lock_and_an_ordinary_user() -> None:
    steps = instructions()
    assert steps[0] == ("FROM", "python:3.12-slim-bookworm")
    assert [word for word, _ in steps].count("FROM") == 1
    assert any(word == "RUN" and "--require-hashes -r /opt/lock.txt" in rest for word, rest in steps)
    users = [rest for word, rest in steps if word == "USER"]
    assert users
    assert not {"root", "0"} & set(users)
    assert "://" not in DOCKERFILE
    assert ("ENTRYPOINT", '["container-entry"]') in steps


def test_what_the_image_copies_exists_and_is_sent_to_its_builder() -> None:
    sent = {line[1:] for line in IGNORED.splitlines() if line.startswith("!")}
    assert "*" in IGNORED.splitlines()
    copied = []
    for word, rest in instructions():
        if word == "COPY":
            copied += [argument for argument in shlex.split(rest)[:-1] if not argument.startswith("--")]
    assert {"Snakefile", "config.yaml", "workflow", "profiles", "envs/lock.txt"} <= set(copied)
    for name in copied:
        assert (PROJECT / name).exists(), name
        assert name.split("/")[0] in sent, name


@pytest.mark.parametrize(
    ("own", "command", "run"),
    [
        (None, "snakemake --cores all", "snakemake --snakefile /image/Snakefile --cores all"),
        ("Snakefile", "snakemake --cores all", "snakemake --cores all"),
        ("workflow/Snakefile", "snakemake -n", "snakemake -n"),
        (None, "python -V", "python -V"),
    ],
)
def test_a_container_runs_the_folders_own_workflow_or_else_the_images(
    tmp_path: Path, own: str | None, command: str, run: str
) -> None:
    assert os.access(ENTRY, os.X_OK)
    programs, folder = tmp_path / "programs", tmp_path / "folder"
    for path in (programs, folder / "workflow"):
        path.mkdir(parents=True)
    for name in ("snakemake", "python"):
        (programs / name).write_text(f'#!/bin/sh\necho {name} "$@"\n')
        (programs / name).chmod(0o755)
    if own:
        (folder / own).write_text("")
    variables = {"PATH": f"{programs}:{os.environ['PATH']}", "SMALLMIX_SNAKEFILE": "/image/Snakefile"}
    done = subprocess.run(
        [ENTRY, *command.split()], cwd=folder, env=variables, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == run


def test_the_citation_says_what_it_is_and_what_it_reproduces() -> None:
    citation = yaml.safe_load((PROJECT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == VERSION
    assert "mixup" in citation["keywords"]
    assert len(citation["abstract"]) > 100
    article = yaml.safe_load((PROJECT / "workflow" / "published" / "article.yaml").read_text(encoding="utf-8"))
    assert article["source"]["original_title"] in [reference["title"] for reference in citation["references"]]
    for reference in citation["references"]:
        assert {"type", "title", "authors"} <= set(reference)


def test_an_older_snakemake_comes_to_say_that_it_is_too_old() -> None:
    """Snakemake 8 refuses `quiet: reason` before it reads the Snakefile, which asks for the version."""
    profile = (PROJECT / "profiles" / "default" / "config.yaml").read_text(encoding="utf-8")
    quiet = re.search(r"^quiet: \?(.+)$", profile, flags=re.MULTILINE)
    assert quiet is not None
    for version, words in {"8.30.0": ["host"], "9.27.1": ["host", "reason"], "10.0": ["host", "reason"]}.items():
        assert eval(quiet[1], {"version": lambda _, found=version: found}) == words
