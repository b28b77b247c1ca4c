"""Protects the network: the article's size and structure, its cost in numbers, equal initial weights."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from smallmix.science.network import NetworkCost, build_network, find_network
from smallmix.science.network_trial import try_network
from smallmix.science.networks.preactivation_layers import PreActivationBlock, PreActivationResNet
from smallmix.study.cell import ModelValue
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

ARTICLE = ModelValue("preact-resnet18", 64, (2, 2, 2, 2))
WITHOUT_FINAL_NORM = ModelValue("preact-resnet18-without-final-norm", 64, (2, 2, 2, 2))
MIXUP_REPOSITORY = ModelValue("preact-resnet18-mixup", 64, (2, 2, 2, 2))
NARROW = ModelValue("preact-resnet18", 4, (2, 2, 2, 2))
SHAPES = [
    (ARTICLE, 32, 3, 10),
    (ARTICLE, 8, 1, 10),
    (NARROW, 8, 1, 10),
    (NARROW, 13, 3, 100),
    (ModelValue("preact-resnet18", 6, (1, 2, 3, 1)), 17, 3, 2),
    (WITHOUT_FINAL_NORM, 32, 3, 10),
    (ModelValue("preact-resnet18-without-final-norm", 6, (1, 2, 3, 1)), 17, 3, 2),
    (MIXUP_REPOSITORY, 32, 3, 10),
    (ModelValue("preact-resnet18-mixup", 6, (1, 2, 3, 1)), 17, 1, 2),
]
# He et al. 2016 without a last normalisation: 11,171,146; a final one adds 2 x 512, one after the stem 2 x 64.
PARAMETERS = [(ARTICLE, 11_172_170), (WITHOUT_FINAL_NORM, 11_171_146), (MIXUP_REPOSITORY, 11_171_274)]


def trainable(model: torch.nn.Module) -> int:
    """Return the number of trainable weights."""
    return sum(parameter.numel() for parameter in model.parameters())


def by_formula(value: ModelValue, side: int, channels: int, classes: int) -> NetworkCost:
    """Return the cost that the network's own formulas give."""
    cost = find_network(value).cost(value, side, channels, classes)
    assert cost is not None
    return cost


def counted_flops(model: torch.nn.Module, images: torch.Tensor) -> int:
    """Return what PyTorch's own counter finds in a forward pass."""
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        model(images)
    return int(counter.get_total_flops())


@pytest.mark.parametrize(("value", "parameters"), PARAMETERS, ids=[value.name for value, _ in PARAMETERS])
def test_each_form_has_its_number_of_parameters(value: ModelValue, parameters: int) -> None:
    assert trainable(build_network(value, (32, 32, 3), 10, 0)) == parameters
    assert by_formula(value, 32, 3, 10).parameters == parameters


@pytest.mark.parametrize(("value", "side", "channels", "classes"), SHAPES)
def test_the_numbers_without_torch_agree_with_the_network(
    value: ModelValue, side: int, channels: int, classes: int
) -> None:
    model = build_network(value, (side, side, channels), classes, 0)
    cost, tried = by_formula(value, side, channels, classes), try_network(value, side, channels, classes)
    assert cost.parameters == tried.cost.parameters == trainable(model)
    images = torch.zeros(2, channels, side, side)
    assert 2 * cost.flops == 2 * tried.cost.flops == counted_flops(model, images)
    # The formula leaves out the projections of shortcuts, which run beside the blocks.
    projections = sum(
        block.projection is not None for block in model.modules() if isinstance(block, PreActivationBlock)
    )
    assert cost.layers == tried.cost.layers - projections
    assert cost.largest == tried.cost.largest
    assert 0.5 < cost.kept / tried.cost.kept < 2
    assert not tried.draws


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("side", [*range(8, 20), 32, 47])
def test_any_square_image_of_eight_pixels_or_more_gives_logits(side: int, channels: int) -> None:
    model = build_network(NARROW, (side, side, channels), 7, 0)
    logits = model(torch.randn(3, channels, side, side, generator=torch.Generator().manual_seed(0)))
    assert logits.shape == (3, 7)
    assert logits.dtype == torch.float32
    assert bool(torch.isfinite(logits).all())


@pytest.mark.parametrize("shape", [(7, 7, 3), (8, 9, 3), (32, 16, 1), (0, 0, 3)])
def test_other_images_are_refused(shape: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="square images of at least 8 pixels"):
        build_network(NARROW, shape, 10, 0)


def test_initial_weights_depend_on_the_seed_alone_and_leave_other_draws_alone() -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = build_network(NARROW, (8, 8, 3), 10, 5).state_dict()
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    torch.rand(17)
    again = build_network(NARROW, (32, 32, 3), 10, 5).state_dict()
    other = build_network(NARROW, (8, 8, 3), 10, 6).state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["stem.weight"], other["stem.weight"])


def test_the_stages_are_those_of_the_preactivation_paper() -> None:
    """He et al. 2016, figure 4(e): every stage but the first halves the image and doubles the channels."""
    model = build_network(ARTICLE, (32, 32, 3), 10, 0)
    assert isinstance(model, PreActivationResNet)
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


def test_an_activated_shortcut_passes_the_input_after_normalisation_and_relu() -> None:
    block = PreActivationBlock(4, 4, 1, activated_shortcut=True)
    torch.nn.init.zeros_(block.conv2.weight)
    features = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(block(features), torch.relu(block.norm1(features)))


def test_the_forms_of_a_seed_share_the_weights_of_convolutions_and_classifier() -> None:
    first, *others = (build_network(value, (32, 32, 3), 10, 3).state_dict() for value, _ in PARAMETERS)
    shared = [name for name in first if "norm" not in name]
    assert len(shared) == 1 + 16 + 3 + 2  # stem, two a block, projections, classifier's weight and bias
    for other in others:
        assert all(torch.equal(first[name], other[name]) for name in shared)


# An independent writing of the three forms: plain functions of a dictionary of weights, after the papers.


def normalized(features: Tensor, weights: dict[str, Tensor], name: str, training: bool) -> Tensor:
    """Compute batch normalisation and ReLU by the formula of Ioffe and Szegedy 2015."""
    if training:
        mean, variance = features.mean(dim=(0, 2, 3)), features.var(dim=(0, 2, 3), correction=0)
    else:
        mean, variance = weights[f"{name}.running_mean"], weights[f"{name}.running_var"]
    scale, shift = weights[f"{name}.weight"], weights[f"{name}.bias"]
    columns = [one[None, :, None, None] for one in (mean, variance, scale, shift)]
    return torch.relu((features - columns[0]) / torch.sqrt(columns[1] + 1e-5) * columns[2] + columns[3])


def oracle(name: str, weights: dict[str, Tensor], images: Tensor, blocks: tuple[int, ...], training: bool) -> Tensor:
    """Compute the logits of a form, layer by layer."""
    convolve = torch.nn.functional.conv2d
    features = convolve(images, weights["stem.weight"], padding=1)
    if name == "preact-resnet18-mixup":
        features = normalized(features, weights, "stem_norm", training)
    number = 0
    for stage, count in enumerate(blocks):
        for position in range(count):
            stride = 2 if stage > 0 and position == 0 else 1
            block = f"stages.{number}"
            active = normalized(features, weights, f"{block}.norm1", training)
            if f"{block}.projection.weight" in weights:
                shortcut = convolve(active, weights[f"{block}.projection.weight"], stride=stride)
            else:
                shortcut = active if name == "preact-resnet18-mixup" else features
            hidden = convolve(active, weights[f"{block}.conv1.weight"], stride=stride, padding=1)
            hidden = normalized(hidden, weights, f"{block}.norm2", training)
            features = shortcut + convolve(hidden, weights[f"{block}.conv2.weight"], padding=1)
            number += 1
    if name == "preact-resnet18":
        features = normalized(features, weights, "final_norm", training)
    return features.mean(dim=(2, 3)) @ weights["classifier.weight"].T + weights["classifier.bias"]


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
@pytest.mark.parametrize("blocks", [(2, 2, 2, 2), (1, 2, 3, 1)], ids=str)
@pytest.mark.parametrize("name", [value.name for value, _ in PARAMETERS])
def test_logits_and_gradients_equal_an_independent_writing(
    name: str, blocks: tuple[int, int, int, int], training: bool
) -> None:
    model = build_network(ModelValue(name, 6, blocks), (12, 12, 3), 7, 1).double().train(training)
    random = torch.Generator().manual_seed(2)
    with torch.no_grad():  # else every scale is 1, every shift 0, and their places could not be distinguished
        for tensor_name, tensor in [*model.named_parameters(), *model.named_buffers()]:
            if "norm" in tensor_name:
                tensor.copy_(0.5 + torch.rand(tensor.shape, generator=random, dtype=torch.float64))
    weights = {key: value.detach().clone().requires_grad_() for key, value in model.state_dict().items()}
    images = torch.randn(5, 3, 12, 12, generator=random, dtype=torch.float64)

    logits, expected = model(images), oracle(name, weights, images, blocks, training)
    torch.testing.assert_close(logits, expected)
    torch.autograd.backward([logits.square().mean(), expected.square().mean()])
    for parameter_name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter.grad, weights[parameter_name].grad)
