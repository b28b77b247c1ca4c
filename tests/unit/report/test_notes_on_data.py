"""Protects readers of a report: what is odd about the images stands on its first screen."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from smallmix.report.method_section import compose_protocol
from smallmix.report.summary_section import compose_answer, missing_class_notes
from smallmix.tables.subset_table import tabulate_subsets, write_subset_table

from tests.synthetic_study import SyntheticStudy, build_synthetic_study
from tests.unit.figures.study_with_tables import tables_of


def tabulated(made: SyntheticStudy, labels: dict[int, list[int]]) -> SyntheticStudy:
    """The study with these labels in its subsets, by size, and their table."""
    for size, of_size in labels.items():
        rows = "".join(f"{row},{label},c{label}\n" for row, label in enumerate(of_size))
        made.layout.subset_of(size, 0).write_text("row,label,class\n" + rows)
    write_subset_table(tabulate_subsets(made.layout), made.layout.results / "subset_table.csv")
    return made


@pytest.fixture
def made(tmp_path: Path) -> SyntheticStudy:
    return build_synthetic_study(tmp_path, sizes=(30, 20, 12), seeds=(0,), test_images=20)


def test_missing_classes_are_named_by_size_among_the_warnings(made: SyntheticStudy) -> None:
    tabulated(made, {30: [*range(10)] * 3, 20: [*range(9), *range(9), 0, 1], 12: [0, 1] * 6})
    notes = missing_class_notes(tables_of(made))
    assert len(notes) == 1
    assert "missing from the training subset: 1 of 10 with 20 images and 8 of 10 with 12 images." in notes[0]
    assert f"logs/{made.study.name}/subsets" in notes[0]
    assert notes[0] in compose_answer(tables_of(made)).warnings


def test_nothing_is_said_where_every_class_has_an_image(made: SyntheticStudy) -> None:
    tabulated(made, {30: [*range(10)] * 3, 20: [*range(10)] * 2, 12: [*range(10), 0, 1]})
    assert missing_class_notes(tables_of(made)) == []


def test_a_table_of_an_earlier_version_tells_at_least_one(made: SyntheticStudy) -> None:
    (made.layout.results / "subset_table.csv").write_text("size,smallest_class,largest_class\n30,3,3\n20,0,4\n")
    assert "at least one of 10 with 20 images." in missing_class_notes(tables_of(made))[0]


def test_the_protocol_says_how_image_files_were_brought_to_one_form(made: SyntheticStudy) -> None:
    assert "Brought to one form" not in dict(compose_protocol(tables_of(made)))["Images"]
    path = made.layout.dataset / "dataset.json"
    described = json.loads(path.read_text(encoding="utf-8"))
    described["source"] = {"decoding": "rgb, 8 x 8; central square"}
    path.write_text(json.dumps(described), encoding="utf-8")
    assert " Brought to one form: rgb, 8 x 8; central square. " in dict(compose_protocol(tables_of(made)))["Images"]


@pytest.mark.parametrize(("channels", "color"), [(3, "in colour"), (1, "grey")])
def test_the_protocol_says_which_form_the_images_have(made: SyntheticStudy, channels: int, color: str) -> None:
    path = made.layout.dataset / "dataset.json"
    described = json.loads(path.read_text(encoding="utf-8"))
    described |= {"image_shape": [96, 96, channels], "mean": [0.5] * channels, "deviation": [0.2] * channels}
    path.write_text(json.dumps(described), encoding="utf-8")
    said = dict(compose_protocol(tables_of(made)))["Images"]
    assert f"20 test images in 10 classes, of 96 × 96 pixels, {color}. " in said  # noqa: RUF001


def test_the_protocol_warns_of_mirrored_digits(made: SyntheticStudy) -> None:
    assert made.study.cells[0].value.recipe.flip
    assert "mirrored" not in dict(compose_protocol(tables_of(made)))["Training"]
    made.study.configuration["dataset"]["name"] = "mnist"
    assert "Warning: a mirrored digit is another digit or none" in dict(compose_protocol(tables_of(made)))["Training"]
