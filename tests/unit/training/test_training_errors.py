"""What ends a training is reported in words, is on record in failure.json, and leaves the checkpoints alone."""

from __future__ import annotations

import dataclasses
import json
import math
import resource
from pathlib import Path
from typing import Any

import pytest
import torch
from smallmix import atomic_files
from smallmix.errors import CellBusyError, DatasetError, Interrupted, SmallmixError, TrainingError
from smallmix.science import steps, training_step
from smallmix.training import messages
from smallmix.training.messages import (
    describe_early_loss,
    describe_non_finite,
    describe_non_finite_evaluation,
)
from smallmix.training.out_of_memory import describe_out_of_memory, is_out_of_memory
from smallmix.training.store import StoreEntry

from tests.tiny_cell import StopAtCheck, TinyData, tiny_cell


@pytest.fixture
def data(tmp_path: Path) -> TinyData:
    return TinyData.write(tmp_path)


def failure(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "cell" / "failure.json").read_text(encoding="utf-8"))
    assert not (folder / "cell" / "metrics.json").exists()
    return content


def test_a_loss_that_is_not_finite(data: TinyData, tmp_path: Path) -> None:
    cell = tiny_cell(learning_rate=1e30)
    with pytest.raises(TrainingError) as caught:
        data.train(cell, tmp_path)
    message = str(caught.value)
    assert "the training loss became nan at iteration 2 of 6 (learning rate 1e+30, last finite loss 2." in message
    assert "stopped before the optimiser step. Lower recipe.learning_rate." in message
    assert caught.value.exit_code == 4
    record = failure(tmp_path)
    assert record["reason"] == message
    assert record["cell_fingerprint"] == cell.fingerprint
    assert record["log_tail"][-1].endswith(f"failed: {message}")


def test_bf16_is_named_as_a_cause_where_it_is_used(data: TinyData, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"or use recipe\.precision: fp32"):
        data.train(tiny_cell(learning_rate=1e30, precision="bf16"), tmp_path)


WITHOUT_FINAL_NORM = "preact-resnet18-without-final-norm"


@pytest.mark.parametrize(
    ("network", "recipe", "named"),
    [
        ("preact-resnet18", {}, []),
        ("preact-resnet18", {"precision": "bf16"}, ["precision"]),
        ("preact-resnet18", {"batch_size": 19}, ["remainder"]),
        ("preact-resnet18", {"batch_size": 19, "last_batch": "even"}, []),
        ("preact-resnet18", {"batch_size": 19, "last_batch": "drop"}, []),
        (WITHOUT_FINAL_NORM, {}, ["network"]),
        (WITHOUT_FINAL_NORM, {"batch_size": 9, "precision": "bf16"}, ["network", "precision"]),
        (WITHOUT_FINAL_NORM, {"batch_size": 19, "precision": "bf16"}, ["network", "remainder", "precision"]),
    ],
)
def test_what_fits_is_named_and_nothing_else(network: str, recipe: dict[str, Any], named: list[str]) -> None:
    """20 images in batches of 19 leave one, in batches of 9 they leave two: an eighth of 9 is less than that."""
    cell = tiny_cell(**recipe)
    cell = dataclasses.replace(cell, model=dataclasses.replace(cell.model, name=network))
    words = {
        "network": "no normalisation after its last block, and nothing bounds its sums at a high rate. "
        "Use model.name: preact-resnet18.",
        "remainder": "The last batch of each epoch holds 1 image instead of 19",
        "precision": "or use recipe.precision: fp32.",
    }
    messages = [
        describe_non_finite(cell, math.nan, 3, 0.1, 2.3),
        describe_non_finite_evaluation(cell, "test", math.inf, 3, 0.1, 2.3),
        describe_early_loss(cell, 451.6, 3, 23.026),
    ]
    for message in messages:
        assert [key for key, text in words.items() if text in message] == named
        assert ("Use recipe.last_batch: even." in message) == ("remainder" in named)
        assert "Lower recipe.learning_rate" in message
    assert "rose to 451.6 at iteration 3, above 23, ten times the loss of guessing" in messages[-1]


def test_a_small_remainder_is_reported_at_the_start(data: TinyData, tmp_path: Path) -> None:
    _, lines = data.train(tiny_cell(batch_size=18), tmp_path / "keep")
    assert lines[0].startswith("warning: The last batch of each epoch holds 2 images instead of 18")
    for name in ("even", "drop"):
        _, lines = data.train(tiny_cell(batch_size=18, last_batch=name), tmp_path / name)
        assert not any("warning" in line for line in lines)


def test_a_beginning_that_diverges_is_reported_once_and_noted(
    data: TinyData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell = tiny_cell(iterations=50, every=2)
    output, lines = data.train(cell, tmp_path / "healthy")
    metrics = json.loads((output / "metrics.json").read_text(encoding="utf-8"))
    assert 2 < metrics["largest_early_loss"] < 10
    assert 1 <= metrics["largest_early_loss_iteration"] <= 5
    assert not any("began to diverge" in line for line in lines)
    # As if there were fewer classes, where such a loss is out of all bounds.
    monkeypatch.setattr(messages, "alarming_loss", lambda classes: 0.1 * classes)
    with pytest.raises(Interrupted):
        data.train(cell, tmp_path / "alarming", StopAtCheck(20))
    _, lines = data.train(cell, tmp_path / "alarming")
    (store,) = (tmp_path / "alarming" / "store").iterdir()
    logged = [line[20:] for line in (store / "log.txt").read_text(encoding="utf-8").splitlines()]
    (reported,) = (line for line in logged if "began to diverge" in line)
    where = f"{metrics['largest_early_loss']:.4g} at iteration {metrics['largest_early_loss_iteration']}, above 1"
    assert where in reported
    # Right behind the first evaluation at which all five early steps are known.
    assert logged[logged.index(reported) - 1].startswith("iteration 6/50 ")


def test_an_evaluation_that_is_not_finite(data: TinyData, tmp_path: Path) -> None:
    """The last step may break the network, and no further training loss shows it."""
    with pytest.raises(TrainingError, match=r"loss on the clean training images is (nan|inf) after iteration 1 of 1"):
        data.train(tiny_cell(learning_rate=1e38, iterations=1, every=1), tmp_path)
    assert "Lower recipe.learning_rate" in failure(tmp_path)["reason"]


def raise_at_step(number: int, error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    step = training_step.traceable_step
    left = number

    def failing(*arguments: Any) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise error
        step(*arguments)

    monkeypatch.setattr(steps, "traceable_step", failing)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nmore lines"),
        MemoryError(),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 99 bytes."),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
        RuntimeError("could not create a primitive"),
        RuntimeError("could not execute a primitive"),
        RuntimeError("could not create a memory object"),
    ],
    ids=["torch", "python", "allocator", "cuda", "cudnn", "onednn", "onednn-running", "onednn-memory"],
)
def test_out_of_memory(data: TinyData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    raise_at_step(3, error, monkeypatch)
    with pytest.raises(TrainingError) as caught:
        data.train(tiny_cell(), tmp_path, checkpoint_seconds=0.0)
    message = str(caught.value)
    assert message.startswith("out of memory on the CPU (")
    assert "bytes of memory free) with batches of 8 images at width 4: " in message
    assert "Lower recipe.batch_size or model.width" in message
    assert "\n" not in message
    assert failure(tmp_path)["reason"] == message
    (entry,) = (tmp_path / "store").iterdir()
    assert StoreEntry(entry).has_checkpoint


@pytest.mark.parametrize(
    ("addresses", "data", "said"),
    [
        (-1, -1, "free)"),
        (2**31, -1, "free; this process may take 2,147,483,648 bytes, which ulimit -v shows in kB)"),
        (2**31, 2**30, "free; this process may take 1,073,741,824 bytes, which ulimit -d shows in kB)"),
    ],
)
def test_a_limit_of_the_process_is_told_beside_the_free_memory(
    monkeypatch: pytest.MonkeyPatch, addresses: int, data: int, said: str
) -> None:
    limits = {resource.RLIMIT_AS: (addresses, -1), resource.RLIMIT_DATA: (data, -1)}
    monkeypatch.setattr(resource, "getrlimit", limits.__getitem__)
    message = describe_out_of_memory(tiny_cell(), torch.device("cpu"), MemoryError())
    assert f"{said} with batches" in message
    assert ("raise the limit of the process" in message) == (addresses != -1)


def test_what_pytorch_really_reports_without_memory_is_recognised() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 50)
    assert is_out_of_memory(caught.value)
    assert not is_out_of_memory(RuntimeError("shapes do not match"))
    assert not is_out_of_memory(RuntimeError("could not create a primitive descriptor for a convolution"))
    assert not is_out_of_memory(ValueError("out of memory"))


def test_an_unexpected_error_is_on_record_and_not_disguised(
    data: TinyData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raise_at_step(2, RuntimeError("a GPU fell off the bus"), monkeypatch)
    with pytest.raises(RuntimeError, match="fell off"):
        data.train(tiny_cell(), tmp_path)
    assert failure(tmp_path)["reason"] == "unexpected RuntimeError: a GPU fell off the bus"


def test_no_space_for_the_record(data: TinyData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise SmallmixError("cannot write history.csv: no space left")

    with monkeypatch.context() as patch:
        patch.setattr(StoreEntry, "finish", full)
        with pytest.raises(SmallmixError, match="no space"):
            data.train(tiny_cell(), tmp_path)
    assert failure(tmp_path)["reason"] == "cannot write history.csv: no space left"
    data.train(tiny_cell(), tmp_path)
    assert not (tmp_path / "cell" / "failure.json").exists()


def test_where_not_even_the_failure_can_be_written_the_first_error_is_reported(
    data: TinyData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, content: str) -> None:
        raise SmallmixError(f"cannot write {path}: no space left")

    monkeypatch.setattr(atomic_files, "write_text", full)
    with pytest.raises(TrainingError, match="the training loss became"):
        data.train(tiny_cell(learning_rate=1e30), tmp_path)


@pytest.mark.parametrize("content", ["", "row,label,class\n0,1,1\n", "row,label\n999,0\n", "\x00\x01"])
def test_a_damaged_subset(data: TinyData, tmp_path: Path, content: str) -> None:
    data.subset.write_text(content)
    with pytest.raises(DatasetError, match=data.subset.name):
        data.train(tiny_cell(), tmp_path)
    assert data.subset.name in failure(tmp_path)["reason"]


def test_a_missing_subset_is_on_record_although_it_has_no_place_in_the_store(data: TinyData, tmp_path: Path) -> None:
    data.subset.unlink()
    with pytest.raises(DatasetError):
        data.train(tiny_cell(), tmp_path)
    assert failure(tmp_path)["log_tail"] == []


def test_an_interruption_and_a_busy_cell_are_no_failures(data: TinyData, tmp_path: Path) -> None:
    with pytest.raises(TrainingError):
        data.train(tiny_cell(learning_rate=1e30), tmp_path)
    (tmp_path / "cell" / "failure.json").rename(tmp_path / "cell" / "kept")
    with pytest.raises(Interrupted):
        data.train(tiny_cell(), tmp_path, StopAtCheck(4))
    assert not (tmp_path / "cell" / "failure.json").exists()
    key = next(entry for entry in (tmp_path / "store").iterdir() if StoreEntry(entry).has_checkpoint)
    holder = StoreEntry(key)
    holder.acquire()
    with pytest.raises(CellBusyError):
        data.train(tiny_cell(), tmp_path)
    holder.release()
    assert not (tmp_path / "cell" / "failure.json").exists()


def test_a_new_attempt_takes_back_the_note_of_the_last_one(data: TinyData, tmp_path: Path) -> None:
    (tmp_path / "cell").mkdir()
    (tmp_path / "cell" / "failure.json").write_text("{}")
    with pytest.raises(Interrupted):
        data.train(tiny_cell(), tmp_path, StopAtCheck(4))
    assert not (tmp_path / "cell" / "failure.json").exists()
