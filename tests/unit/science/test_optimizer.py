"""Protects every form of the optimiser: its updates are those of `torch.optim.SGD`, of the same gradients."""

from __future__ import annotations

import copy
import dataclasses
from typing import Any

import pytest
import torch
from smallmix.science.network import build_network
from smallmix.science.training_step import MomentumSgd, biases_and_normalization
from torch import nn

from tests.unit.science.training_cells import RECIPE, make_cell

CPU = torch.device("cpu")


def small_network(layout: torch.memory_format = torch.contiguous_format) -> nn.Module:
    return build_network(make_cell(width=2).model, (8, 8, 3), 10, 0).to(memory_format=layout)


def give_gradients(model: nn.Module, seed: int) -> None:
    """Give each weight a random gradient that lies in memory as the weight does, as PyTorch promises of gradients."""
    generator = torch.Generator().manual_seed(seed)
    for weight in model.parameters():
        weight.grad = torch.empty_like(weight).copy_(torch.randn(weight.shape, generator=generator))


def pytorch_groups(model: nn.Module, decay: float, decay_normalization: bool) -> list[dict[str, Any]]:
    """The groups by the names of the network's own layers, not by our rule."""
    names = dict(model.named_parameters())
    kept = {name for name in names if name.endswith(".weight") and names[name].ndim > 1}
    if decay_normalization:
        kept = set(names)
    return [
        {"params": [names[name] for name in names if name in kept], "weight_decay": decay},
        {"params": [names[name] for name in names if name not in kept], "weight_decay": 0.0},
    ]


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("decay_normalization", [True, False])
@pytest.mark.parametrize("nesterov", [True, False])
def test_updates_are_those_of_pytorch(nesterov: bool, decay_normalization: bool, layout: torch.memory_format) -> None:
    """Eight steps at changing rates, with a decay so large that every weight shows it."""
    recipe = dataclasses.replace(RECIPE, weight_decay=0.1, nesterov=nesterov, decay_normalization=decay_normalization)
    model = small_network(layout)
    other = copy.deepcopy(model)
    ours = MomentumSgd.of(model, recipe, CPU)
    theirs = torch.optim.SGD(
        [group for group in pytorch_groups(other, 0.1, decay_normalization) if group["params"]],
        lr=0.1,
        momentum=0.9,
        nesterov=nesterov,
        fused=False,
        foreach=False,
    )
    for number in range(8):
        rate = 0.1 / (1 + number)
        give_gradients(model, number)
        give_gradients(other, number)
        ours.learning_rate.fill_(rate)
        ours.step()
        for group in theirs.param_groups:
            group["lr"] = rate
        theirs.step()
        for (name, weight), reference in zip(model.named_parameters(), other.parameters(), strict=True):
            torch.testing.assert_close(weight, reference, rtol=1e-5, atol=1e-6, msg=name)
            buffer = theirs.state[reference]["momentum_buffer"]
            torch.testing.assert_close(ours.state[weight]["momentum_buffer"], buffer, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("change", [{"nesterov": True}, {"decay_normalization": False}], ids=str)
def test_each_form_gives_other_weights(change: dict[str, Any]) -> None:
    """Otherwise the comparison with PyTorch would hold whichever form were taken."""
    results = []
    for recipe in (
        dataclasses.replace(RECIPE, weight_decay=0.1),
        dataclasses.replace(RECIPE, weight_decay=0.1, **change),
    ):
        model = small_network()
        optimizer = MomentumSgd.of(model, recipe, CPU)
        optimizer.learning_rate.fill_(0.1)
        give_gradients(model, 0)
        optimizer.step()
        results.append([weight.detach().clone() for weight in model.parameters()])
    assert any(not torch.equal(one, other) for one, other in zip(*results, strict=True))


def test_biases_and_normalisation_layers_are_found_by_what_they_are() -> None:
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3),
        nn.BatchNorm2d(4),
        nn.GroupNorm(2, 4),
        nn.LayerNorm([4, 6, 6]),
        nn.Flatten(),
        nn.Linear(144, 10),
    )
    names: dict[torch.Tensor, str] = {weight: name for name, weight in model.named_parameters()}
    found = {names[weight] for weight in biases_and_normalization(model)}
    assert found == {"0.bias", *(f"{layer}.{kind}" for layer in (1, 2, 3) for kind in ("weight", "bias")), "5.bias"}


@pytest.mark.parametrize("form", [{"nesterov": True, "decay_normalization": False}, {}], ids=str)
def test_a_stopped_optimiser_changes_nothing(form: dict[str, Any]) -> None:
    model = small_network()
    optimizer = MomentumSgd.of(model, dataclasses.replace(RECIPE, **form), CPU)
    optimizer.learning_rate.fill_(0.1)
    before = [weight.detach().clone() for weight in model.parameters()]
    give_gradients(model, 0)
    optimizer.stopped.fill_(1.0)
    optimizer.step()
    assert all(torch.equal(weight, old) for weight, old in zip(model.parameters(), before, strict=True))
    assert not any(optimizer.state[weight]["momentum_buffer"].any() for weight in model.parameters())
    optimizer.stopped.fill_(0.0)
    optimizer.step()
    assert not any(torch.equal(weight, old) for weight, old in zip(model.parameters(), before, strict=True))
