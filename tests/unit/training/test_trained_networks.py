"""Every network trains, and stopped and continued it gives the bytes of a whole training, dropout included."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from smallmix.errors import Interrupted, SmallmixError, TrainingError
from smallmix.science.evaluation import EvaluationImages
from smallmix.science.steps import DrawingLayers, build_executor
from smallmix.science.training_data import TrainingData
from smallmix.science.training_state import TrainingState
from smallmix.study.cell import Cell, MethodValue, ModelValue
from smallmix.training import train_cell as train_cell_module
from smallmix.training.messages import describe_nondeterministic, is_nondeterministic

from tests.networks import cell_with, network, own_network
from tests.tiny_cell import StopAtCheck, TinyData
from tests.unit.science.training_cells import training_images

NETWORKS = [
    network("resnet18"),
    network("wide-resnet", depth=10),
    network("convnet"),
    network("torchvision:shufflenet_v2_x0_5"),
]
WITH_DROPOUT = [
    network("wide-resnet", depth=10, dropout=0.3),
    network("torchvision:mobilenet_v3_small"),
]


def name_of(value: ModelValue) -> str:
    return value.name


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> TinyData:
    return TinyData.write(tmp_path_factory.mktemp("data"))


def result(output: Path) -> dict[str, Any]:
    """Return what must be equal: history and predictions as bytes, and what the weights are."""
    metrics = json.loads((output / "metrics.json").read_text(encoding="utf-8"))
    return {
        "history": (output / "history.csv").read_bytes(),
        "predictions": (output / "predictions.npz").read_bytes(),
        "weights": (metrics["weights_sha256"], metrics["early_weights_sha256"]),
    }


def trained_in_pieces(data: TinyData, cell: Cell, folder: Path) -> tuple[Path, int]:
    """Train with a stop after every few looks; return the output's folder and the number of runs."""
    for runs in range(1, 100):
        try:
            return data.train(cell, folder, StopAtCheck(6))[0], runs
        except Interrupted:
            continue
    raise AssertionError("a run does not advance")


@pytest.mark.parametrize("value", [*NETWORKS, *WITH_DROPOUT], ids=name_of)
def test_stopped_often_and_continued(data: TinyData, tmp_path: Path, value: ModelValue) -> None:
    cell = cell_with(value, iterations=5, every=2)
    whole, _ = data.train(cell, tmp_path / "whole")
    pieces, runs = trained_in_pieces(data, cell, tmp_path / "pieces")
    assert runs > 2
    assert result(pieces) == result(whole)


def test_dropout_draws_other_masks_in_every_step_and_for_every_seed(data: TinyData, tmp_path: Path) -> None:
    """The negative control: what draws is felt, step by step and seed by seed."""
    plain, dropped = (network("wide-resnet", depth=10, dropout=share) for share in (0.0, 0.3))
    cells = [cell_with(value, iterations=1, every=1) for value in (plain, dropped)]
    outputs = [data.train(cell, tmp_path / str(number))[0] for number, cell in enumerate(cells)]
    assert result(outputs[0]) != result(outputs[1])
    state = TrainingState.fresh(cells[1], images_of(cells[1]), torch.device("cpu"))
    masks = []
    for iteration, seed in ((0, 0), (0, 0), (1, 0), (0, 1)):
        state.iteration, state.cell = iteration, dataclasses.replace(state.cell, seed=seed)
        state.seed_layers()
        masks.append(torch.nn.functional.dropout(torch.ones(100), 0.3))
    assert torch.equal(masks[0], masks[1])
    assert not torch.equal(masks[0], masks[2])
    assert not torch.equal(masks[0], masks[3])


def test_an_own_network_with_dropout_is_continued_to_the_same_bytes(data: TinyData, tmp_path: Path) -> None:
    cell = cell_with(own_network(tmp_path, maps=6, dropout=0.5), iterations=5, every=2)
    whole, _ = data.train(cell, tmp_path / "whole")
    pieces, runs = trained_in_pieces(data, cell, tmp_path / "pieces")
    assert runs > 2
    assert result(pieces) == result(whole)
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    value = own_network(moved, maps=6, dropout=0.5)
    _, lines = data.train(dataclasses.replace(cell, model=value), tmp_path / "whole")
    assert any("found in the store" in line for line in lines)  # where a file lies decides nothing


def test_weights_that_are_not_trained_stay(data: TinyData, tmp_path: Path) -> None:
    text = (
        "from torch import nn\n\n\ndef build(channels, classes, frozen=True):\n"
        "    first = nn.Linear(64 * channels, 8).requires_grad_(not frozen)\n"
        "    return nn.Sequential(nn.Flatten(), first, nn.ReLU(), nn.Linear(8, classes))\n"
    )
    histories = []
    for frozen in (True, False):
        folder = tmp_path / str(frozen)
        folder.mkdir()
        cell = cell_with(own_network(folder, text, frozen=frozen), iterations=5, every=2)
        whole, _ = data.train(cell, folder / "whole")
        pieces, _ = trained_in_pieces(data, cell, folder / "pieces")
        assert result(pieces) == result(whole)
        histories.append(result(whole)["history"])
    assert histories[0] != histories[1]


@pytest.mark.parametrize(
    "value", [network("resnet18"), network("wide-resnet", depth=10), network("convnet")], ids=name_of
)
def test_it_learns(data: TinyData, tmp_path: Path, value: ModelValue) -> None:
    """Twenty patterns with noise are told apart after a few steps; guessing would get a tenth of them."""
    wider = dataclasses.replace(value, width=16)
    output, _ = data.train(cell_with(wider, iterations=40, every=20, flip=False, crop_padding=0), tmp_path)
    accuracies = [float(row.split(",")[-1]) for row in (output / "history.csv").read_text().splitlines()[1:]]
    assert accuracies[-1] > 0.5


def test_methods_of_a_seed_share_the_initial_weights(data: TinyData) -> None:
    first, second = (
        TrainingState.fresh(
            dataclasses.replace(cell_with(network("resnet18")), method=method), images, torch.device("cpu")
        )
        for method in (MethodValue("none"), MethodValue("images", (2.0, 1.0)))
        for images in [images_of(cell_with(network("resnet18")))]
    )
    assert first.weights_sha256() == second.weights_sha256()


def images_of(cell: Cell) -> TrainingData:
    """Return random images for a cell."""
    training = training_images(cell, channels=1)
    pixels = torch.zeros(4, 1, 8, 8, dtype=torch.uint8)
    evaluated = EvaluationImages(
        pixels, torch.zeros(4, dtype=torch.int64), training.normalization, training.memory_format
    )
    return TrainingData(training, evaluated, evaluated, (8, 8, 1), 10)


@pytest.mark.parametrize("executor", ["graph", "graph-compiled"])
def test_captured_steps_are_refused_to_layers_that_draw(data: TinyData, tmp_path: Path, executor: str) -> None:
    cell = cell_with(network("wide-resnet", depth=10, dropout=0.3), executor=executor)
    images = images_of(cell)
    state = TrainingState.fresh(cell, images, torch.device("cpu"))
    with pytest.raises(DrawingLayers):
        build_executor(images, state)
    with pytest.raises(TrainingError, match=rf"recipe.executor: {executor}: layers of the network wide-resnet draw"):
        data.train(cell, tmp_path)


def test_a_network_that_gives_other_logits_fails_before_it_is_trained(data: TinyData, tmp_path: Path) -> None:
    text = (
        "from torch import nn\n\n\ndef build(channels, classes):\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(64, 3))\n"
    )
    with pytest.raises(SmallmixError, match=r"gives float32 \[2, 3\]"):
        data.train(cell_with(own_network(tmp_path, text)), tmp_path)
    assert "logits" in json.loads((tmp_path / "cell" / "failure.json").read_text(encoding="utf-8"))["reason"]


def test_an_operation_without_a_deterministic_form_is_said_for_people(
    data: TinyData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = (
        "adaptive_avg_pool2d_backward_cuda does not have a deterministic implementation, but you set "
        "'torch.use_deterministic_algorithms(True)'. You can turn off determinism just for this operation."
    )

    def refuse(*_: Any, **__: Any) -> None:
        raise RuntimeError(said)

    monkeypatch.setattr(train_cell_module, "train", refuse)
    with pytest.raises(TrainingError, match="cannot be trained with equal results on the CPU") as caught:
        data.train(cell_with(network("convnet")), tmp_path)
    assert "Take another network" in str(caught.value)
    assert not is_nondeterministic(RuntimeError("out of memory"))
    assert "turn off" not in describe_nondeterministic(
        cell_with(network("convnet")), torch.device("cpu"), RuntimeError(said)
    )
