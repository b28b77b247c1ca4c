"""Protects the accuracies that are kept apart, above all the one that no result chose: the median of the last tenth."""

from __future__ import annotations

import statistics

import pytest
from smallmix.science.history import COLUMNS, HistoryRow, history_csv, summarize


def rows(moments: list[int], accuracies: list[float]) -> list[HistoryRow]:
    return [
        HistoryRow(moment, float(moment), 0.1, 1.0, 1.0, 0.5, 1.0, accuracy)
        for moment, accuracy in zip(moments, accuracies, strict=True)
    ]


def test_with_a_hundred_evaluations_it_is_that_of_the_last_ten() -> None:
    accuracies = [(37 * number % 100) / 100 for number in range(100)]
    found = summarize(rows(list(range(8, 801, 8)), accuracies))
    assert found["last_tenth_test_accuracy"] == statistics.median(accuracies[-10:])
    assert found["last_tenth_readings"] == 10


def test_with_few_evaluations_it_is_not_the_middle_of_the_learning_curve() -> None:
    found = summarize(rows([100, 200, 300, 400, 500], [0.1, 0.2, 0.3, 0.5, 0.9]))
    assert found["last_tenth_test_accuracy"] == 0.9
    assert found["last_tenth_readings"] == 1


@pytest.mark.parametrize("late", [[460, 470, 480, 490, 500], [451, 500], [455, 460, 465, 470, 475, 480, 500]])
def test_only_what_was_read_in_the_last_tenth_counts(late: list[int]) -> None:
    moments = [100, 200, 300, 400, 450, *late]
    accuracies = [0.1] * 5 + [0.5 + 0.01 * number for number in range(len(late))]
    found = summarize(rows(moments, accuracies))
    assert found["last_tenth_test_accuracy"] == statistics.median(accuracies[5:])
    assert found["last_tenth_readings"] == len(late)


def validated(tests: list[float], validations: list[float]) -> list[HistoryRow]:
    """Evaluations after 10, 20, … iterations."""
    return [
        HistoryRow(10 * number, number / 2, 0.1, 1.0, 1.0, 0.5, 1.0, test, 2.0, validation)
        for number, (test, validation) in enumerate(zip(tests, validations, strict=True), start=1)
    ]


def test_the_best_validation_accuracy_chooses_the_moment() -> None:
    """By hand: validation is best after 20 and after 40 iterations alike, and the first of equals counts."""
    found = summarize(validated([0.2, 0.6, 0.9, 0.7], [0.1, 0.8, 0.5, 0.8]))
    assert (found["validation_best_test_accuracy"], found["validation_best_iteration"]) == (0.6, 20)
    assert (found["best_test_accuracy"], found["best_iteration"]) == (0.9, 30)


def test_without_validation_images_nothing_is_added() -> None:
    found = summarize(rows([10, 20], [0.1, 0.2]))
    assert not [name for name in found if "validation" in name]
    header = history_csv(rows([10, 20], [0.1, 0.2])).splitlines()[0].decode()
    assert header.split(",") == list(COLUMNS[:-2])
    assert header.endswith("test_loss,test_accuracy")


def test_columns_of_validation_stand_at_the_end() -> None:
    lines = history_csv(validated([0.2], [0.25])).decode().splitlines()
    assert lines == [",".join(COLUMNS), "10,0.5,0.1,1,1,0.5,1,0.2,2,0.25"]
    assert lines[0].endswith(",validation_loss,validation_accuracy")
