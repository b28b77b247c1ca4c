"""The reference trains the same network, so that a ratio of times compares equal work."""

from __future__ import annotations

import pytest
import torch
from smallmix.science.network import build_network

from benchmarks.reference import UsualNetwork
from benchmarks.workload import ARTICLE, CLASSES, DEMO, Workload


@pytest.mark.parametrize("workload", [DEMO, ARTICLE], ids=["demo", "article"])
def test_equal_weights_give_equal_logits_gradients_and_statistics(workload: Workload) -> None:
    shape = (workload.side, workload.side, workload.channels)
    ours = build_network(workload.cell().model, shape, CLASSES, 0)
    usual = UsualNetwork(workload.width, workload.channels, CLASSES)
    missing = usual.load_state_dict(ours.state_dict(), strict=False)
    assert not missing.unexpected_keys
    assert all(key.endswith("num_batches_tracked") for key in missing.missing_keys)
    assert sum(weight.numel() for weight in ours.parameters()) == sum(weight.numel() for weight in usual.parameters())

    images = torch.randn(6, workload.channels, workload.side, workload.side, generator=torch.Generator().manual_seed(0))
    ours, usual, images = ours.double(), usual.double(), images.double()
    logits = [model(images) for model in (ours, usual)]
    torch.testing.assert_close(*logits)
    for one in logits:
        one.square().mean().backward()
    for weight, other in zip(ours.parameters(), usual.parameters(), strict=True):
        torch.testing.assert_close(weight.grad, other.grad)
    for statistics, others in zip(ours.buffers(), [one for one in usual.buffers() if one.ndim], strict=True):
        torch.testing.assert_close(statistics, others)
