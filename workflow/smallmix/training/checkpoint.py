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
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from smallmix import atomic_files
from smallmix.fingerprints import canonical_json

FORMAT = "smallmix checkpoint 1"
NEWEST, PREVIOUS = "checkpoint.pt", "checkpoint-previous.pt"

State = dict[str, Any]


class UnusableCheckpoint(Exception):
    """Why a checkpoint is not believed."""


def save_checkpoint(folder: Path, key: str, state: State) -> None:
    """Write `state` (tensors, numbers, text, lists and mappings of these); the checkpoint before it is kept.

    Raises SmallmixError where the disk is full or the folder cannot be written; the old checkpoints are then untouched.
    """
    buffer = io.BytesIO()
    torch.save(state, buffer)
    content = buffer.getvalue()
    header = {"format": FORMAT, "key": key, "sha256": hashlib.sha256(content).hexdigest()}
    with atomic_files.atomic_writer(folder / "checkpoint-next.pt") as stream:
        stream.write(canonical_json(header).encode("ascii") + b"\n" + content)
    # Between these two replacements a kill leaves no newest checkpoint; loading then finds the next or the previous.
    with contextlib.suppress(FileNotFoundError):
        os.replace(folder / NEWEST, folder / PREVIOUS)
    os.replace(folder / "checkpoint-next.pt", folder / NEWEST)
    atomic_files.flush_folder(folder)


def load_checkpoint(folder: Path, key: str, log: Callable[[str], None]) -> State | None:
    """The newest usable state of the training `key`, or None for a fresh start."""
    for name in ("checkpoint-next.pt", NEWEST, PREVIOUS):
        path = folder / name
        if not path.exists():
            continue
        try:
            return read_checkpoint(path, key)
        except UnusableCheckpoint as fault:
            log(f"{name} is not used: {fault}")
    return None


def read_checkpoint(path: Path, key: str) -> State:
    """Read and verify one checkpoint file. Raises UnusableCheckpoint with the reason."""
    try:
        content = path.read_bytes()
    except OSError as fault:
        raise UnusableCheckpoint(f"it cannot be read ({fault.strerror})") from fault
    first_line, _, body = content.partition(b"\n")
    try:
        header = json.loads(first_line)
        file_format, file_key, checksum = header["format"], header["key"], header["sha256"]
    except (ValueError, KeyError, TypeError) as fault:
        raise UnusableCheckpoint("it is empty, damaged, or no checkpoint of smallmix") from fault
    if file_format != FORMAT:
        raise UnusableCheckpoint(f"its format is {file_format!r}, not {FORMAT!r}")
    if file_key != key:
        raise UnusableCheckpoint("it belongs to another cell, other data or other code")
    if hashlib.sha256(body).hexdigest() != checksum:
        raise UnusableCheckpoint("its content is truncated or damaged (checksum)")
    try:
        state = torch.load(io.BytesIO(body), map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as fault:
        raise UnusableCheckpoint(f"it holds more than tensors and plain values ({type(fault).__name__})") from fault
    if not isinstance(state, dict):
        raise UnusableCheckpoint("it holds no state")
    return state
