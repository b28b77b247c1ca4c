"""Protects the record of how steps were started: in every cell's metrics.json, with the reason of a fallback.

Stand-ins for torch.cuda take the place of a GPU.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from smallmix.errors import Interrupted, TrainingError
from smallmix.science import graph_evaluation, steps
from smallmix.science.graph_evaluation import CapturedForward
from smallmix.science.graph_steps import GraphSteps
from smallmix.science.network import build_network
from smallmix.science.training_state import TrainingState
from smallmix.science.training_step import MomentumSgd
from smallmix.study.cell import Precision
from smallmix.training.hardware import describe_tf32
from smallmix.training.resumable import ResumableTraining
from smallmix.training.signals import StopRequest
from smallmix.training.train_cell import train_cell

from tests.cuda_stand_ins import Card
from tests.tiny_cell import TinyData, tiny_cell

PLAIN = {"executor": "eager", "evaluation": "eager"}
CAPTURED = {"executor": "graph", "evaluation": "graph"}
CELL = tiny_cell(iterations=8, every=4)


class Uncapturable(GraphSteps):
    """As if the driver refused to capture steps."""

    def _step(self, batch_size: int) -> None:
        super()._step(batch_size)
        float(self._stats.last_loss)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> TinyData:
    return TinyData.write(tmp_path_factory.mktemp("data"))


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> Card:
    """The CPU passes for a device that can capture."""
    monkeypatch.setattr(steps, "can_capture", lambda device: True)
    return Card.install(monkeypatch)


def metrics_of(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    return content


def refuse_evaluations(patch: pytest.MonkeyPatch) -> None:
    def refused(self: CapturedForward, *_: object) -> None:
        raise RuntimeError("no memory for this graph")

    patch.setattr(CapturedForward, "_capture", refused)


def interrupted(data: TinyData, folder: Path, iteration: int) -> list[str]:
    """Train until the evaluation after `iteration` is told, and stop there; return the lines."""
    stop, lines = StopRequest(), list[str]()

    def report(line: str) -> None:
        lines.append(line)
        if line.startswith(f"iteration {iteration}/"):
            stop.signal_name = "SIGTERM"

    with pytest.raises(Interrupted):
        train_cell(data.job(CELL, folder), stop, report)
    return lines


def test_on_a_cpu_everything_is_eager(data: TinyData, tmp_path: Path) -> None:
    metrics = metrics_of(data.train(CELL, tmp_path)[0])
    assert metrics["execution"] == PLAIN
    assert metrics["earlier_executions"] == []
    assert metrics["environment"]["tf32"] == "none"


def test_captured_steps_and_evaluations_give_the_same_files(
    data: TinyData, tmp_path: Path, card: Card, monkeypatch: pytest.MonkeyPatch
) -> None:
    captured = data.train(CELL, tmp_path / "captured")[0]
    monkeypatch.undo()
    plain = data.train(CELL, tmp_path / "plain")[0]
    assert metrics_of(captured)["execution"] == CAPTURED
    for name in ("history.csv", "predictions.npz"):
        assert (captured / name).read_bytes() == (plain / name).read_bytes()
    digests = [metrics_of(folder)["weights_sha256"] for folder in (captured, plain)]
    assert digests[0] == digests[1]


def test_the_reason_of_a_fallback_is_in_the_record_and_in_the_log(
    data: TinyData, tmp_path: Path, card: Card, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "GraphSteps", Uncapturable)
    output, lines = data.train(CELL, tmp_path)
    reason = (
        "captured steps do not work here (RuntimeError: CUDA error: operation not permitted when stream is capturing, "
        "then RuntimeError: CUDA error: operation failed due to a previous error during capture)"
    )
    assert metrics_of(output)["execution"] == {**PLAIN, "fallback": reason}
    assert [line for line in lines if "slower" in line] == [f"steps are started one by one, which is slower: {reason}"]


def test_evaluations_that_fall_back_are_told_once(
    data: TinyData, tmp_path: Path, card: Card, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_evaluations(monkeypatch)
    output, lines = data.train(CELL, tmp_path)
    reason = "RuntimeError: no memory for this graph"
    assert metrics_of(output)["execution"] == {
        "executor": "graph", "evaluation": "eager", "evaluation_fallback": reason
    }  # fmt: skip
    assert [line for line in lines if "slower" in line] == [
        f"evaluations are started kernel by kernel, which is slower: {reason}"
    ]


def test_evaluations_with_other_logits_are_told_as_such(
    data: TinyData, tmp_path: Path, card: Card, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graph_evaluation, "_same_bits", lambda *_: False)
    output, lines = data.train(CELL, tmp_path)
    reason = "captured ones gave other logits than plain ones"
    assert metrics_of(output)["execution"]["evaluation_fallback"] == reason
    assert [line.endswith(reason) for line in lines if "slower" in line] == [True]


def test_a_fallback_is_still_known_after_a_resume_that_captured(
    data: TinyData, tmp_path: Path, card: Card, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(steps, "GraphSteps", Uncapturable)
        interrupted(data, tmp_path, 4)
    card.capturing = False  # as in another process
    output, _ = data.train(CELL, tmp_path)
    metrics = metrics_of(output)
    assert metrics["execution"] == CAPTURED
    (earlier,) = metrics["earlier_executions"]
    assert earlier["executor"] == "eager"
    assert "not permitted when stream is capturing" in earlier["fallback"]
    assert metrics["timing"]["runs"] == 2


def test_a_resume_in_the_same_way_adds_nothing(data: TinyData, tmp_path: Path, card: Card) -> None:
    interrupted(data, tmp_path, 4)
    metrics = metrics_of(data.train(CELL, tmp_path)[0])
    assert (metrics["execution"], metrics["earlier_executions"]) == (CAPTURED, [])


def test_each_way_is_named_once_and_what_was_known_better_later_is_left_out() -> None:
    cell = tiny_cell()
    model = build_network(cell.model, (8, 8, 1), 10, 0)
    state = TrainingState(cell, model, MomentumSgd(model.parameters(), 0.9, 0.0, torch.device("cpu")))
    unevaluated = {"executor": "graph"}
    training = ResumableTraining(state, executions=[PLAIN, unevaluated, PLAIN, CAPTURED, {}, unevaluated])
    assert training.distinct_executions() == [PLAIN, CAPTURED, unevaluated]
    training.executions[-1] = CAPTURED
    assert training.distinct_executions() == [PLAIN, CAPTURED]


def test_an_evaluation_that_breaks_the_context_ends_the_training_with_what_to_do(
    data: TinyData, tmp_path: Path, card: Card, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(self: CapturedForward, *_: object) -> None:
        card.dead = True
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr(CapturedForward, "_capture", die)
    with pytest.raises(TrainingError, match=r"captured evaluation broke .*illegal.*Run again with recipe\.executor: e"):
        data.train(CELL, tmp_path)
    failure = json.loads((tmp_path / "cell" / "failure.json").read_text(encoding="utf-8"))
    assert "illegal memory access" in failure["reason"]


def test_memory_that_runs_out_in_a_capture_by_name_is_told_as_such(
    data: TinyData, tmp_path: Path, card: Card, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_large(self: GraphSteps, batch_size: int) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

    monkeypatch.setattr(GraphSteps, "_step", too_large)
    with pytest.raises(TrainingError, match=r"^out of memory on .*Lower recipe\.batch_size"):
        data.train(tiny_cell(executor="graph"), tmp_path)


@pytest.mark.parametrize(
    ("capability", "precision", "convolutions", "products", "expected"),
    [
        ((9, 0), "fp32", True, False, "convolutions"),
        ((8, 0), "fp32", True, True, "convolutions and products"),
        ((8, 6), "fp32", False, True, "products"),
        ((9, 0), "fp32", False, False, "none"),
        ((7, 5), "fp32", True, True, "none"),
        ((9, 0), "bf16", True, True, "none"),
    ],
)
def test_what_a_gpu_rounds_to_tf32_is_named(
    capability: tuple[int, int],
    precision: Precision,
    convolutions: bool,
    products: bool,
    expected: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    monkeypatch.setattr(torch.version, "hip", None)
    flags = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = convolutions, products
    try:
        assert describe_tf32(torch.device("cuda"), precision) == expected
        assert describe_tf32(torch.device("cpu"), precision) == "none"
    finally:
        torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = flags
