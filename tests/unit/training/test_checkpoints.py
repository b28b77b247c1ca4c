"""A checkpoint is whole, this training's, and believed only after checks; the one before it survives all damage."""

from __future__ import annotations

import copy
import hashlib
import io
import json
import os
import pickle
import resource
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from smallmix.errors import TrainingError
from smallmix.science.arithmetic import fix_arithmetic
from smallmix.science.training_state import TrainingState
from smallmix.training.cell_data import load_training_data
from smallmix.training.checkpoint import (
    FORMAT,
    NEWEST,
    NEXT,
    PREVIOUS,
    UnusableCheckpoint,
    read_checkpoint,
    resume_from_checkpoint,
    save_checkpoint,
)
from smallmix.training.resumable import ResumableTraining

from tests.tiny_cell import TinyData, forked, tiny_cell

KEY = "k" * 32


def a_state(number: int) -> dict[str, Any]:
    return {"iteration": number, "weights": torch.arange(1000.0) + number}


def resumed(folder: Path) -> tuple[int | None, list[str]]:
    """Return the iteration that a training would go on from (None: a fresh start), and what is logged."""
    found: list[int] = []
    lines: list[str] = []
    answer = resume_from_checkpoint(folder, KEY, lambda state: found.append(state["iteration"]), lines.append)
    assert answer == bool(found)
    return (found[0] if found else None), lines


def with_checksum(content: bytes, key: str = KEY, file_format: str = FORMAT) -> bytes:
    """Write a checkpoint file whose header vouches for any content."""
    header = {"format": file_format, "key": key, "sha256": hashlib.sha256(content).hexdigest()}
    return json.dumps(header).encode() + b"\n" + content


def torch_bytes(value: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


def test_keeps_the_newest_and_the_one_before(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        save_checkpoint(tmp_path, KEY, a_state(number))
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([NEWEST, PREVIOUS])
    newest = read_checkpoint(tmp_path / NEWEST, KEY)
    assert newest["iteration"] == 3
    assert torch.equal(newest["weights"], torch.arange(1000.0) + 3)
    assert read_checkpoint(tmp_path / PREVIOUS, KEY)["iteration"] == 2
    assert resumed(tmp_path) == (3, [])


def test_without_any_checkpoint_nothing_is_reported(tmp_path: Path) -> None:
    assert resumed(tmp_path) == (None, [])


@pytest.mark.parametrize("operation", range(1, 7))
def test_a_kill_between_any_two_file_operations_loses_at_most_the_unfinished_checkpoint(
    tmp_path: Path, operation: int
) -> None:
    save_checkpoint(tmp_path, KEY, a_state(1))
    save_checkpoint(tmp_path, KEY, a_state(2))
    left = operation

    def die_before(function: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **named: Any) -> Any:
            nonlocal left
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments, **named)

        return counted

    def save_and_die() -> None:
        for name in ("replace", "fsync", "fchmod"):
            setattr(os, name, die_before(getattr(os, name)))
        save_checkpoint(tmp_path, KEY, a_state(3))

    status = forked(save_and_die)
    killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    assert killed or status == 0
    # Operations: fchmod, fsync, replace (whole now), folder fsync, replace, replace, folder fsync.
    assert resumed(tmp_path) == (2 if operation <= 3 else 3, [])
    save_checkpoint(tmp_path, KEY, a_state(4))
    assert resumed(tmp_path) == (4, [])


def test_a_full_disk_stops_with_the_folder_and_the_bytes_and_keeps_what_was_there(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, KEY, a_state(1))
    needed = len(torch_bytes(a_state(2)))

    def save_beyond_the_limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
        with pytest.raises(TrainingError) as caught:
            save_checkpoint(tmp_path, KEY, a_state(2))
        message = str(caught.value)
        assert f"{needed:,} bytes were needed in {tmp_path}" in message
        assert "Earlier checkpoints are kept" in message

    assert forked(save_beyond_the_limit) == 0
    assert [path.name for path in tmp_path.iterdir()] == [NEWEST]
    assert resumed(tmp_path) == (1, [])


class _RunsCode:
    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (self.command,)


GOOD = torch_bytes(a_state(9))
BAD_FILES: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "empty, damaged, or no checkpoint"),
    "text": (b"hello\nworld\n", "no checkpoint of smallmix"),
    "a torch archive without header": (GOOD, "no checkpoint of smallmix"),
    "a header of another kind": (b"[1, 2]\n" + GOOD, "no checkpoint of smallmix"),
    "a header nested too deep": (b"[" * 100_000, "no checkpoint of smallmix"),
    "truncated": (with_checksum(GOOD)[:-100], "truncated or damaged"),
    "one bit flipped": (
        with_checksum(GOOD)[:-200] + bytes([with_checksum(GOOD)[-200] ^ 1]) + with_checksum(GOOD)[-199:],
        "truncated or damaged",
    ),
    "header only": (with_checksum(GOOD).split(b"\n")[0], "truncated or damaged"),
    "another training's": (with_checksum(GOOD, key="x" * 32), "another cell, other data or other code"),
    "an older format": (with_checksum(GOOD, file_format="smallmix checkpoint 0"), "its format is"),
    "not a torch archive": (with_checksum(b"PK\x03\x04 nothing"), "cannot read it"),
    "a plain pickle": (with_checksum(pickle.dumps({"iteration": 9})), "cannot read it"),
    "no mapping": (with_checksum(torch_bytes([1, 2, 3])), "holds no state"),
    "an empty body": (with_checksum(b""), "cannot read it"),
}


@pytest.mark.parametrize("kind", BAD_FILES)
def test_a_bad_file_is_passed_over_with_a_line_in_the_log(tmp_path: Path, kind: str) -> None:
    content, reason = BAD_FILES[kind]
    save_checkpoint(tmp_path, KEY, a_state(1))
    save_checkpoint(tmp_path, KEY, a_state(2))
    (tmp_path / NEWEST).write_bytes(content)
    iteration, lines = resumed(tmp_path)
    assert iteration == 1
    assert len(lines) == 1
    assert lines[0].startswith(f"{NEWEST} is not used: ")
    assert reason in lines[0]

    (tmp_path / PREVIOUS).write_bytes(content)
    iteration, lines = resumed(tmp_path)
    assert iteration is None
    assert len(lines) == 3
    assert lines[-1] == "no checkpoint can be used: training starts from the beginning"

    save_checkpoint(tmp_path, KEY, a_state(5))
    assert resumed(tmp_path) == (5, [])


def test_a_folder_and_a_dangling_link_in_its_place_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / NEWEST).mkdir()
    (tmp_path / NEXT).symlink_to(tmp_path / "nowhere")
    iteration, lines = resumed(tmp_path)
    assert iteration is None
    assert [line.partition(" is not used")[0] for line in lines[:2]] == [NEXT, NEWEST]


@pytest.mark.parametrize("archive", [True, False], ids=["torch archive", "bare pickle"])
def test_code_in_a_checkpoint_does_not_run(tmp_path: Path, archive: bool) -> None:
    witness = tmp_path / "witness"
    attack = {"iteration": 9, "weights": _RunsCode(f"touch {witness}")}
    content = torch_bytes(attack) if archive else pickle.dumps(attack)
    (tmp_path / NEWEST).write_bytes(with_checksum(content))
    iteration, lines = resumed(tmp_path)
    assert iteration is None
    assert "holds more than tensors" in lines[0]
    assert not witness.exists()
    # The attack is real: read without protection it runs.
    torch.load(io.BytesIO(content), weights_only=False) if archive else pickle.loads(content)
    assert witness.exists()


Edit = Callable[[dict[str, Any]], Any]
EDITS: dict[str, Edit] = {
    "a weight missing": lambda state: state["model"].pop("stem.weight"),
    "a weight too many": lambda state: state["model"].update(more=torch.zeros(1)),
    "a weight of another shape": lambda state: state["model"].update({"stem.weight": torch.zeros(8, 1, 3, 3)}),
    "a weight of another type": lambda state: state["model"].update(
        {"stem.weight": state["model"]["stem.weight"].double()}
    ),
    "a weight that is no tensor": lambda state: state["model"].update({"stem.weight": "heavy"}),
    "a weight that is not finite": lambda state: state["model"]["stem.weight"].view(-1)[0].fill_(float("nan")),
    "no mapping of weights": lambda state: state.update(model=[1]),
    "momentum cut off": lambda state: state["momentum"].pop(),
    "momentum of another shape": lambda state: state["momentum"].__setitem__(0, torch.zeros(1)),
    "no momentum": lambda state: state.pop("momentum"),
    "momentum that is a number": lambda state: state.update(momentum=3),
    "an iteration beyond the budget": lambda state: state.update(iteration=7),
    "a negative iteration": lambda state: state.update(iteration=-1),
    "an iteration in words": lambda state: state.update(iteration="four"),
    "an iteration without its evaluations": lambda state: state.update(iteration=1),
    "a boolean loss": lambda state: state.update(loss_sum=True),
    "a loss that is not finite": lambda state: state.update(loss_sum=float("inf")),
    "a largest loss that is not finite": lambda state: state.update(largest_early_loss=float("nan")),
    "a largest loss in words": lambda state: state.update(largest_early_loss="high"),
    "no largest loss": lambda state: state.pop("largest_early_loss"),
    "a largest loss of no early step": lambda state: state.update(largest_early_loss_iteration=2),
    "a history too short": lambda state: state["history"].clear(),
    "a history of other rows": lambda state: state["history"][0].pop(),
    "a history of words": lambda state: state["history"][0].__setitem__(3, "low"),
    "a history that is a number": lambda state: state.update(history=5),
    "no digest of early weights": lambda state: state["early_digests"].clear(),
    "a digest that is a number": lambda state: state["early_digests"].update({1: 7}),
    "digests that are a list": lambda state: state.update(early_digests=["0"]),
    "no start": lambda state: state.update(started=None),
    "environments that are none": lambda state: state.update(environments=[1]),
    "executions that are none": lambda state: state.update(executions=[1]),
    "an execution in numbers": lambda state: state.update(executions=[{"executor": 1}]),
    "nothing at all": lambda state: state.clear(),
}


@pytest.mark.parametrize("kind", EDITS)
def test_a_state_that_does_not_fit_is_refused_before_anything_changes(tmp_path: Path, kind: str) -> None:
    """Such a file has the right checksum: somebody made it by hand, or an error of ours did."""
    data = TinyData.write(tmp_path)
    cell = tiny_cell()
    fix_arithmetic(1)
    images = load_training_data(cell, data.dataset, data.subset, torch.device("cpu"), torch.contiguous_format)
    state = TrainingState.fresh(cell, images, torch.device("cpu"))
    state.iteration, state.loss_sum, state.early_digests = 5, 1.5, {1: "0" * 64}
    saved = copy.deepcopy(ResumableTraining(state, started="2026-01-02T03:04:05Z").to_checkpoint())
    row = [2, 0.6, 0.05, 1.0, 1.0, 0.5, 1.0, 0.5]
    saved["history"] = [row, [4, *row[1:]]]
    again = TrainingState.fresh(cell, images, torch.device("cpu"))
    ResumableTraining(again).restore(copy.deepcopy(saved))  # fits as it is

    fresh = TrainingState.fresh(cell, images, torch.device("cpu"))
    before = fresh.weights_sha256()
    EDITS[kind](saved)
    with pytest.raises(UnusableCheckpoint, match=r"^its? "):
        ResumableTraining(fresh).restore(saved)
    assert fresh.weights_sha256() == before
    assert fresh.iteration == 0
    assert fresh.history == []
