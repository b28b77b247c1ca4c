"""Weights to begin with: taken over where they fit, as data only, and refused with what is wrong with the file."""

from __future__ import annotations

import dataclasses
import hashlib
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from smallmix.errors import ConfigurationError
from smallmix.science.network import build_network
from smallmix.science.network_trial import try_network
from smallmix.study.cell import ModelValue
from torch import Tensor

from tests.networks import network

NAME = "shufflenet_v2_x0_5"
Weights = dict[str, Any]


def saved(classes: int = 1000) -> Weights:
    """Return weights as torchvision's files have them."""
    torch.manual_seed(99)
    return dict(torchvision.models.get_model(NAME, weights=None, num_classes=classes).state_dict())


def value_with(path: Path, name: str = NAME, **parameters: Any) -> ModelValue:
    """Return the value of a network that begins with the weights of a file."""
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return network(f"torchvision:{name}", file=path, weights_sha256=sha256, **parameters)


def written(folder: Path, content: Any, name: str = "weights.pth") -> ModelValue:
    torch.save(content, folder / name)
    return value_with(folder / name)


def of(value: ModelValue, classes: int = 10, seed: int = 0) -> dict[str, Tensor]:
    """Return the weights that a training begins with, by the names of torchvision."""
    state = build_network(value, (32, 32, 3), classes, seed).state_dict()
    return {name.removeprefix("network."): tensor for name, tensor in state.items()}


def test_all_but_the_classifier_is_taken_over(tmp_path: Path) -> None:
    weights = saved()
    value = written(tmp_path, weights)
    begun, drawn = of(value), of(network(f"torchvision:{NAME}"))
    for name, tensor in begun.items():
        assert torch.equal(tensor, drawn[name] if name.startswith("fc.") else weights[name]), name
    assert not torch.equal(of(value, seed=1)["fc.weight"], begun["fc.weight"])


def test_a_classifier_that_fits_is_taken_over(tmp_path: Path) -> None:
    weights = saved(10)
    begun = of(written(tmp_path, weights))
    assert all(torch.equal(tensor, weights[name]) for name, tensor in begun.items())


WRAPPINGS: dict[str, Callable[[Weights], Any]] = {
    "state_dict": lambda weights: {"state_dict": weights, "epoch": 3},
    "model": lambda weights: {"model": weights},
    "module.": lambda weights: {f"module.{name}": tensor for name, tensor in weights.items()},
    "our own": lambda weights: {f"network.{name}": tensor for name, tensor in weights.items()},
    "no counters": lambda weights: {name: one for name, one in weights.items() if "num_batches" not in name},
}


@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_common_forms_of_files_are_read(tmp_path: Path, wrapping: str) -> None:
    weights = saved()
    begun = of(written(tmp_path, WRAPPINGS[wrapping](weights)))
    assert torch.equal(begun["conv1.0.weight"], weights["conv1.0.weight"])


def test_safetensors_are_read(tmp_path: Path) -> None:
    safetensors = pytest.importorskip("safetensors.torch")
    weights = saved()
    safetensors.save_file(weights, tmp_path / "weights.safetensors")
    begun = of(value_with(tmp_path / "weights.safetensors"))
    assert torch.equal(begun["conv1.0.weight"], weights["conv1.0.weight"])


def test_a_small_stem_is_drawn_where_the_file_has_the_original_one(tmp_path: Path) -> None:
    weights = dict(torchvision.models.get_model("resnet18", weights=None).state_dict())
    torch.save(weights, tmp_path / "weights.pth")
    begun = of(value_with(tmp_path / "weights.pth", "resnet18", stem="small"))
    drawn = of(network("torchvision:resnet18", stem="small"))
    assert torch.equal(begun["conv1.weight"], drawn["conv1.weight"])
    assert torch.equal(begun["layer1.0.conv1.weight"], weights["layer1.0.conv1.weight"])


class Harm:
    """What an unsafe reader would run: it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (Path.touch, (self.path,))


def without(weights: Weights, name: str) -> Weights:
    return {key: tensor for key, tensor in weights.items() if key != name}


BAD_FILES: dict[str, tuple[Callable[[Weights], Any], str]] = {
    "missing": (lambda weights: without(weights, "conv1.0.weight"), r"\(missing: conv1.0.weight\)"),
    "unknown": (lambda weights: {**weights, "more": torch.zeros(1)}, r"\(unknown: more\)"),
    "shape": (
        lambda weights: {**weights, "conv1.0.weight": torch.zeros(1)},
        r"of another shape: conv1.0.weight \[1\] instead of \[24, 3, 3, 3\]",
    ),
    "another network": (
        lambda _: dict(torchvision.models.get_model("squeezenet1_1", weights=None).state_dict()),
        r"missing: .* and \d+ more; unknown: ",
    ),
    "no weights": (lambda _: [1, 2, 3], "holds no weights by name"),
    "other values": (lambda weights: {**weights, "epoch": 3}, "holds no weights by name"),
}


@pytest.mark.parametrize(("change", "says"), BAD_FILES.values(), ids=BAD_FILES)
def test_a_file_that_does_not_fit_is_refused(tmp_path: Path, change: Callable[[Weights], Any], says: str) -> None:
    value = written(tmp_path, change(saved()))
    with pytest.raises(ConfigurationError, match=says):
        of(value)
    with pytest.raises(ConfigurationError, match=says):  # before anything is trained as well
        try_network(value, 32, 3, 10)


def test_nothing_in_a_file_is_run(tmp_path: Path) -> None:
    made = tmp_path / "made"
    value = written(tmp_path, Harm(made))
    with pytest.raises(ConfigurationError, match="cannot be read as weights"):
        of(value)
    assert not made.exists()
    pickle.loads(pickle.dumps(Harm(made)))  # the negative control: another reader runs it
    assert made.exists()


@pytest.mark.parametrize("name", ["weights.pth", "weights.safetensors", "weights.pt"])
@pytest.mark.parametrize("content", [b"", b"\x00" * 64, b"PK\x03\x04 no archive"], ids=["empty", "zeros", "no archive"])
def test_a_damaged_file_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"cannot be read as weights .* allowed: a \.safetensors file"):
        of(value_with(tmp_path / name))


def test_another_file_than_the_study_read_is_refused(tmp_path: Path) -> None:
    value = written(tmp_path, saved())
    torch.save(saved(5), tmp_path / "weights.pth")
    with pytest.raises(ConfigurationError, match="another file than when the study was read"):
        of(value)
    (tmp_path / "weights.pth").unlink()
    with pytest.raises(ConfigurationError, match=r"cannot read .* Correct the path"):
        of(value)
    with pytest.raises(ConfigurationError, match="--own-code"):
        of(dataclasses.replace(value, file=None))
