"""`index`: one page that leads to every study that was run or kept here."""

from __future__ import annotations

import argparse

from smallmix.commands.options import Command, add_root


def _index(arguments: argparse.Namespace) -> int:
    """Write the page from the files that are there; print where it is and how many studies it has."""
    from smallmix.atomic_files import write_text
    from smallmix.report.index_page import find_studies, index_file, render_index
    from smallmix.wording import count_of

    run, kept = find_studies(arguments.root)
    page = index_file(arguments.root)
    write_text(page, render_index(run, kept))
    print(f"wrote {page}: {count_of(len(run), 'study', 'studies')} run here, {len(kept):,} kept")
    return 0


COMMANDS = {
    "index": Command(
        "write reports/index.html: every study that was run or kept here, with its answer and the way to its report",
        add_root,
        _index,
    ),
}
