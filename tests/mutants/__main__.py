"""`python -m tests.mutants [WORD]`: make each deliberate error in a copy of the project, and name those that survive.

Exit code 0: all were noticed. 1: one survived, or the table is out of step with the project. With WORD, only
mutants whose description holds it.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.mutants.runner import TABLE, copy_project, read_mutants, run_mutants

PROJECT = Path(__file__).resolve().parents[2]


def main(words: list[str]) -> int:
    """Run the chosen mutants of the table; return the exit code."""
    mutants = [one for one in read_mutants(PROJECT / TABLE) if all(word in one.seen for word in words)]
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        copy = copy_project(PROJECT, Path(folder))
        return run_mutants(mutants, copy, lambda line: print(line, flush=True))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
