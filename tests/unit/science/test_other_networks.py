"""Protects the networks beside the article's: sizes by the papers, shapes, stages, initial weights, the user's own."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from smallmix.errors import ConfigurationError
from smallmix.science.network import build_network, find_network
from smallmix.science.network_trial import draws_numbers, try_network
from smallmix.science.networks.torchvision_layers import MeansOverRegions
from smallmix.study.cell import ModelValue
from smallmix.study.network_forms import NETWORKS
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from tests.networks import network, own_network

# He et al. 2016 and the usual writing for CIFAR; Zagoruyko and Komodakis 2016 say 2.7 and 36.5 million.
PARAMETERS = [
    (network("resnet18", width=64), 11_173_962),
    (network("wide-resnet", width=64, depth=16), 2_748_890),
    (network("wide-resnet", width=160, depth=28, dropout=0.3), 36_479_194),
    (network("convnet", width=64), 373_834),
    (network("torchvision:resnet18"), 11_181_642),
    (network("torchvision:resnet18", stem="small"), 11_173_962),
    (network("torchvision:mobilenet_v3_small"), 1_528_106),
]
PARAMETERS[0] = (dataclasses.replace(PARAMETERS[0][0], blocks=(2, 2, 2, 2)), PARAMETERS[0][1])
SMALL = [
    *(network(name) for name in NETWORKS),
    network("wide-resnet", depth=10, dropout=0.5),
    network("torchvision:shufflenet_v2_x0_5"),
    network("torchvision:resnet18", stem="small"),
    network("torchvision:squeezenet1_1", image_size=32),
]


def name_of(value: Any) -> str:
    return (
        f"{value.name}-{'-'.join(str(item) for _, item in value.parameters)}" if isinstance(value, ModelValue) else ""
    )


@pytest.mark.parametrize(("value", "parameters"), PARAMETERS, ids=name_of)
def test_parameters_are_those_of_the_source(value: ModelValue, parameters: int) -> None:
    assert try_network(value, 32, 3, 10).cost.parameters == parameters


def test_a_network_of_torchvision_has_its_weights() -> None:
    ours = build_network(network("torchvision:shufflenet_v2_x0_5"), (32, 32, 3), 7, 3)
    theirs = torchvision.models.get_model("shufflenet_v2_x0_5", weights=None, num_classes=7)
    shapes = {f"network.{name}": tensor.shape for name, tensor in theirs.state_dict().items()}
    assert {name: tensor.shape for name, tensor in ours.state_dict().items()} == shapes


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("side", [8, 13, 32])
@pytest.mark.parametrize("value", SMALL, ids=name_of)
def test_any_square_image_gives_logits_and_gradients(value: ModelValue, side: int, channels: int) -> None:
    model = build_network(value, (side, side, channels), 7, 0)
    logits = model(torch.randn(3, channels, side, side, generator=torch.Generator().manual_seed(0)))
    assert (logits.shape, logits.dtype) == ((3, 7), torch.float32)
    assert bool(torch.isfinite(logits).all())
    logits.sum().backward()
    assert all(weight.grad is not None for weight in model.parameters())


@pytest.mark.parametrize("value", SMALL, ids=name_of)
def test_what_trying_counts_is_what_pytorch_counts(value: ModelValue) -> None:
    model, counter = build_network(value, (16, 16, 3), 5, 0), FlopCounterMode(display=False)
    with counter, torch.no_grad():
        model(torch.zeros(2, 3, 16, 16))
    assert 2 * try_network(value, 16, 3, 5).cost.flops == counter.get_total_flops()


@pytest.mark.parametrize("value", SMALL, ids=name_of)
def test_initial_weights_depend_on_the_seed_alone(value: ModelValue) -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = build_network(value, (8, 8, 3), 10, 5).state_dict()
    try_network(value, 8, 3, 10)
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(17)
    again = build_network(value, (32, 32, 3), 10, 5).state_dict()
    other = build_network(value, (8, 8, 3), 10, 6).state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_stage_can_be_mixed_at(name: str) -> None:
    """The second argument is called after each stage in order; what it returns is what follows."""
    value = network(name)
    model = build_network(value, (16, 16, 3), 10, 0).eval()
    images = torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    seen: list[tuple[int, torch.Size]] = []

    def note(features: Tensor, stage: int) -> Tensor:
        seen.append((stage, features.shape))
        return features

    with torch.no_grad():
        plain = model(images)
        assert torch.equal(model(images, note), plain)
        stages = find_network(value).stages(value)
        assert [stage for stage, _ in seen] == list(range(1, stages + 1))
        assert stages == NETWORKS[name].stages
        sides = [shape[2] for _, shape in seen]
        assert sides[0] == 16
        assert sides == sorted(sides, reverse=True)
        assert [shape[1] for _, shape in seen] == [4 * 2**number for number in range(stages)]
        for wanted in range(1, stages + 1):
            turned = model(images, lambda features, stage, at=wanted: features.flip(0) if stage == at else features)
            torch.testing.assert_close(turned, plain.flip(0))  # an image's features are mixed with nothing else


def test_the_article_can_be_mixed_at_the_ends_of_its_stages_alone() -> None:
    model = build_network(ModelValue("preact-resnet18", 4, (2, 1, 3, 1)), (16, 16, 1), 3, 0)
    seen: list[tuple[int, int]] = []

    def note(features: Tensor, stage: int) -> Tensor:
        seen.append((stage, features.shape[1]))
        return features

    model(torch.zeros(2, 1, 16, 16), note)
    assert seen == [(1, 4), (2, 8), (3, 16), (4, 32)]


def conv(weights: dict[str, Tensor], name: str, features: Tensor, stride: int) -> Tensor:
    weight = weights[f"{name}.weight"]
    return functional.conv2d(features, weight, stride=stride, padding=weight.shape[2] // 2)


def norm(weights: dict[str, Tensor], name: str, features: Tensor) -> Tensor:
    """Compute batch normalisation in training, by the formula of Ioffe and Szegedy 2015."""
    mean, variance = features.mean(dim=(0, 2, 3)), features.var(dim=(0, 2, 3), correction=0)
    scale, shift = weights[f"{name}.weight"], weights[f"{name}.bias"]
    columns = [one[None, :, None, None] for one in (mean, variance, scale, shift)]
    return (features - columns[0]) / torch.sqrt(columns[1] + 1e-5) * columns[2] + columns[3]


def resnet_oracle(weights: dict[str, Tensor], images: Tensor, blocks: tuple[int, ...]) -> Tensor:
    """Compute the logits of the residual network, after figure 2 and table 1 of its paper."""
    features = torch.relu(norm(weights, "stem_norm", conv(weights, "stem", images, 1)))
    for stage, count in enumerate(blocks):
        for number in range(count):
            block, stride = f"stages.{stage}.{number}", 2 if stage and not number else 1
            hidden = torch.relu(norm(weights, f"{block}.norm1", conv(weights, f"{block}.conv1", features, stride)))
            hidden = norm(weights, f"{block}.norm2", conv(weights, f"{block}.conv2", hidden, 1))
            shortcut = features
            if f"{block}.projection.0.weight" in weights:
                shortcut = norm(
                    weights, f"{block}.projection.1", conv(weights, f"{block}.projection.0", features, stride)
                )
            features = torch.relu(hidden + shortcut)
    return features.mean(dim=(2, 3)) @ weights["classifier.weight"].T + weights["classifier.bias"]


def wide_oracle(weights: dict[str, Tensor], images: Tensor, blocks: tuple[int, ...]) -> Tensor:
    """Compute the logits of the wide residual network without dropout, after figure 1 and table 1 of its paper."""
    features = conv(weights, "stem", images, 1)
    for group, count in enumerate(blocks):
        for number in range(count):
            block, stride = f"stages.{group}.{number}", 2 if group and not number else 1
            active = torch.relu(norm(weights, f"{block}.norm1", features))
            shortcut = features
            if f"{block}.projection.weight" in weights:
                shortcut = conv(weights, f"{block}.projection", active, stride)
            hidden = torch.relu(norm(weights, f"{block}.norm2", conv(weights, f"{block}.conv1", active, stride)))
            features = shortcut + conv(weights, f"{block}.conv2", hidden, 1)
    features = torch.relu(norm(weights, "final_norm", features))
    return features.mean(dim=(2, 3)) @ weights["classifier.weight"].T + weights["classifier.bias"]


@pytest.mark.parametrize(
    ("value", "oracle", "blocks"),
    [
        (ModelValue("resnet18", 6, (2, 1, 1, 2)), resnet_oracle, (2, 1, 1, 2)),
        (network("wide-resnet", width=6, depth=16), wide_oracle, (2, 2, 2)),
        (network("wide-resnet", width=16, depth=10), wide_oracle, (1, 1, 1)),
    ],
    ids=["resnet18", "wide-resnet", "wide-resnet whose first shortcut is the input"],
)
def test_logits_and_gradients_equal_an_independent_writing(value: ModelValue, oracle: Any, blocks: Any) -> None:
    model = build_network(value, (12, 12, 3), 7, 1).double()
    random = torch.Generator().manual_seed(2)
    with torch.no_grad():  # else every scale is 1 and every shift 0
        for name, tensor in model.named_parameters():
            if "norm" in name or "projection.1" in name:
                tensor.copy_(0.5 + torch.rand(tensor.shape, generator=random, dtype=torch.float64))
    weights = {name: weight.detach().clone().requires_grad_() for name, weight in model.named_parameters()}
    images = torch.randn(5, 3, 12, 12, generator=random, dtype=torch.float64)
    logits, expected = model(images), oracle(weights, images, blocks)
    torch.testing.assert_close(logits, expected)
    torch.autograd.backward([logits.square().mean(), expected.square().mean()])
    for name, weight in model.named_parameters():
        torch.testing.assert_close(weight.grad, weights[name].grad)


def test_resnet18_computes_what_torchvision_does_with_a_small_stem() -> None:
    ours = build_network(ModelValue("resnet18", 64, (2, 2, 2, 2)), (16, 16, 3), 10, 0)
    theirs = build_network(network("torchvision:resnet18", stem="small"), (16, 16, 3), 10, 0)
    mine = ours.state_dict()
    with torch.no_grad():
        others = [one for name, one in theirs.state_dict().items() if not name.endswith("num_batches_tracked")]
        for tensor, other in zip(mine.values(), others, strict=True):
            other.copy_(tensor)
    images = torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(ours(images), theirs(images), rtol=1e-4, atol=1e-5)


def test_grey_images_are_given_to_all_three_channels_and_brought_to_a_size() -> None:
    model = build_network(network("torchvision:resnet18", image_size=20), (8, 8, 1), 5, 0).eval()
    bare = model.get_submodule("network")
    images = torch.randn(2, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    larger = functional.interpolate(images, size=(20, 20), mode="bilinear", align_corners=False)
    with torch.no_grad():
        torch.testing.assert_close(model(images), bare(torch.cat([larger] * 3, dim=1)))


@pytest.mark.parametrize("size", [(7, 7), (3, 5), (1, 4)])
@pytest.mark.parametrize("side", [2, 7, 11, 14])
def test_means_over_regions_are_adaptive_average_pooling(size: tuple[int, int], side: int) -> None:
    features = torch.randn(2, 3, side, side + 1, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    mine, theirs = features.clone().requires_grad_(), features.clone().requires_grad_()
    means, expected = MeansOverRegions(size)(mine), functional.adaptive_avg_pool2d(theirs, size)
    torch.testing.assert_close(means, expected)
    torch.autograd.backward([means.square().sum(), expected.square().sum()])
    torch.testing.assert_close(mine.grad, theirs.grad)


@pytest.mark.parametrize("name", ["alexnet", "vgg11_bn", "googlenet", "inception_v3", "densenet121", "vit_b_16"])
def test_every_family_of_torchvision_can_be_tried_at_224(name: str) -> None:
    """On shapes alone, so that its size costs nothing. No adaptive pooling is left but the mean over the image."""
    value = network(f"torchvision:{name}", image_size=299 if name == "inception_v3" else 224)
    assert try_network(value, 32, 3, 10).cost.flops > 1e8


@pytest.mark.parametrize(
    ("value", "draws"),
    [
        (network("preact-resnet18"), False),
        (network("wide-resnet", dropout=0.0), False),
        (network("wide-resnet", dropout=0.1), True),
        (network("torchvision:shufflenet_v2_x0_5"), False),
        (network("torchvision:mnasnet0_5"), True),
        (network("torchvision:efficientnet_b0"), True),  # stochastic depth as well
    ],
    ids=name_of,
)
def test_it_is_known_whether_layers_draw(value: ModelValue, draws: bool) -> None:
    assert draws_numbers(value, 32, 3, 10) is draws
    model = build_network(value, (32, 32, 3), 10, 0)
    before = torch.get_rng_state()
    model(torch.zeros(2, 3, 32, 32))
    assert torch.equal(torch.get_rng_state(), before) is not draws


def test_dropout_lies_between_the_two_convolutions_and_scales_what_it_keeps() -> None:
    model = build_network(network("wide-resnet", depth=10, dropout=0.25), (8, 8, 3), 10, 0)
    block = model.get_submodule("stages.0.0")
    inputs: list[Tensor] = []
    block.get_submodule("conv2").register_forward_hook(lambda _, given, __: inputs.append(given[0]))
    images = torch.randn(64, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        model(images)
        model.eval()(images)
    (dropped, whole), twice = inputs, inputs[1] > 0
    assert 0.2 < float((dropped[twice] == 0).float().mean()) < 0.3
    kept = twice & (dropped != 0)
    assert float(dropped[kept].mean() / whole[kept].mean()) > 1.2


@pytest.mark.parametrize("side", [8, 16])
def test_images_too_small_for_a_network_are_refused_with_the_remedy(side: int) -> None:
    with pytest.raises(
        ConfigurationError, match=rf"torchvision:vgg11 cannot take .* 3 x {side} x {side}.*image_size: 224"
    ):
        try_network(network("torchvision:vgg11"), side, 3, 10)
    assert try_network(network("torchvision:vgg11", image_size=32), side, 3, 10).draws


def test_a_small_stem_is_for_resnets() -> None:
    with pytest.raises(ConfigurationError, match=r"stem: found small; torchvision:vgg11 is no ResNet.*stem: original"):
        build_network(network("torchvision:vgg11", stem="small"), (32, 32, 3), 10, 0)


def test_an_own_network_gets_its_parameters(tmp_path: Path) -> None:
    value = own_network(tmp_path, maps=6, dropout=0.5)
    assert (value.width, value.blocks) == (0, ())
    trial = try_network(value, 8, 1, 10)
    assert trial.cost.parameters == (9 * 6 + 6) + 2 * 6 + (16 * 6 * 10 + 10)
    assert trial.draws
    assert find_network(value).stages(value) == 0


def test_an_own_network_declares_its_stages(tmp_path: Path) -> None:
    text = (
        "from torch import nn\n\n\nclass Net(nn.Linear):\n    stages = 2\n\n\n"
        "def build(channels, classes):\n    return Net(channels, classes)\n"
    )
    value = own_network(tmp_path, text)
    assert find_network(value).stages(value) == 2


START = "from torch import nn\n\n\ndef build(channels, classes, **more):\n"
NET = "import torch\nfrom torch import nn\n\n\nclass Net(nn.Linear):\n    def forward(self, images):\n"
BUILD = "\n\n\ndef build(channels, classes):\n    return Net(channels, classes)\n"
BAD_FILES = {
    "no such function": ("x = 1\n", "defines no build"),
    "no Python": ("def build(:\n", "line 1"),
    "raises at import": ("x = 1\nx / 0\n", r"line 2: ZeroDivisionError.*Correct that file"),
    "other arguments": (
        "def build(classes):\n    return 1\n",
        r"TypeError.*\nIt was called as build\(channels, classes\)",
    ),
    "raises": (f"{START}    return nn.Linear(0.5, classes)\n", r"my_network.py, line 5: \w+Error"),
    "no module": (f"{START}    return channels\n", r"build\(channels, classes\) returned int, and a torch.nn.Module"),
    "other shapes": (
        f"{START}    return nn.Sequential(nn.Flatten(), nn.Linear(64 * channels, 3))\n",
        r"gives float32 \[2, 3\], and logits float \[2, 10\] are wanted",
    ),
    "whole numbers": (f"{NET}        return images.flatten(1)[:, :10].long(){BUILD}", r"gives int64 \[2, 10\]"),
    "a tuple": (f"{NET}        return images, images{BUILD}", "gives tuple, and logits"),
    "looks at numbers": (
        f"{NET}        return images if images.sum() > 0 else -images{BUILD}",
        r"my_network.py, line 7: .*\n.* must not look at numbers",
    ),
    "an idle weight": (
        f"{NET}        return images.flatten(1)[:, :10] * self.weight.sum(){BUILD}",
        "its weights bias decide",
    ),
}


@pytest.mark.parametrize(("text", "says"), BAD_FILES.values(), ids=BAD_FILES)
def test_a_bad_file_is_refused_with_what_was_expected(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        try_network(own_network(tmp_path, text), 8, 1, 10)


def test_an_own_network_that_needs_numbers_to_be_built_is_built_with_numbers(tmp_path: Path) -> None:
    text = (
        "import torch\nfrom torch import nn\n\n\ndef build(channels, classes):\n"
        "    slope = torch.linspace(0, 1, 3)[1].item()\n"
        "    return nn.Sequential(nn.Flatten(), nn.LeakyReLU(slope), nn.Linear(64 * channels, classes))\n"
    )
    assert try_network(own_network(tmp_path, text), 8, 1, 10).cost.parameters == 650


def test_frozen_weights_are_no_idle_ones(tmp_path: Path) -> None:
    text = (
        "from torch import nn\n\n\ndef build(channels, classes):\n"
        "    first = nn.Linear(64 * channels, 8).requires_grad_(False)\n"
        "    return nn.Sequential(nn.Flatten(), first, nn.ReLU(), nn.Linear(8, classes))\n"
    )
    value = own_network(tmp_path, text)
    try_network(value, 8, 1, 10)
    assert isinstance(build_network(value, (8, 8, 1), 10, 0), nn.Module)
