"""Networks in a configuration: which names and parameters there are, and what of them stands in a cell's value."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torchvision
from pydantic import Field
from smallmix.errors import ConfigurationError
from smallmix.own_code import names_own_code, own_file
from smallmix.study import config_rules, network_forms
from smallmix.study.cell import Cell, ModelValue
from smallmix.study.configuration import load_configuration, load_study
from smallmix.study.method_forms import METHODS, MethodForm
from smallmix.study.network_forms import NETWORKS, torchvision_networks
from smallmix.study.parameters import ParameterSet
from smallmix.study.study import Study

PROJECT = Path(__file__).resolve().parents[3]
SHA256 = hashlib.sha256(b"weights").hexdigest()


@pytest.fixture(autouse=True)
def in_the_project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(PROJECT)


def study_with(model: dict[str, Any], folder: Path, methods: dict[str, Any] | None = None) -> Study:
    """Return the study of config.yaml with another network, stated by an overlay in a folder of its own."""
    import yaml

    folder.mkdir(exist_ok=True)
    if names_own_code(str(model["name"])):
        own = folder / own_file(model["name"])
        own.parent.mkdir(exist_ok=True)
        own.write_text("def build(channels, classes, maps): ...\n", encoding="utf-8")
    overlay = folder / "overlay.yaml"
    content = {"study": "other", "model": model, **({"methods": methods} if methods else {})}
    overlay.write_text(yaml.safe_dump(content), encoding="utf-8")
    return load_study([Path("config.yaml"), overlay])


def model_of(study: Study) -> ModelValue:
    (value,) = {cell.value.model for cell in study.cells}
    return value


def test_the_articles_network_is_as_it_was() -> None:
    text = load_study([Path("config.yaml")]).cells[0].value.to_json()
    assert '"model":{"blocks":[2,2,2,2],"name":"preact-resnet18","width":64}' in text


@pytest.mark.parametrize(
    ("model", "value"),
    [
        ({"name": "resnet18", "width": 16}, ModelValue("resnet18", 16, (2, 2, 2, 2))),
        ({"name": "convnet"}, ModelValue("convnet", 64, ())),
        ({"name": "wide-resnet"}, ModelValue("wide-resnet", 64, (), (("depth", 16), ("dropout", 0.0)))),
        (
            {"name": "wide-resnet", "width": 160, "parameters": {"dropout": 0.3, "depth": 28}},
            ModelValue("wide-resnet", 160, (), (("depth", 28), ("dropout", 0.3))),
        ),
        (
            {"name": "torchvision:resnet18", "parameters": {"stem": "small"}},
            ModelValue("torchvision:resnet18", 0, (), (("image_size", 0), ("stem", "small"), ("weights_sha256", ""))),
        ),
        (
            {"name": "nets/my_network.py:build", "width": 8, "parameters": {"maps": [4, 8]}},
            ModelValue("my_network.py:build", 0, (), (("maps", (4, 8)),)),
        ),
    ],
    ids=lambda one: one["name"] if isinstance(one, dict) else "",
)
def test_a_value_has_what_the_network_reads(model: dict[str, Any], value: ModelValue, tmp_path: Path) -> None:
    study = study_with(model, tmp_path)
    assert model_of(study) == value
    cell = study.cells[0].value
    assert Cell.from_dict(cell.to_dict()) == cell


@pytest.mark.parametrize(("key", "other"), [("width", 8), ("blocks", [1, 1, 1, 1])])
@pytest.mark.parametrize("name", [*NETWORKS, "torchvision:resnet18"])
def test_only_what_is_read_makes_another_cell(name: str, key: str, other: Any, tmp_path: Path) -> None:
    form = network_forms.find_form(name)
    assert form is not None
    reads = {"width": form.reads_width, "blocks": form.reads_blocks}[key]
    first, second = (study_with({"name": name, **more}, tmp_path) for more in ({}, {key: other}))
    assert (model_of(first) != model_of(second)) is reads


def refusal(model: dict[str, Any], folder: Path, methods: dict[str, Any] | None = None) -> str:
    with pytest.raises(ConfigurationError) as caught:
        study_with(model, folder, methods)
    return str(caught.value)


@pytest.mark.parametrize(
    ("model", "says"),
    [
        ({"name": "resnet"}, ["model.name (", "found 'resnet'; did you mean resnet18?", "torchvision:NAME"]),
        (
            {"name": "torchvision"},
            ["found 'torchvision'", "torchvision:NAME, or FILE.py:NAME as in my_network.py:build"],
        ),
        (
            {"name": "torchvision:resnet19"},
            ["found 'torchvision:resnet19', which torchvision does not have; did you mean torchvision:resnet18?"],
        ),
        ({"name": "torchvision:deeplabv3_resnet50"}, ["which torchvision does not have"]),
        ({"name": "torchvision:"}, ["found 'torchvision:', which torchvision does not have"]),
        ({"name": "my_network.txt:build"}, ["found 'my_network.txt:build'"]),
        ({"name": 3}, ["model.name (", "found 3"]),
        (
            {"name": "wide-resnet", "parameters": {"depth": 17, "dropout": 1}},
            [
                "model.parameters (",
                "depth: found 17; allowed: one of 10, 16, 22",
                "dropout: found 1; allowed: a number",
            ],
        ),
        ({"name": "wide-resnet", "parameters": {"depht": 16}}, ["depht is no parameter here; did you mean depth?"]),
        ({"name": "convnet", "parameters": {"depth": 16}}, ["depth is no parameter here; allowed: none"]),
        (
            {"name": "torchvision:vgg11", "parameters": {"stem": "tiny"}},
            ["stem: found 'tiny'; allowed: one of original"],
        ),
        ({"name": "my_network.py:build", "parameters": {"maps": {"a": 1}}}, ["maps: found a mapping"]),
    ],
    ids=lambda one: str(one.get("name")) if isinstance(one, dict) else "",
)
def test_a_bad_network_is_refused_with_the_remedy(model: dict[str, Any], says: Sequence[str], tmp_path: Path) -> None:
    message = refusal(model, tmp_path)
    for words in says:
        assert words in message
    assert message.startswith("The configuration has one problem:")


def test_the_names_are_those_that_torchvision_lists() -> None:
    assert list(torchvision_networks()) == sorted(torchvision.models.list_models(module=torchvision.models))


def test_without_torchvision_the_jobs_will_know(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("smallmix.study.code_sections.torchvision_networks", lambda: ())
    assert model_of(study_with({"name": "torchvision:something_new"}, tmp_path)).name == "torchvision:something_new"
    assert "does not have" in refusal({"name": "torchvision:no name"}, tmp_path)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "weights.pth").write_bytes(b"weights")
    return tmp_path / "study"


def test_weights_lie_beside_the_configuration_and_stand_in_the_value_by_content(weights: Path) -> None:
    study = study_with({"name": "torchvision:resnet18", "parameters": {"weights": "weights.pth"}}, weights)
    value = model_of(study)
    assert dict(value.parameters) == {"image_size": 0, "stem": "original", "weights_sha256": SHA256}
    assert value.file == str(weights / "weights.pth")
    assert study.weights_file == value.file
    assert study.own_code == ()
    again = Cell.from_dict(study.cells[0].value.to_dict())
    assert again.model.file is None
    assert again.with_files(["x/my_method.py", "moved/weights.pth"]).model.file == "moved/weights.pth"
    assert "weights.pth" not in study.cells[0].value.to_json()


def test_a_study_that_was_resolved_needs_the_file_no_more(weights: Path, tmp_path: Path) -> None:
    """Reports of other machines read study.json alone."""
    study = study_with({"name": "torchvision:resnet18", "parameters": {"weights": "weights.pth"}}, weights)
    (tmp_path / "study.json").write_text(study.to_json(), encoding="utf-8")
    (weights / "weights.pth").unlink()
    assert model_of(Study.load(tmp_path / "study.json")) == model_of(study)


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"weights": "other.pth"}, "model.parameters.weights (|cannot read 'other.pth' (No such file or directory)"),
        ({"weights": "weights.pth", "weights_sha256": "0" * 64}, f"has the sha256 {SHA256}, not the stated one"),
        ({"weights_sha256": SHA256}, "model.parameters.weights_sha256 (|is the sha256 of no file"),
        ({"weights": "weights.pth", "weights_sha256": "abc"}, "weights_sha256: found 'abc'; allowed: 64 hexadecimal"),
        ({"weights": 3}, "weights: found 3; allowed: null or the path of a file"),
    ],
    ids=["absent", "other", "of nothing", "no sha256", "no path"],
)
def test_weights_that_are_not_as_stated_are_refused(parameters: dict[str, Any], says: str, weights: Path) -> None:
    message = refusal({"name": "torchvision:resnet18", "parameters": parameters}, weights)
    for words in says.split("|"):
        assert words in message


def test_the_stated_sha256_is_taken_where_it_is_right(weights: Path) -> None:
    parameters = {"weights": "weights.pth", "weights_sha256": SHA256}
    study = study_with({"name": "torchvision:resnet18", "parameters": parameters}, weights)
    assert dict(model_of(study).parameters)["weights_sha256"] == SHA256


class Stages(ParameterSet):
    """Of a method that mixes inside of networks."""

    stages: list[int] = Field([0, 1, 2])


@pytest.fixture
def mixing_inside(monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the mix of a method that mixes inside of networks."""
    forms = {**METHODS, "inside": MethodForm(draws_weight=False, parameters=Stages)}
    monkeypatch.setattr(config_rules, "METHODS", forms)
    monkeypatch.setattr("smallmix.study.code_sections.METHODS", forms)
    return "inside"


@pytest.mark.parametrize(
    ("name", "parameters", "says"),
    [
        (
            "torchvision:resnet18",
            {},
            "mix inside wants the stages 0, 1, 2 of the network, and torchvision:resnet18 has no",
        ),
        ("wide-resnet", {"stages": [4]}, "wants the stages 4 of the network, and wide-resnet has the stages 1 to 3"),
        ("wide-resnet", {"stages": [3]}, ""),
        ("preact-resnet18", {}, ""),
        ("torchvision:resnet18", {"stages": [0]}, ""),
        ("my_network.py:build", {}, ""),
    ],
)
def test_a_method_mixes_at_stages_that_there_are(
    name: str, parameters: dict[str, Any], says: str, tmp_path: Path, mixing_inside: str
) -> None:
    methods = {"inside": {"mix": mixing_inside, "parameters": parameters}}
    if says:
        message = refusal({"name": name}, tmp_path, methods)
        assert "methods.inside.parameters" in message
        assert says in message
        assert "Take other stages, or a network such as preact-resnet18" in message
    else:
        assert model_of(study_with({"name": name}, tmp_path, methods)).name == name


def test_the_forms_are_the_files() -> None:
    """Every network that a configuration can name has a file, and what is known of it is true."""
    from smallmix.science.network import find_network

    for name, form in NETWORKS.items():
        value = ModelValue(name, 4, (1, 1, 1, 1) if form.reads_blocks else ())
        assert find_network(value).stages(value) == form.stages


def test_the_defaults_are_the_articles() -> None:
    configuration = load_configuration([Path("config.yaml")])
    assert configuration["model"] == {
        "name": "preact-resnet18",
        "width": 64,
        "blocks": [2, 2, 2, 2],
        "parameters": {},
    }
