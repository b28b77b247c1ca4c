"""The sections of the configuration that stand for the user's own images, by the name of the data set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

OWN_IMAGES = ("image-list", "image-folder")


def own_images(dataset: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the settings of the user's own images, from the section `dataset`; None for another data set."""
    name = dataset.get("name")
    section = dataset.get(name) if name in OWN_IMAGES else None
    return section if isinstance(section, Mapping) else None
