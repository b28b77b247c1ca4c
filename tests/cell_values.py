"""A cell, and another value for every field of it."""

from __future__ import annotations

from typing import Any

from smallmix.study.cell import (
    BudgetValue,
    Cell,
    DatasetValue,
    EvaluationValue,
    MethodValue,
    ModelValue,
    RecipeValue,
    SubsetValue,
)

CELL = Cell(
    dataset=DatasetValue("cifar10"),
    subset=SubsetValue("head", 500),
    method=MethodValue("images", (2.0, 1.0)),
    seed=0,
    model=ModelValue("preact-resnet18", 64, (2, 2, 2, 2)),
    recipe=RecipeValue(128, 0.1, 0.9, 1e-4, (0.33, 0.66), 0.1, 4, True, "fp32", "automatic", 1),
    budget=BudgetValue("iterations", 117_000),
    evaluation=EvaluationValue("iterations", 390, 5000),
)
# One other value for every field. A field that is added later and forgotten here fails the tests that go over all.
OTHER: dict[str, dict[str, Any]] = {
    "dataset": {"name": "digits", "image_size": 32, "color": "grey", "fit": "pad"},
    "subset": {"rule": "random", "size": 250, "seed": 3},
    "method": {"mix": "none", "beta": (1.0, 1.0), "parameters": (("hole", 0.25),)},
    "model": {"name": "other", "width": 8, "blocks": (1, 1, 1, 1), "parameters": (("dropout", 0.5),)},
    "recipe": {
        "batch_size": 64,
        "learning_rate": 0.2,
        "momentum": 0.0,
        "weight_decay": 0.0,
        "decay_at": (),
        "decay_factor": 0.5,
        "crop_padding": 0,
        "flip": False,
        "precision": "bf16",
        "executor": "eager",
        "cpu_threads": 2,
        "last_batch": "even",
        "schedule": "cosine",
        "warm_up": 0.1,
        "nesterov": True,
        "decay_normalization": False,
    },
    "budget": {"unit": "epochs", "amount": 1},
    "evaluation": {
        "unit": "epochs",
        "every": 1,
        "clean_train_limit": 1,
        "every_at_end": 30,
        "validation_images": 50,
    },
}
