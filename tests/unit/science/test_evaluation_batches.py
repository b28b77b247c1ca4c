"""Evaluations in smaller batches, where images are large, give the same logits; small images keep theirs."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from smallmix.science import evaluation
from smallmix.science.arithmetic import choose_memory_format
from smallmix.science.evaluation import EvaluationImages, batch_size, evaluate
from smallmix.science.network import build_network
from smallmix.science.training_step import Normalization
from smallmix.study.cell import ModelValue, Precision
from torch import Tensor, nn

CPU = torch.device("cpu")
CLASSES = 10


def images_of(count: int, side: int, memory_format: torch.memory_format) -> EvaluationImages:
    generator = np.random.default_rng(side)
    pixels = torch.from_numpy(generator.integers(0, 256, (count, 3, side, side), dtype=np.uint8))
    labels = torch.from_numpy(generator.integers(0, CLASSES, count))
    return EvaluationImages(pixels, labels, Normalization.of([0.5] * 3, [0.25] * 3, CPU), memory_format)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("width", [16, 64])
def test_half_a_batch_gives_the_same_logits(width: int, precision: Precision, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every shape of layer that the article's network has at this width, and a remainder that no batch divides."""
    model = build_network(ModelValue("preact-resnet18", width, (1, 1, 1, 1)), (32, 32, 3), CLASSES, 0)
    memory_format = choose_memory_format(CPU, width)
    model.to(memory_format=memory_format)
    images = images_of(561, 32, memory_format)
    by_rule = evaluate(model, images, precision)
    monkeypatch.setattr(evaluation, "LARGE_IMAGES_BATCH_SIZE", 500)
    whole = evaluate(model, images, precision)
    assert torch.equal(by_rule.logits, whole.logits)
    assert (by_rule.loss, by_rule.accuracy) == (whole.loss, whole.accuracy)
    assert by_rule.logits.std() > 0


class CountingNetwork(nn.Module):
    """Notes the sizes of its batches."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []

    def forward(self, batch: Tensor) -> Tensor:
        self.sizes.append(len(batch))
        return batch.mean(dim=(2, 3)).repeat(1, 4)[:, :CLASSES]


@pytest.mark.parametrize(
    ("side", "sizes"), [(8, [500, 122]), (31, [500, 122]), (32, [250, 250, 122]), (40, [250, 250, 122])]
)
def test_the_size_of_images_decides(side: int, sizes: list[int]) -> None:
    model = CountingNetwork()
    evaluate(model, images_of(622, side, torch.contiguous_format), "fp32")
    assert model.sizes == sizes


def test_other_devices_keep_the_whole_batch() -> None:
    """The rule is about a processor's caches, and nobody has shown equal logits elsewhere."""
    assert batch_size(torch.empty(600, 3, 32, 32, dtype=torch.uint8, device="meta")) == 500
