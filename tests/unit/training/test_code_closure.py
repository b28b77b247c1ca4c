"""The code fingerprint covers the science and what it imports; a training imports only what it needs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from smallmix.code_fingerprint import import_closure, training_modules

from tests.tiny_cell import TinyData, tiny_cell

PACKAGE_PARENT = Path(__file__).resolve().parents[3] / "workflow"
TRAINER = "smallmix.training.train_cell"
REPORT = """
import importlib, json, sys
sys.path.insert(0, sys.argv[1])
importlib.import_module(sys.argv[2])
print(json.dumps(sorted(sys.modules)))
"""


def modules_after_importing(name: str) -> set[str]:
    answer = subprocess.run(
        [sys.executable, "-c", REPORT, str(PACKAGE_PARENT), name], capture_output=True, text=True, check=True
    )
    return set(json.loads(answer.stdout))


@pytest.fixture(scope="module")
def trainer_modules() -> set[str]:
    return modules_after_importing(TRAINER)


def test_the_fingerprint_covers_science_and_what_it_imports(trainer_modules: set[str]) -> None:
    """What is left out: the training around the science, and the base modules that only it imports."""
    covered = import_closure(training_modules("images-and-labels", "preact-resnet18"))
    science = {name for name in trainer_modules if name.startswith("smallmix.science")}
    assert science <= covered
    assert not {name for name in covered if name.startswith("smallmix.training")}
    assert {"smallmix.study.cell", "smallmix.datasets.arrays"} <= covered
    assert not {"smallmix.atomic_files", "smallmix.code_fingerprint", "smallmix.datasets.data_fingerprint"} & covered


def test_the_trainer_imports_only_what_training_needs(trainer_modules: set[str]) -> None:
    """A change of figures, tables or the command line must not retrain cells; big libraries take seconds to import."""
    libraries = {name.partition(".")[0] for name in trainer_modules}
    assert "torch" in libraries
    for unwanted in (
        "pandas",
        "seaborn",
        "matplotlib",
        "sklearn",
        "scipy",
        "torchvision",
        "snakemake",
        "jinja2",
        "PIL",
    ):
        assert unwanted not in libraries, unwanted
    rooms = {name.split(".")[1] for name in trainer_modules if name.startswith("smallmix.")}
    words = {"errors", "own_code", "network_faults"}
    base_modules = {"fingerprints", "code_fingerprint", "atomic_files", "file_locks", *words}
    assert rooms <= {"training", "science", "datasets", "study", *base_modules}


def test_the_command_imports_no_torch_before_it_runs() -> None:
    """A signal during the import of torch must meet a handler, and CUDA must not start before a GPU is leased."""
    assert "torch" not in modules_after_importing("smallmix.commands.train_cell")


def test_a_whole_training_never_loads_pytorchs_compiler(tmp_path: Path) -> None:
    """It takes as long to import as PyTorch itself, at each of a study's starts; some harmless calls bring it in."""
    data = TinyData.write(tmp_path)
    arguments = ["train-cell", "--cell", tiny_cell("images-and-labels").to_json(), "--gpus", "0"]
    arguments += ["--dataset", str(data.dataset), "--subset", str(data.subset)]
    arguments += ["--store", str(tmp_path / "store"), "--output", str(tmp_path / "cell")]
    code = (
        "import json, sys; sys.path.insert(0, sys.argv[1]); from smallmix.commands.main import main; "
        "code = main(sys.argv[2:]); print(json.dumps(sorted(sys.modules))); sys.exit(code)"
    )
    command = [sys.executable, "-c", code, str(PACKAGE_PARENT), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "cell" / "metrics.json").exists()
    loaded = {".".join(name.split(".")[:2]) for name in json.loads(done.stdout)}
    assert not {"torch._dynamo", "torch._inductor", "sympy"} & loaded
