"""Protects against showing other images than the configured ones: what arrays were made from is compared."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from smallmix.commands import main as command_line
from smallmix.datasets.originals import RECORD_FILE, find_changes
from smallmix.errors import DatasetError

from tests.unit.datasets.class_folders import noise, one_folder, pack, png, section
from tests.unit.datasets.image_folder import make_image_folder


def settings(images: Path, **changes: Any) -> dict[str, Any]:
    """The `dataset` section of a study of the user's own images."""
    section = {"folder": str(images), "identifier": "mine", "title": "Mine", "image_size": 8, "color": "rgb"}
    return {"name": "image-list", "image-list": {**section, **changes}}


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A folder of images."""
    return make_image_folder(tmp_path / "images")


@pytest.fixture
def dataset(tmp_path: Path, images: Path) -> Path:
    """The dataset made from them by the command."""
    folder = tmp_path / "resources" / "mine"
    assert fetch(settings(images), folder) == 0
    return folder


def fetch(section: dict[str, Any], folder: Path) -> int:
    """Run the command."""
    return command_line.main(["fetch-dataset", "--settings", json.dumps(section), "--output", str(folder)])


def test_what_did_not_change_is_left_alone(images: Path, dataset: Path) -> None:
    assert find_changes(settings(images), dataset) is None


@pytest.mark.parametrize(
    "change",
    [
        {"image_size": 16},
        {"color": "grey"},
        {"title": "Other birds"},
        {"fit": "pad"},
        {"classes": ["dog", "cat"]},
    ],
)
def test_changed_settings_are_seen_with_and_without_the_folder(
    images: Path, dataset: Path, change: dict[str, Any]
) -> None:
    reason = find_changes(settings(images, **change), dataset)
    assert next(iter(change)) in str(reason)
    shutil.rmtree(images)
    with pytest.raises(DatasetError, match=r"dataset\.image-list\.folder"):
        find_changes(settings(images, **change), dataset)


def test_the_folder_may_be_unplugged_while_nothing_is_changed(images: Path, dataset: Path) -> None:
    shutil.rmtree(images)
    assert find_changes(settings(images), dataset) is None
    images.mkdir()  # a mount point without its disk
    assert find_changes(settings(images), dataset) is None


@pytest.mark.parametrize("other", ["images2", "~/images", "images/deeper"])
def test_another_folder_that_is_not_there_is_an_error(images: Path, dataset: Path, other: str) -> None:
    with pytest.raises(DatasetError, match="no such folder"):
        find_changes(settings(images.parent / other), dataset)


def test_the_same_images_at_another_place_are_the_same(images: Path, dataset: Path) -> None:
    moved = images.rename(images.with_name("moved"))
    assert find_changes(settings(moved), dataset) is None


def test_a_repaired_image_with_its_old_time_and_size_is_seen(images: Path, dataset: Path) -> None:
    path = images / "d.png"
    before, content = path.stat(), bytearray(path.read_bytes())
    content[-20] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert "d.png" in str(find_changes(settings(images), dataset))


def test_a_replaced_image_is_seen(images: Path, dataset: Path) -> None:
    Image.new("RGB", (8, 8), "red").save(images / "a.png")
    assert "a.png" in str(find_changes(settings(images), dataset))


def test_a_lost_image_is_seen_but_not_images_put_away_as_a_whole(images: Path, dataset: Path) -> None:
    (images / "e.png").unlink()
    assert "e.png" in str(find_changes(settings(images), dataset))
    for path in images.glob("*.png"):
        path.unlink()
    assert find_changes(settings(images), dataset) is None


@pytest.mark.parametrize("name", ["train.csv", "test.csv"])
def test_a_list_put_in_place_with_an_older_time_is_seen(images: Path, dataset: Path, name: str) -> None:
    path = images / name
    path.write_text(path.read_text(encoding="utf-8").replace("dog", "wolf"), encoding="utf-8")
    os.utime(path, (1_000_000_000, 1_000_000_000))
    assert name in str(find_changes(settings(images), dataset))
    (dataset / RECORD_FILE).unlink()  # as in data sets of earlier versions
    assert name in str(find_changes(settings(images), dataset))


def test_other_times_alone_change_nothing_and_are_noted(images: Path, dataset: Path) -> None:
    record = dataset / RECORD_FILE
    before = record.read_bytes()
    for path in images.iterdir():
        os.utime(path, (1_100_000_000, 1_100_000_000))
    assert find_changes(settings(images), dataset) is None
    assert record.read_bytes() != before
    noted = record.read_bytes()
    assert find_changes(settings(images), dataset) is None
    assert record.read_bytes() == noted, "the second time nothing is read again"


def test_lost_arrays_are_seen(images: Path, dataset: Path) -> None:
    (dataset / "test_images.npy").unlink()
    assert "test_images.npy" in str(find_changes(settings(images), dataset))


@pytest.mark.parametrize("damage", ["", "{", '{"format": 1}', '{"format": 1, "dataset": 3, "settings": 4, "files": 5}'])
def test_a_damaged_record_leaves_the_description_to_speak(images: Path, dataset: Path, damage: str) -> None:
    (dataset / RECORD_FILE).write_text(damage, encoding="utf-8")
    assert find_changes(settings(images), dataset) is None
    assert "image_size" in str(find_changes(settings(images, image_size=16), dataset))


@pytest.mark.parametrize("own", ["train.csv", "train_images.npy", "dataset.json"])
def test_the_users_own_files_are_never_written_over(
    tmp_path: Path, images: Path, own: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "resources" / "birds"
    folder.mkdir(parents=True)
    (folder / own).write_text("path,label\nmine.png,cat\n", encoding="utf-8")
    assert fetch(settings(images), folder) != 0
    assert own in capsys.readouterr().err
    assert (folder / own).read_text(encoding="utf-8") == "path,label\nmine.png,cat\n"


def test_a_list_laid_into_a_made_folder_is_not_written_over(images: Path, dataset: Path) -> None:
    (dataset / "train.csv").write_text("path,label\nmine.png,cat\n", encoding="utf-8")
    assert fetch(settings(images), dataset) != 0
    assert (dataset / "train.csv").read_text(encoding="utf-8").startswith("path,label")


def test_what_a_killed_fetch_left_behind_is_written_anew(images: Path, dataset: Path) -> None:
    (dataset / "dataset.json").unlink()
    (dataset / RECORD_FILE).write_text('{"format": 1}', encoding="utf-8")
    assert fetch(settings(images), dataset) == 0


def test_a_record_of_a_version_without_fit_and_classes_still_fits(images: Path, dataset: Path) -> None:
    record = json.loads((dataset / RECORD_FILE).read_text(encoding="utf-8"))
    del record["settings"]["fit"], record["settings"]["classes"]
    (dataset / RECORD_FILE).write_text(json.dumps(record), encoding="utf-8")
    assert find_changes(settings(images, fit="crop", classes=None), dataset) is None
    assert "fit was 'crop', now it is 'squash'" in str(find_changes(settings(images, fit="squash"), dataset))


def of_folder(images: Path, **changes: Any) -> dict[str, Any]:
    """The `dataset` section of a study of class folders."""
    return {"name": "image-folder", "image-folder": section(images, **changes)}


@pytest.fixture(params=["folder", "zip"])
def class_folders(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A folder of class folders, or a zip file of it."""
    folder = one_folder(tmp_path / "birds", 6)
    return folder if request.param == "folder" else pack(folder, tmp_path / "birds.zip")


@pytest.fixture
def divided(tmp_path: Path, class_folders: Path) -> Path:
    """The data set made from it by the command."""
    folder = tmp_path / "resources" / "birds"
    assert fetch(of_folder(class_folders), folder) == 0
    return folder


def change(class_folders: Path, name: str, content: bytes | None) -> None:
    """Write or remove a file, also in the zip file."""
    folder = class_folders.with_suffix("")
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(content)
    if class_folders.suffix == ".zip":
        pack(folder, class_folders)


@pytest.mark.parametrize(
    ("name", "content"), [("cat/new.png", png(noise(90))), ("cat/0.png", png(noise(91))), ("cat/0.png", None)]
)
def test_images_that_come_change_or_go_are_seen(
    class_folders: Path, divided: Path, name: str, content: bytes | None
) -> None:
    assert find_changes(of_folder(class_folders), divided) is None
    change(class_folders, name, content)
    reason = str(find_changes(of_folder(class_folders), divided))
    assert (name if class_folders.is_dir() else "birds.zip") in reason
    assert fetch(of_folder(class_folders), divided) == 0
    assert find_changes(of_folder(class_folders), divided) is None


def test_texts_beside_the_images_change_nothing(tmp_path: Path) -> None:
    folder = one_folder(tmp_path / "birds", 6)
    assert fetch(of_folder(folder), tmp_path / "out") == 0
    (folder / "README.txt").write_text("birds", encoding="utf-8")
    assert find_changes(of_folder(folder), tmp_path / "out") is None


@pytest.mark.parametrize("change", [{"test_share": 0.5}, {"split_seed": 3}, {"fit": "squash"}])
def test_settings_of_the_division_are_compared(class_folders: Path, divided: Path, change: dict[str, Any]) -> None:
    assert next(iter(change)) in str(find_changes(of_folder(class_folders, **change), divided))


def test_a_division_that_was_edited_or_lost_is_seen(class_folders: Path, divided: Path) -> None:
    table = divided / "split-seed0-share0.2.csv"
    table.write_text(table.read_text(encoding="utf-8").replace(",test,", ",train,", 1), encoding="utf-8")
    assert "split-seed0-share0.2.csv changed since" in str(find_changes(of_folder(class_folders), divided))
    table.unlink()
    assert "split-seed0-share0.2.csv was lost" in str(find_changes(of_folder(class_folders), divided))


def test_class_folders_may_be_unplugged_while_nothing_is_changed(class_folders: Path, divided: Path) -> None:
    if class_folders.is_dir():
        shutil.rmtree(class_folders)
    else:
        class_folders.unlink()
    assert find_changes(of_folder(class_folders), divided) is None
    with pytest.raises(DatasetError, match=r"dataset\.image-folder\.folder: found .*no such folder.*split_seed"):
        find_changes(of_folder(class_folders, split_seed=1), divided)


def test_a_folder_without_its_record_is_read_again(class_folders: Path, divided: Path) -> None:
    (divided / RECORD_FILE).unlink()
    assert RECORD_FILE in str(find_changes(of_folder(class_folders), divided))
