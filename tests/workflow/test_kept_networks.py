"""`keep.weights` from the configuration to a label: one more output of a training, which changes no other one."""

from __future__ import annotations

import csv
import io
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image
from smallmix.study.layout import WEIGHTS_FILE

from tests.workflow.study_run import StudyRun
from tests.workflow.test_what_reruns import AFTER_TRAINING

PLACE = "n20/label-mix/seed0"
KEEP = "\nkeep: {weights: final}\n"


def cell_files(study: StudyRun) -> dict[Path, bytes]:
    """The files of all cells, but for their networks."""
    files = sorted((study.folder / "results/tiny/cells").rglob("*"))
    return {path: path.read_bytes() for path in files if path.is_file() and path.name != WEIGHTS_FILE}


def networks(study: StudyRun) -> list[Path]:
    return sorted((study.folder / "results/tiny/cells").rglob(WEIGHTS_FILE))


def smallmix(study: StudyRun, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "workflow", *words]
    return subprocess.run(command, cwd=study.folder, capture_output=True, text=True, check=False)


def test_networks_are_kept_used_and_let_go(study: StudyRun) -> None:
    before = cell_files(study)
    assert networks(study) == []
    configuration = (study.folder / "tiny.yaml").read_text(encoding="utf-8")
    (study.folder / "tiny.yaml").write_text(configuration + KEEP, encoding="utf-8")

    assert study.planned() == {**AFTER_TRAINING, "train_cell": 6}
    study.run()
    assert len(networks(study)) == 6
    assert cell_files(study) == before  # trained again, to the same bytes; the stored record is published
    assert study.planned() == {}

    pixels = np.load(study.folder / "resources/digits/test_images.npy")[:20, :, :, 0]
    (study.folder / "photos").mkdir()
    for row, image in enumerate(pixels):
        Image.fromarray(image).save(study.folder / "photos" / f"{row:02}.png")
    done = smallmix(study, "predict", "tiny.yaml", PLACE, "photos")
    assert done.returncode == 0, done.stderr
    labels = [int(row["label"]) for row in csv.DictReader(io.StringIO(done.stdout))]
    with np.load(study.cell(PLACE) / "predictions.npz") as stored:
        assert labels == stored["logits"][:20].argmax(axis=1).tolist()

    lost = study.cell(PLACE) / WEIGHTS_FILE
    content = lost.read_bytes()
    lost.unlink()
    assert study.planned()["train_cell"] == 1
    study.run("cells")
    assert lost.read_bytes() == content
    log = study.folder / f"logs/tiny/cells/{PLACE}.log"
    assert "found in the store" in log.read_text(encoding="utf-8")

    (study.folder / "tiny.yaml").write_text(configuration, encoding="utf-8")
    assert "train_cell" not in study.planned()
    listed = smallmix(study, "store", "list")
    assert listed.returncode == 0, listed.stderr
    assert listed.stdout.count("finished, network kept") == 6
    assert "tiny " + PLACE in listed.stdout
    made = smallmix(study, "clean")
    assert made.returncode == 0, made.stderr
    assert networks(study) == []
