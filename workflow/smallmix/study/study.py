"""A study: one resolved configuration, and the cells that it stands for."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smallmix.errors import SmallmixError
from smallmix.fingerprints import canonical_json
from smallmix.own_code import names_own_code, own_file, without_folder
from smallmix.study.cell import (
    BudgetValue,
    Cell,
    DatasetValue,
    EvaluationValue,
    MethodValue,
    Mix,
    ModelValue,
    RecipeValue,
    SubsetValue,
    parameters_of,
)
from smallmix.study.iterations import EpochBatches, LastBatch
from smallmix.study.known_datasets import AUTOMATIC, fitting_crop_padding, image_size, keeps_class_mirrored
from smallmix.study.own_images import own_images
from smallmix.study.validation_draw import ValidationDraw


def cell_id(size: int | str, method: str, seed: int | str) -> str:
    """Return a cell's folder below results/<study>/cells, which is also its name in messages."""
    return f"n{size}/{method}/seed{seed}"


@dataclass(frozen=True)
class StudyCell:
    """A cell at its place in a study: the value, and the names under which people find it."""

    size: int
    method: str
    seed: int
    value: Cell

    @property
    def id(self) -> str:
        """Return `cell_id` of the cell."""
        return cell_id(self.size, self.method, self.seed)

    @property
    def own_code(self) -> tuple[str, ...]:
        """Return the paths of the user's Python files that its method and its network lie in, each once."""
        named = ((self.value.method.mix, self.value.method.file), (self.value.model.name, self.value.model.file))
        files = (file for name, file in named if names_own_code(name) and file is not None)
        return tuple(dict.fromkeys(files))


@dataclass(frozen=True)
class Study:
    """A resolved configuration (every default filled in, every rule checked) with its cells in reading order."""

    configuration: dict[str, Any]
    cells: tuple[StudyCell, ...] = dataclasses.field(repr=False)

    @property
    def name(self) -> str:
        """Return the name of results/<study> and reports/<study>."""
        return str(self.configuration["study"])

    @property
    def title(self) -> str:
        """Return the report's heading."""
        return str(self.configuration["title"])

    @property
    def dataset(self) -> str:
        """Return the name of resources/<dataset>: that of the data set, or the identifier of the user's own images."""
        dataset = self.configuration["dataset"]
        own = own_images(dataset)
        return str(dataset["name"] if own is None else own["identifier"])

    @property
    def sizes(self) -> tuple[int, ...]:
        """Return the training-set sizes, in the configuration's order."""
        return tuple(self.configuration["subsets"]["sizes"])

    @property
    def methods(self) -> tuple[str, ...]:
        """Return the methods' names, in the configuration's order."""
        return tuple(self.configuration["methods"])

    @property
    def seeds(self) -> tuple[int, ...]:
        """Return the seeds, in the configuration's order."""
        return tuple(self.configuration["seeds"])

    @property
    def own_code(self) -> tuple[str, ...]:
        """Return the paths of the user's files that its methods and its network lie in, each once, sorted."""
        return tuple(sorted({file for cell in self.cells for file in cell.own_code}))

    @property
    def weights_file(self) -> str | None:
        """Return the path of the file of weights that its network begins with; None where there is none."""
        model = self.cells[0].value.model
        return None if names_own_code(model.name) else model.file

    @property
    def metrics(self) -> dict[str, str]:
        """Return the further metrics by name, sorted: a metric that is ready, or FILE.py:FUNCTION."""
        return dict(sorted(self.configuration.get("metrics", {}).items()))

    @property
    def metric_files(self) -> tuple[str, ...]:
        """Return the paths of the user's files that metrics lie in, each once, sorted."""
        return tuple(sorted({own_file(name) for name in self.metrics.values() if names_own_code(name)}))

    @property
    def keeps_weights(self) -> bool:
        """Return whether the trained networks are kept. It is no part of a cell's value."""
        return str(self.configuration.get("keep", {}).get("weights", "none")) == "final"

    @property
    def redraws_subsets(self) -> bool:
        """Return whether each seed has a subset of its own."""
        return bool(self.configuration["subsets"]["redraw_per_seed"])

    @property
    def validation_images(self) -> int:
        """Return how many validation images its cells have; 0 for none."""
        return int(self.configuration["evaluation"].get("validation_images", 0))

    @property
    def validation_draw(self) -> ValidationDraw | None:
        """Return what decides the validation images; None where the study has none."""
        if not self.validation_images:
            return None
        subsets = self.configuration["subsets"]
        largest = max(self.sizes)
        draws = dict.fromkeys(_subset_value(subsets, largest, seed) for seed in self.seeds)
        return ValidationDraw(self.validation_images, subsets["draw_seed"], tuple(draws))

    @property
    def selection(self) -> str:
        """Return the declared selection: by which rule summary, comparison and report choose a run's accuracy.

        It is best, last, last_tenth or validation. Studies of older versions have declared the best.
        """
        return str(self.configuration.get("selection", "best")).replace("-", "_")

    @property
    def small_remainders(self) -> dict[int, int]:
        """Return size -> images of the last batch, for sizes where it holds less than an eighth of a batch."""
        values = {cell.size: cell.value for cell in self.cells}
        return {
            size: value.epoch_batches.small
            for size, value in values.items()
            if value.epoch_batches.has_small_remainder(value.recipe.batch_size)
        }

    @property
    def mirrors_what_it_should_not(self) -> bool:
        """Return whether images are flipped although a mirrored one shows another class, as digits do."""
        return self.cells[0].value.recipe.flip and not keeps_class_mirrored(self.configuration["dataset"]["name"])

    @property
    def compared_studies(self) -> tuple[str, ...]:
        """Return other studies whose results the claims and the scatter of the subset may use."""
        return tuple(name for name in self.configuration["compare_with"] if name != self.name)

    def with_files(self, files: Iterable[str]) -> Study:
        """Return the same study whose cells look for the user's files here, by their names without folders."""
        brought = list(files)
        if not brought:
            return self
        cells = (dataclasses.replace(cell, value=cell.value.with_files(brought)) for cell in self.cells)
        return dataclasses.replace(self, cells=tuple(cells))

    def cell(self, place: str) -> StudyCell:
        """Return the cell of a place such as n500/label-mix/seed0. Raise SmallmixError for one outside the study."""
        for cell in self.cells:
            if cell.id == place:
                return cell
        raise SmallmixError(
            f"study {self.name} has no cell {place}. Its cells are n<size>/<method>/seed<seed> with "
            f"size in {list(self.sizes)}, method in {list(self.methods)}, seed in {list(self.seeds)}."
        )

    def subset_rule(self, size: int, seed: int) -> str:
        """Return the canonical JSON of the rule that chooses the training images of a size and seed."""
        return canonical_json(dataclasses.asdict(_subset_value(self.configuration["subsets"], size, seed)))

    def to_json(self) -> str:
        """Return the resolved configuration as one canonical line: what Snakemake compares and later steps read.

        Methods are written as a list of pairs, because their order decides the order of tables and figures.
        """
        ordered = {**self.configuration, "methods": list(self.configuration["methods"].items())}
        return canonical_json(ordered)

    @classmethod
    def from_json(cls, text: str) -> Study:
        """Return the study of a `to_json` text."""
        value = json.loads(text)
        return cls.from_configuration({**value, "methods": dict(value["methods"])})

    @classmethod
    def load(cls, path: Path) -> Study:
        """Return the study of a study.json file. Raises SmallmixError where the file is not one."""
        try:
            return cls.from_json(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
            raise SmallmixError(
                f"cannot read the study in {path}: {reason}. Write it again with "
                f"`smallmix resolve-study STUDY --output {path}`."
            ) from error

    @classmethod
    def from_configuration(cls, configuration: dict[str, Any]) -> Study:
        """Expand a resolved configuration into cells: sizes x methods x seeds, in that order."""
        cells = tuple(
            StudyCell(size, method, seed, _cell_value(configuration, size, method, seed))
            for size in configuration["subsets"]["sizes"]
            for method in configuration["methods"]
            for seed in configuration["seeds"]
        )
        return cls(configuration=configuration, cells=cells)


def methods_with(study: Study, *mixes: Mix) -> list[str]:
    """Return the names of the study's methods that mix one of these, in the study's order."""
    return [name for name in study.methods if study.configuration["methods"][name]["mix"] in mixes]


def first_method(study: Study, mix: Mix) -> str | None:
    """Return the name of the study's first method that mixes this, or None."""
    return next(iter(methods_with(study, mix)), None)


def reference_method(study: Study) -> str:
    """Return the method that the others are compared with: plain training, or else the study's first method."""
    return first_method(study, "none") or study.methods[0]


def asked_method(study: Study) -> str | None:
    """Return the method that the study asks about: the first that mixes images and labels, or else the first other one.

    None where the study has the reference alone.
    """
    reference = reference_method(study)
    others = [method for method in study.methods if method != reference]
    return next((method for method in methods_with(study, "images-and-labels") if method in others), None) or next(
        iter(others), None
    )


def beta_of(study: Study, method: str) -> tuple[float, ...] | None:
    """Return the two parameters of a method's Beta distribution, or None where nothing is mixed."""
    beta = study.configuration["methods"][method].get("beta")
    return None if beta is None else tuple(float(value) for value in beta)


def _cell_value(configuration: dict[str, Any], size: int, method: str, seed: int) -> Cell:
    recipe, budget = configuration["recipe"], _budget(configuration["budgets"], size)
    return Cell(
        dataset=_dataset_value(configuration["dataset"]),
        subset=_subset_value(configuration["subsets"], size, seed),
        method=_method_value(configuration["methods"][method]),
        seed=seed,
        model=_model_value(configuration["model"]),
        recipe=_recipe_value({**recipe, **_augmentation(configuration), "last_batch": _last_batch(recipe, size)}),
        budget=budget,
        evaluation=_evaluation_value(configuration["evaluation"], budget),
    )


def _recipe_value(section: dict[str, Any]) -> RecipeValue:
    """Return a value whose fields are keys of a section of the configuration, of the same names.

    A key that is missing, in a configuration of an earlier version, gets the field's default: what was done then.
    Raises KeyError where the field has none.
    """
    fields = [
        one for one in dataclasses.fields(RecipeValue) if one.name in section or one.default is dataclasses.MISSING
    ]
    return _without_unread(RecipeValue(**{one.name: _as_declared(section[one.name], str(one.type)) for one in fields}))


def _without_unread(recipe: RecipeValue) -> RecipeValue:
    """Return the recipe with neutral values where it reads none: equal trainings are equal values."""
    if recipe.schedule == "cosine":
        recipe = dataclasses.replace(recipe, decay_at=(), decay_factor=1.0)
    if recipe.weight_decay == 0:
        recipe = dataclasses.replace(recipe, decay_normalization=True)
    return recipe


def _augmentation(configuration: dict[str, Any]) -> dict[str, Any]:
    """Return border and flips as stated, or where that is `automatic` as they fit the data set."""
    dataset, found = configuration["dataset"], dict(configuration["recipe"]["augmentation"])
    if found["crop_padding"] == AUTOMATIC:
        found["crop_padding"] = fitting_crop_padding(image_size(dataset))
    if found["flip"] == AUTOMATIC:
        found["flip"] = keeps_class_mirrored(dataset["name"])
    return found


def _as_declared(value: Any, annotation: str) -> Any:
    """Return a value of a configuration, which may come from JSON, as the field's type wants it."""
    if annotation.startswith("tuple[float"):
        return tuple(float(item) for item in value)
    if annotation.startswith("tuple["):
        return tuple(value)
    return float(value) if annotation == "float" else value


def _dataset_value(dataset: dict[str, Any]) -> DatasetValue:
    own = own_images(dataset)
    if own is None:
        return DatasetValue(name=dataset["name"])
    return DatasetValue(
        name=dataset["name"], image_size=own["image_size"], color=own["color"], fit=own.get("fit", "crop")
    )


def _subset_value(subsets: dict[str, Any], size: int, seed: int) -> SubsetValue:
    if subsets["rule"] == "head":
        return SubsetValue(rule="head", size=size)
    draw = seed if subsets["redraw_per_seed"] else subsets["draw_seed"]
    return SubsetValue(rule=subsets["rule"], size=size, seed=draw)


def _method_value(method: dict[str, Any]) -> MethodValue:
    mix, beta = method["mix"], method.get("beta")
    return MethodValue(
        mix=without_folder(mix) if names_own_code(mix) else mix,
        beta=None if beta is None else (float(beta[0]), float(beta[1])),
        parameters=parameters_of(method.get("parameters") or {}),
        file=own_file(mix) if names_own_code(mix) else None,
    )


def _model_value(model: dict[str, Any]) -> ModelValue:
    name, parameters = model["name"], dict(model.get("parameters") or {})
    # Of a file of weights, its sha256 among the parameters is the value's part.
    file = own_file(name) if names_own_code(name) else parameters.pop("weights", None)
    return ModelValue(
        name=without_folder(name) if names_own_code(name) else name,
        width=model["width"],
        blocks=tuple(model["blocks"]),
        parameters=parameters_of(parameters),
        file=file,
    )


def _last_batch(recipe: dict[str, Any], size: int) -> LastBatch:
    """Return the recipe's rule, or keep where it deals out the images just so: equal trainings are equal values.

    Configurations that were written before there was a choice kept the last batch.
    """
    rule: LastBatch = recipe.get("last_batch", "keep")
    same = EpochBatches.of(size, recipe["batch_size"], rule) == EpochBatches.of(size, recipe["batch_size"], "keep")
    return "keep" if same else rule


def _budget(budgets: dict[str, Any], size: int) -> BudgetValue:
    budget = budgets.get(str(size), budgets["default"])
    unit = "epochs" if budget.get("epochs") is not None else "iterations"
    return BudgetValue(unit=unit, amount=budget[unit])  # type: ignore[arg-type]


def _evaluation_value(evaluation: dict[str, Any], budget: BudgetValue) -> EvaluationValue:
    rule = evaluation["epoch_budgets" if budget.unit == "epochs" else "iteration_budgets"]
    return EvaluationValue(
        unit=budget.unit,
        every=1 if rule == "each-epoch" else rule["every"],
        clean_train_limit=evaluation["clean_train_limit"],
        every_at_end=None if rule == "each-epoch" else rule.get("every_at_end"),
        validation_images=evaluation.get("validation_images", 0),
    )
