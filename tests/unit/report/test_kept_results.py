"""Protects what goes into version control: finished studies only, small, no images, and all that identifies them."""

from __future__ import annotations

import hashlib
import io
import json
import re
from argparse import Namespace
from dataclasses import replace
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import smallmix
import yaml
from smallmix.commands.main import main
from smallmix.commands.report import COMMANDS
from smallmix.errors import ConfigurationError, SmallmixError
from smallmix.figures.catalogue import plot_figure
from smallmix.figures.names import FIGURE_NAMES
from smallmix.report import kept_results
from smallmix.report.kept_results import kept_files, thin_history
from smallmix.report.page import render_page
from smallmix.report.run_crate import kept_before
from smallmix.study.cell import DatasetValue
from smallmix.study.configuration import load_study
from smallmix.study.named_study import KEPT
from smallmix.study.study import Study
from smallmix.tables.columns import SELECTIONS

from tests.synthetic_study import CODE_FINGERPRINT, SyntheticStudy
from tests.unit.figures.study_with_tables import build_study_with_tables, mean_best_percent, tables_of

JPEG_COPY = Path("reports/reference/jpeg-copy.yaml")
REFERENCE = Path(__file__).resolve().parents[3] / "reports" / "reference"
COMMAND = "snakemake --cores all --configfile my|overlay.yaml"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> SyntheticStudy:
    """A finished study with its figures, the one with images among them."""
    made = build_study_with_tables(tmp_path_factory.mktemp("study"), images=True)
    tables = tables_of(made)
    for name in FIGURE_NAMES:
        plot_figure(name, tables, made.root, made.layout.report / "figures")
    return made


def kept(made: SyntheticStudy) -> dict[str, bytes]:
    return kept_files(tables_of(made), made.layout.results, made.layout.report / "figures", COMMAND)


def whole_configuration(made: SyntheticStudy) -> dict[str, Any]:
    """Return a configuration that resolves, over config.yaml, to that of the made-up results."""
    values: dict[str, Any] = json.loads(json.dumps(made.study.configuration))
    values["dataset"]["cifar10"]["sources"] = ["https://example.org/cifar-10-python.tar.gz"]
    values["budgets"] |= {500: None, 250: None, 100: None}
    return values


def keep(made: SyntheticStudy, values: dict[str, Any], configuration: Path, output: Path) -> int:
    configuration.write_text(yaml.safe_dump(values), encoding="utf-8")
    chosen = Namespace(
        studies=[str(configuration)], root=made.root, output=output, made_by=None, stated=None, weights=[]
    )
    return COMMANDS["keep"].run(chosen)


def test_everything_but_images_is_kept(finished: SyntheticStudy) -> None:
    drawn = (finished.layout.report / "figures" / "methods_preview.svg").read_text(encoding="utf-8")
    assert "<image" in drawn
    files = kept(finished)
    described = {"Snakefile", "croissant.json", "ro-crate-metadata.json"}
    assert {name for name in files if not name.startswith("subsets/")} == {
        *(*kept_results.COPIED, *kept_results.ALSO_COPIED, "history.csv", "report.html", "README.md", "MODEL_CARD.md"),
        *described,
    }
    page = files["report.html"].decode()
    assert "<image" not in page
    assert "(methods_preview) is left out here, because it shows images of the data set." in page
    assert "(confusion_matrices) is left out here for its size. The report of a run of the study has it." in page
    whole = render_page(tables_of(finished), finished.layout.report / "figures")
    for_phones = whole.count("drawing for-narrow-pages")
    assert for_phones > 3
    assert "drawing for-narrow-pages" not in page
    assert page.count("<svg") == whole.count("<svg") - for_phones - 2
    assert files["metrics.csv"] == (finished.layout.results / "metrics.csv").read_bytes()


def test_what_is_kept_reads_back_as_what_it_was(
    finished: SyntheticStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As data frames in another project; and beside the study itself, where nothing may differ."""
    for name, content in kept(finished).items():
        for root in (tmp_path, finished.root):
            path = root / KEPT / "synthetic" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    now, then = smallmix.load("synthetic", finished.root), smallmix.load("synthetic", tmp_path)
    assert (now.kept, then.kept) == (False, True)
    for table in ("metrics", "summary", "comparison", "claims", "subset_table", "per_class", "class_summary"):
        pd.testing.assert_frame_equal(getattr(now, table), getattr(then, table))
    pd.testing.assert_frame_equal(now.subset(100), then.subset(100))
    monkeypatch.setattr("smallmix.tables.collect.training_code", lambda _: CODE_FINGERPRINT)
    words = ["compare", "synthetic", "--past", "--root", str(finished.root), "--format", "csv", "--selection", "all"]
    assert main(words) == 0
    rows = pd.read_csv(io.StringIO(capsys.readouterr().out))
    assert (rows["difference"] == 0).all()
    assert set(rows["pairing"]) == {"paired"}
    assert set(rows["selection"]) == {"best", "last", "last_tenth"}


def test_the_first_page_says_what_was_run_on_what(finished: SyntheticStudy) -> None:
    tables, page = tables_of(finished), kept(finished)["README.md"].decode()
    for word in (
        tables.study.title,
        tables.dataset_title,
        f"rule {tables.study.configuration['subsets']['rule']}",
        str(tables.provenance["environments"][0]["environment"]["torch"]),
        str(tables.provenance["code_fingerprints"][0]),
        r"--configfile my\|overlay.yaml",
        "chosen on the test set",
    ):
        assert str(word) in page, word
    size, method = tables.study.sizes[0], next(iter(tables.study.methods))
    mean = mean_best_percent(tables, size, method)
    assert f"| {size:,} | {mean:.2f} / " in page


def test_the_command_writes_them_and_notes_itself(finished: SyntheticStudy, capsys: pytest.CaptureFixture[str]) -> None:
    configuration, folder = finished.root / "whole.yaml", finished.root / "kept"
    values = whole_configuration(finished)
    configuration.write_text(yaml.safe_dump(values), encoding="utf-8")
    chosen = Namespace(
        studies=[str(configuration)], root=finished.root, output=folder, made_by=None, stated=None, weights=[]
    )
    assert COMMANDS["keep"].run(chosen) == 0
    assert "wrote 24 files" in capsys.readouterr().out  # 3 lists of images among them
    written = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert written == {*kept(finished), "whole.yaml"}
    assert "subsets/n100.csv" in written
    assert (folder / "whole.yaml").read_bytes() == configuration.read_bytes()
    assert f"snakemake --cores all --configfile {folder / configuration.name}" in (folder / "README.md").read_text(
        encoding="utf-8"
    )


def test_results_of_another_configuration_are_not_kept_under_this_one(
    finished: SyntheticStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A study that was run on other images, by a file that --config names, would be said to be of the usual ones."""
    configuration = tmp_path / "whole.yaml"
    values = whole_configuration(finished)
    values["model"]["width"] = 32
    configuration.write_text(yaml.safe_dump(values), encoding="utf-8")
    chosen = Namespace(
        studies=[str(configuration)],
        root=finished.root,
        output=tmp_path / "kept",
        made_by=None,
        stated=None,
        weights=[],
    )
    before = finished.study.configuration["model"]["width"]
    with pytest.raises(ConfigurationError, match=f"another configuration:\n  - model.width: {before} before, 32 now\n"):
        COMMANDS["keep"].run(chosen)
    assert not (tmp_path / "kept").exists()


@pytest.mark.parametrize(
    ("section", "key", "value", "told"),
    [
        ("methods", "cut", {"mix": "cutmix", "beta": [1, 1]}, "methods.cut.beta: not there before, [1.0, 1.0] now"),
        ("recipe", "nesterov", True, "recipe.nesterov: false before, true now"),
        ("budgets", 500, {"iterations": 9}, "budgets.500.iterations: not there before, 9 now"),
    ],
)
def test_a_key_of_one_configuration_alone_is_another_configuration(
    finished: SyntheticStudy, tmp_path: Path, section: str, key: str, value: object, told: str
) -> None:
    """The made-up results lack recipe.nesterov, as those of an older version. It counts as its default."""
    values = whole_configuration(finished)
    values[section][key] = value
    with pytest.raises(ConfigurationError, match=f"another configuration:\n  - {re.escape(told)}"):
        keep(finished, values, tmp_path / "whole.yaml", tmp_path / "kept")
    assert not (tmp_path / "kept").exists()


def test_what_was_kept_before_and_is_no_more_is_removed(
    finished: SyntheticStudy, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the folder's own list names, and nothing else."""
    values, folder = whole_configuration(finished), tmp_path / "kept"
    assert keep(finished, values, tmp_path / "first.yaml", folder) == 0
    (folder / "notes.txt").write_text("mine", encoding="utf-8")
    assert keep(finished, values, tmp_path / "second.yaml", folder) == 0
    assert "removed 1 file of what was kept there before, such as first.yaml" in capsys.readouterr().out
    assert not (folder / "first.yaml").exists()
    assert (folder / "second.yaml").exists()
    assert (folder / "notes.txt").read_text(encoding="utf-8") == "mine"


def test_the_kept_results_of_another_study_are_not_written_over(finished: SyntheticStudy, tmp_path: Path) -> None:
    folder = tmp_path / "reports" / "reference" / "other"
    folder.mkdir(parents=True)
    other = Study.from_configuration({**finished.study.configuration, "study": "other"})
    (folder / "study.json").write_text(other.to_json(), encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"has the kept results of another study, other\. Name another folder"):
        keep(finished, whole_configuration(finished), tmp_path / "whole.yaml", folder)
    assert [path.name for path in folder.iterdir()] == ["study.json"]


def test_what_others_wrote_and_what_was_changed_is_not_removed(
    finished: SyntheticStudy, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Files with other bytes than listed, networks, and everything where the folder was another study's."""
    values, folder = whole_configuration(finished), tmp_path / "kept"
    assert keep(finished, values, tmp_path / "first.yaml", folder) == 0
    (folder / "first.yaml").write_text("changed: by hand", encoding="utf-8")
    network = folder / "networks" / "n100-non-seed0.safetensors"
    network.parent.mkdir()
    network.write_bytes(b"the only copy")
    listed = json.loads((folder / "ro-crate-metadata.json").read_text(encoding="utf-8"))
    checksum = hashlib.sha256(network.read_bytes()).hexdigest()
    for name in ("networks/n100-non-seed0.safetensors", "../outside"):
        listed["@graph"].append({"@id": name, "sha256": checksum})
    page = hashlib.sha256((folder / "README.md").read_bytes()).hexdigest()
    listed["@graph"].append({"@id": "./README.md", "sha256": page})
    (folder / "ro-crate-metadata.json").write_text(json.dumps(listed), encoding="utf-8")
    (tmp_path / "outside").write_bytes(b"the only copy")
    capsys.readouterr()
    assert keep(finished, values, tmp_path / "second.yaml", folder) == 0
    told = capsys.readouterr().out
    assert (
        f"left 1 trained network of an earlier keep, which the model card does not list any more, such as {network}"
        in told
    )
    for path in (folder / "first.yaml", network, tmp_path / "outside", folder / "README.md"):
        assert path.exists()
    assert "second.yaml" in kept_before(folder, finished.study.name)
    assert kept_before(folder, "another") == []
    (folder / "ro-crate-metadata.json").write_text('{"@graph": [{"@id": "%s", "sha256": ""}]}' % ("x" * 300))
    assert kept_before(folder, finished.study.name) == []


def test_results_of_fewer_cells_than_the_study_has_are_not_kept(finished: SyntheticStudy) -> None:
    tables = tables_of(finished)
    fewer = replace(tables, cells=tables.cells.iloc[1:], metrics=tables.metrics.iloc[1:])
    with pytest.raises(SmallmixError, match=r"1 of \d+ cells have no current result, such as n\d+/non/seed0"):
        kept_files(fewer, finished.layout.results, finished.layout.report / "figures", COMMAND)


def test_a_study_that_the_command_named_is_kept_with_that_command(finished: SyntheticStudy, tmp_path: Path) -> None:
    values = whole_configuration(finished)
    (tmp_path / "whole.yaml").write_text(yaml.safe_dump({**values, "study": "usual"}), encoding="utf-8")
    (tmp_path / "seeds.yaml").write_text(json.dumps({"seeds": values["seeds"]}), encoding="utf-8")
    files = [str(tmp_path / name) for name in ("whole.yaml", "seeds.yaml")]
    name, folder = finished.study.name, tmp_path / "kept"
    chosen = Namespace(studies=files, root=finished.root, output=folder, made_by=None, stated=name, weights=[])
    assert COMMANDS["keep"].run(chosen) == 0
    assert f"seeds.yaml --config study={name}`" in (folder / "README.md").read_text(encoding="utf-8")


def test_the_first_page_names_the_code_of_the_study(finished: SyntheticStudy) -> None:
    tables, figures = tables_of(finished), finished.layout.report / "figures"
    along = {"own.yaml": b"study: own\n", "mine/sides.py": b"", "my_metric.py": b""}
    files = kept_files(tables, finished.layout.results, figures, COMMAND, along)
    assert "The study has own code in `mine/sides.py` and `my_metric.py`" in files["README.md"].decode()
    assert "own code" not in kept(finished)["README.md"].decode()


def test_a_file_of_the_users_does_not_take_the_place_of_another(finished: SyntheticStudy) -> None:
    tables, figures = tables_of(finished), finished.layout.report / "figures"
    for name in ("study.json", "Snakefile", "ro-crate-metadata.json"):
        with pytest.raises(SmallmixError, match=rf"^{name}: your file of the study would lie where .* Rename your"):
            kept_files(tables, finished.layout.results, figures, COMMAND, {name: b""})


def test_an_unfinished_study_is_not_kept(tmp_path: Path) -> None:
    made = build_study_with_tables(tmp_path, missing=["n500/non/seed2"])
    with pytest.raises(SmallmixError, match=r"is not finished \(1 of 27 cells"):
        kept(made)


def test_what_is_too_large_is_refused(finished: SyntheticStudy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_results, "LARGEST", 20_000)
    with pytest.raises(SmallmixError, match=r"most of it report\.html; 0 MB are the limit"):
        kept(finished)


def test_histories_are_thinned_without_losing_ends_and_peaks() -> None:
    accuracies = [0.1 + (number % 7) / 100 for number in range(2000)]
    accuracies[1234], accuracies[777] = 0.9, 0.01
    curve = pd.DataFrame({"iteration": range(1, 2001), "test_accuracy": accuracies, "train_loss": 1.0})
    several = pd.concat([curve.assign(size=size, method="non", seed=0) for size in (100, 50)])
    thinned = thin_history(several)
    for size in (100, 50):
        rows = thinned[thinned["size"] == size]
        assert len(rows) <= 300
        assert {1, 778, 1235, 2000} <= set(rows["iteration"])
        assert list(rows["iteration"]) == sorted(rows["iteration"])
    short = several[several["iteration"] <= 300]
    pd.testing.assert_frame_equal(thin_history(short), short)


@pytest.mark.parametrize("folder", sorted(filter(Path.is_dir, REFERENCE.iterdir())), ids=lambda folder: folder.name)
def test_what_the_project_keeps_is_small_whole_and_says_one_thing(folder: Path) -> None:
    names = {path.name for path in folder.iterdir()}
    assert names >= {*kept_results.COPIED, "history.csv", "report.html", "README.md"}
    assert sum(path.stat().st_size for path in folder.iterdir()) < kept_results.LARGEST
    assert "<image" not in (folder / "report.html").read_text(encoding="utf-8")
    metrics = pd.read_csv(folder / "metrics.csv")
    page = (folder / "README.md").read_text(encoding="utf-8")
    selection = Study.load(folder / "study.json").selection
    best = metrics.groupby(["size", "method"])[SELECTIONS[selection]].mean()
    for size in metrics["size"].unique():
        (row,) = (line for line in page.splitlines() if line.startswith(f"| {size:,} |"))
        for method in metrics["method"].unique():
            exact = 100 * Decimal(f"{best[size, method]:.9f}")
            assert f" {exact.quantize(Decimal('0.01'), ROUND_HALF_UP)} / " in row
    history = pd.read_csv(folder / "history.csv")
    assert history.groupby(["size", "method", "seed"]).size().max() <= 300
    assert len(history.groupby(["size", "method", "seed"])) == len(metrics)


def test_it_is_said_what_a_reader_cannot_redo(finished: SyntheticStudy, tmp_path: Path) -> None:
    page = kept(finished)["README.md"].decode()
    assert "Not kept: images, predictions and weights" in page
    assert "without an address" not in page  # CIFAR-10 has one
    own = build_study_with_tables(tmp_path, images=True, dataset="image-list", sizes=[100], seeds=[0])
    assert "without an address to get them from" in kept(own)["README.md"].decode()


@pytest.mark.parametrize("folder", sorted(filter(Path.is_dir, REFERENCE.iterdir())), ids=lambda folder: folder.name)
def test_a_kept_study_can_be_trained_on_images_that_everybody_can_get(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its command without the file of the JPEG copy: CIFAR-10 itself, everything else as kept."""
    monkeypatch.chdir(REFERENCE.parents[1])
    page = (folder / "README.md").read_text(encoding="utf-8")
    (command,) = [line.split("`")[1] for line in page.splitlines() if line.startswith("| Command |")]
    files = [Path("config.yaml"), *(Path(word) for word in command.split() if word.endswith(".yaml"))]
    assert files[-1] == JPEG_COPY
    original, as_kept = load_study(files[:-1]), load_study(files, {"study": folder.name})
    assert (original.name, as_kept.name) == (folder.name, folder.name)
    assert (original.dataset, as_kept.dataset) == ("cifar10", "cifar10-jpeg")
    values = [
        [replace(cell.value, dataset=DatasetValue("cifar10")) for cell in one.cells] for one in (original, as_kept)
    ]
    assert values[0] == values[1]
