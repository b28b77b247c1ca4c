"""The commit of the code: of the project's own checkout alone, never of a folder around it, and never an error."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from smallmix.source_commit import describe_source
from smallmix.version import VERSION


def git(folder: Path, *arguments: str) -> str:
    """Run git as an author of these tests; return what it prints."""
    author = ["-c", "user.name=author", "-c", "user.email=author@example.invalid"]
    done = subprocess.run(["git", "-C", folder, *author, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a checkout with a Snakefile, a module and a study."""
    project = tmp_path / "project"
    (project / "workflow" / "studies").mkdir(parents=True)
    for name in ("Snakefile", "workflow/module.py", "workflow/studies/demo.yaml", "README.md"):
        (project / name).write_text("first\n", encoding="utf-8")
    git(tmp_path, "init", "-q", "project")
    git(project, "add", ".")
    git(project, "commit", "-q", "-m", "first")
    return project


def test_a_clean_checkout_has_its_commit(checkout: Path) -> None:
    commit = git(checkout, "rev-parse", "HEAD")
    assert describe_source(checkout) == {"version": VERSION, "commit": commit, "modified": False}


@pytest.mark.parametrize("name", ["Snakefile", "workflow/module.py"])
def test_changed_code_is_noted(checkout: Path, name: str) -> None:
    (checkout / name).write_text("second\n", encoding="utf-8")
    assert describe_source(checkout)["modified"] is True
    git(checkout, "add", name)
    assert describe_source(checkout)["modified"] is True


@pytest.mark.parametrize("name", ["README.md", "workflow/studies/demo.yaml", "workflow/untracked.py"])
def test_what_is_no_tracked_code_does_not_count(checkout: Path, name: str) -> None:
    (checkout / name).write_text("second\n", encoding="utf-8")
    assert describe_source(checkout)["modified"] is False


def test_new_file_times_are_no_change(checkout: Path) -> None:
    (checkout / "Snakefile").touch()
    assert describe_source(checkout)["modified"] is False


def test_a_package_below_a_foreign_checkout_has_no_commit(checkout: Path) -> None:
    assert describe_source(checkout / "workflow") == {"version": VERSION}


def test_git_is_not_misled_by_the_variables_of_a_hook(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    assert "commit" in describe_source(checkout)


def test_without_git_or_a_commit_the_version_stands_alone(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(tmp_path, "init", "-q", "empty")
    assert describe_source(tmp_path / "empty") == {"version": VERSION}
    monkeypatch.setenv("PATH", str(tmp_path))
    assert describe_source(checkout) == {"version": VERSION}
