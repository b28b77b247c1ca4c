"""Resolved configurations of made-up studies, as the configuration's reader would give them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

METHODS: dict[str, dict[str, Any]] = {
    "non": {"mix": "none", "beta": None},
    "data-mix": {"mix": "images", "beta": [2.0, 1.0]},
    "label-mix": {"mix": "images-and-labels", "beta": [1.0, 1.0]},
}
ARTICLE_SIZES = (50000, 20000, 10000, 5000, 1000, 500, 250, 100)
ARTICLE_BUDGETS: dict[str, dict[str, int]] = {
    "default": {"epochs": 100},
    "500": {"iterations": 117000},
    "250": {"iterations": 117000},
    "100": {"iterations": 40000},
}


def build_configuration(
    *,
    name: str = "synthetic",
    title: str = "A synthetic study",
    dataset: Literal["cifar10", "digits", "image-list"] = "cifar10",
    identifier: str = "own-images",
    rule: Literal["head", "balanced", "random"] = "head",
    redraw_per_seed: bool = False,
    sizes: Sequence[int] = (1000, 500, 100),
    methods: Mapping[str, Mapping[str, Any]] | None = None,
    seeds: Sequence[int] = (0, 1, 2),
    width: int = 64,
    budgets: Mapping[str, Mapping[str, int]] | None = None,
    published: str | None = None,
    compare_with: Sequence[str] = (),
    validation_images: int = 0,
    selection: Literal["best", "last", "last-tenth", "validation"] = "best",
    metrics: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return a resolved configuration, as the configuration's reader would. The defaults train 20 epochs.

    The keys of validation are left out where they are neutral, as in the files of earlier versions.
    """
    neutral = validation_images == 0 and selection == "best"
    return {
        "study": name,
        "title": title,
        "description": "Made up by a generator; nothing was trained.",
        "dataset": {
            "name": dataset,
            "cifar10": {"archive": None, "sources": []},
            "image-list": {
                "folder": None,
                "identifier": identifier,
                "title": "Own images",
                "image_size": 32,
                "color": "rgb",
            },
        },
        "subsets": {"rule": rule, "sizes": list(sizes), "redraw_per_seed": redraw_per_seed, "draw_seed": 0},
        "methods": {key: dict(value) for key, value in (METHODS if methods is None else methods).items()},
        "seeds": list(seeds),
        "model": {"name": "preact-resnet18", "width": width, "blocks": [2, 2, 2, 2]},
        "recipe": {
            "batch_size": 128,
            "learning_rate": 0.1,
            "momentum": 0.9,
            "weight_decay": 0.0001,
            "decay_at": [0.33, 0.66],
            "decay_factor": 0.1,
            "augmentation": {"crop_padding": 4, "flip": True},
            "precision": "fp32",
            "executor": "automatic",
            "cpu_threads": 1,
        },
        "evaluation": {
            "epoch_budgets": "each-epoch",
            "iteration_budgets": {"every": 390},
            "clean_train_limit": 10000,
            **({} if neutral else {"validation_images": validation_images}),
        },
        **({} if neutral else {"selection": selection}),
        "budgets": {
            key: dict(value) for key, value in ({"default": {"epochs": 20}} if budgets is None else budgets).items()
        },
        "metrics": dict(metrics or {}),
        "published": published,
        "compare_with": list(compare_with),
    }
