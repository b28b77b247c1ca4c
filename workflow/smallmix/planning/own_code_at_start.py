"""Try the user's own methods, networks and metrics as a run starts, as far as the run needs them."""

from __future__ import annotations

import subprocess
import sys

from smallmix.planning.estimate import RunJobs
from smallmix.study.own_trials import REMARK
from smallmix.study.study import Study


def own_code_to_try(study: Study, jobs: RunJobs) -> str | None:
    """Return the options of `check-own-code` for what a run trains with and computes; None where nothing is to try."""
    cells = any(cell.own_code for cell in study.cells if cell.id in jobs.cells)
    metrics = "check_own_metrics" in jobs.others
    if cells and metrics:
        return ""
    return "--only cells" if cells else "--only metrics" if metrics else None


def try_own_code(command: str) -> str | None:
    """Run `check-own-code` in a process of its own; return what is wrong with the user's files, or None.

    Print its remarks on files without faults. PyTorch would cost this process a second and its memory for as long as
    the run takes.
    """
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        return done.stderr.strip().removeprefix("smallmix check-own-code: ")
    for line in done.stdout.splitlines():
        if line.startswith(REMARK):
            print(f"smallmix: {line}", file=sys.stderr)
    return None
