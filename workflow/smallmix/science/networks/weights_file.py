"""Files of weights to begin with, read as data only: nothing that stands in them is run."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping, Set
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from smallmix.errors import ConfigurationError
from smallmix.network_faults import list_other_weights
from smallmix.study.cell import ModelValue

# What a file may hold besides: a counter of batches, and further classifiers that are left out here.
NOT_NEEDED = ("num_batches_tracked",)
LEFT_OUT = ("aux1.", "aux2.", "AuxLogits.")
# Where files that hold more than weights have these.
WRAPPERS = ("state_dict", "model")
PREFIXES = ("module.", "network.")  # of weights that were saved by a wrapper around the network


def load_weights(network: nn.Module, value: ModelValue, sha256: str, may_differ: Set[str]) -> None:
    """Take over the weights of a file, in place.

    `may_differ` names those whose shape need not be that of the file; then they stay as they are. Raises
    ConfigurationError where the file is not there, is another one than `sha256` says, is no file of weights, or has
    other weights than the network.
    """
    if value.file is None:
        raise ConfigurationError(
            f"the file of weights of {value.name} was not handed over. Give its path by --own-code."
        )
    found = _without_prefix(_read(Path(value.file), sha256))
    found = {name: tensor for name, tensor in found.items() if not name.startswith(LEFT_OUT)}
    wanted = network.state_dict()
    other = [name for name in may_differ if name not in found or found[name].shape != wanted[name].shape]
    missing = [name for name in wanted if name not in found and name not in other and not name.endswith(NOT_NEEDED)]
    unknown = [name for name in found if name not in wanted]
    shaped = [
        name for name in found if name in wanted and name not in other and found[name].shape != wanted[name].shape
    ]
    if missing or unknown or shaped:
        shapes = [f"{name} {list(found[name].shape)} instead of {list(wanted[name].shape)}" for name in shaped]
        raise ConfigurationError(
            f"model.parameters.weights: {value.file} does not hold the weights of {value.name} "
            f"({list_other_weights(missing, unknown, shapes)}). Give the file of this network, or correct model.name."
        )
    if any(tensor.is_meta for tensor in wanted.values()):
        return  # the network is only tried, and has no numbers
    network.load_state_dict({**wanted, **{name: found[name] for name in found if name not in other}})


def _read(path: Path, sha256: str) -> Mapping[str, Tensor]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"model.parameters.weights: cannot read {path} ({error.strerror}). Correct the path, or restore the file."
        ) from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise ConfigurationError(
            f"model.parameters.weights: {path} is another file than when the study was read: its sha256 is not "
            f"{sha256}. Restore the file, or run the study again."
        )
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load

            saved: Any = load(content)
        else:
            saved = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # a dozen kinds, by version; whichever it is, nothing in the file has run
        raise ConfigurationError(
            f"model.parameters.weights: {path} cannot be read as weights ({type(error).__name__}); allowed: a "
            ".safetensors file, or a .pth or .pt file of tensors alone, as torch.save(network.state_dict(), file) "
            "writes it."
        ) from error
    for wrapper in WRAPPERS:
        if isinstance(saved, Mapping) and isinstance(saved.get(wrapper), Mapping):
            saved = saved[wrapper]
    if not isinstance(saved, Mapping) or not all(isinstance(tensor, Tensor) for tensor in saved.values()):
        raise ConfigurationError(
            f"model.parameters.weights: {path} holds no weights by name. Save them by torch.save(network.state_dict(), "
            "file)."
        )
    return saved


def _without_prefix(found: Mapping[str, Tensor]) -> dict[str, Tensor]:
    for prefix in PREFIXES:
        if found and all(name.startswith(prefix) for name in found):
            found = {name.removeprefix(prefix): tensor for name, tensor in found.items()}
    return dict(found)
