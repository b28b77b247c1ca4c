"""Checkpoints: written whole, kept in pairs, verified before they are believed.

A checkpoint file is one line of header (format, key of the training, sha256 of the rest) and the torch archive of the
state. Loading admits tensors and plain values only (weights_only) and falls back from the newest checkpoint to the one
before, and then to a fresh start, each time with a line that says why.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from smallmix import atomic_files
from smallmix.errors import SmallmixError, TrainingError
from smallmix.fingerprints import canonical_json

FORMAT = "smallmix checkpoint 5"
NEXT, NEWEST, PREVIOUS = "checkpoint-next.pt", "checkpoint.pt", "checkpoint-previous.pt"
LONGEST_HEADER = 1000

State = dict[str, Any]


class UnusableCheckpoint(Exception):
    """Why a checkpoint is not believed."""


def save_checkpoint(folder: Path, key: str, state: State) -> None:
    """Write `state` (tensors, numbers, text, lists and mappings of these); the checkpoint before it is kept.

    Raises TrainingError where the disk is full or the folder cannot be written, with the bytes that were needed; the
    checkpoints that were there are then kept.
    """
    buffer = io.BytesIO()
    torch.save(state, buffer)
    content = buffer.getvalue()
    header = {"format": FORMAT, "key": key, "sha256": hashlib.sha256(content).hexdigest()}
    try:
        with atomic_files.atomic_writer(folder / NEXT) as stream:
            stream.write(canonical_json(header).encode("ascii") + b"\n" + content)
        # A kill between these two replacements leaves no newest checkpoint; loading then finds the next one.
        with contextlib.suppress(FileNotFoundError):
            os.replace(folder / NEWEST, folder / PREVIOUS)
        os.replace(folder / NEXT, folder / NEWEST)
        atomic_files.flush_folder(folder)
    except (SmallmixError, OSError) as error:
        raise TrainingError(
            f"the checkpoint could not be saved: {len(content):,} bytes were needed in {folder}: {error} "
            "Earlier checkpoints are kept, and a rerun continues from the last of them."
        ) from error


def resume_from_checkpoint(
    folder: Path, key: str, restore: Callable[[State], None], log: Callable[[str], None]
) -> bool:
    """Hand the newest usable state of the training `key` to `restore`; False means a fresh start.

    `restore` raises UnusableCheckpoint, before it changes anything, for a state that does not fit.
    """
    found = [folder / name for name in (NEXT, NEWEST, PREVIOUS) if os.path.lexists(folder / name)]
    for path in found:
        try:
            restore(read_checkpoint(path, key))
        except UnusableCheckpoint as error:
            log(f"{path.name} is not used: {error}")
        else:
            return True
    if found:
        log("no checkpoint can be used: training starts from the beginning")
    return False


def read_checkpoint(path: Path, key: str) -> State:
    """Return the content of one checkpoint file, verified. Raises UnusableCheckpoint with the reason."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UnusableCheckpoint(f"it cannot be read ({error.strerror})") from error
    first_line, _, body = content.partition(b"\n")
    try:
        header = json.loads(first_line[:LONGEST_HEADER])
        file_format, file_key, checksum = header["format"], header["key"], header["sha256"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UnusableCheckpoint("it is empty, damaged, or no checkpoint of smallmix") from error
    if file_format != FORMAT:
        raise UnusableCheckpoint(f"its format is {file_format!r}, not {FORMAT!r}")
    if file_key != key:
        raise UnusableCheckpoint("it belongs to another cell, other data or other code")
    if hashlib.sha256(body).hexdigest() != checksum:
        raise UnusableCheckpoint("its content is truncated or damaged (checksum)")
    try:
        state = torch.load(io.BytesIO(body), map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises a dozen kinds, by version; whichever it is, nothing in the file has run
        raise UnusableCheckpoint(
            f"it holds more than tensors and plain values, or this PyTorch {torch.__version__} cannot read it "
            f"({type(error).__name__})"
        ) from error
    if not isinstance(state, dict):
        raise UnusableCheckpoint("it holds no state")
    return state
