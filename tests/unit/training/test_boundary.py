"""Protects the boundary: what decides a number retrains the cells that it decides; nothing else retrains anything."""

from __future__ import annotations

import ast
import dataclasses
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from smallmix import code_fingerprint
from smallmix.code_fingerprint import fingerprint_code, fingerprint_training, import_closure, training_modules
from smallmix.study import network_forms
from smallmix.study.method_forms import METHODS

from tests.tiny_cell import tiny_cell

PACKAGE = code_fingerprint.PACKAGE_FOLDER
RULES = PACKAGE.parent / "rules"
MIXES = tuple(METHODS)
NETWORKS = ("preact-resnet18", "preact-resnet18-mixup", "preact-resnet18-without-final-norm")
SHARED_BY_NETWORKS = {"preactivation", "preactivation_layers"}
NAMES = {"mixing weight"}  # of a generator of random numbers
SHARED = sorted(path.name for path in (PACKAGE / "science").glob("[!_]*.py"))

# What these say is read by people alone.
MESSAGES_ALONE = (
    "atomic_files.py",
    "code_fingerprint.py",
    "errors.py",
    "file_locks.py",
    "datasets/progress.py",
    "datasets/download.py",
)

Fingerprints = dict[tuple[str, str], str]


def fingerprint_of(mix: str, network: str) -> str:
    """Return the fingerprint of the code of a cell with this method and this network."""
    cell = tiny_cell()
    method, model = (dataclasses.replace(cell.method, mix=mix), dataclasses.replace(cell.model, name=network))
    return fingerprint_training(dataclasses.replace(cell, method=method, model=model))


class PackageCopy:
    """A copy of the package that may be edited, and the fingerprints of its trainings."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.copytree(PACKAGE, folder, ignore=shutil.ignore_patterns("__pycache__"))

    def fingerprints(self) -> Fingerprints:
        """Return the fingerprint of every method with every network, as a new process would find it."""
        self._forget()
        return {(mix, network): fingerprint_of(mix, network) for mix in MIXES for network in NETWORKS}

    def fingerprints_of_jobs(self) -> dict[tuple[str, ...], str]:
        """Return the fingerprints of the code that rules name, as a new process would find them."""
        self._forget()
        return {modules: fingerprint_code(*modules) for modules in modules_of_rules()}

    def _forget(self) -> None:
        for cached in ("fingerprint_code", "_meanings", "_module_file", "_imports_of"):
            getattr(code_fingerprint, cached).cache_clear()

    def reword(self, path: str) -> bool:
        """Reword the messages of a file; return whether it has any."""
        file = self.folder / path
        tree = ast.parse(file.read_text(encoding="utf-8"))
        plain = ast.unparse(tree)
        changed = ast.unparse(RewordMessages().visit(tree))
        file.write_text(changed, encoding="utf-8")
        return changed != plain

    def changed(self, path: str) -> set[tuple[str, str]]:
        """Change a number in a file; return the trainings that this outdates. The file is then as before."""
        file, before = self.folder / path, self.fingerprints()
        source = file.read_text(encoding="utf-8")
        file.write_text(with_another_number(source), encoding="utf-8")
        after = self.fingerprints()
        file.write_text(source, encoding="utf-8")
        return {names for names in before if before[names] != after[names]}


class ChangeOneNumber(ast.NodeTransformer):
    """Adds 1 to the first number of a module."""

    done = False

    def visit_Constant(self, node: ast.Constant) -> ast.Constant:
        if not self.done and isinstance(node.value, int | float) and not isinstance(node.value, bool):
            self.done = True
            return ast.Constant(node.value + 1)
        return node


class RewordMessages(ast.NodeTransformer):
    """Lengthens every text that reads like a message: one with a space in it."""

    def visit_Constant(self, node: ast.Constant) -> ast.Constant:
        if isinstance(node.value, str) and " " in node.value.strip() and node.value not in NAMES:
            return ast.Constant(node.value + " (reworded)")
        return node


def modules_of_rules() -> set[tuple[str, ...]]:
    """Return the modules whose fingerprints decide whether a rule's jobs are run again, rule by rule."""
    calls = [
        call for rules in RULES.glob("*.smk") for call in re.findall(r"fingerprint_code\(([^)]*)\)", rules.read_text())
    ]
    return {tuple(re.findall(r'"(smallmix\.[a-z_.]+)"', call)) for call in calls}


def with_another_number(source: str) -> str:
    """Return a module's source with one number changed, or with one added where it has none."""
    change = ChangeOneNumber()
    tree = change.visit(ast.parse(source))
    return ast.unparse(tree) + ("" if change.done else "\nADDED = 1\n")


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PackageCopy]:
    copy = PackageCopy(tmp_path / "smallmix")
    monkeypatch.setattr(code_fingerprint, "PACKAGE_FOLDER", copy.folder)
    yield copy
    monkeypatch.undo()
    copy.fingerprints()  # those of the real package are remembered again


def test_messages_logging_and_storing_retrain_nothing(package: PackageCopy) -> None:
    before = package.fingerprints()
    files = [*(package.folder / "training").glob("*.py"), package.folder / "atomic_files.py"]
    reworded = 0
    for file in files:
        source = file.read_text(encoding="utf-8")
        changed = ast.unparse(RewordMessages().visit(ast.parse(source)))
        reworded += changed != ast.unparse(ast.parse(source))
        file.write_text(changed, encoding="utf-8")
    assert reworded >= 10
    for name in ("store.py", "messages.py", "train_cell.py", "training_loop.py", "checkpoint.py", "signals.py"):
        file = package.folder / "training" / name
        file.write_text(with_another_number(file.read_text(encoding="utf-8")) + "\nADDED = True\n", encoding="utf-8")
    assert package.fingerprints() == before


def test_rewording_anything_that_a_training_covers_retrains_nothing(package: PackageCopy) -> None:
    """Nor do another kind of error, or another exit code: no number follows from them."""
    before = package.fingerprints()
    covered = import_closure(name for mix, network in before for name in training_modules(mix, network))
    files = {_file_of(package.folder, name) for name in covered} | {package.folder / "errors.py"}
    reworded = set()
    for file in files:
        source = file.read_text(encoding="utf-8")
        tree = ast.parse(source)
        plain = ast.unparse(tree)
        changed = ast.unparse(RewordMessages().visit(tree))
        if changed != plain:
            reworded.add(file.name)
        file.write_text(changed, encoding="utf-8")
    assert reworded >= {"arrays.py", "description.py", "cell.py", "errors.py"}
    errors = package.folder / "errors.py"
    errors.write_text(errors.read_text(encoding="utf-8") + "\n\nclass NewError(SmallmixError):\n    exit_code = 99\n")
    assert package.fingerprints() == before


@pytest.mark.parametrize("path", MESSAGES_ALONE)
def test_rewording_what_a_job_says_of_files_and_progress_runs_no_job_again(package: PackageCopy, path: str) -> None:
    before = package.fingerprints(), package.fingerprints_of_jobs()
    assert len(before[1]) >= 8
    assert package.reword(path)
    assert (package.fingerprints(), package.fingerprints_of_jobs()) == before


def test_rewording_what_tables_and_pages_show_runs_their_jobs_again(package: PackageCopy) -> None:
    """The counterpart: the words of `wording` are content."""
    before = package.fingerprints_of_jobs()
    file = package.folder / "wording.py"
    file.write_text(with_another_number(file.read_text(encoding="utf-8")), encoding="utf-8")
    after = package.fingerprints_of_jobs()
    outdated = {module for modules in before if before[modules] != after[modules] for module in modules}
    assert {"smallmix.statistics.claims", "smallmix.figures.catalogue", "smallmix.report.page"} <= outdated


def test_what_the_package_hands_to_people_runs_nothing_again(package: PackageCopy) -> None:
    before = package.fingerprints(), package.fingerprints_of_jobs()
    file = package.folder / "__init__.py"
    file.write_text(file.read_text(encoding="utf-8") + "\nfrom smallmix.report import page\n\nADDED = 1\n")
    assert (package.fingerprints(), package.fingerprints_of_jobs()) == before


def _file_of(package: Path, module: str) -> Path:
    path = package.joinpath(*module.split(".")[1:])
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def test_another_method_and_another_network_retrain_nothing(package: PackageCopy) -> None:
    before = package.fingerprints()
    science = package.folder / "science"
    shutil.copy(science / "methods" / "images.py", science / "methods" / "other_images.py")
    shutil.copy(science / "networks" / "preact_resnet18.py", science / "networks" / "other_resnet.py")
    assert package.fingerprints() == before
    assert fingerprint_of("other-images", "other-resnet") not in before.values()


@pytest.mark.parametrize("name", SHARED)
def test_one_number_in_the_shared_core_outdates_every_cell(package: PackageCopy, name: str) -> None:
    assert package.changed(f"science/{name}") == set(package.fingerprints())


@pytest.mark.parametrize("path", ["study/cell.py", "study/iterations.py", "datasets/arrays.py"])
def test_one_number_in_the_values_below_outdates_every_cell(package: PackageCopy, path: str) -> None:
    assert package.changed(path) == set(package.fingerprints())


@pytest.mark.parametrize("mix", MIXES)
def test_one_number_in_a_methods_file_outdates_its_cells_alone(package: PackageCopy, mix: str) -> None:
    changed = package.changed(f"science/methods/{mix.replace('-', '_')}.py")
    assert changed == {(mix, network) for network in NETWORKS}


@pytest.mark.parametrize("network", NETWORKS)
def test_one_number_in_a_networks_file_outdates_its_cells_alone(package: PackageCopy, network: str) -> None:
    changed = package.changed(f"science/networks/{network.replace('-', '_')}.py")
    assert changed == {(mix, network) for mix in MIXES}


def test_what_networks_share_outdates_all_that_share_it(package: PackageCopy) -> None:
    for name in SHARED_BY_NETWORKS:
        assert package.changed(f"science/networks/{name}.py") == set(package.fingerprints())


def test_the_science_prints_no_messages() -> None:
    """It raises small errors with values; who catches them finds the words.

    What a network cannot take is known where it is built. Words of such errors are no part of a fingerprint either.
    """
    for path in (PACKAGE / "science").rglob("*.py"):
        source = path.read_text(encoding="utf-8")
        of_networks = path.parent.name == "networks" or path.name in ("network.py", "network_trial.py")
        assert of_networks or "smallmix.errors" not in source, path
        assert "import csv" not in source, path
        assert "print(" not in source, path


def test_every_method_and_network_is_the_file_of_its_name() -> None:
    """Files that networks share stand beside them; their names are no networks."""
    layers = {f"{name}_layers" for name in ("convnet", "resnet18", "torchvision", "wide_resnet")}
    shared = {*SHARED_BY_NETWORKS, *layers, "layers", "weights_file"}
    networks = (*network_forms.NETWORKS, "torchvision", "own_network")
    for folder, names, beside in (("methods", MIXES, set[str]()), ("networks", networks, shared)):
        files = {path.stem for path in (PACKAGE / "science" / folder).glob("[!_]*.py")}
        assert files == {name.replace("-", "_") for name in names} | beside
