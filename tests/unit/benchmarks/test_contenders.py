"""Protects comparisons in which contenders fail: the others are measured, in full, and paired."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from benchmarks.contenders import Outcome, compare_working
from benchmarks.time_limit import TimeLimit
from benchmarks.worker_pool import WorkerError


def start(fails_at: int = 0, calls: list[int] | None = None) -> Callable[[], Callable[[], None]]:
    """A contender whose block fails at its n-th call (0: never); `calls` is filled with its calls."""
    done = [] if calls is None else calls

    def block() -> None:
        done.append(1)
        if len(done) == fails_at:
            raise WorkerError(f"failed at call {fails_at}")

    return lambda: block


def measured(outcome: Outcome) -> dict[str, int]:
    assert outcome.comparison is not None
    return {name: len(seconds) for name, seconds in outcome.comparison.seconds.items()}


@pytest.mark.parametrize("fails_at", [1, 2, 3, 4])
@pytest.mark.parametrize("broken", ["a", "b", "c"])
def test_whoever_fails_is_named_and_the_others_have_all_their_rounds(broken: str, fails_at: int) -> None:
    starts = {name: start(fails_at if name == broken else 0) for name in "abc"}
    outcome = compare_working("title", "step", 1, starts, 2, TimeLimit())
    others = [name for name in "abc" if name != broken]
    assert outcome.failures == {broken: f"failed at call {fails_at}"}
    assert measured(outcome) == dict.fromkeys([*others, f"{others[0]} (again)"], 2)


def test_where_none_works_there_is_no_comparison() -> None:
    outcome = compare_working("title", "step", 1, {"a": start(1), "b": start(3)}, 2, TimeLimit())
    assert outcome.comparison is None
    assert list(outcome.failures) == ["a", "b"]


def test_there_are_fewer_rounds_where_time_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that each block moves by a second: 3 contenders, 4 blocks a round, 16 of 26 seconds left for two."""
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    monkeypatch.setattr("time.perf_counter", lambda: now[0])

    def block() -> None:
        now[0] += 1.0

    starts = dict.fromkeys("abc", lambda: block)
    assert measured(compare_working("title", "step", 1, starts, 7, TimeLimit.after(16.5)))["a"] == 2
    assert measured(compare_working("title", "step", 1, starts, 7, TimeLimit.after(7)))["a"] == 1
    assert measured(compare_working("title", "step", 1, starts, 7, TimeLimit.after(1000)))["a"] == 7
