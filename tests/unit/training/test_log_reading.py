"""Protects what is read back from a training's log, with the very lines that a training writes."""

from __future__ import annotations

from pathlib import Path

import pytest
from smallmix.errors import Interrupted
from smallmix.training.log_reading import Course, read_course
from smallmix.training.messages import describe_seconds

from tests.tiny_cell import StopAtCheck, TinyData, tiny_cell

STAMP = "2026-01-02 03:04:05 "
EVALUATED = (
    "iteration 1,170/117,000 | train loss 2.1000 | test loss 2.2000 | test accuracy 23.45 % | learning rate 0.1 | "
    "1,234 images/s | 2 h 10 min left"
)


def course_of(tmp_path: Path, *messages: str, end: str = "\n") -> Course:
    path = tmp_path / "log.txt"
    path.write_text("\n".join(STAMP + message for message in messages) + end, encoding="utf-8")
    return read_course(path)


def test_a_real_training_is_read_back(tmp_path: Path) -> None:
    data, cell = TinyData.write(tmp_path), tiny_cell(iterations=50, every=2)
    with pytest.raises(Interrupted) as stopped:
        data.train(cell, tmp_path / "a", StopAtCheck(40))
    (log,) = (tmp_path / "a" / "store").glob("*/log.txt")
    course = read_course(log)
    assert course.ended == "stopped"
    assert course.saved == course.iteration
    assert f"saved at iteration {course.saved} of {course.iterations}." in str(stopped.value)
    assert course.accuracy is not None
    assert course.seconds_left is not None
    data.train(cell, tmp_path / "a")
    course = read_course(log)
    assert (course.ended, course.iteration, course.iterations, course.seconds_left) == ("finished", 50, 50, 0)


def test_the_last_evaluation_of_the_last_attempt_counts(tmp_path: Path) -> None:
    begun = "training 117,000 iterations on cpu"
    course = course_of(tmp_path, begun, EVALUATED)
    assert (course.iteration, course.iterations, course.accuracy) == (1170, 117_000, 0.2345)
    assert (course.seconds_left, course.saved, course.ended) == (7800.0, None, None)
    again = course_of(tmp_path, begun, EVALUATED, "continued from the checkpoint at iteration 1,100 of 117,000")
    assert (again.iteration, again.accuracy, again.saved) == (1100, None, 1100)


@pytest.mark.parametrize(
    ("message", "ended"),
    [("failed: out of memory", "failed"), ("finished: test accuracy 1.00 %", "finished"),
     ("adopted from a", "finished"), ("stopped: SIGTERM received", "stopped"), ("warning: no matter", None)],
)  # fmt: skip
def test_the_end_is_known_by_its_word(tmp_path: Path, message: str, ended: str | None) -> None:
    assert course_of(tmp_path, "training 6 iterations on cpu", message).ended == ended


def test_a_line_that_is_being_written_does_not_count(tmp_path: Path) -> None:
    course = course_of(tmp_path, "training 117,000 iterations on cpu", EVALUATED[:70], end="")
    assert (course.iteration, course.accuracy) == (0, None)
    course = course_of(tmp_path, "training 117,000 iterations on cpu", "failed: half a mess", end="")
    assert course.ended is None


def test_a_long_log_is_read_from_its_end(tmp_path: Path) -> None:
    course = course_of(tmp_path, "training 117,000 iterations on cpu", *["warning: " + "x" * 1000] * 1000, EVALUATED)
    assert course.iteration == 1170


@pytest.mark.parametrize("content", [b"", b"\x00\xff\xfe\n\n", b"no stamp: failed: x\n"])
def test_foreign_content_says_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "log.txt").write_bytes(content)
    assert read_course(tmp_path / "log.txt") == Course() == read_course(tmp_path / "none")


@pytest.mark.parametrize("seconds", [0, 42, 185, 7800, 4 * 86_400 + 3 * 3600])
def test_durations_are_read_as_they_are_written(tmp_path: Path, seconds: int) -> None:
    text = EVALUATED.replace("2 h 10 min", describe_seconds(seconds))
    assert course_of(tmp_path, text).seconds_left == seconds
