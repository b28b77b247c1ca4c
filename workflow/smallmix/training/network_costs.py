"""What a cell's network costs, without torch where that is known already.

Formulas give it for the networks of the article. Others are tried once, and what that showed is kept in the user's
cache folder, by network, images and code. A file that is damaged is passed over.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import importlib.metadata
import json
import os
from pathlib import Path
from typing import Any

from smallmix import atomic_files
from smallmix.code_fingerprint import fingerprint_code, fingerprint_network
from smallmix.errors import SmallmixError
from smallmix.fingerprints import fingerprint_value
from smallmix.science.network import NetworkCost, find_network
from smallmix.study.cell import ModelValue

FORMAT = 1
MOST_KEPT = 500
# What stands for a network that cannot be tried here, because jobs bring an environment of their own.
_STAND_IN = ModelValue("preact-resnet18", 64, (2, 2, 2, 2))


def network_cost(value: ModelValue, side: int, channels: int, classes: int) -> NetworkCost:
    """Return the cost of a network for images of `side` pixels a side.

    Where PyTorch is not installed and nothing is kept, it is that of the article's network. Raises ConfigurationError
    for a network that cannot be built, or does not take such images: see `science.network_trial`.
    """
    return _network_cost(value, value.file, side, channels, classes)


@functools.cache
def _network_cost(value: ModelValue, file: str | None, side: int, channels: int, classes: int) -> NetworkCost:
    value = dataclasses.replace(value, file=file)
    by_formula = find_network(value).cost(value, side, channels, classes)
    if by_formula is not None:
        return by_formula
    key = _key(value, side, channels, classes)
    known = _cost_of(_read_kept().get(key))
    if known is not None:
        return known
    if not _version("torch") or (value.name.startswith("torchvision:") and not _version("torchvision")):
        return network_cost(_STAND_IN, side, channels, classes)
    from smallmix.science.network_trial import try_network

    cost = try_network(value, side, channels, classes).cost
    _keep(key, cost)
    return cost


def costs_file() -> Path:
    """Return the file of the costs, below XDG_CACHE_HOME or ~/.cache.

    Raises RuntimeError where the user has no home.
    """
    named = os.environ.get("XDG_CACHE_HOME", "")
    cache = Path(named) if os.path.isabs(named) else Path.home() / ".cache"
    return cache / "smallmix" / "networks.json"


def _key(value: ModelValue, side: int, channels: int, classes: int) -> str:
    """Return a name of all that decides a network's cost."""
    model = {"name": value.name, "width": value.width, "blocks": value.blocks, "parameters": value.parameters}
    code = [fingerprint_network(value), fingerprint_code("smallmix.science.network_trial")]
    libraries = [_version("torch"), _version("torchvision")]
    return fingerprint_value([model, code, libraries, side, channels, classes])


def _version(library: str) -> str:
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _read_kept() -> dict[str, Any]:
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, RuntimeError):
        content = json.loads(costs_file().read_text(encoding="ascii"))
        if content["format"] == FORMAT:
            return dict(content["costs"])
    return {}


def _cost_of(kept: Any) -> NetworkCost | None:
    names = [field.name for field in dataclasses.fields(NetworkCost)]
    if not isinstance(kept, dict) or not all(type(kept.get(name)) is int and kept[name] > 0 for name in names):
        return None
    return NetworkCost(**{name: kept[name] for name in names})


def _keep(key: str, cost: NetworkCost) -> None:
    """Keep a cost for later starts, in place of the oldest. A folder that cannot be written is ignored."""
    costs = {name: kept for name, kept in _read_kept().items() if name != key}
    newest = dict([*costs.items(), (key, dataclasses.asdict(cost))][-MOST_KEPT:])
    with contextlib.suppress(SmallmixError, OSError, RuntimeError):
        atomic_files.write_text(costs_file(), json.dumps({"format": FORMAT, "costs": newest}, indent=1) + "\n")
