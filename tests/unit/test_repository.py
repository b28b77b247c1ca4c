"""The files around the package agree with each other: environments with the lock, the README with the Makefile."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

PROJECT = Path(__file__).resolve().parents[2]
LOCK = (PROJECT / "envs" / "lock.txt").read_text(encoding="utf-8")
PINNED = re.compile(r"^([a-z0-9-]+)==([^\s;\\]+)(?: ; ([^\\]+?))? \\$", flags=re.MULTILINE)


def locked_versions(package: str) -> list[tuple[str, str]]:
    """The versions of a package in the lock, each with the condition under which it holds."""
    return [(version, marker) for name, version, marker in PINNED.findall(LOCK) if name == package]


@pytest.mark.parametrize("file", sorted((PROJECT / "envs").glob("*.yaml")), ids=lambda path: path.name)
def test_conda_environments_pin_what_the_lock_pins(file: Path) -> None:
    dependencies = yaml.safe_load(file.read_text(encoding="utf-8"))["dependencies"]
    assert "python=3.11" in dependencies
    pinned = next(entry["pip"] for entry in dependencies if isinstance(entry, dict))
    assert pinned
    for requirement in pinned:
        package, version = requirement.split("==")
        for_this_python = [
            locked for locked, marker in locked_versions(package) if "python_full_version >= '3.12'" not in marker
        ]
        assert for_this_python == [version], f"{file.name}: {requirement}"


def test_the_lock_pins_what_the_package_depends_on() -> None:
    """A dependency added to pyproject.toml is missing in the lock until it is resolved anew (`make lock`)."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for line in [
        *project["dependencies"],
        *(line for extra in project["optional-dependencies"].values() for line in extra),
    ]:
        requirement = Requirement(line)
        locked = locked_versions(requirement.name.lower())
        assert locked, f"{line} is not in envs/lock.txt"
        assert all(version in requirement.specifier for version, _ in locked), f"{line}: the lock has {locked}"


def test_the_lock_names_no_address_and_hashes_everything() -> None:
    assert "://" not in LOCK
    packages = PINNED.findall(LOCK)
    assert len(packages) > 100
    assert len(packages) == len(re.findall(r"^[a-z0-9-]+==", LOCK, flags=re.MULTILINE))
    for block in re.split(r"\n(?=\S)", LOCK.strip()):
        assert "--hash=sha256:" in block, block.splitlines()[0]


def test_the_readme_shows_by_hand_what_make_does() -> None:
    readme = (PROJECT / "README.md").read_text(encoding="utf-8")
    for line in (
        "pip install --require-hashes -r envs/lock.txt",
        "snakemake --cores all --configfile workflow/studies/demo.yaml",
        "snakemake --cores all",
        "make demo",
        "make test",
        "make reproduce",
    ):
        assert line in readme


def test_the_readme_names_every_study_and_every_path_it_names_exists() -> None:
    readme = (PROJECT / "README.md").read_text(encoding="utf-8")
    for study in (PROJECT / "workflow" / "studies").glob("*.yaml"):
        assert study.name in readme, study.name
    made_by_runs = ("results/", "resources/", "reports/", "logs/")
    for path in re.findall(r"`((?:workflow|docs|envs|profiles|tests)/[\w./-]*)`", readme):
        assert path.startswith(made_by_runs) or (PROJECT / path).exists(), path


def test_every_make_target_is_explained_and_short() -> None:
    makefile = (PROJECT / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"^([a-z]+):(.*)$", makefile, flags=re.MULTILINE)
    assert {name for name, _ in targets} >= {"demo", "test", "reproduce", "bench", "chaos", "clean", "help"}
    assert all("##" in rest for _, rest in targets)
