"""What is refused of a user's method or network before anything is trained: each fault with file, line and remedy."""

from __future__ import annotations

import dataclasses
import textwrap
from pathlib import Path

import pytest
from smallmix.study.cell import MethodValue, Parameters, parameters_of
from smallmix.study.own_trials import Trial
from smallmix.training.own_code_faults import ImageKind
from smallmix.training.own_code_trial import find_faults

from tests.tiny_cell import tiny_cell

KIND = ImageKind((8, 8, 1), 10)
SIDES = """\
import torch
from smallmix.science.method import Method


class Mine(Method):
    def draw(self, draws):
        shares = draws.generator("share").random((draws.iterations, draws.images), dtype="float32")
        return {"share": shares}

    def mix(self, images, row):
        columns = torch.arange(images.shape[3], device=images.device) / images.shape[3]
        own = columns < row.drawn["share"][:, None]
        return torch.where(own[:, None, None, :], images, images[row.partner])

    def target(self, one_hot, row):
        share = row.drawn["share"][:, None]
        return share * one_hot + (1 - share) * one_hot[row.partner]
"""


def trial_of(folder: Path, source: str, parameters: Parameters = (), beta: tuple[float, float] | None = None) -> Trial:
    """Return the trial of a method in a file of its own, for batches of 8 and of 4 images."""
    file = folder / "my_method.py"
    file.write_text(textwrap.dedent(source), encoding="utf-8")
    method = MethodValue("my_method.py:Mine", beta, parameters, str(file))
    return Trial(("own",), dataclasses.replace(tiny_cell(size=16), method=method), (8, 4))


def method_with(function: str) -> str:
    """Return a file with a method of these lines, which begin in line 7."""
    head = "import numpy as np\nimport torch\nfrom smallmix.science.method import Method\n\n\nclass Mine(Method):\n"
    return head + textwrap.indent(textwrap.dedent(function), "    ")


def the_fault(trial: Trial) -> str:
    """Return the only fault."""
    faults = find_faults(trial, KIND)
    assert len(faults) == 1, faults
    return faults[0]


def test_a_sound_method_has_no_faults(tmp_path: Path) -> None:
    assert find_faults(trial_of(tmp_path, SIDES), KIND) == []


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ("def mix(self, images, row):\n    return images * images.mean().item()", 8),
        ("def mix(self, images, row):\n    a = 1\n    if images.max() > 1:\n        a = 2\n    return images * a", 9),
        ("def mix(self, images, row):\n    return images * float(images.mean())", 8),
        ("def mix(self, images, row):\n    images[row.flip] = 0\n    return images[row.flip.nonzero()[:, 0]]", 9),
        ("def mix(self, images, row):\n    return torch.from_numpy(np.sqrt(images.numpy()))", 8),
        ("def mix(self, images, row):\n    return images.cpu()", 8),
        ("def target(self, one_hot, row):\n    return one_hot * bool(one_hot.sum() > 0)", 8),
        ("def loss(self, p, labels, row):\n    return p[:, : int(labels[0])].mean()", 8),
    ],
)
def test_a_step_that_reads_values_is_refused_at_its_line(tmp_path: Path, body: str, line: int) -> None:
    fault = the_fault(trial_of(tmp_path, method_with(body)))
    assert f"my_method.py, line {line}, Mine." in fault
    assert "the step looks at a tensor's value here" in fault
    assert "torch.where(condition, a, b)" in fault


def test_a_tensor_of_another_device_is_refused_at_its_line(tmp_path: Path) -> None:
    body = "def mix(self, images, row):\n    return images + torch.rand(8, 8)"
    fault = the_fault(trial_of(tmp_path, method_with(body)))
    assert "my_method.py, line 8, Mine.mix: a tensor of the CPU meets those of the batch here" in fault
    assert "device=images.device" in fault


@pytest.mark.parametrize(
    ("body", "found", "expected"),
    [
        ("def mix(self, images, row):\n    return images[:, :, 1:]", "float32 [8, 1, 7, 8]", "float32 [8, 1, 8, 8]"),
        ("def mix(self, images, row):\n    return images.double()", "float64 [8, 1, 8, 8]", "float32 [8, 1, 8, 8]"),
        ("def mix(self, images, row):\n    images.mul_(2)", "nothing (None)", "float32 [8, 1, 8, 8]"),
        ("def target(self, one_hot, row):\n    return one_hot[:, :9]", "float32 [8, 9]", "float32 [8, 10]"),
        (
            "def loss(self, p, labels, row):\n    return p.gather(1, labels[:, None])",
            "float32 [8, 1]",
            "float32 scalar",
        ),
        ("def loss(self, p, labels, row):\n    return p.double().mean()", "float64 []", "float32 scalar"),
    ],
)
def test_other_shapes_and_types_are_refused(tmp_path: Path, body: str, found: str, expected: str) -> None:
    faults = find_faults(trial_of(tmp_path, method_with(body)), KIND)
    assert "my_method.py, line 7, Mine." in faults[0]
    assert f"returns {found}; expected" in faults[0]
    assert expected in faults[0]


@pytest.mark.parametrize(
    ("tables", "found"),
    [
        ('{"a": np.zeros(draws.iterations)}', "float64"),
        ('{"a": np.zeros((draws.iterations, draws.images + 1), np.float32)}', "'a'"),
        ('{"a": [0.0] * draws.iterations}', "list"),
        ('{"partner": np.zeros(draws.iterations, np.float32)}', "all methods share"),
        ('{"a": draws.generator("crop").random(draws.iterations, dtype="float32")}', "draws that all methods share"),
        ('{"a": np.random.random(draws.iterations).astype(np.float32)}', "two equal draws gave different tables (a)"),
    ],
)
def test_tables_that_are_not_as_agreed_are_refused(tmp_path: Path, tables: str, found: str) -> None:
    fault = the_fault(trial_of(tmp_path, method_with(f"def draw(self, draws):\n    return {tables}")))
    assert "my_method.py, line" in fault
    assert "Mine.draw" in fault
    assert found in fault


def test_rows_of_the_target_sum_to_one(tmp_path: Path) -> None:
    fault = the_fault(trial_of(tmp_path, method_with("def target(self, one_hot, row):\n    return 0.9 * one_hot")))
    assert "my_method.py, line 7, Mine.target: a row of the target sums to 0.9; expected 1" in fault


def test_a_loss_that_is_not_finite_is_refused(tmp_path: Path) -> None:
    body = "def loss(self, p, labels, row):\n    return (p / (labels - labels)[:, None]).mean()"
    fault = the_fault(trial_of(tmp_path, method_with(body)))
    assert "my_method.py, line 7, Mine.loss: the loss of a first step is -inf" in fault


def test_a_loss_without_the_network_is_refused(tmp_path: Path) -> None:
    fault = the_fault(trial_of(tmp_path, method_with("def loss(self, p, labels, row):\n    return p.detach().mean()")))
    assert "the loss does not depend on what the network gave" in fault


@pytest.mark.parametrize(
    ("factor", "source"),
    [("torch.rand_like(images)", "torch"), ("float(np.random.rand())", "numpy.random")],
)
def test_numbers_that_are_drawn_inside_of_a_step_are_refused_at_their_line(
    tmp_path: Path, factor: str, source: str
) -> None:
    body = f"""\
        def mix(self, images, row):
            images = images * 1
            return self.scaled(images)

        def scaled(self, images):
            return images * {factor}
        """
    fault = the_fault(trial_of(tmp_path, method_with(body)))
    assert f"my_method.py, line 12, Mine.scaled: random numbers of {source} are drawn inside of the step: " in fault
    assert "two equal steps from equal weights gave different weights" in fault
    assert fault.endswith("Draw them ahead, with draws.generator(name) in `draw`.")


@pytest.mark.parametrize("factor", ["len(SEEN)", "float(np.random.default_rng().random())"])
def test_steps_that_differ_without_a_known_generator_are_refused(tmp_path: Path, factor: str) -> None:
    body = f"def mix(self, images, row):\n    SEEN.append(1)\n    return images * {factor}"
    source = method_with(body).replace("\n\n\nclass", "\n\nSEEN = []\n\nclass")
    fault = the_fault(trial_of(tmp_path, source))
    assert "two equal steps from equal weights gave different weights" in fault
    assert "something is carried from step to step, or numbers are drawn by a generator" in fault


def test_a_table_that_numpy_draws_by_itself_is_refused_at_its_line(tmp_path: Path) -> None:
    body = """\
        def draw(self, draws):
            count = draws.iterations
            return {"a": np.random.random(count).astype(np.float32)}
        """
    fault = the_fault(trial_of(tmp_path, method_with(body)))
    assert "my_method.py, line 9, Mine.draw: two equal draws gave different tables (a)" in fault


def test_a_file_beside_it_that_the_method_imports_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Python finds it, as in the working folder, it would be run, and an edit of it would train nothing anew."""
    (tmp_path / "neighbour_of_mine.py").write_text("share = 0.5\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    source = "from neighbour_of_mine import share\n" + method_with(
        "def mix(self, images, row):\n    return share * images"
    )
    fault = the_fault(trial_of(tmp_path, source))
    assert "my_method.py, line 1, Mine: it imports neighbour_of_mine.py, which lies beside it; " in fault
    assert "one file stands alone: it may import installed packages" in fault


@pytest.mark.parametrize(
    ("parameters", "beta", "text"),
    [
        ({"strength": 2}, None, "it takes hole; found methods.own.parameters.strength"),
        ({}, None, "it needs the parameter hole, and methods.own.parameters.hole is not there"),
        ({"hole": 1}, (1.0, 1.0), "it takes hole; found methods.own.beta"),
    ],
)
def test_parameters_that_the_class_does_not_take_are_named(
    tmp_path: Path, parameters: dict[str, int], beta: tuple[float, float] | None, text: str
) -> None:
    source = method_with("def __init__(self, hole):\n    self.hole = hole")
    fault = the_fault(trial_of(tmp_path, source, parameters_of(parameters), beta))
    assert "my_method.py" in fault
    assert text in fault


@pytest.mark.parametrize(
    ("declared", "value", "text"),
    [
        ("float", "0.2", "declared as a number; found the text '0.2' for methods.own.parameters.hole. Write a number"),
        ("float", True, "declared as a number; found True"),
        ("int", 0.5, "declared as a whole number; found 0.5"),
        ("str", 2, "declared as text; found 2"),
        ("bool", 1, "declared as true or false; found 1"),
    ],
)
def test_a_parameter_of_another_type_than_declared_is_refused_by_name(
    tmp_path: Path, declared: str, value: object, text: str
) -> None:
    source = method_with(f"""\
        def __init__(self, hole: {declared}):
            self.hole = hole

        def mix(self, images, row):
            return images * 0.5
        """)
    fault = the_fault(trial_of(tmp_path, source, parameters_of({"hole": value})))
    assert "line 7" in fault
    assert text in fault


@pytest.mark.parametrize(
    ("declared", "value"), [("float", 2), ("float", 0.5), ("int", 2), ("str", "a"), ("bool", True)]
)
def test_a_parameter_of_the_declared_type_is_taken(tmp_path: Path, declared: str, value: object) -> None:
    source = method_with(f"""\
        def __init__(self, hole: {declared}):
            self.hole = hole

        def mix(self, images, row):
            return images * 0.5
        """)
    assert find_faults(trial_of(tmp_path, source, parameters_of({"hole": value})), KIND) == []


def test_a_class_that_replaces_nothing_is_refused(tmp_path: Path) -> None:
    source = method_with("""\
        def mixx(self, images, row):
            return images * 0.5
        """)
    assert "it replaces none of draw, mix, mix_features, target, loss" in the_fault(trial_of(tmp_path, source))


def test_a_function_that_was_probably_misspelt_is_refused_at_its_line(tmp_path: Path) -> None:
    """The labels would stay as they are, and nobody would know. A function that another one calls is no step."""
    fault = the_fault(trial_of(tmp_path, SIDES.replace("def target", "def targt")))
    assert "nothing calls the function targt; did you mean target? Correct the name, or remove the function." in fault
    assert "my_method.py, line 15, Mine.targt" in fault
    called = SIDES.replace("def target", "def targets") + "\n    def target(self, one_hot, row):\n"
    called += "        return self.targets(one_hot, row)\n"
    (tmp_path / "other").mkdir()
    assert find_faults(trial_of(tmp_path / "other", called), KIND) == []


@pytest.mark.parametrize(
    "use",
    [
        "        return torch.stack([self.targets(one, row) for one in [one_hot]])[0]",
        "        return (lambda one: self.targets(one, row))(one_hot)",
        "        return getattr(self, 'targets')(one_hot, row)",
        "        return with_targets(self, one_hot, row)",
    ],
)
def test_a_function_that_is_called_in_any_way_is_no_misspelt_step(tmp_path: Path, use: str) -> None:
    source = SIDES.replace("def target", "def targets") + f"\n    def target(self, one_hot, row):\n{use}\n"
    source += "\n\ndef with_targets(method, one_hot, row):\n    return method.targets(one_hot, row)\n"
    assert find_faults(trial_of(tmp_path, source), KIND) == []


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("class Mine(Method)", "class Base(Method)"),
        ("    def target(self,", "    @staticmethod\n    def target("),
    ],
)
def test_a_misspelt_step_is_found_above_the_class_and_without_self(tmp_path: Path, before: str, after: str) -> None:
    source = SIDES.replace(before, after).replace("def target", "def targt")
    if "Base" in after:
        source += "\n\nclass Mine(Base):\n    pass\n"
    assert "nothing calls the function targt; did you mean target?" in the_fault(trial_of(tmp_path, source))


def test_a_parameter_that_the_class_refuses_is_refused_at_its_line(tmp_path: Path) -> None:
    source = method_with("def __init__(self, hole):\n    if hole > 1:\n        raise ValueError('hole is a share')")
    fault = the_fault(trial_of(tmp_path, source, parameters_of({"hole": 2})))
    assert "my_method.py, line 9" in fault
    assert "ValueError: hole is a share" in fault


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("import torch\nclass Mine(:\n    pass\n", "my_method.py, line 2: SyntaxError"),
        ("import torch\n\nimport no_such_library\n", "my_method.py, line 3: ModuleNotFoundError"),
        ("class Other:\n    pass\n", "defines no Mine"),
        ("class Mine:\n    pass\n", "a class that does not inherit from it"),
        ("def Mine(images):\n    return images\n", "my_method.py, line 1, Mine: it is function"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused(tmp_path: Path, source: str, text: str) -> None:
    fault = the_fault(trial_of(tmp_path, source))
    assert text in fault


def test_all_faults_of_a_method_are_found_at_once(tmp_path: Path) -> None:
    mix = "def mix(self, images, row):\n    return images.double()\n"
    body = f"{mix}\ndef target(self, one_hot, row):\n    return one_hot.sum()"
    faults = find_faults(trial_of(tmp_path, method_with(body)), KIND)
    assert [fault.split(": ")[0].rpartition(" ")[2] for fault in faults] == ["Mine.mix", "Mine.target"]


def test_an_array_that_is_mixed_otherwise_than_a_tensor_is_refused(tmp_path: Path) -> None:
    body = """\
        mixes_arrays = True

        def mix(self, images, row):
            return images if isinstance(images, np.ndarray) else images * 0.5
        """
    fault = the_fault(trial_of(tmp_path, method_with(body)))
    assert "arrays are mixed otherwise than tensors" in fault
