"""The files around the package agree with each other: environments, lock, pages, Makefile, CI, editor settings."""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

PROJECT = Path(__file__).resolve().parents[2]
PACKAGE = PROJECT / "workflow" / "smallmix"
PAGES = [PROJECT / "README.md", PROJECT / "CONTRIBUTING.md", *sorted((PROJECT / "docs").rglob("*.md"))]
PYPROJECT = (PROJECT / "pyproject.toml").read_text(encoding="utf-8")
LOCK = (PROJECT / "envs" / "lock.txt").read_text(encoding="utf-8")
PINNED = re.compile(r"^([a-z0-9-]+)==([^\s;\\]+)(?: ; ([^\\]+?))? \\$", flags=re.MULTILINE)


def locked_versions(package: str) -> list[tuple[str, str]]:
    """Return the versions of a package in the lock, each with the condition under which it holds."""
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
        "pip install --no-deps --no-build-isolation -e .",
        "snakemake --cores all --configfile workflow/studies/demo.yaml",
        "snakemake --cores all",
        "make demo",
        "make test",
        "make reproduce",
    ):
        assert line in readme


def test_the_readme_names_every_study() -> None:
    readme = (PROJECT / "README.md").read_text(encoding="utf-8")
    for study in (PROJECT / "workflow" / "studies").glob("*.yaml"):
        assert study.name in readme, study.name


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_every_path_and_link_of_a_page_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = re.findall(r"`((?:workflow|docs|envs|profiles|tests|benchmarks)/[\w./-]*)`", text)
    linked = [link for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text) if "://" not in link]
    missing = {path for path in named if not (PROJECT / path).exists()}
    missing |= {link for link in linked if not (page.parent / link).exists()}
    assert not missing


def test_the_architecture_names_what_there_is() -> None:
    """Paths are relative to the package or to the project; every room of the package has its line."""
    text = (PROJECT / "docs" / "architecture.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([\w.-]+/[\w./-]*|[\w-]+\.py)`", text))
    assert len(named) > 30
    missing = {path for path in named if not (PACKAGE / path).exists() and not (PROJECT / path).exists()}
    missing -= {"n500/label-mix/seed0"}  # a cell
    assert not missing
    rooms = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()}
    assert {room for room in rooms if f"**`{room}/`**" not in text} == set()


def test_every_make_target_is_explained_in_a_line() -> None:
    makefile = (PROJECT / "Makefile").read_text(encoding="utf-8")
    targets = dict(re.findall(r"^([a-z]+):[^#\n]*(?:## (.*))?$", makefile, flags=re.MULTILINE))
    assert set(targets) >= {"demo", "test", "reproduce", "bench", "gpu", "long", "chaos", "cluster", "clean", "help"}
    for name, explanation in targets.items():
        assert 10 < len(explanation) < 100, f"{name}: {explanation!r}"


def test_continuous_integration_runs_what_people_run() -> None:
    text = (PROJECT / ".github" / "workflows" / "ci.yaml").read_text(encoding="utf-8")
    assert "://" not in text
    job = yaml.safe_load(text)["jobs"]["test"]
    assert [step["run"] for step in job["steps"] if "run" in step] == [".ci/run"]
    allowed = re.search(r'requires-python = ">=3\.(\d+),<3\.(\d+)"', PYPROJECT)
    assert allowed is not None
    oldest, above_newest = map(int, allowed.groups())
    assert job["strategy"]["matrix"]["python"] == [f"3.{oldest}", f"3.{above_newest - 1}"]
    script = PROJECT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert "make test" in script.read_text(encoding="utf-8").splitlines()


def test_hooks_run_tools_of_the_environment_and_download_nothing() -> None:
    text = (PROJECT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    assert "://" not in text
    (repository,) = yaml.safe_load(text)["repos"]
    assert repository["repo"] == "local"
    makefile = (PROJECT / "Makefile").read_text(encoding="utf-8")
    tools = {hook["id"]: hook["entry"].split()[0] for hook in repository["hooks"]}
    assert set(tools) == {"ruff", "ruff-format", "mypy", "snakefmt"}
    for tool in tools.values():
        assert f"$(BIN)/{tool.removeprefix('.venv/bin/')}" in makefile, "make test checks the same"
    assert all(hook["language"] == "system" for hook in repository["hooks"])


def test_the_snakefile_asks_for_the_locked_snakemake() -> None:
    ((locked, _),) = locked_versions("snakemake")
    assert f'min_version("{locked}")' in (PROJECT / "Snakefile").read_text(encoding="utf-8")


def test_editors_break_lines_where_the_formatters_do() -> None:
    settings = (PROJECT / ".editorconfig").read_text(encoding="utf-8")
    lengths = {*re.findall(r"max_line_length = (\d+)", settings), *re.findall(r"line.length = (\d+)", PYPROJECT)}
    assert lengths == {"120"}
