"""Protects people from classes and files that are two for a program and one for them: both are named."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from smallmix.datasets.look_alikes import difference, look
from smallmix.errors import DatasetError

from tests.unit.datasets.image_folder import TEST, TRAIN, make_image_folder, read_image_folder

ALIKE = [
    ("1", "1.0", "in how one number is written"),
    ("1", "01", "in how one number is written"),
    ("-0", "+0.00", "in how one number is written"),
    ("1.50", "1,5", "in how one number is written"),
    ("12", "\u0661\u0662", "in how one number is written"),
    ("Cat", "cat", "in case"),
    ("STRASSE", "stra\u00dfe", "in case"),
    ("K\u00e4fer", "k\u00e4fer", "in case"),
    ("cat", "cat\u200b", "in invisible characters: character 4 is missing or U+200B"),
    ("cat", "\ufeffcat", "in invisible characters: character 1 is U+0063 or U+FEFF"),
    ("soft", "so\u00adft", "in invisible characters: character 3 is U+0066 or U+00AD"),
    ("\u2764", "\u2764\ufe0f", "in invisible characters"),
    ("big cat", "big  cat", "in spaces"),
    ("big cat", "big\u00a0cat", "in spaces: character 4 is U+0020 or U+00A0"),
    ("caf\u00e9", "cafe\u0301", "in the encoding of characters: character 4 is U+00E9 or U+0065"),
    ("\uac00", "\u1100\u1161", "in the encoding of characters"),
    ("\uff44og", "dog", "in the encoding of characters"),
    ("cat", "c\u0430t", "in letters of another alphabet: character 2 is U+0061 or U+0430"),
    ("A", "\u0391", "in letters of another alphabet"),
    ("1\u20135", "1-5", "in dashes or quotation marks"),
    ("crow's", "crow\u2019s", "in dashes or quotation marks"),
    ("big_cat", "big cat", "in what separates the words"),
    ("big-cat", "big_cat", "in what separates the words"),
    ("Big Cat", "big_cat", "in more than one way (case, spaces"),
    ("1", "\u200b01.0", "in more than one way (case, spaces"),
]
DIFFERENT = [
    ("1", "-1"),
    ("1", "10"),
    ("1.5", "15"),
    ("0.1", "0.01"),
    ("1-5", "15"),
    ("cat", "cats"),
    ("bigcat", "big cat"),
    ("a", "\u00e4"),
    ("e", "\u00e9"),
    ("\u732b", "\u72ac"),
    ("v1", "v01"),
    (".", "0"),
]


@pytest.mark.parametrize(("one", "other", "words"), ALIKE)
def test_what_looks_alike_has_one_look_and_a_named_difference(one: str, other: str, words: str) -> None:
    assert look(one) == look(other)
    assert difference(one, other).startswith(words)


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_what_people_tell_apart_keeps_its_own_look(one: str, other: str) -> None:
    assert look(one) != look(other)


@given(st.text(max_size=12))
def test_every_text_has_a_look_and_spaces_around_do_not_change_it(text: str) -> None:
    assert look(f" {text}\t") == look(text)


def rows_as_csv(rows: list[tuple[str, str]]) -> str:
    stream = io.StringIO()
    csv.writer(stream).writerows([("path", "label"), *rows])
    return stream.getvalue()


@pytest.mark.parametrize(("one", "other", "words"), ALIKE)
def test_labels_that_look_alike_are_warned_of(tmp_path: Path, one: str, other: str, words: str) -> None:
    lists = rows_as_csv([("a.png", one), ("b.png", other), ("c.png", "something else")])
    warnings = read_image_folder(make_image_folder(tmp_path / "images", lists, lists)).warnings
    found = [text for text in warnings if "count as two" in text]
    assert len(found) == 1
    assert words.partition(":")[0] in found[0]
    assert found[0].endswith("If they are one class, write it in one way in train.csv and test.csv")


def test_of_many_labels_that_look_alike_five_are_shown_and_the_others_counted(tmp_path: Path) -> None:
    rows = [(f"{number}{kind}.png", f"{number}{kind}") for number in range(8) for kind in ("", ".0")]
    folder = make_image_folder(tmp_path / "images", rows_as_csv(rows), rows_as_csv(rows))
    for number, (path, _label) in enumerate(rows):
        image = Image.new("RGB", (8, 8), (number, 0, 0))
        image.paste((255, 255, 255), (0, 0, 4, 4))
        image.save(folder / path)
    warnings = read_image_folder(folder).warnings
    assert sum("count as two" in text for text in warnings) == 5
    assert "3 more classes look like another one" in warnings


@pytest.mark.parametrize(
    ("label", "hint"),
    [
        ("Dog", "; 'dog' has, and differs only in case"),
        ("dog\u200b", "; 'dog' has, and differs only in invisible characters: character 4 is U+200B or missing"),
        ("d\u043eg", "; 'dog' has, and differs only in letters of another alphabet"),
    ],
)
def test_a_test_class_that_is_spelt_otherwise_is_named_beside_it(tmp_path: Path, label: str, hint: str) -> None:
    with pytest.raises(DatasetError, match=r"test\.csv line 4: the class .* has no image in train\.csv") as found:
        read_image_folder(make_image_folder(tmp_path / "images", TRAIN, f"{TEST}a.png,{label}\n"))
    assert hint in str(found.value)


@pytest.mark.parametrize(
    ("there", "listed", "hint"),
    [
        ("caf\u00e9.png", "cafe\u0301.png", "; the folder holds 'café.png', which differs only in the encoding"),
        ("cafe\u0301.png", "caf\u00e9.png", ", which differs only in the encoding of characters: character 4 is"),
        ("IMG_1.JPG", "IMG_1.jpg", "; the folder holds 'IMG_1.JPG', which differs only in case"),
        ("big  cat.png", "big cat.png", "; the folder holds 'big  cat.png', which differs only in spaces"),
        ("x\u200b.png", "x.png", "which differs only in invisible characters: character 2 is U+002E or U+200B"),
        ("B\u00e4ren/1.png", "Ba\u0308ren/1.png", "; the folder holds 'Bären', which differs only in the encoding"),
        ("cats/A.png", "cats/a.png", "; the folder 'cats' holds 'A.png', which differs only in case"),
    ],
)
def test_a_missing_file_is_named_with_the_one_that_looks_alike(
    tmp_path: Path, there: str, listed: str, hint: str
) -> None:
    folder = make_image_folder(tmp_path / "images", f"{TRAIN}{listed},cat\n")
    (folder / there).parent.mkdir(exist_ok=True)
    Image.new("RGB", (8, 8)).save(folder / there, format="PNG")
    if (folder / listed).exists():
        pytest.skip("this file system takes both names for one")
    with pytest.raises(DatasetError, match=r"train\.csv line 5: .* does not exist; ") as found:
        read_image_folder(folder)
    assert hint in str(found.value)


def test_a_file_without_a_similar_one_gets_no_hint(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"'gone/away\.png' does not exist\n"):
        read_image_folder(make_image_folder(tmp_path / "images", TRAIN + "gone/away.png,cat\n"))


def test_two_files_in_both_forms_of_a_letter_are_warned_of(tmp_path: Path) -> None:
    folder = make_image_folder(tmp_path / "images", f"{TRAIN}caf\u00e9.png,cat\n", f"{TEST}cafe\u0301.png,cat\n")
    for name in ("caf\u00e9.png", "cafe\u0301.png"):
        (folder / name).write_bytes((folder / "a.png").read_bytes())
    if len(list(folder.glob("caf*"))) == 1:
        pytest.skip("this file system takes both names for one")
    warnings = read_image_folder(folder).warnings
    assert any(
        "1 path differs" in text and "Unicode form" in text and "(first: train.csv line 5 and test.csv line 4)" in text
        for text in warnings
    )
