"""What is refused of a user's network before anything is trained."""

from __future__ import annotations

import dataclasses
import textwrap
from pathlib import Path

import pytest
from smallmix.study.cell import MethodValue, ModelValue, Parameters, parameters_of
from smallmix.study.own_trials import Trial
from smallmix.training.own_code_faults import ImageKind
from smallmix.training.own_code_trial import find_faults

from tests.tiny_cell import tiny_cell

KIND = ImageKind((8, 8, 1), 10)
HEAD = """\
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, channels, classes):
        super().__init__()
        self.last = nn.Linear(64 * channels, classes)

    def forward(self, images, mix_stage=None):
"""
BUILD = "\n\ndef build(channels, classes):\n    return Net(channels, classes)\n"


def trial_of(folder: Path, source: str, parameters: Parameters = ()) -> Trial:
    """Return the trial of a network in a file of its own, for batches of 8 and of 3 images."""
    file = folder / "my_network.py"
    file.write_text(source, encoding="utf-8")
    model = ModelValue("my_network.py:build", 0, (), parameters, str(file))
    return Trial(("non",), dataclasses.replace(tiny_cell(size=16), model=model), (8, 3))


def network_of(forward: str) -> str:
    """Return a file whose network goes forward by these lines; the first of them is line 11."""
    return HEAD + textwrap.indent(textwrap.dedent(forward), " " * 8) + BUILD


def feature_method(folder: Path, body: str = "") -> MethodValue:
    """Return a method of the user's that mixes features."""
    file = folder / "my_method.py"
    head = "from smallmix.science.method import Method\n\n\nclass Mine(Method):\n    mixes_features = True\n"
    file.write_text(head + body, encoding="utf-8")
    return MethodValue("my_method.py:Mine", file=str(file))


def the_fault(trial: Trial) -> str:
    """Return the only fault."""
    faults = find_faults(trial, KIND)
    assert len(faults) == 1, faults
    return faults[0]


def test_a_sound_network_has_no_faults(tmp_path: Path) -> None:
    assert find_faults(trial_of(tmp_path, network_of("return self.last(images.flatten(1))")), KIND) == []


@pytest.mark.parametrize(
    ("forward", "line", "text"),
    [
        ("return self.last(images.flatten(1))[:, :9]", 10, "gives float32 [8, 9]; expected logits"),
        ("x = images.flatten(1)\nreturn self.last(x), x", 10, "gives a tuple; expected logits"),
        ("x = images.flatten(1)\nif x.max() > 3:\n    x = x / 2\nreturn self.last(x)", 12, "looks at a tensor's value"),
        ("return self.last(images.flatten(1)[:, :63])", 11, "RuntimeError"),
        ("x = images.flatten(1)\nreturn self.last(x.reshape(8, 64))", 12, "RuntimeError"),
        ("return self.last(images.flatten(1) + torch.ones(64))", 11, "a tensor of the CPU"),
    ],
)
def test_faults_are_named_at_their_lines(tmp_path: Path, forward: str, line: int, text: str) -> None:
    fault = the_fault(trial_of(tmp_path, network_of(forward)))
    assert f"my_network.py, line {line}, " in fault
    assert text in fault


def test_another_result_than_a_module_is_refused(tmp_path: Path) -> None:
    fault = the_fault(trial_of(tmp_path, "def build(channels, classes):\n    return 3\n"))
    assert "my_network.py" in fault
    assert "torch.nn.Module" in fault


@pytest.mark.parametrize(
    ("parameters", "signature", "text"),
    [
        ({"depth": 3}, "channels, classes", "it takes no parameter; found model.parameters.depth"),
        ({}, "channels, classes, depth", "it needs the parameter depth, and model.parameters.depth is not there"),
    ],
)
def test_parameters_that_the_function_does_not_take_are_named(
    tmp_path: Path, parameters: dict[str, int], signature: str, text: str
) -> None:
    source = network_of("return self.last(images.flatten(1))").replace(
        "build(channels, classes)", f"build({signature})"
    )
    fault = the_fault(trial_of(tmp_path, source, parameters_of(parameters)))
    assert "my_network.py, line 13, build: " in fault
    assert text in fault


def test_numbers_drawn_outside_of_pytorch_are_refused(tmp_path: Path) -> None:
    forward = "import random\nreturn self.last(images.flatten(1)) * random.random()"
    fault = the_fault(trial_of(tmp_path, network_of(forward)))
    assert "my_network.py, line 12, build.forward: random numbers of random are drawn inside of the step" in fault
    assert "two equal steps from equal weights gave different weights" in fault
    assert fault.endswith("Let a network draw by PyTorch alone, as nn.Dropout does.")


def test_numbers_of_numpy_are_named_where_dropout_draws_too(tmp_path: Path) -> None:
    forward = """\
        x = nn.functional.dropout(images.flatten(1), 0.5, self.training)
        import numpy as np
        return self.last(x) * np.random.rand()
        """
    fault = the_fault(trial_of(tmp_path, network_of(textwrap.dedent(forward))))
    assert "my_network.py, line 13, build.forward: random numbers of numpy.random are drawn" in fault


def test_a_method_that_draws_is_named_beside_a_network_whose_weights_are_drawn(tmp_path: Path) -> None:
    method = tmp_path / "my_method.py"
    method.write_text(
        "import torch\nfrom smallmix.science.method import Method\n\n\nclass Mine(Method):\n"
        "    def mix(self, images, row):\n        return images * torch.rand_like(images)\n",
        encoding="utf-8",
    )
    trial = trial_of(tmp_path, network_of("return self.last(images.flatten(1))"))
    cell = dataclasses.replace(trial.cell, method=MethodValue("my_method.py:Mine", file=str(method)))
    fault = the_fault(dataclasses.replace(trial, cell=cell))
    assert "my_method.py, line 7, Mine.mix: random numbers of torch are drawn inside of the step" in fault
    assert fault.endswith("Draw them ahead, with draws.generator(name) in `draw`.")


@pytest.mark.parametrize("end", ["x.softmax(1)", "nn.functional.softmax(x, dim=1)", "nn.Softmax(dim=1)(x)"])
def test_a_network_that_ends_in_a_softmax_is_refused(tmp_path: Path, end: str) -> None:
    fault = the_fault(trial_of(tmp_path, network_of(f"x = self.last(images.flatten(1))\nreturn {end}")))
    assert "my_network.py, line 10, build.forward: the network gives probabilities" in fault
    assert "expected logits. The loss takes the softmax itself" in fault


def test_a_softmax_at_the_end_of_a_sequence_is_refused_where_it_is_built(tmp_path: Path) -> None:
    layers = "nn.Flatten(), nn.Linear(64 * channels, classes), nn.Softmax(dim=1)"
    build = f"def build(channels, classes):\n    return nn.Sequential({layers})\n"
    fault = the_fault(trial_of(tmp_path, f"from torch import nn\n\n\n{build}"))
    assert "my_network.py, line 4, build: the network gives probabilities" in fault


@pytest.mark.parametrize("end", ["x.log_softmax(1)", "x.sigmoid()", "x.softmax(1) * 2", "x.relu()"])
def test_other_ends_are_no_softmax(tmp_path: Path, end: str) -> None:
    forward = f"x = self.last(images.flatten(1))\nreturn {end}"
    assert find_faults(trial_of(tmp_path, network_of(forward)), KIND) == []


def test_dropout_is_allowed(tmp_path: Path) -> None:
    """Its draws are repeated, since the training seeds PyTorch before every step."""
    forward = "x = nn.functional.dropout(images.flatten(1), 0.5, self.training)\nreturn self.last(x)"
    assert find_faults(trial_of(tmp_path, network_of(forward)), KIND) == []


def test_a_network_without_stages_is_named_where_features_are_mixed(tmp_path: Path) -> None:
    method = tmp_path / "my_method.py"
    method.write_text(
        "from smallmix.science.method import Method\n\n\nclass Mine(Method):\n    mixes_features = True\n\n"
        "    def mix_features(self, features, stage, row):\n        return features * 0.5\n",
        encoding="utf-8",
    )
    trial = trial_of(tmp_path, network_of("return self.last(images.flatten(1))"))
    cell = dataclasses.replace(trial.cell, method=MethodValue("my_method.py:Mine", file=str(method)))
    fault = the_fault(dataclasses.replace(trial, cell=cell))
    assert "my_network.py:build has no stages to mix at" in fault


def test_a_fault_of_features_is_named_with_the_stage(tmp_path: Path) -> None:
    own = feature_method(
        tmp_path,
        "    def mix_features(self, features, stage, row):\n"
        "        return features[:, :-1] if stage == 2 else features\n",
    )
    trial = Trial(("own",), dataclasses.replace(tiny_cell(size=16), method=own), (8, 4))
    fault = the_fault(trial)
    assert "my_method.py, line 6, Mine.mix_features: it returns float32 [8, 7, 4, 4]" in fault
    assert "expected features of stage 2 as they came: float32 [8, 8, 4, 4]" in fault


def test_lazy_layers_are_named(tmp_path: Path) -> None:
    build = "def build(channels, classes):\n    return nn.Sequential(nn.Flatten(), nn.LazyLinear(classes))\n"
    fault = the_fault(trial_of(tmp_path, f"from torch import nn\n\n\n{build}"))
    assert "1.weight, 1.bias: a lazy layer has no weights until images have passed it" in fault
    assert fault.endswith("Write the sizes out, as in nn.Linear(64, classes).")
