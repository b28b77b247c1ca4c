"""`predict` labels images as the training did: the same way to pixels, the same numbers, no image without a word."""

from __future__ import annotations

import csv
import inspect
import io
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from smallmix.commands.main import main
from smallmix.datasets.image_decoding import decode_images
from smallmix.errors import SmallmixError
from smallmix.study.layout import WEIGHTS_FILE, kept_network_file
from smallmix.study.study import Study
from smallmix.training.prediction import predict_images
from smallmix.training.weights import read_weights

from tests.tiny_cell import TinyData, tiny_cell
from tests.tiny_study import TinyStudy

PLACE = "n20/non/seed0"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> TinyStudy:
    """A study that keeps its networks, with one cell trained."""
    root = tmp_path_factory.mktemp("project")
    study = TinyStudy.write(root, iterations=120, every=40)
    configuration = {**study.layout.study.configuration, "keep": {"weights": "final"}}
    layout = replace(study.layout, study=Study.from_configuration(configuration))
    layout.study_file.write_text(layout.study.to_json() + "\n", encoding="utf-8")
    made = TinyStudy(layout)
    made.train(PLACE, keep_weights=True)
    return made


@pytest.fixture(scope="module")
def images(project: TinyStudy, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The test images of the study as files, named by their rows."""
    folder = tmp_path_factory.mktemp("images")
    for row, pixels in enumerate(np.load(project.layout.dataset / "test_images.npy")):
        Image.fromarray(pixels[:, :, 0]).save(folder / f"{row:03}.png")
    return folder


def weights_of(project: TinyStudy) -> Path:
    return project.layout.cell(project.cell(PLACE)) / WEIGHTS_FILE


def stored_logits(project: TinyStudy) -> np.ndarray:
    with np.load(weights_of(project).with_name("predictions.npz")) as stored:
        return np.asarray(stored["logits"])


def rows_in(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def predict(*words: str | Path) -> int:
    return main(["predict", *map(str, words)])


def test_the_test_images_get_the_labels_of_the_training(
    project: TinyStudy, images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert predict(project.layout.study_file.parent, PLACE, images, "--device", "cpu") == 0
    rows = rows_in(capsys.readouterr().out)
    wanted = stored_logits(project)
    assert len(set(wanted.argmax(axis=1))) > 3  # the network tells some classes apart
    assert [row["file"] for row in rows] == [str(path) for path in sorted(images.iterdir())]
    assert [int(row["label"]) for row in rows] == wanted.argmax(axis=1).tolist()
    exponentials = np.exp(wanted.astype(np.float64))
    probabilities = exponentials / exponentials.sum(axis=1, keepdims=True)
    found = np.array([[float(row[f"probability_{name}"]) for name in range(10)] for row in rows])
    assert np.abs(found - probabilities).max() < 2e-3  # the stored logits are of 16 bits
    assert np.allclose([float(row["probability"]) for row in rows], found.max(axis=1), rtol=1e-5)
    assert np.allclose(found.sum(axis=1), 1, atol=1e-4)


def test_the_logits_are_those_of_the_training_bit_for_bit(project: TinyStudy, images: Path) -> None:
    files = [str(path) for path in sorted(images.iterdir())]
    (part,) = predict_images(read_weights(weights_of(project)), files, "cpu")
    assert np.array_equal(part.logits.astype(np.float16), stored_logits(project))


def test_a_file_alone_is_enough(project: TinyStudy, images: Path, tmp_path: Path) -> None:
    alone = tmp_path / "elsewhere" / "my-network.safetensors"
    alone.parent.mkdir()
    shutil.copy(weights_of(project), alone)
    output = tmp_path / "new" / "labels.csv"
    assert predict(alone, images / "000.png", images / "007.png", "--output", output) == 0
    rows = rows_in(output.read_text(encoding="utf-8"))
    assert list(rows[0]) == ["file", "label", "probability", *(f"probability_{name}" for name in range(10))]
    wanted = stored_logits(project).argmax(axis=1)
    assert [(row["file"], int(row["label"])) for row in rows] == [
        (str(images / f"{row:03}.png"), wanted[row]) for row in (0, 7)
    ]


def test_images_are_brought_to_the_form_of_the_training(
    project: TinyStudy, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A coloured, larger photograph that is no square is read as `fetch-dataset` reads it."""
    square = np.asarray(Image.open(images / "003.png"))
    wide = np.full((16, 24, 3), 255, dtype=np.uint8)
    wide[:, 4:20] = square.repeat(2, axis=0).repeat(2, axis=1)[:, :, None]
    Image.fromarray(wide).save(tmp_path / "wide.png")
    decoded = decode_images([str(tmp_path / "wide.png")], 8, "grey").pixels
    Image.fromarray(decoded[0, :, :, 0]).save(tmp_path / "as-decoded.png")
    assert predict(weights_of(project), tmp_path / "wide.png", tmp_path / "as-decoded.png") == 0
    (from_wide, plain) = rows_in(capsys.readouterr().out)
    assert {**from_wide, "file": ""} == {**plain, "file": ""}


@pytest.mark.skipif(
    "fit" not in inspect.signature(decode_images).parameters, reason="images become square by a crop alone"
)
@pytest.mark.parametrize("fit", ["pad", "squash"])
def test_images_become_square_as_those_of_the_training_did(project: TinyStudy, tmp_path: Path, fit: Any) -> None:
    network = read_weights(weights_of(project))
    cell = network.description.cell
    told = replace(network.description, cell=replace(cell, dataset=replace(cell.dataset, fit=fit)))
    wide = str(tmp_path / "wide.png")
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (8, 24), dtype=np.uint8)).save(wide)
    decode: Any = decode_images
    Image.fromarray(decode([wide], 8, "grey", fit=fit).pixels[0, :, :, 0]).save(tmp_path / "square.png")
    (part,) = predict_images(replace(network, description=told), [wide, str(tmp_path / "square.png")], "cpu")
    assert np.array_equal(part.logits[0], part.logits[1])


def test_what_had_to_be_done_to_images_is_said(
    project: TinyStudy, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.fromarray(np.arange(16, dtype=np.uint8).reshape(4, 4) * 9).save(tmp_path / "small.png")
    assert predict(weights_of(project), tmp_path / "small.png") == 0
    told = capsys.readouterr().err
    assert "1 of 1 images" in told
    assert "are smaller than 8 x 8 pixels and were enlarged" in told


def test_unreadable_images_are_named_and_the_others_predicted(
    project: TinyStudy, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "broken.png").write_bytes((images / "001.png").read_bytes()[:40])
    (tmp_path / "empty.jpg").touch()
    shutil.copy(images / "002.png", tmp_path / "whole.png")
    assert predict(weights_of(project), tmp_path, images / "000.png") == 3
    captured = capsys.readouterr()
    assert [Path(row["file"]).name for row in rows_in(captured.out)] == ["whole.png", "000.png"]
    assert "2 of 4 images cannot be read and have no prediction" in captured.err
    assert f"{tmp_path / 'broken.png'} " in captured.err
    assert f"{tmp_path / 'empty.jpg'} is an empty file" in captured.err
    assert captured.err.strip().endswith("Mend these files, or leave them out.")


def test_many_images_are_predicted_in_whole_batches(
    project: TinyStudy, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several parts give what one part gives, whatever cannot be read in between."""
    from smallmix.training import prediction

    files = [str(path) for path in sorted(images.iterdir())]
    (whole,) = predict_images(read_weights(weights_of(project)), files, "cpu")
    monkeypatch.setattr(prediction, "BATCH_SIZE", 8)
    monkeypatch.setattr(prediction, "MOST_BATCHES", 1)
    done: list[int] = []
    parts = list(predict_images(read_weights(weights_of(project)), files, "cpu", report=done.append))
    assert done == [8, 16, 24, 32, 40]
    assert np.concatenate([part.labels for part in parts]).tolist() == whole.labels.tolist()
    assert np.allclose(np.concatenate([part.logits for part in parts]), whole.logits, atol=1e-5)


def test_folders_are_searched_and_what_is_no_image_is_counted(
    project: TinyStudy, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for place in ("b/deep/1.PNG", "a/2.png", ".hidden/3.png", "__MACOSX/4.png", ".5.png"):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(images / "000.png", tmp_path / place)
    (tmp_path / "a" / "notes.txt").write_text("no image", encoding="utf-8")
    assert predict(weights_of(project), tmp_path) == 0
    captured = capsys.readouterr()
    assert [row["file"] for row in rows_in(captured.out)] == [
        str(tmp_path / place) for place in ("a/2.png", "b/deep/1.PNG")
    ]
    assert f"passed over, because its ending is no image's: 1 file (first: {tmp_path / 'a/notes.txt'})" in captured.err


def test_paths_that_do_not_exist_and_empty_folders_are_named_together(
    project: TinyStudy, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    assert predict(weights_of(project), images / "000.png", tmp_path / "nowhere.png", tmp_path / "empty") == 3
    captured = capsys.readouterr()
    assert captured.out == ""
    assert f"there is no {tmp_path / 'nowhere.png'}" in captured.err
    assert f"the folder {tmp_path / 'empty'} holds no images" in captured.err


def test_names_that_are_no_text_are_kept(project: TinyStudy, images: Path, tmp_path: Path) -> None:
    name = tmp_path / b'caf\xe9, "quoted".png'.decode("utf-8", "surrogateescape")
    shutil.copy(images / "000.png", name)
    output = tmp_path / "labels.csv"
    assert predict(weights_of(project), name, "--output", output) == 0
    (row,) = rows_in(output.read_text(encoding="utf-8", errors="surrogateescape"))
    assert row["file"] == str(name)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["STUDY"], "a study, a cell and images are needed"),
        (["STUDY", PLACE], "a study, a cell and images are needed"),
        (["STUDY", "n7/non/seed0", "x.png"], "has no cell n7/non/seed0"),
        (
            ["STUDY", "n20/data-mix/seed0", "x.png"],
            "the cell n20/data-mix/seed0 is not trained yet. Run the study tiny.",
        ),
        (["WEIGHTS"], "no images are named"),
        (["nothing.safetensors", "x.png"], "there is no nothing.safetensors"),
        (["WEIGHTS", "IMAGE", "--device", "cuda"], "--device cuda: PyTorch sees no usable CUDA GPU"),
    ],
)
def test_calls_that_cannot_be_done_say_why(
    project: TinyStudy, images: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    if "cuda" in words and torch.cuda.is_available():
        pytest.skip("there is a GPU")
    places = {"STUDY": project.layout.study_file.parent, "WEIGHTS": weights_of(project), "IMAGE": images / "000.png"}
    assert predict(*(places.get(word, word) for word in words)) in (1, 2)
    captured = capsys.readouterr()
    assert said in captured.err
    assert captured.out == ""


def test_a_study_that_keeps_no_networks_says_how_to_keep_them(
    tmp_path: Path, images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = TinyStudy.write(tmp_path)
    study.train(PLACE)
    assert predict(study.layout.results, PLACE, images) == 1
    assert "study tiny keeps no networks. Write keep: {weights: final} into" in capsys.readouterr().err


def test_a_network_of_other_numbers_is_not_taken(
    project: TinyStudy, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "copy"
    shutil.copytree(project.layout.root, root)
    layout = replace(project.layout, root=root)
    folder = layout.cell(project.cell(PLACE))
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    (folder / "metrics.json").write_text(json.dumps({**metrics, "weights_sha256": "0" * 64}), encoding="utf-8")
    assert predict(layout.results, PLACE, images) == 1
    assert "is not the network that the numbers beside it are of. Delete it and run" in capsys.readouterr().err
    (folder / "metrics.json").unlink()
    assert predict(layout.results, PLACE, images) == 1
    assert "it says whose network lies beside it" in capsys.readouterr().err


def test_a_network_of_the_users_own_wants_its_file(tmp_path: Path) -> None:
    """Without the file nothing is run; the file of weights holds no code."""
    data, cell = TinyData.write(tmp_path), tiny_cell(iterations=2)
    output, _ = data.train(cell, tmp_path, keep_weights=True)
    network = read_weights(output / WEIGHTS_FILE)
    own = replace(cell, model=replace(cell.model, name="my_network.py:build"))
    named = replace(network, description=replace(network.description, cell=own))
    with pytest.raises(SmallmixError, match=r"was not handed over\. Give its path by --own-code my_network\.py"):
        named.build()


def test_a_kept_network_predicts_by_its_folder_and_cell(
    project: TinyStudy, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever lies in the results of that name here."""
    folder = tmp_path / "kept"
    network = folder / kept_network_file(PLACE)
    network.parent.mkdir(parents=True)
    shutil.copy(weights_of(project), network)
    shutil.copy(project.layout.study_file, folder / "study.json")
    (folder / "metrics.csv").touch()
    listed = read_weights(network).description.weights_sha256
    (folder / "MODEL_CARD.md").write_text(f"| {network.name} | `{listed}` |", encoding="utf-8")
    options = (PLACE, images, "--device", "cpu", "--root", tmp_path)
    assert predict(folder, *options) == 0
    rows = rows_in(capsys.readouterr().out)
    assert [int(row["label"]) for row in rows] == stored_logits(project).argmax(axis=1).tolist()
    network.unlink()
    assert predict(folder, *options) == 2
    told = capsys.readouterr().err
    assert f"the network of {PLACE} is not kept" in told
    assert f"smallmix keep {project.layout.study.name} --weights {PLACE}" in told


@pytest.mark.parametrize("other", ["numbers", "configuration"])
def test_a_network_that_an_earlier_keep_left_is_not_taken_for_that_of_the_kept_numbers(
    project: TinyStudy, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], other: str
) -> None:
    folder = tmp_path / "kept"
    network = folder / kept_network_file(PLACE)
    network.parent.mkdir(parents=True)
    shutil.copy(weights_of(project), network)
    study, listed = project.layout.study, read_weights(network).description.weights_sha256
    if other == "configuration":
        recipe = {**study.configuration["recipe"], "momentum": 0.5}
        study = Study.from_configuration({**study.configuration, "recipe": recipe})
    else:
        listed = "0" * 64
    (folder / "study.json").write_text(study.to_json(), encoding="utf-8")
    (folder / "metrics.csv").touch()
    (folder / "MODEL_CARD.md").write_text(f"| {network.name} | `{listed}` |", encoding="utf-8")
    options = ("--device", "cpu", "--root", tmp_path)
    assert predict(folder, PLACE, images, *options) == 2
    told = capsys.readouterr().err
    assert f"{network} is not the network of the kept numbers" in told
    assert "or name the file itself to use it." in told
    assert predict(network, images, *options) == 0
    (folder / "MODEL_CARD.md").unlink()
    assert predict(folder, PLACE, images, *options) == 2


def test_a_network_of_another_configuration_is_refused(
    project: TinyStudy, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(project.layout.root, tmp_path, dirs_exist_ok=True)
    study = project.layout.study
    recipe = {**study.configuration["recipe"], "momentum": 0.5}
    changed = Study.from_configuration({**study.configuration, "recipe": recipe})
    results = replace(project.layout, study=changed, root=tmp_path)
    results.study_file.write_text(changed.to_json() + "\n", encoding="utf-8")
    assert predict(results.results, PLACE, images, "--root", tmp_path) == 1
    assert f"was trained by another configuration of {PLACE} than the one that is named." in capsys.readouterr().err
