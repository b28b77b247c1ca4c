"""After any damage to a checkpoint the next run uses the one before or begins anew, logs it, and ends undisturbed."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from smallmix.atomic_files import TEMPORARY_PREFIX
from smallmix.training.checkpoint import FORMAT, NEWEST, PREVIOUS, read_checkpoint

from tests.chaos.conftest import UndisturbedRuns
from tests.chaos.outcomes import Outcomes
from tests.chaos.trainer import Training


@pytest.fixture(scope="module")
def stopped(undisturbed: UndisturbedRuns, tmp_path_factory: pytest.TempPathFactory) -> Training:
    """Return a training that was asked to stop when it had two checkpoints."""
    training = undisturbed.trainings["images-and-labels"].in_folder(tmp_path_factory.mktemp("stopped"))
    attempt = training.start()
    attempt.wait_until(lambda: any(training.store.glob(f"*/{PREVIOUS}")))
    attempt.process.terminate()
    assert attempt.wait() == 6, attempt.messages
    return training


class _RunsCode:
    def __init__(self, witness: Path) -> None:
        self.witness = witness

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.witness}",)


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def vouch_for(path: Path, state: Any) -> None:
    """Write a checkpoint with the right header and checksum and any state."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    header = {"format": FORMAT, "key": path.parent.name, "sha256": hashlib.sha256(buffer.getvalue()).hexdigest()}
    path.write_bytes(json.dumps(header).encode() + b"\n" + buffer.getvalue())


def misfit(path: Path) -> None:
    state = read_checkpoint(path, path.parent.name)
    state["model"]["stem.weight"] = torch.zeros(64, 3, 3, 3)
    vouch_for(path, state)


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "truncated": (lambda path: path.write_bytes(path.read_bytes()[:-1000]), "truncated or damaged"),
    "one bit flipped": (flip, "truncated or damaged"),
    "empty": (lambda path: path.write_bytes(b""), "empty, damaged"),
    "foreign": (lambda path: path.write_text("not ours"), "no checkpoint of smallmix"),
    "of another cell": (
        lambda path: path.write_bytes(path.read_bytes().replace(path.parent.name.encode(), b"0" * 32, 1)),
        "another cell, other data or other code",
    ),
    "of older code": (
        lambda path: path.write_bytes(path.read_bytes().replace(FORMAT.encode(), b"smallmix checkpoint 0", 1)),
        "its format is",
    ),
    "of another network": (misfit, "does not fit the network at stem.weight"),
    "that runs code": (
        lambda path: vouch_for(path, {"model": _RunsCode(path.parent.parent.parent / "witness")}),
        "holds more than tensors",
    ),
}
IN_THE_SHORT_FORM = ("one bit flipped",)


@pytest.mark.parametrize(
    "kind", [kind if kind in IN_THE_SHORT_FORM else pytest.param(kind, marks=pytest.mark.long) for kind in DAMAGES]
)
def test_a_damaged_checkpoint(
    stopped: Training, undisturbed: UndisturbedRuns, outcomes: Outcomes, tmp_path: Path, kind: str
) -> None:
    damage, reason = DAMAGES[kind]
    wanted = undisturbed.results["images-and-labels"]
    for names, ending in (((NEWEST,), "the one before"), ((NEWEST, PREVIOUS), "begun anew")):
        problem = f"checkpoint {kind}: {ending}"
        training = stopped.in_folder(tmp_path / ending)
        shutil.copytree(stopped.store, training.store)
        for name in names:
            damage(training.entry / name)
        (training.entry / f"{TEMPORARY_PREFIX}checkpoint-next.pt-killed").write_bytes(b"half")
        outcomes.inject(problem)
        outcomes.compare(problem, training.finish(), wanted)
        log = (training.entry / "log.txt").read_text()
        for name in names:
            assert f"{name} is not used: " in log
        assert reason in log
        assert ("training starts from the beginning" in log) == (len(names) == 2)
        assert list(training.folder.rglob(f"{TEMPORARY_PREFIX}*")) == []
        assert not list(tmp_path.rglob("witness"))
