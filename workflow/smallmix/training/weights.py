"""The trained network as a file, model.safetensors: its tensors, and what it takes to use them.

The format is safetensors, which holds numbers and text alone: reading a file runs nothing. Beside the weights and
running statistics stands one text of metadata, the JSON of `NetworkDescription`, with a checksum of its own. Equal
trainings give equal bytes.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from smallmix.datasets.description import DatasetDescription
from smallmix.errors import ConfigurationError, SmallmixError
from smallmix.fingerprints import canonical_json, fingerprint_value
from smallmix.own_code import names_own_code, own_file
from smallmix.science.network import build_network
from smallmix.science.training_state import digest_weights
from smallmix.study.cell import WEIGHTS_SHA256, Cell, ModelValue, parameters_of
from smallmix.study.layout import WEIGHTS_FILE, Layout
from smallmix.study.study import StudyCell

if TYPE_CHECKING:
    from types import ModuleType

    from torch import nn

FORMAT = 1
# One key alone: the library writes several in an order that changes from process to process.
METADATA_KEY = "smallmix"
RESTORE = "Delete it and run its study again, which takes it from the store or trains the same network again."


@dataclass(frozen=True)
class NetworkDescription:
    """What a network was trained as, and how images must be brought to it.

    `image_shape` is (height, width, channels). `mean` and `deviation` are per channel, of pixel / 255. `classes` names
    the outputs in their order. `data_title` names the images for people, `version` is that of smallmix at the training.
    """

    cell: Cell
    classes: tuple[str, ...]
    image_shape: tuple[int, int, int]
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    data_title: str
    version: str
    weights_sha256: str

    @classmethod
    def of(cls, cell: Cell, dataset: DatasetDescription, version: str, weights_sha256: str) -> NetworkDescription:
        """Return the description of a network that was trained on images of `dataset`."""
        return cls(
            cell=cell,
            classes=dataset.classes,
            image_shape=dataset.image_shape,
            mean=dataset.mean,
            deviation=dataset.deviation,
            data_title=dataset.title,
            version=version,
            weights_sha256=weights_sha256,
        )

    def to_text(self) -> str:
        """Return the description as JSON, with its checksum."""
        value = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        value |= {"format": FORMAT, "cell": self.cell.to_dict()}
        return canonical_json({**value, "checksum": fingerprint_value(value)})

    @classmethod
    def from_text(cls, text: str) -> NetworkDescription:
        """Return the description of a `to_text` text.

        Raises ValueError, KeyError, TypeError, AttributeError or RecursionError where it is not one.
        """
        value: dict[str, Any] = json.loads(text)
        checksum = value.pop("checksum")
        if value["format"] != FORMAT:
            raise ValueError(f"its format is {value['format']!r}, this version reads format {FORMAT}")
        if fingerprint_value(value) != checksum:
            raise ValueError("its description is not the one that was written (checksum)")
        height, width, channels = (int(side) for side in value["image_shape"])
        return cls(
            cell=Cell.from_dict(value["cell"]),
            classes=tuple(str(name) for name in value["classes"]),
            image_shape=(height, width, channels),
            mean=tuple(float(number) for number in value["mean"]),
            deviation=tuple(float(number) for number in value["deviation"]),
            data_title=str(value["data_title"]),
            version=str(value["version"]),
            weights_sha256=str(value["weights_sha256"]),
        )


@dataclass(frozen=True)
class TrainedNetwork:
    """The content of a model.safetensors: its description, and the tensors by their names in the network."""

    description: NetworkDescription
    tensors: Mapping[str, Tensor]

    def build(self, own_code: Iterable[str] = ()) -> nn.Module:
        """Return the network with its weights, on the CPU, in evaluation mode.

        `own_code` are paths of the user's files, where the network is one of the user's own. Raises ConfigurationError
        where that file is not given or cannot be run, SmallmixError where the tensors are not those of the network.
        """
        cell = self.description.cell.with_files(own_code)
        classes = len(self.description.classes)
        if names_own_code(cell.model.name) and cell.model.file is None:
            raise ConfigurationError(
                f"the network {cell.model.name} is a user's own, and its file was not handed over. Give its path by "
                f"--own-code {own_file(cell.model.name)}."
            )
        try:
            value = _without_initial_weights(cell.model)
            model = build_network(value, self.description.image_shape, classes, cell.seed)
        except (RuntimeError, ValueError, TypeError, AttributeError, ImportError) as error:
            raise SmallmixError(self._explain_other_network(str(error))) from error
        state = model.state_dict()
        wanted, found = _kinds(state), _kinds(self.tensors)
        for name in dict.fromkeys([*wanted, *found]):
            if wanted.get(name) != found.get(name):
                reason = f"{name} is {found.get(name, 'not there')} in the file and {wanted.get(name, 'no part')} here"
                raise SmallmixError(self._explain_other_network(reason))
        # Not load_state_dict: a plain mapping lacks the versions of layers, and old layers would be taken for it.
        for name, tensor in state.items():
            tensor.copy_(self.tensors[name])
        return model.eval()

    def _explain_other_network(self, reason: str) -> str:
        name, version = self.description.cell.model.name, self.description.version
        return (
            f"the network {name} of this smallmix is not the one that was trained by smallmix {version}: {reason}. Use "
            "that version, or train again."
        )


def _without_initial_weights(value: ModelValue) -> ModelValue:
    """Return the value of one of our networks without the file of weights that its training began with.

    The trained ones take their place, so nobody needs that file any more.
    """
    if names_own_code(value.name) or WEIGHTS_SHA256 not in dict(value.parameters):
        return value
    return dataclasses.replace(value, parameters=parameters_of({**dict(value.parameters), WEIGHTS_SHA256: ""}))


def _kinds(tensors: Mapping[str, Tensor]) -> dict[str, str]:
    """Return the shape of each tensor in words, and its type where that is not float32."""
    types = {name: "" if one.dtype == torch.float32 else f" of {one.dtype}" for name, one in tensors.items()}
    return {name: f"{tuple(one.shape)}{types[name]}" for name, one in tensors.items()}


def require_safetensors() -> ModuleType:
    """Return the library that writes the files. Raises SmallmixError where it is not installed."""
    try:
        import safetensors.torch
    except ImportError as error:
        raise SmallmixError(
            f"keep.weights needs the package safetensors, which cannot be imported here ({error}). Install it with "
            "`pip install safetensors`, or write keep: {weights: none}."
        ) from error
    library: ModuleType = safetensors.torch
    return library


def weights_file(tensors: Mapping[str, Tensor], description: NetworkDescription) -> bytes:
    """Return the content of model.safetensors. `tensors` are the network's `state_dict`, on any device."""
    # Copies in row-major order, each with memory of its own: the format has no other.
    plain = {
        name: tensor.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)
        for name, tensor in tensors.items()
    }
    content: bytes = require_safetensors().save(plain, metadata={METADATA_KEY: description.to_text()})
    return content


def read_weights(path: Path) -> TrainedNetwork:
    """Return the content of a model.safetensors, every tensor checked against the digest that it was written with.

    Raises SmallmixError where the file is missing, damaged, or not one of smallmix.
    """
    require_safetensors()
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt", device="cpu") as opened:
            text = (opened.metadata() or {}).get(METADATA_KEY)
            if text is None:
                raise SmallmixError(
                    f"{path} is a file of safetensors, but not one of smallmix: it does not say what the network is. "
                    "Name a model.safetensors that smallmix wrote."
                )
            description = NetworkDescription.from_text(text)
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 - no mapping
    except FileNotFoundError as error:
        raise SmallmixError(f"there is no {path}. Correct the path.") from error
    except (OSError, SafetensorError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise SmallmixError(f"{path} cannot be used: {error}. {RESTORE}") from error
    if digest_weights(tensors) != description.weights_sha256:
        raise SmallmixError(f"{path} is damaged: its weights are not those that were written (checksum). {RESTORE}")
    return TrainedNetwork(description, tensors)


def read_network_of(layout: Layout, cell: StudyCell) -> TrainedNetwork:
    """Return the trained network of a study's cell, checked to be that of the cell's numbers.

    Raises SmallmixError where there is none, where it is damaged, and where it is another training's.
    """
    folder = layout.cell(cell)
    path = folder / WEIGHTS_FILE
    if not path.exists():
        name = layout.study.name
        if layout.study.keeps_weights:
            raise SmallmixError(f"there is no {path}: the cell {cell.id} is not trained yet. Run the study {name}.")
        raise SmallmixError(
            f"there is no {path}: study {name} keeps no networks. Write keep: {{weights: final}} into its "
            "configuration, and run it again; its cells are trained once more, to the same weights."
        )
    network = read_weights(path)
    try:
        metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
        of_numbers = str(metrics["weights_sha256"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SmallmixError(
            f"{folder / 'metrics.json'} cannot be read ({error}), and it says whose network lies beside it. Run the "
            f"study {layout.study.name} again."
        ) from error
    if network.description.weights_sha256 != of_numbers:
        raise SmallmixError(f"{path} is not the network that the numbers beside it are of. {RESTORE}")
    if network.description.cell.fingerprint != cell.value.fingerprint:
        raise SmallmixError(
            f"{path} was trained by another configuration of {cell.id} than the one that is named. Run the study "
            f"{layout.study.name} again, or name the file itself to use that network."
        )
    return network
