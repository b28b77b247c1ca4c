"""Protects the promise that nothing outdated is taken for current, where Snakemake's records do not tell."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from smallmix.errors import ConfigurationError
from smallmix.planning import start
from smallmix.planning.images_suffice import refuse_too_large, refuse_unfit_network
from smallmix.planning.start import (
    check_start,
    check_storage,
    find_contradicted,
    find_outdated,
    keep_copied,
)
from smallmix.snakemake_files.records import FOLDER, RECORDS, mark, record_name
from smallmix.study.layout import DATASET_FILES, STORE, Layout
from smallmix.study.study import Study
from smallmix.tables import collect
from smallmix.training.store import StoreEntry, store_key

from tests.synthetic_configuration import build_configuration
from tests.synthetic_study import CODE_FINGERPRINT, Damage, SyntheticStudy, build_synthetic_study

PLACE = "n100/non/seed0"


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SyntheticStudy:
    """A finished study without records of Snakemake's, made by the training code as it is now."""
    for module in (collect, start):
        monkeypatch.setattr(module, "training_code", lambda cell: CODE_FINGERPRINT)
    study = build_synthetic_study(tmp_path, sizes=(100, 50), seeds=(0,))
    for name in DATASET_FILES:
        path = study.layout.dataset / name
        path.touch()
    return study


def metrics_of(made: SyntheticStudy, place: str = PLACE) -> Path:
    """The metrics.json of a cell."""
    return made.folder(place) / "metrics.json"


def record(made: SyntheticStudy) -> None:
    """Let Snakemake have a record of having made everything."""
    for path in [made.layout.study_file, *made.layout.results.rglob("*.json")]:
        file = made.root / RECORDS / record_name(path.relative_to(made.root))
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("{}", encoding="utf-8")


def list_study(root: Path, images: int, size: int) -> Layout:
    """A study of `size` training images on a list of `images`; nothing is fetched."""
    folder = root / "photos"
    folder.mkdir()
    rows = "".join(f"{number}.png,{number % 2}\n" for number in range(images))
    (folder / "train.csv").write_text(f"path,label\n{rows}", encoding="utf-8")
    configuration = build_configuration(sizes=(size,), dataset="image-list")
    settings = {**configuration["dataset"]["image-list"], "folder": str(folder)}
    configuration["dataset"] = {"name": "image-list", "image-list": settings}
    return Layout(Study.from_configuration(configuration), root)


def test_more_images_than_were_fetched_are_refused_before_anything_runs(made: SyntheticStudy) -> None:
    study = Study.from_configuration(build_configuration(sizes=(5000, 50), seeds=(0,)))
    with pytest.raises(ConfigurationError, match=r"subsets\.sizes: 5,000: the data set has only 100 training images"):
        refuse_too_large(Layout(study, made.root), fetched=True)
    refuse_too_large(Layout(study, made.root), fetched=False)  # the arrays are another data set's


def with_network(model: dict[str, Any], methods: dict[str, Any] | None = None) -> Study:
    """Return a small study on images of 32 pixels with another network."""
    configuration = build_configuration(sizes=(50,), seeds=(0,))
    configuration["model"] = {"width": 0, "blocks": [], "parameters": {}, **model}
    if methods:
        configuration["methods"] = methods
    return Study.from_configuration(configuration)


def test_a_network_that_does_not_take_the_images_is_refused_before_anything_runs(
    made: SyntheticStudy, tmp_path: Path
) -> None:
    file = tmp_path / "my_network.py"
    text = "from torch import nn\n\n\ndef build(channels, classes):\n    return nn.Conv2d(channels, {}, 1)\n"
    file.write_text(text.format(3), encoding="utf-8")
    study = with_network({"name": f"{file}:build"})
    with pytest.raises(ConfigurationError, match=r"my_network.py:build: .* logits float \[2, 10\] are wanted"):
        refuse_unfit_network(Layout(study, made.root), fetched=False)
    with pytest.raises(ConfigurationError, match="are wanted"):
        check_start(Layout(study, made.root))
    refuse_unfit_network(made.layout, fetched=True)


@pytest.mark.parametrize("stages", [0, 2])
def test_a_network_without_the_stages_of_a_method_is_refused(tmp_path: Path, stages: int) -> None:
    file = tmp_path / f"my_network_{stages}.py"
    file.write_text(
        "from torch import nn\n\n\nclass Net(nn.Sequential):\n    pass\n\n\ndef build(channels, classes):\n"
        "    net = Net(nn.Flatten(), nn.Linear(1024 * channels, classes))\n"
        f"    net.stages = {stages}\n    return net\n",
        encoding="utf-8",
    )
    methods = {"inside": {"mix": "none", "beta": None, "parameters": {"stages": [0, 2]}}}
    layout = Layout(with_network({"name": f"{file}:build"}, methods), tmp_path)
    if stages:
        refuse_unfit_network(layout, fetched=False)
    else:
        with pytest.raises(ConfigurationError, match=r"wants the stages 0, 2 of the network, and .* has no stages"):
            refuse_unfit_network(layout, fetched=False)


def test_more_images_than_the_list_names_are_refused_before_they_are_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"subsets\.sizes: 13: the data set has only 12 training images"):
        refuse_too_large(list_study(tmp_path, images=12, size=13), fetched=True)


def test_more_validation_images_than_the_list_leaves_are_refused(tmp_path: Path) -> None:
    layout = list_study(tmp_path, images=20, size=13)
    configuration = layout.study.configuration
    for wanted in (7, 8):
        evaluation = {**configuration["evaluation"], "validation_images": wanted}
        study = Study.from_configuration({**configuration, "evaluation": evaluation})
        if wanted == 7:
            refuse_too_large(Layout(study, tmp_path), fetched=True)
            continue
        with pytest.raises(ConfigurationError, match=r"validation_images: 8: the largest size leaves 7 .* at most 7"):
            refuse_too_large(Layout(study, tmp_path), fetched=True)


def test_as_many_images_as_the_list_names_are_enough(tmp_path: Path) -> None:
    refuse_too_large(list_study(tmp_path, images=12, size=12), fetched=True)


def test_a_missing_folder_is_named_by_its_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    layout = list_study(tmp_path, images=12, size=13)
    (tmp_path / "photos" / "train.csv").unlink()
    refuse_too_large(layout, fetched=True)
    assert f"dataset.image-list.folder: there is no {tmp_path / 'photos' / 'train.csv'}" in capsys.readouterr().err


def test_a_copy_that_fits_is_not_refused(made: SyntheticStudy) -> None:
    assert find_outdated(made.layout) == []
    assert find_contradicted(made.layout) == {}
    assert check_start(made.layout) == {}


@pytest.mark.parametrize("how", ["cell", "code", "data", "truncated", "edited", "no-history", "no-predictions"])
def test_a_copy_that_does_not_fit_is_refused_as_collection_judges(made: SyntheticStudy, how: Damage) -> None:
    check_start(made.layout)  # what was found in order once is not taken for granted
    made.damage(PLACE, how)
    assert set(check_start(made.layout)) == {metrics_of(made)}
    assert set(find_contradicted(made.layout)) == {metrics_of(made)}


@pytest.mark.parametrize("how", ["cell", "code", "data", "truncated"])
def test_what_a_run_here_made_is_marked_to_be_made_again(
    made: SyntheticStudy, how: Damage, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(made)
    made.damage(PLACE, how)
    marked: list[Path] = []
    monkeypatch.setattr(start, "mark", lambda wanted, known, root: marked.extend(wanted))
    assert check_start(made.layout) == {}
    assert marked == [metrics_of(made)]


def test_a_copied_study_may_be_enlarged(made: SyntheticStudy, monkeypatch: pytest.MonkeyPatch) -> None:
    marked: list[Path] = []
    monkeypatch.setattr(start, "mark", lambda wanted, known, root: marked.extend(wanted))
    made.layout.study_file.write_text("{}", encoding="utf-8")
    assert check_start(made.layout) == {}
    assert marked == [made.layout.study_file]


def test_cells_are_not_judged_while_their_images_are_not_there(made: SyntheticStudy) -> None:
    (made.layout.dataset / "dataset.json").unlink()
    assert find_outdated(made.layout) == []
    made.damage(PLACE, "cell")
    assert find_outdated(made.layout) == [metrics_of(made)]


def test_times_in_the_order_of_copying_are_put_right(made: SyntheticStudy) -> None:
    for number, path in enumerate(
        [metrics_of(made), made.layout.subset_of(100, 0), made.layout.dataset / "dataset.json"]
    ):
        os.utime(path, (1_700_000_000 + number, 1_700_000_000 + number))
    check_start(made.layout)
    cell = metrics_of(made).stat().st_mtime_ns
    assert made.layout.subset_of(100, 0).stat().st_mtime_ns <= cell
    assert (made.layout.dataset / "dataset.json").stat().st_mtime_ns <= cell


def test_copies_are_found_in_the_store_by_what_they_were_made_from(made: SyntheticStudy) -> None:
    (made.layout.dataset / "dataset.json").unlink()
    made.damage("n50/non/seed0", "edited")
    data = str(made.metrics(PLACE)["data_fingerprint"])
    assert keep_copied(made.layout) == len(made.study.cells) - 1
    entry = StoreEntry(made.root / STORE / store_key(made.study.cell(PLACE).value, data, CODE_FINGERPRINT))
    assert entry.is_finished
    assert (entry.finished / "metrics.json").read_bytes() == metrics_of(made).read_bytes()
    assert keep_copied(made.layout) == 0


def test_marks_are_taken_back_but_never_those_of_snakemake(tmp_path: Path) -> None:
    first, second = Path("results/a.json"), Path("results/b.json")
    own = tmp_path / FOLDER / "incomplete" / record_name(second)
    own.parent.mkdir(parents=True)
    own.write_text('{"external_jobid": "17"}', encoding="utf-8")
    mark([first, second], [first, second], tmp_path)
    assert (tmp_path / FOLDER / "incomplete" / record_name(first)).exists()
    mark([], [first, second], tmp_path)
    assert not (tmp_path / FOLDER / "incomplete" / record_name(first)).exists()
    assert own.read_text(encoding="utf-8") == '{"external_jobid": "17"}'


@pytest.mark.parametrize("prefix", ["", "s3://bucket/first", "s3://bucket/first/", "/elsewhere"])
def test_a_storage_is_judged_again_unless_all_its_cells_were_made_here(
    made: SyntheticStudy, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(made.root)
    layout = Layout(made.study)
    start_of_names = f"{prefix.rstrip('/')}/" if prefix else ""
    marked = FOLDER / "incomplete" / record_name(f"{start_of_names}{layout.study_file}")
    for cell in made.study.cells:
        check_storage(layout, prefix)
        assert marked.exists()
        record_of_cell = RECORDS / record_name(f"{start_of_names}{layout.cell(cell)}/metrics.json")
        record_of_cell.parent.mkdir(parents=True, exist_ok=True)
        record_of_cell.write_text("{}", encoding="utf-8")
    check_storage(layout, prefix)
    assert not marked.exists()


def test_a_storage_spares_nobody_the_check_of_sizes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationError, match="only 10 training images"):
        check_storage(list_study(tmp_path, images=10, size=11), "s3://bucket")


def test_long_names_are_recorded_as_snakemake_does() -> None:
    from snakemake.persistence.file import FilePersistence

    persistence = FilePersistence.__new__(FilePersistence)
    persistence._max_len = None
    for path in ("results/a/metrics.json", "results/" + "b" * 300 + "/metrics.json", "results/" + "c" * 180):
        theirs = persistence._record_path("/tmp", path)
        assert Path("/tmp") / record_name(Path(path)) == Path(theirs)
