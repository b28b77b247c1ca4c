"""`store`: what lies in the store of trained cells, and how to free what no study needs."""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import TYPE_CHECKING

from smallmix.commands.options import Command, add_root

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from smallmix.study.known_studies import KnownStudies
    from smallmix.tables.store_contents import StoredTraining

SECONDS_A_DAY = 86_400


def _declare(parser: argparse.ArgumentParser) -> None:
    parser.usage = "smallmix store list|prune [options]"
    parser.add_argument(
        "action",
        choices=("list", "prune"),
        metavar="ACTION",
        help="list shows every training with its state, size, age and the studies that need it; prune removes those "
        "that no study known here needs (config.yaml, workflow/studies, results) and nobody trains",
    )
    parser.add_argument("--yes", action="store_true", help="prune: remove without asking")
    parser.add_argument("--dry-run", action="store_true", help="prune: show what would be removed, do not ask")
    parser.add_argument(
        "--older-than", type=_days, default=0.0, metavar="DAYS", help="prune: only what wrote its last file so long ago"
    )
    parser.add_argument("--json", action="store_true", help="print JSON; prune then removes with --yes only")
    add_root(parser)


def _days(text: str) -> float:
    days = float(text)
    if not 0 <= days <= 100_000:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 100000 days")
    return days


def _store(arguments: argparse.Namespace) -> int:
    """List, or prune. Raises SmallmixError, before anything is removed, where a study's file cannot be read."""
    from smallmix.study.known_studies import find_known_studies
    from smallmix.study.layout import Folders
    from smallmix.tables.store_contents import read_store

    known = find_known_studies(arguments.root)
    store = arguments.root / Folders.of_this_process().store
    if arguments.action == "prune" and known.problems:
        raise _unknown_needs(known)
    trainings, now = read_store(known, store), time.time()
    if store.is_symlink():
        print(
            f"smallmix: {store} is a link to {store.resolve()}; what studies of other projects need there is not known "
            "here",
            file=sys.stderr,
        )
    if arguments.action == "list":
        return _list(trainings, store, known, now, as_json=arguments.json)
    return _prune(arguments, trainings, store, now)


def _list(trainings: Sequence[StoredTraining], store: Path, known: KnownStudies, now: float, *, as_json: bool) -> int:
    from smallmix.planning import store_view

    if as_json:
        entries = [store_view.as_json(one, now) for one in trainings]
        print(json.dumps({"store": str(store), "trainings": entries, "problems": list(known.problems)}))
        return 0
    if trainings:
        print("\n".join(store_view.table_lines(trainings, now)))
    print(f"{store}: {store_view.summary_line(trainings)}")
    for problem in known.problems:
        print(f"smallmix: warning: what this study needs is not known: {problem}", file=sys.stderr)
    return 0


def _prune(arguments: argparse.Namespace, trainings: Sequence[StoredTraining], store: Path, now: float) -> int:
    from smallmix.planning import store_view
    from smallmix.planning.plan import describe_bytes
    from smallmix.tables.store_contents import removable
    from smallmix.wording import count_of

    chosen = removable(trainings, arguments.older_than * SECONDS_A_DAY, now)
    freed = describe_bytes(sum(one.size for one in chosen))
    what = f"{count_of(len(chosen), 'training')}, {freed}"
    may_ask = sys.stdin is not None and sys.stdin.isatty() and not arguments.json
    removing = bool(chosen) and not arguments.dry_run and arguments.yes
    if not arguments.json:
        if not chosen:
            print(f"{store}: nothing to remove: {store_view.summary_line(trainings)}")
            return 0
        print("\n".join(store_view.table_lines(chosen, now)))
        if not arguments.dry_run and not arguments.yes and may_ask:
            removing = input(f"Remove these for good ({what})? [y/N] ").strip().lower() in ("y", "yes")
        if not removing:
            older = f"--older-than {arguments.older_than:g} " if arguments.older_than else ""
            print(f"nothing was removed; `smallmix store prune {older}--yes` would remove {what}")
            return 0
    left = _remove(chosen) if removing else {}
    removed = [one for one in chosen if removing and one.key not in left]
    if arguments.json:
        entries = [
            {**store_view.as_json(one, now), "removed": one in removed, "problem": left.get(one.key)} for one in chosen
        ]
        print(json.dumps({"store": str(store), "trainings": entries}))
    else:
        print(f"removed {count_of(len(removed), 'training')}, {describe_bytes(sum(one.size for one in removed))}")
        for key, reason in left.items():
            print(f"left: {key}: {reason}", file=sys.stderr)
    return 1 if left else 0


def _remove(chosen: Sequence[StoredTraining]) -> dict[str, str]:
    """Remove the trainings; return why some are left, by their keys."""
    from smallmix.errors import SmallmixError
    from smallmix.tables.store_contents import remove_training

    left = {}
    for one in chosen:
        try:
            remove_training(one)
        except SmallmixError as error:
            left[one.key] = str(error)
    return left


def _unknown_needs(known: KnownStudies) -> Exception:
    from smallmix.errors import ConfigurationError

    lines = "".join(f"\n  {problem}" for problem in known.problems)
    return ConfigurationError(
        f"nothing was removed, because it is not known what some studies need:{lines}\nCorrect or remove these files."
    )


COMMANDS = {
    "store": Command("show what lies in the store of trained cells, and free what no study needs", _declare, _store)
}
