"""The table of a division where arrays are written to a folder that does not stay, as with a storage of Snakemake.

A storage takes the files that a rule declares. The table is none of them: a study of two given parts has none. It stays
in the project's folder, where it would lie without a storage.
"""

from __future__ import annotations

import os
from pathlib import Path

from smallmix.atomic_files import write_bytes

VARIABLE = "SMALLMIX_DIVISION"  # of the environment: by it the workflow names the folder that stays
TABLES = "split-*.csv"


def folder_that_stays() -> Path | None:
    """Return the folder that the workflow names; None where the arrays' own folder stays."""
    named = os.environ.get(VARIABLE)
    return Path(named) if named else None


def copy_tables(source: Path, target: Path) -> None:
    """Copy the tables of divisions from one folder to another one, which need not be there. Raises SmallmixError."""
    for table in sorted(source.glob(TABLES)):
        write_bytes(target / table.name, table.read_bytes())
