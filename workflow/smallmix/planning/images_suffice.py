"""Refuse a study whose images are too few, or of a size that its network cannot take, before anything is trained."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

from smallmix.datasets.description import load_description
from smallmix.datasets.folder_layout import count_images
from smallmix.datasets.image_list import read_image_list
from smallmix.datasets.originals import LISTS
from smallmix.errors import ConfigurationError, SmallmixError
from smallmix.planning.cost import ImagesInNumbers, cost_of_network
from smallmix.science.network import require_stages
from smallmix.study.layout import Layout
from smallmix.study.own_images import own_images


def refuse_too_large(layout: Layout, fetched: bool) -> None:
    """Raise ConfigurationError where sizes and validation images exceed the training images, if their number is known.

    It is that of the arrays, where they are `fetched` as the configuration asks, or else of the user's list or folder.
    Of images that are still to be divided, all count here: how many are tested depends on how many look alike.
    If the folder of a custom dataset is missing and nothing was fetched from it, print so: Snakemake names files alone.
    """
    settings = layout.study.configuration["dataset"]
    known: int | None = None
    with contextlib.suppress(SmallmixError):
        known = load_description(layout.dataset).train_count if fetched else None
    own = own_images(settings)
    if known is None and own is not None:
        is_list = settings["name"] == "image-list"
        path = Path(own["folder"]) / LISTS[0] if is_list else Path(own["folder"])
        if not path.exists():
            print(
                f"smallmix: dataset.{settings['name']}.folder: there is no {path} (in {Path.cwd()}, from where "
                "relative paths start). Correct the path, or bring the images there.",
                file=sys.stderr,
            )
            return
        known = (len(read_image_list(path)) if is_list else count_images(path, 0)[0]) or None
    larger = [size for size in layout.study.sizes if known is not None and size > known]
    if larger:
        raise ConfigurationError(
            f"subsets.sizes: {', '.join(f'{size:,}' for size in larger)}: the data set has only {known:,} training "
            f"images. Remove the size, or lower it to at most {known}."
        )
    wanted, left = layout.study.validation_images, None if known is None else known - max(layout.study.sizes)
    if left is not None and wanted > left:
        raise ConfigurationError(
            f"evaluation.validation_images: {wanted:,}: the largest size leaves {left:,} of the {known:,} training "
            f"images unused. Lower it to at most {left}, or use smaller subsets.sizes."
        )


def refuse_unfit_network(layout: Layout, fetched: bool) -> None:
    """Raise ConfigurationError where the study's network cannot be built, or cannot take its images or its methods.

    Their size is that of the arrays, where they are `fetched` as the configuration asks, or else of the configuration.
    """
    description = None
    with contextlib.suppress(SmallmixError):
        description = load_description(layout.dataset) if fetched else None
    images = ImagesInNumbers.of(layout.study, description)
    for value in {cell.value.method: cell.value for cell in layout.study.cells}.values():
        cost_of_network(value, images)
        require_stages(value.model, value.method)
