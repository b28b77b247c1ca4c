"""Protects the preview of the methods: every method has its row, which shows what the method itself does."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from smallmix.figures import methods_preview
from smallmix.figures.methods_preview import (
    EXAMPLES,
    MixedExample,
    describe_methods_preview,
    draw_methods_preview,
    mixed_examples,
)
from smallmix.science.method import find_method
from smallmix.study.layout import Layout
from smallmix.study.method_forms import METHODS
from smallmix.study.study import Study

from tests.every_method import EVERY_MIX, method_value
from tests.synthetic_configuration import build_configuration
from tests.synthetic_study import SyntheticStudy, write_synthetic_dataset, write_synthetic_subsets
from tests.unit.figures.study_with_tables import write_noise_images

CLASSES = [f"class {number}" for number in range(10)]
OWN = '''
import numpy as np

from smallmix.science.method import Method


class Mirror(Method):
    """Turns images over, and gives the label of the partner a part."""

    def mix(self, images, row):
        return images.flip(-1)

    def target(self, one_hot, row):
        return 0.5 * one_hot + 0.3 * one_hot[row.partner] + 0.2 / one_hot.shape[1]


class Inside(Method):
    """Mixes inside the network, and has tables under names that mean something else elsewhere."""

    mixes_features = True

    def draw(self, draws):
        one = np.ones((draws.iterations, draws.images, 2), np.float32)
        return {"image_weight": one, "label_weight": one[:, :, 0]}

    def mix_features(self, features, stage, row):
        return features


class Squared(Method):
    """Has a loss that is no cross-entropy."""

    def loss(self, log_probabilities, labels, row):
        return log_probabilities.exp().square().mean()
'''
MEAN = np.array([0.49, 0.48, 0.45]) * 255  # of the synthetic data set


def meaning_of(mix: str) -> dict[str, Any]:
    value = method_value(mix)
    parameters = METHODS[mix].parameters().model_dump()
    beta = None if value.beta is None else list(value.beta)
    return {"mix": mix, "beta": beta, "parameters": parameters}


@pytest.fixture(scope="module")
def every_method(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[MixedExample]]:
    """The examples of a study with every method, and with three of the user's own. Images are noise, 8 x 8 in rgb."""
    root = tmp_path_factory.mktemp("every")
    (root / "own.py").write_text(OWN, encoding="utf-8")
    own = {name.lower(): {"mix": f"{root}/own.py:{name}", "beta": None} for name in ("Mirror", "Squared", "Inside")}
    methods = {**{mix: meaning_of(mix) for mix in EVERY_MIX}, **own}
    study = Study.from_configuration(build_configuration(sizes=[100], seeds=[0], methods=methods))
    made = SyntheticStudy(root=root, study=study)
    write_synthetic_dataset(made.layout.dataset, study, train_count=100, test_count=10)
    write_synthetic_subsets(made.layout)
    write_noise_images(made)
    return mixed_examples(Layout(study, root), CLASSES, EXAMPLES)


def test_every_method_has_its_examples_of_the_same_pairs(every_method: dict[str, list[MixedExample]]) -> None:
    assert list(every_method) == [*EVERY_MIX, "mirror", "squared", "inside"]
    plain = every_method["none"]
    assert len(plain) == EXAMPLES
    for examples in every_method.values():
        for example, other in zip(examples, plain, strict=True):
            assert (example.own_image == other.own_image).all()
            assert (example.partner_image == other.partner_image).all()
            assert example.own_label != example.partner_label
    assert all((example.mixed_image == example.own_image).all() for example in plain)


@pytest.mark.parametrize("mix", ["images-per-image", "images-and-labels-per-image"])
def test_a_weight_for_each_image_is_that_images(every_method: dict[str, list[MixedExample]], mix: str) -> None:
    for example in every_method[mix]:
        assert example.weight is not None
        wanted = example.weight * example.own_image + (1 - example.weight) * example.partner_image.astype(float)
        assert abs(wanted - example.mixed_image).max() <= 0.5 + 1e-3
        own_share = 1.0 if mix == "images-per-image" else example.weight
        assert example.shares == pytest.approx((own_share, 1 - own_share, 0), abs=1e-6)


def test_boxes_of_cutmix_are_in_the_picture_and_in_the_label(every_method: dict[str, list[MixedExample]]) -> None:
    for example in every_method["cutmix"]:
        assert example.shares is not None
        own = (example.mixed_image == example.own_image).all(axis=2)
        partners = (example.mixed_image == example.partner_image).all(axis=2)
        assert (own | partners).all()
        assert float(own.mean()) == pytest.approx(example.shares[0], abs=1e-6)  # noise: no pixel is equal by chance
    assert any(example.shares[0] < 0.99 for example in every_method["cutmix"] if example.shares)


@pytest.mark.parametrize("mix", ["cutout", "random-erasing"])
def test_holes_show_the_mean_of_the_training_images(every_method: dict[str, list[MixedExample]], mix: str) -> None:
    with_hole = 0
    for example in every_method[mix]:
        changed = (example.mixed_image != example.own_image).any(axis=2)
        assert abs(example.mixed_image[changed] - MEAN).max(initial=0) <= 0.5 + 1e-3
        assert (example.drawn, example.label(20)) == ([], [example.own_label])
        with_hole += bool(changed.any())
    assert with_hole == EXAMPLES if mix == "cutout" else 0 < with_hole <= EXAMPLES


def test_smoothed_labels_say_what_is_spread(every_method: dict[str, list[MixedExample]]) -> None:
    for example in every_method["label-smoothing"]:
        assert example.label(30) == [f"90 % {example.own_label}", "10 % spread"]
        assert (example.mixed_image == example.own_image).all()


def test_manifold_mixup_says_where_it_mixes(every_method: dict[str, list[MixedExample]]) -> None:
    examples = every_method["manifold-mixup"]
    assert {example.stage == 0 for example in examples} == {True, False}
    for example in examples:
        assert example.weight is not None
        assert example.drawn[1] == ("at the images" if example.stage == 0 else f"at stage {example.stage}")
        assert (example.mixed_image == example.own_image).all() == (example.stage != 0)
        assert example.shares == pytest.approx((example.weight, 1 - example.weight, 0), abs=1e-6)
    text = describe_methods_preview({"manifold-mixup": examples})
    assert "mixed at a stage of the network enter it as they are" in text.caption
    assert "stage of the network" not in describe_methods_preview({"none": every_method["none"]}).caption


def test_a_method_of_the_users_is_shown_by_its_own_functions(every_method: dict[str, list[MixedExample]]) -> None:
    for example in every_method["mirror"]:
        assert (example.mixed_image == example.own_image[:, ::-1]).all()
        assert example.label(30) == [f"50 % {example.own_label}", f"30 % {example.partner_label}", "20 % spread"]
    for example in every_method["squared"]:
        assert example.label(30) == [example.own_label, "own loss"]
    for example in every_method["inside"]:
        assert (example.drawn, example.label(30)) == (["λ = 1.00"], [example.own_label])


def test_what_a_method_of_the_users_drew_is_said_in_the_text(every_method: dict[str, list[MixedExample]]) -> None:
    text = describe_methods_preview(every_method)
    inside = "λ = 1.00, image_weight: 2 values, label_weight = 1"
    assert f"inside (own code): {'; '.join([inside] * EXAMPLES)}." in text.description
    assert "mirror (own code): nothing is drawn." in text.description
    assert {row[3] for row in text.table.rows if row[0] == "inside"} == {inside}
    assert "What own code drew is named by its tables" in text.caption
    assert "λ = 1.00" in draw_methods_preview({"inside": every_method["inside"]}).axes[-1].get_xlabel()
    ours = describe_methods_preview({"cutmix": every_method["cutmix"], "none": every_method["none"]})
    assert "own code" not in ours.description + ours.caption
    assert "none:" not in ours.description


def test_numbers_of_each_kind_are_said_as_they_were_drawn(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(
        "import numpy as np\nfrom smallmix.science.method import Method\n\n\nclass Kinds(Method):\n"
        "    def draw(self, draws):\n"
        "        whole = np.tile(np.arange(draws.images) * 1000, (draws.iterations, 1))\n"
        "        return {'whole': whole, 'yes': whole % 2 == 0, 'part': np.full(draws.iterations, 0.125, 'f4')}\n",
        encoding="utf-8",
    )
    methods = {"kinds": {"mix": f"{tmp_path}/own.py:Kinds", "beta": None}}
    study = Study.from_configuration(build_configuration(sizes=[100], seeds=[0], methods=methods))
    made = SyntheticStudy(root=tmp_path, study=study)
    write_synthetic_dataset(made.layout.dataset, study, train_count=100, test_count=10)
    write_synthetic_subsets(made.layout)
    write_noise_images(made)
    for example in mixed_examples(made.layout, CLASSES, EXAMPLES)["kinds"]:
        assert example.own_draws is not None
        whole, yes, part = example.own_draws
        assert int(whole.removeprefix("whole = ")) % 1000 == 0
        assert (yes, part) == ("yes = true", "part = 0.125")


def test_two_classes_are_no_spread_label() -> None:
    """With two classes each has a share of every mixture: nothing is spread over others."""
    shares = methods_preview._shares(np.array([0.6, 0.4], np.float32), 0, 1)
    assert shares == pytest.approx((0.6, 0.4, 0), abs=1e-6)


def test_methods_that_take_arrays_are_drawn_without_tensors(
    every_method: dict[str, list[MixedExample]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Importing PyTorch takes seconds. What both ways show is the same."""
    taking = [mix for mix in EVERY_MIX if find_method(method_value(mix)).mixes_arrays]
    assert set(EVERY_MIX) - set(taking) == {"cutmix", "cutout", "random-erasing"}
    methods = {mix: meaning_of(mix) for mix in taking}
    study = Study.from_configuration(build_configuration(sizes=[100], seeds=[0], methods=methods))
    made = SyntheticStudy(root=tmp_path, study=study)
    write_synthetic_dataset(made.layout.dataset, study, train_count=100, test_count=10)
    write_synthetic_subsets(made.layout)
    write_noise_images(made)
    with monkeypatch.context() as patched:
        patched.setattr(methods_preview, "_treat_tensors", None)
        by_arrays = mixed_examples(made.layout, CLASSES, 3)
    monkeypatch.setattr(methods_preview, "_treat_arrays", methods_preview._treat_tensors)
    by_tensors = mixed_examples(made.layout, CLASSES, 3)
    for mix in taking:
        for one, other in zip(by_arrays[mix], by_tensors[mix], strict=True):
            assert abs(one.mixed_image.astype(int) - other.mixed_image).max() <= 1  # a half may be rounded either way
            assert one.label(30) == other.label(30)


def test_all_rows_are_drawn_and_described(every_method: dict[str, list[MixedExample]]) -> None:
    figure = draw_methods_preview(every_method)
    assert len(figure.axes) == (2 + len(every_method)) * EXAMPLES
    below = [axes.get_xlabel() for axes in figure.axes]
    assert sum("spread" in text for text in below) == 2 * EXAMPLES
    text = describe_methods_preview(every_method)
    assert len(text.table.rows) == len(every_method) * EXAMPLES
    assert {len(row) for row in text.table.rows} == {len(text.table.columns)}


def test_words_below_end_inside_their_column(every_method: dict[str, list[MixedExample]]) -> None:
    long = {
        name: [
            dataclasses.replace(one, own_label="a long name of a class", partner_label="another") for one in examples
        ]
        for name, examples in every_method.items()
    }
    figure = draw_methods_preview(long)
    figure.draw_without_rendering()
    boxes = [axes.xaxis.label.get_window_extent() for axes in figure.axes]
    for row in range(0, len(boxes), EXAMPLES):
        for left, right in zip(boxes[row : row + EXAMPLES], boxes[row + 1 : row + EXAMPLES], strict=False):
            assert left.x1 <= right.x0
