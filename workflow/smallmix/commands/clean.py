"""`clean`: remove what runs made, file by file; everything else stays, wherever it lies."""

from __future__ import annotations

import argparse

from smallmix.commands.options import Command, add_dry_run, add_root


def _declare_clean(parser: argparse.ArgumentParser) -> None:
    add_root(parser)
    add_dry_run(parser)


def _clean(arguments: argparse.Namespace) -> int:
    """Remove, and print what was left. Raises SmallmixError while a run is at work in the project."""
    from smallmix.errors import SmallmixError
    from smallmix.snakemake_files.made_files import find_made_files, remove_made_files
    from smallmix.snakemake_files.run_lock import find_holders

    made = find_made_files(arguments.root)
    if arguments.dry_run:
        for path in made:
            print(f"would be removed: {path}")
        return 0
    holders = find_holders(arguments.root)
    if holders:
        raise SmallmixError(
            f"nothing was removed, because runs are at work here: {'; '.join(holders)}. Stop them or wait until they "
            "have finished, then run the same command again."
        )
    left = remove_made_files(made, arguments.root)
    stuck = set(made) & set(left)
    print(f"removed {len(made) - len(stuck):,} files that runs made")
    for path in left:
        print(f"left: {path} ({'no permission to remove it' if path in stuck else 'not made by a run'})")
    return 0


COMMANDS = {
    "clean": Command(
        "remove what runs made: results, arrays, logs and reports of studies; your own files stay",
        _declare_clean,
        _clean,
    )
}
