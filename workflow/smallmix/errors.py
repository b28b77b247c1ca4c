"""The errors that are meant for people: a message and an exit code, never a traceback."""

from __future__ import annotations

from pathlib import Path


class SmallmixError(Exception):
    """A problem that the user can solve. The command line prints the message alone and exits with `exit_code`.

    The message says what is wrong, where (file, key, row) and what to do about it.
    """

    exit_code = 1


class ConfigurationError(SmallmixError):
    """The configuration has errors; the message lists all of them."""

    exit_code = 2


class DatasetError(SmallmixError):
    """Images, lists or archives from outside that cannot be used as they are."""

    exit_code = 3


class TrainingError(SmallmixError):
    """A cell cannot be trained any further: non-finite loss, no memory, no space for its checkpoint."""

    exit_code = 4


class CellBusyError(SmallmixError):
    """Another process is training this very cell."""

    exit_code = 5


class Interrupted(SmallmixError):
    """A signal asked the trainer to stop; the checkpoint is written and a rerun continues."""

    exit_code = 6


class ReplayDiffers(SmallmixError):
    """Results of older code are not what this version computes; nothing of them was changed."""

    exit_code = 7


INCOMPLETE, INTERRUPTED, NOBODY_READS = 8, 130, 141
# What each exit code of `smallmix` means; `smallmix --help` and docs/commands.md list them.
EXIT_CODES = {
    0: "done",
    1: "an error, which the message explains; of `run` any stop of Snakemake; of `status --check` a failed cell",
    2: "the configuration or the command line is wrong",
    3: "images, lists or archives cannot be used",
    4: "a training cannot go on: loss not finite, no memory, no space",
    5: "another process trains this cell",
    6: "a signal asked the training to stop; it is saved, and the same command continues it",
    7: "results of older code are not what this version computes",
    INCOMPLETE: "of `status --check`: no cell failed, and the study is not complete yet",
    INTERRUPTED: "interrupted by Ctrl-C",
    NOBODY_READS: "stopped before its end, because nobody reads its output any more (`| head`)",
}


def remedy(folder: Path) -> str:
    """Return the sentence of messages that says what to do about a dataset folder that is not whole."""
    return f"Delete the folder {folder} and run again."
