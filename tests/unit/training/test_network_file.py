"""The trained network as a file: what it holds, who reads it, and which damage is found."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from smallmix.errors import SmallmixError
from smallmix.science.network import build_network
from smallmix.science.training_state import digest_weights
from smallmix.study.cell import ModelValue
from smallmix.study.layout import WEIGHTS_FILE
from smallmix.training import weights as weights_module
from smallmix.training.weights import read_weights, weights_file

from tests.tiny_cell import TinyData, tiny_cell

CELL = tiny_cell("images", iterations=12)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> TinyData:
    return TinyData.write(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def with_weights(data: TinyData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cell's folder of a training that kept its network."""
    output, _ = data.train(CELL, tmp_path_factory.mktemp("with"), keep_weights=True)
    return output


def test_the_file_says_what_the_network_is_and_how_images_are_brought_to_it(with_weights: Path, data: TinyData) -> None:
    network = read_weights(with_weights / WEIGHTS_FILE)
    told = network.description
    written = json.loads((data.dataset / "dataset.json").read_text(encoding="utf-8"))
    metrics = json.loads((with_weights / "metrics.json").read_text(encoding="utf-8"))
    assert told.cell == CELL
    assert told.classes == tuple("0123456789")
    assert told.image_shape == (8, 8, 1)
    assert (list(told.mean), list(told.deviation)) == (written["mean"], written["deviation"])
    assert told.weights_sha256 == metrics["weights_sha256"]
    assert told.version == "0"  # of the job
    names = build_network(CELL.model, (8, 8, 1), 10, 0).state_dict()
    assert network.tensors.keys() == names.keys()
    assert {name: tensor.shape for name, tensor in network.tensors.items()} == {
        name: tensor.shape for name, tensor in names.items()
    }


def test_its_running_statistics_are_those_of_the_training(with_weights: Path) -> None:
    """Fresh ones are zeros and ones: a network that lost them would predict otherwise."""
    tensors = read_weights(with_weights / WEIGHTS_FILE).tensors
    means = [tensor for name, tensor in tensors.items() if name.endswith("running_mean")]
    assert means
    assert all(tensor.abs().sum() > 0 for tensor in means)


def test_the_layout_in_memory_does_not_matter(with_weights: Path) -> None:
    """A GPU has convolutions in another order of memory; and two names of one tensor are two tensors in the file."""
    network = read_weights(with_weights / WEIGHTS_FILE)
    plain = weights_file(network.tensors, network.description)
    last = {
        name: tensor.contiguous(memory_format=torch.channels_last) if tensor.ndim == 4 else tensor
        for name, tensor in network.tensors.items()
    }
    assert any(not tensor.is_contiguous() for tensor in last.values())
    assert weights_file(last, network.description) == plain
    assert weights_file({"one": torch.ones(2)}, network.description) != plain
    shared = torch.ones(3)
    tied = weights_file({"one": shared, "other": shared}, network.description)
    assert len(tied) > len(weights_file({"one": shared}, network.description))


def test_other_programs_read_it(with_weights: Path) -> None:
    """By the format's own definition: eight bytes with the length of a JSON header, then the numbers."""
    content = (with_weights / WEIGHTS_FILE).read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    assert json.loads(header.pop("__metadata__")["smallmix"])["classes"] == list("0123456789")
    one = header["classifier.weight"]
    start, end = one["data_offsets"]
    numbers = np.frombuffer(content[8 + length :][start:end], dtype="<f4").reshape(one["shape"])
    wanted = read_weights(with_weights / WEIGHTS_FILE).tensors["classifier.weight"]
    assert one["dtype"] == "F32"
    assert np.array_equal(numbers, wanted.numpy())


def spoilt(content: bytes) -> Iterator[tuple[str, bytes]]:
    """The file, damaged in all its parts."""
    (length,) = struct.unpack("<Q", content[:8])
    body = bytearray(content)
    body[8 + length + 10] ^= 0x40
    yield "a weight", bytes(body)
    yield "a class name", content.replace(rb"\"classes\":[\"0\"", rb"\"classes\":[\"9\"", 1)
    yield "cut off", content[: len(content) // 2]
    yield "empty", b""
    yield "no such file", b"\x89PNG" + content[4:]
    yield "a huge header", struct.pack("<Q", 1 << 60) + content[8:]


def test_every_damage_to_the_file_is_found(with_weights: Path, tmp_path: Path) -> None:
    whole = (with_weights / WEIGHTS_FILE).read_bytes()
    path = tmp_path / WEIGHTS_FILE
    for what, content in spoilt(whole):
        assert content != whole, what
        path.write_bytes(content)
        with pytest.raises(SmallmixError, match=r"Delete it and run its study again"):
            read_weights(path)
    with pytest.raises(SmallmixError, match=r"there is no .*nowhere\.safetensors"):
        read_weights(tmp_path / "nowhere.safetensors")


def test_a_file_of_another_program_is_named_as_such(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    save_file({"weight": torch.ones(2)}, tmp_path / "other.safetensors")
    with pytest.raises(SmallmixError, match=r"but not one of smallmix"):
        read_weights(tmp_path / "other.safetensors")


def test_a_network_that_is_another_one_now_is_refused(with_weights: Path) -> None:
    network = read_weights(with_weights / WEIGHTS_FILE)
    model = replace(network.description.cell.model, width=8)
    other = replace(network.description, cell=replace(network.description.cell, model=model))
    with pytest.raises(SmallmixError) as raised:
        replace(network, description=other).build()
    assert str(raised.value) == (
        "the network preact-resnet18 of this smallmix is not the one that was trained by smallmix 0: stem.weight is "
        "(4, 1, 3, 3) in the file and (8, 1, 3, 3) here. Use that version, or train again."
    )
    model = replace(network.description.cell.model, name="no-such-network")
    gone = replace(network.description, cell=replace(network.description.cell, model=model))
    with pytest.raises(SmallmixError, match=r"the network no-such-network of this smallmix is not the one"):
        replace(network, description=gone).build()


def test_the_built_network_has_the_weights_of_the_file(with_weights: Path) -> None:
    network = read_weights(with_weights / WEIGHTS_FILE)
    model = network.build()
    assert not model.training
    assert digest_weights(model.state_dict()) == network.description.weights_sha256


def test_the_file_of_weights_that_a_training_began_with_is_not_needed_any_more(
    with_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = read_weights(with_weights / WEIGHTS_FILE)
    asked: list[ModelValue] = []

    def build(value: ModelValue, *rest: Any) -> torch.nn.Module:
        asked.append(value)
        return build_network(CELL.model, *rest)

    monkeypatch.setattr(weights_module, "build_network", build)
    begun = replace(CELL.model, parameters=(("stem", "small"), ("weights_sha256", "f" * 64)), file="begin.pth")
    own = replace(begun, name="my_network.py:build", file="my_network.py")
    for model in (begun, own):
        cell = replace(CELL, model=model)
        replace(network, description=replace(network.description, cell=cell)).build()
    assert dict(asked[0].parameters) == {"stem": "small", "weights_sha256": ""}
    assert asked[1] == own  # a parameter of the user's own means what the user's file makes of it
