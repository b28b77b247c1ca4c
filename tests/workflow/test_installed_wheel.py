"""The wheel, built and installed for these tests alone, runs studies in a folder with nothing in it."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image
from smallmix.code_fingerprint import fingerprint_code, fingerprint_training
from smallmix.study.configuration import load_study

from tests.workflow.study_run import PROJECT, TINY_STUDY, StudyRun

FINGERPRINTS = """
from pathlib import Path
from smallmix.code_fingerprint import fingerprint_code, fingerprint_training
from smallmix.study.configuration import load_study
from smallmix.project_files import PROJECT
cell = load_study([PROJECT / "config.yaml"]).cells[1].value
print(fingerprint_code("smallmix.report.page"), fingerprint_training(cell))
"""


@dataclass(frozen=True)
class Installed:
    """A folder of its own with the installed wheel, and the folder in which it is used."""

    site: Path
    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment of a user who installed into a folder: no checkout, and this Python's libraries."""
        kept = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "SNAKEMAKE_PROFILE")}
        path = f"{self.site / 'bin'}{os.pathsep}{kept['PATH']}"
        return {**kept, "PYTHONPATH": str(self.site), "PATH": path, "OMP_NUM_THREADS": "1"}

    def call(self, command: str, code: int = 0) -> str:
        """Type a line; return what it prints. It must end with the code."""
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == code, done.stdout
        assert "Traceback" not in done.stdout
        return done.stdout

    def python(self, program: str) -> list[str]:
        """Return the words that a program prints."""
        done = subprocess.run(
            [sys.executable, "-P", "-c", program],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.split()


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel as `pip wheel .` does, from the files that version control has or would take."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-index", "--no-deps"]
    subprocess.run([*pip, "--no-build-isolation", "--wheel-dir", str(folder), str(PROJECT)], check=True)
    (built,) = folder.glob("smallmix-*.whl")
    return built


@pytest.fixture(scope="session")
def site(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel alone."""
    folder = tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index", "--no-deps"]
    subprocess.run([*pip, "--target", str(folder), str(wheel)], check=True)
    return folder


@pytest.fixture
def installed(site: Path, tmp_path: Path) -> Installed:
    """Return the installed wheel and an empty folder."""
    return Installed(site, tmp_path)


def test_the_wheel_has_what_the_project_has(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    folders = ["profiles", "envs", *(f"workflow/{name}" for name in ("published", "report", "rules", "studies"))]
    files = ["Snakefile", "config.yaml", "workflow/__main__.py"]
    files += [
        str(path.relative_to(PROJECT))
        for folder in (*folders, "workflow/schemas")
        for path in (PROJECT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    ]
    assert len(files) > 40
    assert {f"smallmix/project/{name}" for name in files} - names == set()
    modules = {
        str(path.relative_to(PROJECT / "workflow"))
        for package in (PROJECT / "workflow").glob("*/__init__.py")
        for path in package.parent.rglob("*.py")
    }
    assert modules - names == set()
    assert not [
        name for name in names if "__pycache__" in name or name.startswith("smallmix/project/workflow/smallmix")
    ]


def test_its_code_has_the_checkouts_fingerprints(installed: Installed) -> None:
    """So results move between both."""
    expected = [
        fingerprint_code("smallmix.report.page"),
        fingerprint_training(load_study([PROJECT / "config.yaml"]).cells[1].value),
    ]
    assert installed.python(FINGERPRINTS) == expected


def test_a_study_of_the_wheel_is_planned_in_an_empty_folder(installed: Installed) -> None:
    assert "study demo: 36 of 36 cells" in installed.call("smallmix plan demo --brief")
    assert "train_cell             36" in installed.call("smallmix run demo --cores 2 --dry-run")
    assert "train_cell             24" in installed.call("smallmix run -n")
    assert "Did you mean demo?" in installed.call("smallmix run dmo", code=2)


def test_a_users_study_from_interruption_to_the_kept_report(installed: Installed) -> None:
    overlay = installed.folder / "tiny.yaml"
    overlay.write_text(TINY_STUDY.replace("iterations: 4", "iterations: 40000"), encoding="utf-8")
    started = subprocess.Popen(
        ["smallmix", "run", "tiny", "--cores", "1"],
        cwd=installed.folder,
        env=installed.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    wait_for_training(installed.folder, started)
    os.killpg(started.pid, signal.SIGINT)
    output, _ = started.communicate(timeout=300)
    assert started.returncode != 0, output
    assert "saved at iteration" in output + "".join(
        path.read_text(encoding="utf-8") for path in (installed.folder / "logs").rglob("seed0.log")
    )

    overlay.write_text(TINY_STUDY, encoding="utf-8")
    installed.call("smallmix run tiny --cores 2")
    assert (installed.folder / "reports/tiny/report.html").stat().st_size > 50_000
    assert "Nothing to be done" in installed.call("smallmix run tiny --cores 2 --dry-run")
    assert "every result on the disk belongs" in installed.call("smallmix discard tiny.yaml")
    assert "wrote 23 files" in installed.call("smallmix keep tiny")
    assert (installed.folder / "reports/reference/tiny/tiny.yaml").read_text(encoding="utf-8") == TINY_STUDY

    # Copied results of another configuration are refused; the line that is printed is pasted as it stands.
    shutil.rmtree(installed.folder / ".snakemake")
    overlay.write_text(TINY_STUDY.replace("recipe: {", "recipe: {learning_rate: 0.2, "), encoding="utf-8")
    refused = installed.call("smallmix run tiny --cores 2", code=1)
    remedy = next(line.strip() for line in refused.splitlines() if " discard " in line)
    assert "removed: results/tiny/cells/" in installed.call(remedy)
    assert "train_cell              6" in installed.call("smallmix run tiny --cores 2 --dry-run")


def wait_for_training(folder: Path, started: subprocess.Popen[str]) -> None:
    """Return when a training has begun its steps: its log in the store says so."""
    for _ in range(1200):
        if started.poll() is not None:
            raise AssertionError(started.communicate()[0])
        logs = [*(folder / "results/store").glob("*/log.txt"), *(folder / "logs").rglob("seed0.log")]
        if any("iteration" in path.read_text(encoding="utf-8") for path in logs):
            return
        time.sleep(0.1)
    raise AssertionError("no training began")


def test_results_of_the_checkout_are_taken_by_the_wheel(finished_study: StudyRun, installed: Installed) -> None:
    for name in ("results", "resources"):
        shutil.copytree(finished_study.folder / name, installed.folder / name)
    (installed.folder / "tiny.yaml").write_text(TINY_STUDY, encoding="utf-8")
    planned = installed.call("smallmix run tiny --cores 1 --dry-run")
    counts = dict(re.findall(r"^(\w+) +(\d+)$", planned, flags=re.MULTILINE))
    assert set(counts) == {"plot_figures", "render_report", "all", "total"}, "reports were not copied"


def test_own_images_from_an_empty_folder(installed: Installed) -> None:
    images = installed.folder / "my-images"
    images.mkdir()
    for part, count in (("train", 8), ("test", 4)):
        rows = []
        for number in range(count):
            name = f"{part}{number}.png"
            Image.new("RGB", (12, 9), (30 * number, 250 * (number % 2), 60)).save(images / name)
            rows.append(f"{name},{'light' if number % 2 else 'dark'}\n")
        (images / f"{part}.csv").write_text("path,label\n" + "".join(rows), encoding="utf-8")
    (installed.folder / "own.yaml").write_text(
        TINY_STUDY.replace("study: tiny", "study: own")
        .replace(
            "{name: digits}",
            "{name: image-list, image-list: {folder: my-images, identifier: mine, image_size: 8, color: rgb}}",
        )
        .replace("[20, 40]", "[4]")
        .replace("clean_train_limit: 20", "clean_train_limit: 4"),
        encoding="utf-8",
    )
    installed.call("smallmix run own.yaml --cores 2")
    assert (installed.folder / "reports/own/report.html").is_file()


def test_snakemake_and_run_continue_each_other(study: StudyRun) -> None:
    """Both ways make the same DAG with the same parameters."""
    run = [sys.executable, str(study.folder / "workflow"), "run", "tiny"]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}

    def typed(*options: str) -> str:
        done = subprocess.run(
            [*run, *options], cwd=study.folder, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    assert "Nothing to be done" in typed("--dry-run")
    (study.folder / "results/tiny/summary.csv").unlink()
    typed("--cores", "2")
    assert (study.folder / "results/tiny/summary.csv").is_file()
    assert study.planned() == {}
