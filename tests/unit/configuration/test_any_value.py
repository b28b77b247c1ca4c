"""Whatever stands in place of whichever key: a configuration resolves or is refused with a message, nothing else.

And what resolves is a value: it survives its own JSON, and can be resolved again.
"""

from __future__ import annotations

import copy
import datetime
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from smallmix.errors import ConfigurationError
from smallmix.study.config_errors import key_name
from smallmix.study.configuration import load_configuration, resolve_configuration
from smallmix.study.study import Study

PROJECT = Path(__file__).resolve().parents[3]
CONFIG: dict[str, Any] = yaml.safe_load((PROJECT / "config.yaml").read_text(encoding="utf-8"))


def paths(value: Any, above: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place of a configuration, from the top down."""
    inner: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        inner = list(value.items())
    elif isinstance(value, list):
        inner = list(enumerate(value))
    return [above] * bool(above) + [path for key, item in inner for path in paths(item, (*above, key))]


PLACES = paths(CONFIG)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(
        ["[0, 1]", "{a: b}", "[", "{", "1e-3", "0.5", "none", "digits", "null", "~", "-0", "1e999", "9" * 5000]
    )
    | st.dates()
    | st.datetimes(max_value=datetime.datetime(9000, 1, 1))
    | st.binary(max_size=3)
    | st.sampled_from([10**400, -(10**3000), 2**63, float("nan"), float("inf")])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(SCALARS.filter(lambda key: key == key), inner, max_size=4)
    ),
    max_leaves=12,
)


@pytest.fixture(autouse=True, scope="module")
def project_folder() -> Any:
    before = os.getcwd()
    os.chdir(PROJECT)
    yield
    os.chdir(before)


def resolves_or_is_refused(configuration: Any) -> None:
    """The one promise about every input."""
    try:
        resolved = resolve_configuration(configuration)
    except ConfigurationError as error:
        message = str(error)
        message.encode("utf-8")
        assert message.startswith("The configuration has ")
        return
    study = Study.from_configuration(resolved)
    assert Study.from_json(study.to_json()) == study
    assert resolve_configuration(resolved) == resolved


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(PLACES), VALUES)
def test_any_value_in_place_of_any_key(place: tuple[Any, ...], value: Any) -> None:
    configuration = copy.deepcopy(CONFIG)
    holder: Any = configuration
    for key in place[:-1]:
        holder = holder[key]
    holder[place[-1]] = value
    resolves_or_is_refused(configuration)


OWN_CODE = st.sampled_from(["none.py:Mine", {"mix": "none.py:Mine"}, {"name": "none.py:Mine", "width": 0}, [1, 1, -1]])


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.sampled_from(PLACES), VALUES | OWN_CODE), min_size=2, max_size=5))
def test_any_values_in_place_of_several_keys(changes: list[tuple[tuple[Any, ...], Any]]) -> None:
    """Files of one's own are looked for beside other faults, on what is sound of the configuration."""
    configuration = copy.deepcopy(CONFIG)
    for place, value in changes:
        holder: Any = configuration
        for key in place[:-1]:
            holder = holder.get(key, {}) if isinstance(holder, dict) else {}
        if isinstance(holder, dict):
            holder[place[-1]] = copy.deepcopy(value)
    resolves_or_is_refused(configuration)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from([place for place in PLACES if not isinstance(place[-1], int)]), SCALARS.filter(lambda k: k == k))
def test_any_key_in_place_of_any_key(place: tuple[Any, ...], key: Any) -> None:
    configuration = copy.deepcopy(CONFIG)
    holder: Any = configuration
    for part in place[:-1]:
        holder = holder[part]
    holder[key] = holder.pop(place[-1])
    resolves_or_is_refused(configuration)


@settings(max_examples=100, deadline=None)
@given(VALUES)
def test_any_value_in_place_of_the_whole(value: Any) -> None:
    resolves_or_is_refused(value)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10_000), st.text(st.characters(codec="utf-8"), min_size=1, max_size=6))
def test_any_text_put_anywhere_into_the_file(position: int, text: str) -> None:
    """Reading never raises anything but the message either, whatever a slip of the hand does to the file."""
    whole = (PROJECT / "config.yaml").read_text(encoding="utf-8")
    position %= len(whole)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "config.yaml"
        path.write_bytes((whole[:position] + text + whole[position:]).encode("utf-8"))
        try:
            load_configuration([path])
        except ConfigurationError as error:
            str(error).encode("utf-8")


def test_nesting_without_end_is_refused() -> None:
    deep: Any = 1
    for _ in range(5_000):
        deep = [deep]
    endless: dict[str, Any] = {}
    endless["recipe"] = endless
    for value in ({"recipe": deep}, endless):
        with pytest.raises(ConfigurationError, match="nested deeper than 20 levels"):
            resolve_configuration(value)


def test_keys_are_named_in_full() -> None:
    assert key_name(("recipe", "augmentation", "flip")) == "recipe.augmentation.flip"
    assert key_name(("subsets", "sizes", 2)) == "subsets.sizes (entry 3)"


SEEDS = st.lists(st.integers(0, 2**31 - 1), min_size=1, max_size=3, unique=True)
FRACTIONS = st.lists(st.floats(0.01, 0.99), max_size=3, unique=True).map(sorted)
BUDGETS: st.SearchStrategy[dict[str, int]] = st.fixed_dictionaries({"epochs": st.integers(1, 1000)}) | (
    st.fixed_dictionaries({"iterations": st.integers(1, 10**6)})
)
BETAS = st.lists(st.floats(0.01, 100), min_size=2, max_size=2)
METHODS: st.SearchStrategy[dict[str, Any]] = st.dictionaries(
    st.from_regex(r"[a-z0-9][a-z0-9-]{0,9}", fullmatch=True),
    st.fixed_dictionaries({"mix": st.sampled_from(["images", "images-and-labels"]), "beta": BETAS}),
    min_size=1,
    max_size=3,
)


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(st.integers(20, 1000).filter(lambda size: size % 128 != 1), min_size=1, max_size=4, unique=True),
    methods=METHODS,
    seeds=SEEDS,
    default=BUDGETS,
    own=BUDGETS,
    decay_at=FRACTIONS,
    rule=st.sampled_from(["head", "balanced", "random"]),
)
def test_valid_configurations_survive_their_json(
    sizes: list[int],
    methods: dict[str, Any],
    seeds: list[int],
    default: dict[str, int],
    own: dict[str, int],
    decay_at: list[float],
    rule: str,
) -> None:
    meanings = {(method["mix"], *method["beta"]) for method in methods.values()}
    if len(meanings) < len(methods):
        methods = dict([next(iter(methods.items()))])
    study = Study.from_configuration(
        resolve_configuration(
            {
                "study": "any",
                "dataset": {"name": "digits"},
                "subsets": {"sizes": sizes, "rule": rule, "redraw_per_seed": rule != "head"},
                "methods": methods,
                "seeds": seeds,
                "recipe": {"decay_at": decay_at, "augmentation": {"crop_padding": 1, "flip": False}},
                "budgets": {"default": default, sizes[0]: own},
            }
        )
    )
    again = Study.from_json(study.to_json())
    assert again == study
    assert again.methods == tuple(methods)
    assert len(study.cells) == len(sizes) * len(methods) * len(seeds)
    assert len({cell.id for cell in study.cells}) == len(study.cells)
    for cell in study.cells:
        assert type(cell.value).from_dict(cell.value.to_dict()) == cell.value
