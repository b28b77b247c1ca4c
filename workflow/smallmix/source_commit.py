"""Which code runs: the version, and where the project is a git checkout, its commit.

No result depends on it. It lets a reader find the code behind a table.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from pathlib import Path

from smallmix.project_files import PROJECT
from smallmix.version import VERSION

# What runs. Studies are configuration, which study.json keeps.
CODE = ("Snakefile", "workflow", ":(exclude)workflow/studies")
SECONDS = 10  # a slow network folder may not hold a run up


def describe_source(project: Path = PROJECT) -> dict[str, str | bool]:
    """Return the version and, where `project` is the top folder of a git checkout, `commit` and `modified`.

    `modified` says whether tracked code differs from the commit. Files that git does not track do not count. Without
    git, or where git fails, the version stands alone. Raises nothing.
    """
    source: dict[str, str | bool] = {"version": VERSION}
    with contextlib.suppress(OSError, subprocess.SubprocessError, ValueError):
        top, commit = _git(project, "rev-parse", "--show-toplevel", "HEAD").stdout.splitlines()
        # An installed package may lie below somebody else's checkout.
        if os.path.realpath(top) == os.path.realpath(project) and len(commit) >= 40:
            changed = _git(project, "diff", "--quiet", "--no-ext-diff", "HEAD", "--", *CODE, allowed=(0, 1))
            source |= {"commit": commit, "modified": bool(changed.returncode)}
    return source


def _git(project: Path, *arguments: str, allowed: tuple[int, ...] = (0,)) -> subprocess.CompletedProcess[str]:
    """Run git in `project`; it writes nothing. Raises OSError without git, SubprocessError where it fails."""
    # Inside a hook, git names another repository by such variables.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    done = subprocess.run(
        ["git", "-C", str(project), *arguments],
        env={**environment, "GIT_OPTIONAL_LOCKS": "0"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=SECONDS,
        check=False,
    )
    if done.returncode not in allowed:
        raise subprocess.SubprocessError(done.stderr)
    return done
