"""A study in a small folder, to be trained on a machine without the workflow's packages or a network.

It is resolved where these packages are: study.json holds the resolved configuration, images.tar.xz the user's images
and their lists (or the arrays, for other data sets). On the other machine, arrays and subsets are made from them by
smallmix's own code, so that cells trained there are found by their content at home.
"""

from __future__ import annotations

import json
import shutil
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from smallmix import atomic_files
from smallmix.datasets.fetch import fetch_dataset
from smallmix.datasets.image_list import TEST_LIST, TRAIN_LIST, Problems, read_image_list
from smallmix.errors import SmallmixError
from smallmix.study.layout import DATASET_FILES, Layout
from smallmix.study.study import Study
from smallmix.training.subset_tables import extract_subset
from smallmix.training.validation_table import draw_validation

STUDY_FILE = "study.json"
IMAGES_FILE = "images.tar.xz"
OVERLAY_FILE = "images.yaml"
IMAGE_LIST = "image-list"


def prepare(
    configfiles: Sequence[Path], folder: Path, images: Path | None, title: str | None, *, packed: bool = True
) -> int:
    """Write the study of some configuration files into `folder`, ready to be carried; return the folder's bytes.

    Without `packed` the images stay here: a second study of the same images needs them once.
    `images` (a folder with train.csv and test.csv) takes the place of the study's own data set, under `title`. That is
    another study, named after both. Its overlay completes it at home. Needs the workflow's packages.
    """
    from smallmix.study.configuration import load_study
    from smallmix.study.study_names import study_files

    folder.mkdir(parents=True, exist_ok=True)
    study = load_study(study_files([str(path) for path in configfiles]))
    if images is not None:
        overlay = folder / OVERLAY_FILE
        atomic_files.write_text(overlay, _on_images(study, images, title))
        study = load_study(study_files([str(path) for path in (*configfiles, overlay)]))
    if packed:
        _pack_images(study.configuration["dataset"], folder)
    atomic_files.write_text(folder / STUDY_FILE, study.to_json() + "\n")
    return sum(path.stat().st_size for path in folder.iterdir() if path.is_file())


def unpack(folder: Path, root: Path) -> Layout:
    """Bring arrays and subsets of a prepared study below `root`, where they are not yet; return the study's paths."""
    study = Study.load(folder / STUDY_FILE)
    layout = Layout(study, root)
    if not (layout.dataset / "dataset.json").exists():
        settings = study.configuration["dataset"]
        target = root / "images" if settings["name"] == IMAGE_LIST else layout.dataset
        _extract(folder / IMAGES_FILE, target)
        if settings["name"] == IMAGE_LIST:
            fetch_dataset({**settings, IMAGE_LIST: {**settings[IMAGE_LIST], "folder": str(target)}}, layout.dataset)
    atomic_files.write_text(layout.study_file, study.to_json() + "\n")
    classes = json.loads((layout.dataset / "dataset.json").read_text(encoding="utf-8"))["classes"]
    for cell in study.cells:
        if not layout.subset(cell).exists():
            extract_subset(cell.value.subset, layout.dataset / "train.csv", classes, layout.subset(cell))
    if layout.validation is not None and study.validation_draw is not None and not layout.validation.exists():
        draw_validation(study.validation_draw, layout.dataset / "train.csv", classes, layout.validation)
    return layout


def _pack_images(settings: Mapping[str, Any], folder: Path) -> None:
    # Written first to another name, as whole archives alone are of use.
    unfinished = folder / f"{IMAGES_FILE}.unfinished"
    with tarfile.open(unfinished, "w:xz") as archive:
        if settings["name"] == IMAGE_LIST:
            for name in _listed(Path(settings[IMAGE_LIST]["folder"])):
                archive.add(Path(settings[IMAGE_LIST]["folder"]) / name, name, filter=_anonymous)
        else:
            _add_arrays(archive, settings, folder)
    unfinished.replace(folder / IMAGES_FILE)


def _on_images(base: Study, images: Path, title: str | None) -> str:
    """Return the overlay that makes of `base` the study of a folder of images of 32 x 32 pixels in color."""
    if not images.is_dir():
        raise SmallmixError(f"there is no folder {images}; name the folder that holds train.csv and test.csv")
    name = images.resolve().name
    section = {
        "folder": str(images.resolve()),
        "identifier": name,
        "title": title or name,
        "image_size": 32,
        "color": "rgb",
    }
    overlay = {
        "study": f"{base.name}-{name}",
        "title": f"{base.title}, on {title or name}",
        "description": base.configuration["description"],
        "dataset": {"name": IMAGE_LIST, IMAGE_LIST: section},
    }
    # JSON is YAML.
    return "".join(f"{key}: {json.dumps(value, ensure_ascii=False)}\n" for key, value in overlay.items())


def _listed(images: Path) -> Iterator[str]:
    """Yield the lists and the images that they name, each once, in the lists' order."""
    problems = Problems()
    rows = [row.path for name in (TRAIN_LIST, TEST_LIST) for row in read_image_list(images / name, problems)]
    if len(problems):
        raise SmallmixError(f"the lists in {images} cannot be read. Fetch the data set with snakemake to see why.")
    yield from (TRAIN_LIST, TEST_LIST, *dict.fromkeys(rows))


def _add_arrays(archive: tarfile.TarFile, settings: Mapping[str, Any], folder: Path) -> None:
    arrays = folder / "arrays"
    try:
        fetch_dataset(settings, arrays)
        for name in DATASET_FILES:
            archive.add(arrays / name, name, filter=_anonymous)
    finally:
        shutil.rmtree(arrays, ignore_errors=True)


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Leave out who owned a file and when it was written: equal studies are equal bytes."""
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mtime = 0
    return member


def _extract(archive: Path, target: Path) -> None:
    try:
        with tarfile.open(archive, "r:xz") as tar:
            tar.extractall(target, filter="data")
    except (OSError, tarfile.TarError, EOFError) as error:
        raise SmallmixError(
            f"cannot unpack {archive}: {error}. Write it again with `python -m benchmarks.gpu_run --prepare`."
        ) from error
