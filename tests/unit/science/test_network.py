"""Protects the network: the article's size and structure, its cost in numbers, equal initial weights."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from smallmix.science.model import PreActivationBlock, PreActivationResNet, build_model, count_parameters
from smallmix.science.network_shape import forward_flops, parameter_count
from smallmix.study.cell import ModelValue
from torch.utils.flop_counter import FlopCounterMode

ARTICLE = ModelValue("preact-resnet18", 64, (2, 2, 2, 2))
NARROW = ModelValue("preact-resnet18", 4, (2, 2, 2, 2))
SHAPES = [
    (ARTICLE, 32, 3, 10),
    (ARTICLE, 8, 1, 10),
    (NARROW, 8, 1, 10),
    (NARROW, 13, 3, 100),
    (ModelValue("preact-resnet18", 6, (1, 2, 3, 1)), 17, 3, 2),
]


def counted_flops(model: torch.nn.Module, images: torch.Tensor) -> int:
    """What PyTorch's own counter finds in a forward pass."""
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        model(images)
    return int(counter.get_total_flops())


def test_the_articles_network_has_its_number_of_parameters() -> None:
    assert count_parameters(build_model(ARTICLE, (32, 32, 3), 10, 0)) == 11_171_146
    assert parameter_count(ARTICLE, 3, 10) == 11_171_146


@pytest.mark.parametrize(("value", "side", "channels", "classes"), SHAPES)
def test_the_numbers_without_torch_agree_with_the_network(
    value: ModelValue, side: int, channels: int, classes: int
) -> None:
    model = build_model(value, (side, side, channels), classes, 0)
    assert parameter_count(value, channels, classes) == count_parameters(model)
    images = torch.zeros(2, channels, side, side)
    assert 2 * forward_flops(value, side, channels, classes) == counted_flops(model, images)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("side", [*range(8, 20), 32, 47])
def test_any_square_image_of_eight_pixels_or_more_gives_logits(side: int, channels: int) -> None:
    model = build_model(NARROW, (side, side, channels), 7, 0)
    logits = model(torch.randn(3, channels, side, side, generator=torch.Generator().manual_seed(0)))
    assert logits.shape == (3, 7)
    assert logits.dtype == torch.float32
    assert bool(torch.isfinite(logits).all())


@pytest.mark.parametrize("shape", [(7, 7, 3), (8, 9, 3), (32, 16, 1), (0, 0, 3)])
def test_other_images_are_refused(shape: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="square images of at least 8 pixels"):
        build_model(NARROW, shape, 10, 0)


def test_initial_weights_depend_on_the_seed_alone_and_leave_other_draws_alone() -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = build_model(NARROW, (8, 8, 3), 10, 5).state_dict()
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    torch.rand(17)
    again = build_model(NARROW, (32, 32, 3), 10, 5).state_dict()
    other = build_model(NARROW, (8, 8, 3), 10, 6).state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["stem.weight"], other["stem.weight"])


def test_the_stages_are_those_of_the_preactivation_paper() -> None:
    """He et al. 2016, figure 4(e): every stage but the first halves the image and doubles the channels."""
    model = build_model(ARTICLE, (32, 32, 3), 10, 0)
    sides: list[tuple[int, int]] = []

    def note(_: torch.nn.Module, __: Any, output: torch.Tensor) -> None:
        sides.append((output.shape[1], output.shape[2]))

    for block in model.stages:
        block.register_forward_hook(note)
    model(torch.zeros(1, 3, 32, 32))
    assert sides == [(64, 32), (64, 32), (128, 16), (128, 16), (256, 8), (256, 8), (512, 4), (512, 4)]
    projections = [block.projection is not None for block in model.stages if isinstance(block, PreActivationBlock)]
    assert projections == [False, False, True, False, True, False, True, False]


def test_an_identity_shortcut_passes_the_raw_input() -> None:
    block = PreActivationBlock(4, 4, 1)
    torch.nn.init.zeros_(block.conv2.weight)
    features = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(block(features), features)


def test_a_projection_takes_the_activated_input() -> None:
    block = PreActivationBlock(4, 8, 2)
    torch.nn.init.zeros_(block.conv2.weight)
    assert block.projection is not None
    features = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    expected = block.projection(torch.relu(block.norm1(features)))
    torch.testing.assert_close(block(features), expected)


def test_the_classifier_sees_the_plain_mean_without_a_last_normalisation() -> None:
    model = PreActivationResNet(4, (1, 1, 1, 1), 3, 5)
    images = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    features = model.stages(model.stem(images))
    pooled = torch.nn.functional.adaptive_avg_pool2d(features, 1).flatten(1)
    torch.testing.assert_close(model(images), model.classifier(pooled))
