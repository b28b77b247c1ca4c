"""What is remarked of code that has no faults on a CPU: at which line a GPU would stop, and what is no logit."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from smallmix.study.cell import MethodValue, ModelValue
from smallmix.study.own_trials import Trial
from smallmix.training.own_code_faults import ImageKind
from smallmix.training.own_code_remarks import find_remarks
from smallmix.training.own_code_trial import find_faults

from tests.tiny_cell import tiny_cell

KIND = ImageKind((8, 8, 1), 10)
NETWORK = """\
import torch
from torch import nn
from torch.nn import functional as F


class Net(nn.Module):
    def __init__(self, channels, classes):
        super().__init__()
        self.first = nn.Conv2d(channels, 4, 3, padding=1)
        self.pool = nn.AdaptiveAvgPool2d(2)
        self.last = nn.Linear(INPUTS, classes)

    def forward(self, images):
        x = self.first(images)
        x = POOLED
        return self.last(x.flatten(1))


def build(channels, classes):
    return Net(channels, classes)
"""
METHOD = """\
import torch
from smallmix.science.method import Method
from torch.nn import functional as F


class Mine(Method):
    mixes_features = FEATURES

    def FUNCTION:
        return RESULT
"""


def of_network(folder: Path, source: str) -> list[str]:
    """Return the remarks on a network in which no fault is found."""
    file = folder / "my_network.py"
    file.write_text(source, encoding="utf-8")
    model = ModelValue("my_network.py:build", 0, (), (), str(file))
    trial = Trial(("non",), dataclasses.replace(tiny_cell(size=16), model=model), (8, 3))
    assert find_faults(trial, KIND) == []
    return find_remarks(trial, KIND)


def of_method(folder: Path, function: str, result: str, features: bool = False) -> list[str]:
    """Return the remarks on a method in which no fault is found."""
    file = folder / "my_method.py"
    source = METHOD.replace("FEATURES", str(features)).replace("FUNCTION", function).replace("RESULT", result)
    file.write_text(source, encoding="utf-8")
    method = MethodValue("my_method.py:Mine", None, (), str(file))
    trial = Trial(("own",), dataclasses.replace(tiny_cell(size=16), method=method), (8, 4))
    assert find_faults(trial, KIND) == []
    return find_remarks(trial, KIND)


def network(pooled: str, inputs: int = 16) -> str:
    """Return a network that pools in line 15."""
    return NETWORK.replace("POOLED", pooled).replace("INPUTS", str(inputs))


@pytest.mark.parametrize(
    ("pooled", "inputs", "what"),
    [
        ("F.adaptive_avg_pool2d(x, 2)", 16, "the gradient of adaptive_avg_pool2d has no deterministic form"),
        ("self.pool(x)", 16, "the gradient of adaptive_avg_pool2d has no deterministic form"),
        ("F.adaptive_max_pool2d(x, 1)", 4, "the gradient of adaptive_max_pool2d"),
        ("F.interpolate(x, 2, mode='bicubic')", 16, "the gradient of upsample_bicubic2d"),
        ("F.interpolate(x, 2, mode='bilinear', antialias=True)", 16, "the gradient of upsample_bilinear2d_aa"),
        ("F.interpolate(x, 2, mode='area')", 16, "the gradient of adaptive_avg_pool2d"),
        ("F.local_response_norm(F.avg_pool2d(x, 4), 3)", 16, "the gradient of avg_pool3d"),
        ("F.fractional_max_pool2d(x, 2, 2)", 16, "the gradient of fractional_max_pool2d"),
        ("F.avg_pool2d(x, 4).flatten(2).median(2)[0]", 4, ": median has no deterministic form"),
        ("F.grid_sample(x, x.new_zeros(len(x), 2, 2, 2), align_corners=False)", 16, "the gradient of grid_sampler_2d"),
        ("x.take(torch.arange(16, device=x.device).expand(len(x), 16))", 16, "the gradient of take"),
    ],
)
def test_what_a_gpu_refuses_is_remarked_at_its_line(tmp_path: Path, pooled: str, inputs: int, what: str) -> None:
    remarks = of_network(tmp_path, network(pooled, inputs))
    assert len(remarks) == 1, remarks
    assert "my_network.py, line 15, build.forward" in remarks[0]
    assert "on a GPU this would stop the training: " in remarks[0]
    assert what in remarks[0]
    assert remarks[0].endswith("or train on a CPU.")


def test_the_layer_of_pytorch_is_named(tmp_path: Path) -> None:
    assert "build.forward, layer pool (AdaptiveAvgPool2d): on a GPU" in of_network(tmp_path, network("self.pool(x)"))[0]


def test_a_layer_of_a_sequence_is_named_where_no_line_of_the_file_calls_it(tmp_path: Path) -> None:
    layers = "nn.Conv2d(channels, 4, 3), nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(4, classes)"
    source = f"from torch import nn\n\n\ndef build(channels, classes):\n    return nn.Sequential({layers})\n"
    remarks = of_network(tmp_path, source)
    assert len(remarks) == 1, remarks
    assert "my_network.py, build, layer 1 (AdaptiveMaxPool2d): on a GPU this would stop the training" in remarks[0]
    assert "Use x.amax((2, 3)) for one number a map, or nn.MaxPool2d" in remarks[0]


@pytest.mark.parametrize(
    ("pooled", "inputs"),
    [
        ("x.mean((2, 3))", 4),
        ("F.adaptive_avg_pool2d(x, 1)", 4),
        ("F.avg_pool2d(x, 4)", 16),
        ("F.max_pool2d(x, 4)", 16),
        ("F.interpolate(x, 2, mode='bilinear')", 16),
        ("F.interpolate(x, 2)", 16),
        ("F.pad(F.avg_pool2d(x, 8), (0, 1, 0, 1))", 16),
        ("F.avg_pool2d(F.pad(x, (1, 1, 1, 1), 'reflect'), 5)", 16),
        ("F.avg_pool2d(x, 4).flatten(2).kthvalue(2, 2)[0]", 4),
        ("self.first(F.adaptive_avg_pool2d(images, 2))", 16),  # images need no gradient
    ],
)
def test_what_a_gpu_takes_is_not_remarked(tmp_path: Path, pooled: str, inputs: int) -> None:
    assert of_network(tmp_path, network(pooled, inputs)) == []


def test_an_operation_on_features_is_remarked_in_the_methods_file(tmp_path: Path) -> None:
    result = "F.interpolate(features, features.shape[2:], mode='bicubic')"
    remarks = of_method(tmp_path, "mix_features(self, features, stage, row)", result, features=True)
    assert len(remarks) == 1, remarks
    assert "my_method.py, line 10, Mine.mix_features: on a GPU this would stop the training" in remarks[0]


def test_a_method_may_do_to_images_what_has_no_gradient_on_a_gpu(tmp_path: Path) -> None:
    assert of_method(tmp_path, "mix(self, images, row)", "F.interpolate(images, 8, mode='bicubic')") == []


def test_a_method_that_calls_what_a_gpu_never_takes_is_remarked(tmp_path: Path) -> None:
    result = "images.flatten(2).median(2)[0][:, :, None, None] + 0 * images"
    remarks = of_method(tmp_path, "mix(self, images, row)", result)
    assert len(remarks) == 1, remarks
    assert "my_method.py, line 10, Mine.mix: on a GPU this would stop the training: median has no" in remarks[0]


def test_numbers_between_0_and_1_are_remarked(tmp_path: Path) -> None:
    source = network("x.mean((2, 3))", 4).replace("self.last(x.flatten(1))", "self.last(x.flatten(1)).sigmoid()")
    remarks = of_network(tmp_path, source)
    assert len(remarks) == 1, remarks
    assert "my_network.py, line 13, build.forward: all numbers that the network gives" in remarks[0]
    assert "as after a sigmoid; expected logits" in remarks[0]
