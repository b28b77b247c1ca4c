"""Protects the reading of people's own images: lists as programs write them, labels as they are, warnings kept."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image
from smallmix.datasets.array_writing import write_dataset
from smallmix.datasets.arrays import load_dataset
from smallmix.datasets.description import load_description
from smallmix.datasets.image_list import ListRow, Problems, read_image_list
from smallmix.datasets.labelled_images import sorted_classes

from tests.unit.datasets.image_folder import TEST, TRAIN, make_image_folder, read_image_folder


def rows_of(tmp_path: Path, content: str | bytes) -> list[tuple[str, str]]:
    path = tmp_path / "list.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    problems = Problems()
    rows = read_image_list(path, problems)
    problems.raise_if_any("the list")
    return [(row.path, row.label) for row in rows]


def test_images_and_labels_stand_in_the_order_of_the_lists(tmp_path: Path) -> None:
    folder = make_image_folder(tmp_path / "images")
    arrays = read_image_folder(folder)
    assert arrays.classes == ("cat", "dog")
    assert arrays.train_labels.tolist() == [0, 1, 0]
    assert arrays.test_labels.tolist() == [1, 0]
    for images, names in ((arrays.train_images, "abc"), (arrays.test_images, "de")):
        for pixels, name in zip(images, names, strict=True):
            np.testing.assert_array_equal(pixels, np.asarray(Image.open(folder / f"{name}.png")))
    assert arrays.warnings == ()
    assert arrays.source["folder"] == "images"


def test_grey_images_have_one_channel(tmp_path: Path) -> None:
    assert read_image_folder(make_image_folder(tmp_path / "images"), color="grey").train_images.shape == (3, 8, 8, 1)


@pytest.mark.parametrize(
    "content",
    [
        "path,label\na b.png,cat\nc.png,dog\n",
        "path,label\na b.png,cat\nc.png,dog",
        "\ufeffpath,label\na b.png,cat\nc.png,dog\n",
        "path,label\r\na b.png,cat\r\nc.png,dog\r\n",
        "path,label\ra b.png,cat\rc.png,dog\r",
        "path;label\na b.png;cat\nc.png;dog\n",
        "path\tlabel\na b.png\tcat\nc.png\tdog\n",
        "\ufeffpath;label\r\na b.png;cat\r\nc.png;dog\r\n",
        " path , label \n  a b.png ,  cat\nc.png, dog \n",
        'path, label\n "a b.png", "cat"\nc.png, dog\n',
        "Path,LABEL\na b.png,cat\nc.png,dog\n",
        '"path","label"\n"a b.png","cat"\n"c.png","dog"\n',
        "label,path\ncat,a b.png\ndog,c.png\n",
        "id,path,note,label\n1,a b.png,x,cat\n2,c.png,,dog\n",
        "path,label,\na b.png,cat,\nc.png,dog,\n",
        "path,label\n\na b.png,cat\n,\n\nc.png,dog\n\n",
        "path,label\na b.png,cat,,\nc.png,dog\n",
    ],
)
def test_lists_are_read_as_programs_and_people_write_them(tmp_path: Path, content: str) -> None:
    assert rows_of(tmp_path, content) == [("a b.png", "cat"), ("c.png", "dog")]


STRANGE_LABELS = [
    "<b>bold</b><script>alert(1)</script>",
    'say "cat"',
    "it's, well",
    "\u202eright to left\u202c",
    "$(touch x)",
    "`touch x`; rm -rf .",
    "=HYPERLINK(1)",
    "+1",
    "-1",
    "@SUM(1)",
    "{braces} %s \\n",
    "猫",
    "🐈\u200d⬛",
    "é",
    "a\u00a0b",
    "..",
    "/etc",
    "nan",
]


def test_labels_of_any_text_are_kept_as_they_are(tmp_path: Path) -> None:
    lists = io.StringIO()
    writer = csv.writer(lists)
    writer.writerow(["path", "label"])
    writer.writerows([f"{number}.png", label] for number, label in enumerate(STRANGE_LABELS))
    folder = make_image_folder(tmp_path / "images", lists.getvalue(), lists.getvalue())
    for number in range(len(STRANGE_LABELS)):
        Image.new("RGB", (8, 8), (number, 2 * number, 0)).save(folder / f"{number}.png")
    output = tmp_path / "resources"
    write_dataset(read_image_folder(folder), output)
    description = load_description(output)
    assert set(description.classes) == set(STRANGE_LABELS)
    assert [description.classes[label] for label in load_dataset(output).train_labels] == STRANGE_LABELS
    with open(output / "train.csv", encoding="utf-8", newline="") as stream:
        cells = [row["class"] for row in csv.DictReader(stream)]
    assert cells == [f"'{label}" if label[0] in "=+-@" else label for label in STRANGE_LABELS]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["images", "resources"]


def test_paths_of_any_script_are_found(tmp_path: Path) -> None:
    names = [
        "ü/猫 🐈.png",
        "-rf.png",
        "$(touch x).png",
        'it\'s "quoted".png',
        "a,b;c.png",
        "=1+1.png",
        "%20.png",
        "*.png",
    ]
    lists = io.StringIO()
    csv.writer(lists).writerows([["path", "label"], *([name, str(number)] for number, name in enumerate(names))])
    folder = make_image_folder(tmp_path / "images", lists.getvalue(), lists.getvalue())
    (folder / "ü").mkdir()
    for number, name in enumerate(names):
        Image.new("RGB", (8, 8), (number, 0, 0)).save(folder / name)
    assert read_image_folder(folder).train_images[:, 0, 0, 0].tolist() == list(range(len(names)))


def test_a_link_within_the_folder_is_followed(tmp_path: Path) -> None:
    folder = make_image_folder(tmp_path / "images", TRAIN + "link.png,cat\nlinked/a.png,cat\n")
    (folder / "link.png").symlink_to("a.png")
    (folder / "linked").symlink_to(".")
    images = read_image_folder(folder).train_images
    np.testing.assert_array_equal(images[3], images[0])
    np.testing.assert_array_equal(images[4], images[0])


def test_links_to_images_on_another_disk_are_followed(tmp_path: Path) -> None:
    elsewhere = make_image_folder(tmp_path / "elsewhere")
    folder = make_image_folder(tmp_path / "images", TRAIN + "link.png,cat\nlinked/a.png,cat\nlinked/b.png,dog\n")
    (folder / "link.png").symlink_to(elsewhere / "b.png")
    (folder / "linked").symlink_to(elsewhere)
    images = read_image_folder(folder).train_images
    np.testing.assert_array_equal(images[3:], images[[1, 0, 1]])


def test_a_folder_that_is_a_link_itself_is_read(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(make_image_folder(tmp_path / "images"))
    assert read_image_folder(tmp_path / "link").source["folder"] == "images"


def test_relative_folders_start_at_the_current_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_image_folder(tmp_path / "images")
    monkeypatch.chdir(tmp_path)
    assert len(read_image_folder(Path("images")).train_images) == 3


@pytest.mark.parametrize(
    ("train", "test", "warning"),
    [
        (TRAIN + "a.png,cat\n", TEST, "train.csv repeats 1 image, first in line 5 ('a.png'); each row counts"),
        (TRAIN + "./b.png,dog\n", TEST, "train.csv repeats 1 image, first in line 5 ('./b.png')"),
        (
            TRAIN,
            TEST + "a.png,cat\n",
            "test.csv: 1 of 3 images are equal, pixel for pixel as scaled, to training images",
        ),
        (TRAIN, TEST + "copy.png,cat\n", "(first: 'copy.png' and 'a.png')"),
        (TRAIN + "copy.png,dog\n", TEST, "train.csv: 1 of 4 images bear another label than an image of equal pixels"),
        (TRAIN + "f.png,fox\n", TEST, "the class 'fox' has no image in test.csv"),
        (TRAIN + "f.png,Cat\n", TEST, "the classes 'Cat' and 'cat' count as two, but differ only in case"),
        (
            TRAIN + "f.png,\uff44og\n",
            TEST,
            "differ only in the encoding of characters: character 1 is U+0064 or U+FF44",
        ),
        (TRAIN + "small.png,cat\n", TEST, "(first: 'small.png') are smaller than 8 x 8 pixels and were enlarged"),
        (TRAIN + "moving.gif,cat\n", TEST, "(first: 'moving.gif') hold several frames; the first was used"),
    ],
)
def test_what_readers_of_results_should_know_is_a_warning(tmp_path: Path, train: str, test: str, warning: str) -> None:
    folder = make_image_folder(tmp_path / "images", train, test)
    (folder / "copy.png").write_bytes((folder / "a.png").read_bytes())
    Image.new("RGB", (8, 8), "red").save(folder / "f.png")
    Image.new("RGB", (8, 4), "blue").save(folder / "small.png")
    frames = [Image.new("RGB", (8, 8), color) for color in ("red", "green")]
    frames[0].save(folder / "moving.gif", save_all=True, append_images=frames[1:])
    write_dataset(read_image_folder(folder), tmp_path / "out")
    assert any(warning in text for text in load_description(tmp_path / "out").warnings)


def test_a_repeated_row_counts_as_an_image(tmp_path: Path) -> None:
    assert len(read_image_folder(make_image_folder(tmp_path / "images", TRAIN + "a.png,cat\n")).train_images) == 4


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (["10", "9", "1"], ("1", "9", "10")),
        (["10", "-9", "+1"], ("-9", "+1", "10")),
        (["10", "9", "x"], ("10", "9", "x")),
        (["b", "A", "a"], ("A", "a", "b")),
        (["01", "1"], ("01", "1")),
        (["9" * 5000, "1"], ("1", "9" * 5000)),
        (["²", "1"], ("1", "²")),
    ],
)
def test_classes_are_sorted_by_number_where_all_are_integers(labels: list[str], classes: tuple[str, ...]) -> None:
    assert sorted_classes(labels) == classes


# Drawn from what a list may hold, so that few texts are thrown away: hypothesis gives up where most are.
cell_text = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), min_size=1, max_size=30).filter(
    str.strip
)
path_text = cell_text.map(lambda text: text.replace(":", ";")).filter(
    lambda text: text.strip() != "path" and text.strip()[0] not in "/\\" and ".." not in text
)


@settings(max_examples=100, deadline=None)
@given(
    rows=st.lists(st.tuples(path_text, cell_text), max_size=8),
    separator=st.sampled_from([",", ";", "\t"]),
    ends=st.sampled_from(["\n", "\r\n"]),
    mark=st.booleans(),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
def test_any_text_survives_the_list(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[str, str]],
    separator: str,
    ends: str,
    mark: bool,
    quoting: int,
) -> None:
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter=separator, lineterminator=ends, quoting=quoting)  # type: ignore[arg-type]
    writer.writerow(["path", "label"])
    writer.writerows(rows)
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes(stream.getvalue().encode("utf-8-sig" if mark else "utf-8"))
    problems = Problems()
    read = read_image_list(path, problems)
    problems.raise_if_any("the list")
    assert [row[1:] for row in read] == [(name.strip(), label.strip()) for name, label in rows]
    assert [row.line for row in read] == list(range(2, 2 + len(rows)))


@settings(max_examples=100, deadline=None)
@given(
    content=st.binary(max_size=200)
    | st.text(max_size=200).map(lambda text: ("path,label\n" + text).encode("utf-8", "replace"))
)
@example(content=b"path,label\n,")
@example(content=b'path;label\n"";\n')
def test_any_file_ends_in_rows_or_problems(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    """But for a file without a row of content, which whoever reads it reports: it lists no images."""
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes(content)
    problems = Problems()
    rows = read_image_list(path, problems)
    assert all(isinstance(row, ListRow) and row.path and row.label for row in rows)
    after_the_header = "".join(content.decode("utf-8-sig", "replace").strip().split("\n", 1)[1:])
    assert rows or len(problems) or not after_the_header.translate(dict.fromkeys(map(ord, ',;\t"'))).strip()
