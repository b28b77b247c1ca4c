"""Protects the user's files from `make clean`: only what runs made is removed."""

from __future__ import annotations

import json
from pathlib import Path

from smallmix.snakemake_files.made_files import find_made_files, remove_made_files

MADE = (
    "results/store/0a1b/finished/metrics.json",
    "results/store/0a1b/log.txt",
    "results/slots/card0.lock",
    "results/tiny/study.json",
    "results/tiny/metrics.csv",
    "results/tiny/summary.csv",
    "results/tiny/claims.csv",
    "results/tiny/subsets/n10-seed3.csv",
    "results/tiny/so-far/cells.csv",
    "results/tiny/cells/n10/label-mix/seed0/predictions.npz",
    "results/tiny/cells/n10/label-mix/seed0/failure.json",
    "results/tiny/cells/n10/label-mix/seed0/model.safetensors",
    "resources/birds/train_images.npy",
    "resources/birds/train.csv",
    "resources/birds/made_from.json",
    "logs/tiny/cells/n10/label-mix/seed0.log",
    "logs/tiny/cells/n10/label-mix/seed0.tsv",
    "logs/datasets/birds.log",
    "reports/index.html",
    "reports/tiny/report.html",
    "reports/tiny/figures/loss_curves.png",
    "reports/tiny/figures/loss_curves_narrow.svg",
    "reports/tiny/so-far/figures/loss_curves.json",
    ".snakemake/metadata/abc",
)
OWN = (
    "results/notes.txt",
    "results/tiny/my-plot.png",
    "results/tiny/cells/n10/label-mix/seed0/thoughts.md",
    "results/tiny/my-network.safetensors",
    "resources/photos/train.csv",
    "resources/photos/train-0.png",
    "resources/birds/holiday.jpg",
    "resources/birds/split-seed0-share0.2.csv",
    "resources/downloads/cifar-10-python.tar.gz",
    "logs/diary.log",
    "logs/tiny/notes.tsv",
    "reports/README.md",
    "reports/reference/small-end/report.html",
    "reports/tiny/figures/edited-by-hand.pdf",
    "config.yaml",
    "data/x.png",
)


def fill(root: Path) -> None:
    """Fill a project's folder as after a run, with files of the user's in between."""
    for name in (*MADE, *OWN):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("row,label,class\n" if name == "resources/birds/train.csv" else "x", encoding="utf-8")
    description = {"format": 1, "checksums": {}, "train_count": 3}
    (root / "resources/birds/dataset.json").write_text(json.dumps(description), encoding="utf-8")


def test_only_what_runs_made_is_removed(tmp_path: Path) -> None:
    fill(tmp_path)
    left = remove_made_files(find_made_files(tmp_path), tmp_path)
    there = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert there == set(OWN)
    reported = {str(path.relative_to(tmp_path)) for path in left}
    assert {"results/notes.txt", "resources/photos/train-0.png", "resources/birds/holiday.jpg"} <= reported
    assert "resources/birds/split-seed0-share0.2.csv" not in reported, "a run made it, and it is kept"
    assert not (tmp_path / ".snakemake").exists()
    assert not (tmp_path / "results/store").exists()


def test_links_are_not_followed(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "metrics.csv").write_text("mine", encoding="utf-8")
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "tiny").symlink_to(photos)
    remove_made_files(find_made_files(tmp_path), tmp_path)
    assert (photos / "metrics.csv").read_text(encoding="utf-8") == "mine"


def test_empty_folders_of_the_users_stay(tmp_path: Path) -> None:
    fill(tmp_path)
    (tmp_path / "resources" / "disk-goes-here").mkdir()
    remove_made_files(find_made_files(tmp_path), tmp_path)
    assert (tmp_path / "resources" / "disk-goes-here").is_dir()
    assert find_made_files(tmp_path) == []
