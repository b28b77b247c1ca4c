"""The costs of networks: by formula without torch, else tried once and kept for later starts."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from smallmix.errors import ConfigurationError
from smallmix.science.network import NetworkCost
from smallmix.study.cell import ModelValue
from smallmix.training import network_costs
from smallmix.training.kept_memory import expected_bytes
from smallmix.training.network_costs import costs_file, network_cost

from tests.networks import cell_with, network, own_network

PROJECT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    network_costs._network_cost.cache_clear()
    return tmp_path / "cache" / "smallmix" / "networks.json"


def forget() -> None:
    """Be a new process, as far as costs are concerned."""
    network_costs._network_cost.cache_clear()


def refuse_to_try(*_: Any) -> None:
    raise AssertionError("it is known already")


def test_what_was_tried_is_kept(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = network_cost(network("convnet"), 8, 1, 10)
    assert costs_file() == cache
    forget()
    monkeypatch.setattr("smallmix.science.network_trial.try_network", refuse_to_try)
    assert network_cost(network("convnet"), 8, 1, 10) == first


@pytest.mark.parametrize(
    "other",
    [
        (network("convnet", width=5), 8, 1, 10),
        (network("convnet"), 16, 1, 10),
        (network("convnet"), 8, 3, 10),
        (network("convnet"), 8, 1, 11),
    ],
    ids=["width", "side", "channels", "classes"],
)
def test_other_networks_and_images_have_costs_of_their_own(other: tuple[ModelValue, int, int, int]) -> None:
    first = network_cost(network("convnet"), 8, 1, 10)
    forget()
    assert network_cost(*other) != first


def test_a_changed_file_is_tried_again_and_a_comment_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    value = own_network(tmp_path, maps=6)
    first = network_cost(value, 8, 1, 10)
    file = Path(str(value.file))
    file.write_text("# a comment\n" + file.read_text(encoding="utf-8"), encoding="utf-8")
    forget()
    with monkeypatch.context() as patched:
        patched.setattr("smallmix.science.network_trial.try_network", refuse_to_try)
        assert network_cost(value, 8, 1, 10) == first
        file.write_text(file.read_text(encoding="utf-8").replace("stride=2", "stride=1"), encoding="utf-8")
        forget()
        with pytest.raises(AssertionError, match="known already"):
            network_cost(value, 8, 1, 10)


def damaged(content: Any) -> list[str]:
    (key,) = content["costs"]
    texts = ["", "{", "[]", "[" * 100_000, json.dumps({**content, "format": 99})]
    wrongs: list[Any] = [None, [], {}, *({**content["costs"][key], "flops": flops} for flops in ("1", -1))]
    for wrong in wrongs:
        texts.append(json.dumps({**content, "costs": {key: wrong}}))
    return texts


def test_a_damaged_file_is_passed_over_and_written_again(cache: Path) -> None:
    first = network_cost(network("convnet"), 8, 1, 10)
    whole = cache.read_text(encoding="ascii")
    for text in damaged(json.loads(whole)):
        cache.write_text(text, encoding="ascii")
        forget()
        assert network_cost(network("convnet"), 8, 1, 10) == first
        assert cache.read_text(encoding="ascii") == whole


def test_a_folder_that_cannot_be_written_is_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("", encoding="ascii")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert network_cost(network("convnet"), 8, 1, 10).parameters == 1_702


def test_the_oldest_make_room(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    monkeypatch.setattr(network_costs, "MOST_KEPT", 2)
    for width in (3, 4, 5):
        network_cost(network("convnet", width=width), 8, 1, 10)
    assert [one["largest"] for one in json.loads(cache.read_text())["costs"].values()] == [4 * 64, 5 * 64]


def test_where_pytorch_is_not_installed_the_articles_network_stands_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network_costs, "_version", lambda library: "")
    article = network_cost(ModelValue("preact-resnet18", 64, (2, 2, 2, 2)), 32, 3, 10)
    assert network_cost(network("torchvision:resnet18"), 32, 3, 10) == article


def test_a_network_that_does_not_take_the_images_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="image_size: 224"):
        network_cost(network("torchvision:vgg11"), 8, 1, 10)


def test_costs_that_are_known_need_no_torch(tmp_path: Path) -> None:
    """Every start of a study asks for them."""
    program = (
        "import sys\n"
        "from smallmix.training.network_costs import network_cost\n"
        "from smallmix.study.cell import ModelValue\n"
        "more = (('image_size', 0), ('stem', 'original'), ('weights_sha256', ''))\n"
        "values = [ModelValue('preact-resnet18', 4, (1, 1, 1, 1)), ModelValue('convnet', 4, ())]\n"
        "values.append(ModelValue('torchvision:shufflenet_v2_x0_5', 0, (), more))\n"
        "print([network_cost(value, 16, 3, 10).parameters for value in values], 'torch' in sys.modules)\n"
    )
    answers = [
        subprocess.run(
            [sys.executable, "-c", program],
            cwd=PROJECT,
            env={"PATH": "/usr/bin", "PYTHONPATH": "workflow", "XDG_CACHE_HOME": str(tmp_path)},
            check=True,
            capture_output=True,
            text=True,
        ).stdout.split("]")
        for _ in range(2)
    ]
    assert answers[0][0] == answers[1][0]
    assert [answer[1].strip() for answer in answers] == ["True", "False"]


def test_memory_follows_from_the_cost() -> None:
    """Four bytes a number: of a step's batch, of an evaluation, of weights in four copies."""
    cell = cell_with(network("convnet"))
    cost = network_cost(cell.model, 8, 1, 10)
    assert isinstance(cost, NetworkCost)
    numbers = 8 * cost.kept + 5 * 500 * cost.largest + 4 * cost.parameters
    assert expected_bytes(cell, (8, 8, 1), 10) == 4 * numbers
