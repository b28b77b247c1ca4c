"""Protects what every method owes a training step: it is traced whole, asks for no value, and repeats itself."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from smallmix.science.batch_plan import BatchPlan, PlanChunk
from smallmix.science.batch_row import COMMON_TABLES
from smallmix.science.graph_steps import PlanTables, compile_loss
from smallmix.science.method import find_method
from smallmix.science.steps import row_of, upload
from smallmix.science.training_step import batch_loss
from smallmix.study.cell import Cell, Mix, Precision
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from tests.every_method import EVERY_MIX, method_value
from tests.unit.science.staged_network import TwoStages
from tests.unit.science.training_cells import make_cell, training_images

CPU = torch.device("cpu")
SMALL = make_cell(20, batch_size=8, iterations=12, learning_rate=0.01, crop_padding=1)  # batches of 8, 8 and 4


def cell_of(mix: Mix, seed: int = 0) -> Cell:
    return dataclasses.replace(SMALL, method=method_value(mix, (2.0, 1.0)), seed=seed)


def chunk_of(mix: Mix, seed: int = 0, number: int = 0) -> PlanChunk:
    return BatchPlan(cell_of(mix, seed)).chunk(number)


def step(
    mix: Mix, function: Any, position: int, precision: Precision = "fp32", device: torch.device = CPU
) -> list[Tensor]:
    """Return the loss of a row, and the gradients of a fresh network's weights."""
    cell, network, chunk = cell_of(mix), TwoStages(device=device), chunk_of(mix)
    row = row_of(upload(chunk, device), position, int(chunk.batch_sizes[position]))
    loss = function(network, find_method(cell.method), training_images(cell, device=device), row, precision)
    loss.backward()
    gradients = [weight.grad for weight in network.parameters() if weight.grad is not None]
    return [loss.detach(), *gradients]


@pytest.fixture
def deterministic() -> Iterator[None]:
    """Refuse operations without a deterministic form, as trainings do."""
    before = torch.get_deterministic_debug_mode()
    torch.set_deterministic_debug_mode("error")
    yield
    torch.set_deterministic_debug_mode(before)


@pytest.mark.parametrize("mix", EVERY_MIX)
def test_methods_share_every_common_table(mix: Mix) -> None:
    for number in (0, 1):
        plain, own = chunk_of("none", seed=4, number=number), chunk_of(mix, seed=4, number=number)
        for name in COMMON_TABLES:
            assert np.array_equal(getattr(plain, name), getattr(own, name)), name
        assert not set(own.drawn) & set(COMMON_TABLES)


@pytest.mark.parametrize("mix", EVERY_MIX)
def test_equal_rows_give_equal_bits(mix: Mix, deterministic: None) -> None:
    for position in (0, 2):
        one, other = (step(mix, batch_loss, position) for _ in range(2))
        assert len(one) == 7
        assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("mix", EVERY_MIX)
def test_rows_found_by_a_counter_are_those_of_the_plan(mix: Mix) -> None:
    """As captured steps find theirs; the tables of a last, smaller batch are cut for images, and not for numbers."""
    plan = BatchPlan(cell_of(mix))
    chunk, tables = plan.chunk(0), PlanTables(plan, CPU)
    tables.load(chunk, 0)
    for position in range(4):
        batch = int(chunk.batch_sizes[position])
        wanted, row = row_of(upload(chunk, CPU), position, batch), tables.next_row(batch)
        assert row.drawn.keys() == wanted.drawn.keys()
        assert all(torch.equal(row.drawn[name], wanted.drawn[name]) for name in row.drawn)
        assert {len(drawn) for drawn in row.drawn.values() if drawn.ndim} <= {batch}
        tables.position.add_(1)


@pytest.mark.parametrize("mix", EVERY_MIX)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_methods_are_traced_as_one_piece(mix: Mix, precision: Precision) -> None:
    """Dynamo finds no break in the graph: no branch on a tensor, no value read."""
    torch._dynamo.reset()
    traced = compile_loss(backend="eager")
    for position in (0, 2):
        plain, whole = (step(mix, function, position, precision) for function in (batch_loss, traced))
        for one, other in zip(plain, whole, strict=True):
            torch.testing.assert_close(one, other)


class HostWatch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes the operations that touch a tensor of the host: a captured step must have none."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.count = 0
        self.on_the_host: list[str] = []

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        self.count += 1
        tensors = [leaf for leaf in tree_leaves((args, kwargs, result)) if isinstance(leaf, torch.Tensor)]
        if any(tensor.device.type == "cpu" for tensor in tensors):
            self.on_the_host.append(str(function))
        return result


@pytest.mark.parametrize("mix", EVERY_MIX)
def test_methods_ask_the_device_for_nothing(mix: Mix, deterministic: None) -> None:
    """On a device without data every question for a value fails."""
    nowhere = torch.device("meta")
    cell, chunk = cell_of(mix), chunk_of(mix)
    images, network, tables = training_images(cell, device=nowhere), TwoStages(device=nowhere), upload(chunk, nowhere)
    row, method = row_of(tables, 0, 8), find_method(cell.method)
    with HostWatch() as watch:
        loss = batch_loss(network, method, images, row, "fp32")
        loss.backward()  # type: ignore[no-untyped-call]
    assert watch.count > 20
    assert watch.on_the_host == []
    with HostWatch() as watch:
        torch.where(row.flip, torch.tensor(1.0), row.learning_rate)
    assert watch.on_the_host
