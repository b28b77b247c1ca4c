"""A cell's code fingerprint covers the files of its own network, and those of no other."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from smallmix.code_fingerprint import fingerprint_network, fingerprint_training, import_closure, training_modules
from smallmix.study.cell import ModelValue

from tests.cell_values import CELL

NETWORKS = "smallmix.science.networks."
FILES = {
    "preact-resnet18": {"preact_resnet18", "preactivation", "preactivation_layers", "layers"},
    "resnet18": {"resnet18", "resnet18_layers", "preactivation", "preactivation_layers", "layers"},
    "wide-resnet": {"wide_resnet", "wide_resnet_layers", "preactivation", "preactivation_layers", "layers"},
    "convnet": {"convnet", "convnet_layers", "layers"},
    "torchvision:resnet18": {"torchvision", "torchvision_layers", "weights_file"},
    "my_network.py:build": {"own_network"},
}


@pytest.mark.parametrize(("name", "files"), FILES.items(), ids=FILES)
def test_the_files_of_the_network_are_covered(name: str, files: set[str]) -> None:
    closure = import_closure(training_modules("none", name))
    assert {module.removeprefix(NETWORKS) for module in closure if module.startswith(NETWORKS)} == files
    assert "smallmix.science.network_trial" in closure  # it decides whether layers draw


def test_an_own_network_is_covered_by_its_meaning(tmp_path: Path) -> None:
    file, moved = tmp_path / "my_network.py", tmp_path / "elsewhere" / "my_network.py"
    moved.parent.mkdir()
    texts = [f"def build(channels, classes):\n    return {number}\n" for number in (1, 2)]
    file.write_text(texts[0], encoding="utf-8")
    moved.write_text("# moved\n" + texts[0], encoding="utf-8")

    def fingerprints(path: Path) -> tuple[str, str]:
        model = ModelValue("my_network.py:build", 0, (), file=str(path))
        return fingerprint_training(dataclasses.replace(CELL, model=model)), fingerprint_network(model)

    first = fingerprints(file)
    assert fingerprints(moved) == first
    file.write_text(texts[1], encoding="utf-8")
    assert all(one != other for one, other in zip(fingerprints(file), first, strict=True))
