"""Protects the sentences that people read first: every method by its name, the sign of a bound, what a test can say."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from smallmix.datasets.description import DatasetDescription
from smallmix.report import differences_section
from smallmix.report.differences_section import comparison_view, declared_sentences, pairing_sentence
from smallmix.report.summary_section import compose_answer
from smallmix.statistics.comparison import compare_methods, write_comparison
from smallmix.statistics.summary import summarize
from smallmix.tables.columns import SELECTIONS, selections_of
from smallmix.tables.statistics_columns import COMPARISON, SUMMARY
from smallmix.tables.study_tables import TABLES_READ, StudyTables
from smallmix.tables.table_files import empty_table, read_table, table_of

from tests.unit.statistics.made_up_results import make_results, make_study

PLAIN = {"mix": "none", "beta": None}
MINUS = "\N{MINUS SIGN}"


def mixing(mix: str, *beta: float) -> dict[str, Any]:
    return {"mix": mix, "beta": list(beta)}


def tables_with(
    folder: Path, accuracies: Mapping[tuple[int, str], Sequence[float | None]], **choices: Any
) -> StudyTables:
    """The tables of a study whose runs have exactly these accuracies, by every selection."""
    seeds = max(map(len, accuracies.values()))
    study = make_study(sizes=sorted({size for size, _ in accuracies}), seeds=range(seeds), **choices)
    results = make_results(accuracies)
    write_comparison(compare_methods(study, results), folder / "comparison.csv")
    frames = {name: empty_table(table) for name, table in TABLES_READ.items()}
    frames["summary"] = table_of(SUMMARY, map(dataclasses.astuple, summarize(study, results).rows))
    frames["comparison"] = read_table(folder / "comparison.csv", COMPARISON)
    frames["metrics"] = pd.DataFrame(
        [
            {
                "size": one.size,
                "method": one.method,
                "seed": one.seed,
                "largest_early_loss": 2.4,
                **dict.fromkeys(SELECTIONS.values(), accuracy),
            }
            for one in results
            for accuracy in [one.numbers[SELECTIONS["best"]]]
        ]
    )
    return StudyTables(
        study=study,
        metrics=frames["metrics"],
        history=frames["history"],
        cells=frames["cells"],
        summary=frames["summary"],
        comparison=frames["comparison"],
        claims=frames["claims"],
        subset_table=frames["subset_table"],
    )


# Differences in points. label-mix: 5, 7 with 20 images and 4, 6 with 100.
TWO_SEEDS = {
    (20, "non"): (0.50, 0.50),
    (20, "data-mix"): (0.49, 0.47),
    (20, "label-mix"): (0.55, 0.57),
    (100, "non"): (0.80, 0.80),
    (100, "data-mix"): (0.81, 0.82),
    (100, "label-mix"): (0.84, 0.86),
}


def test_the_answer_speaks_of_every_mixing_method_by_name(tmp_path: Path) -> None:
    sentence = compose_answer(tables_with(tmp_path, TWO_SEEDS)).sentence
    assert sentence == (
        "label-mix came out ahead of non at both training-set sizes tried (+6.0 points with 20 images, +5.0 with 100). "
        f"data-mix came out ahead of non at 1 of the 2 training-set sizes tried ({MINUS}2.0 points with 20 images, "
        "+1.5 with 100). With two seeds at most, no difference can be told from luck: an interval takes three."
    )


def test_two_seeds_have_no_interval_and_three_have(tmp_path: Path) -> None:
    """Differences 3, 6, 9: the t quantile is 4.303, the error 3 / sqrt(3), so that the interval is 6 +- 7.45."""
    answer = compose_answer(tables_with(tmp_path, TWO_SEEDS))
    assert [gain.text for gain in answer.gains if gain.method == "label-mix"] == [
        "+6.0 points (two seeds: no interval) with 20 images; +5.0 points (two seeds: no interval) with 100"
    ]
    assert any(one.startswith("Two seeds have no interval here: it would reach 12.7 ") for one in answer.warnings)
    three = {(20, "non"): (0.5,) * 3, (20, "data-mix"): (0.5,) * 3, (20, "label-mix"): (0.53, 0.56, 0.59)}
    answer = compose_answer(tables_with(tmp_path, three))
    assert [gain.method for gain in answer.gains] == ["label-mix", "data-mix"], "the order of the sentence"
    assert answer.gains[0].text == f"+6.0 points (95 % interval {MINUS}1.5 to +13.5, 3 seeds) with 20 images"
    assert "no interval over seeds excludes zero" in answer.sentence
    assert not any("Two seeds" in one for one in answer.warnings)


def test_the_answer_says_on_which_side_of_zero_intervals_lie(tmp_path: Path) -> None:
    six = {
        (20, "non"): (0.50,) * 6,
        (20, "data-mix"): (0.44, 0.45, 0.46, 0.44, 0.45, 0.46),
        (20, "label-mix"): (0.56, 0.55, 0.54, 0.56, 0.55, 0.54),
        (100, "non"): (0.80,) * 6,
        (100, "data-mix"): (0.84, 0.85, 0.86, 0.84, 0.85, 0.86),
        (100, "label-mix"): (0.84, 0.85, 0.86, 0.84, 0.85, 0.86),
    }
    sentence = compose_answer(tables_with(tmp_path, six)).sentence
    assert "+5.0 with 100; the interval over seeds lies above zero at both of them)." in sentence
    assert "the interval over seeds lies above zero with 100 images and below zero with 20 images)." in sentence


def test_sizes_between_the_ends_are_named(tmp_path: Path) -> None:
    """Of more than four sizes the ends alone, and it is said that they are the ends."""
    sizes = (20, 30, 50, 100, 200)
    means: dict[tuple[int, str], tuple[float, ...]] = {(size, "non"): (0.5, 0.5, 0.5) for size in sizes}
    means |= {(size, "label-mix"): tuple(0.5 + size / 1000 + add for add in (0.0, 0.001, 0.002)) for size in sizes}
    means[30, "label-mix"] = (0.4, 0.5, 0.6)
    four = {place: of_seeds for place, of_seeds in means.items() if place[0] != 200}
    answer = compose_answer(tables_with(tmp_path / "four", four))
    assert "(+2.1 points with 20 images, 0.0 with 30, +5.1 with 50, +10.1 with 100; " in answer.sentence
    assert "lies above zero with 20, 50 and 100 images)" in answer.sentence
    assert [text.rpartition(")")[2] for text in answer.gains[-1].text.split("; ")] == [
        " with 20 images",
        " with 30",
        " with 50",
        " with 100",
    ]
    answer = compose_answer(tables_with(tmp_path / "five", means))
    assert "(+2.1 points with 20 images, the fewest, +20.1 with 200, the most; " in answer.sentence
    assert answer.gains[-1].text.endswith(" with 200, the most")


def test_a_study_that_only_guesses_is_told_so(tmp_path: Path) -> None:
    """Ten classes: 10 %. With 20 images nothing lies clearly above it, with 100 one method does."""
    means = {
        (20, "non"): (0.09, 0.10, 0.11),
        (20, "data-mix"): (0.08, 0.12, 0.13),
        (20, "label-mix"): (0.10, 0.10, 0.10),
        (100, "non"): (0.10, 0.10, 0.10),
        (100, "data-mix"): (0.08, 0.12, 0.13),
        (100, "label-mix"): (0.20, 0.21, 0.22),
    }
    names = tuple("abcdefghij")
    images = DatasetDescription("own", "own", "Own", names, (8, 8, 1), 200, 100, (0.5,), (0.2,), {}, {}, ())
    said = compose_answer(dataclasses.replace(tables_with(tmp_path, means), dataset=images)).warnings
    assert [one for one in said if "guessing among" in one] == [
        "With 20 images no method is clearly above guessing among 10 classes (10.0\N{NO-BREAK SPACE}%) in the last "
        "tenth of its runs. Differences between methods say little there. Perhaps the trainings are too short."
    ]


def test_guessing_with_uneven_test_classes_names_the_largest(tmp_path: Path) -> None:
    """60 of 100 test images are of one of three classes: 55 % are above a third, and still no better than guessing."""
    means = {
        (20, "non"): (0.54, 0.55, 0.56),
        (20, "label-mix"): (0.59, 0.60, 0.61),
        (100, "non"): (0.60, 0.60, 0.60),
        (100, "label-mix"): (0.70, 0.71, 0.72),
    }
    images = DatasetDescription("own", "own", "Own", ("a", "b", "c"), (8, 8, 1), 200, 100, (0.5,), (0.2,), {}, {}, ())
    counted = [
        {"size": 20, "method": method, "seed": seed, "label": label, "class": name, "images": count}
        for method in ("non", "label-mix")
        for seed in range(3)
        for label, (name, count) in enumerate({"a": 60, "b": 30, "c": 10}.items())
    ]
    tables = dataclasses.replace(tables_with(tmp_path, means), dataset=images, per_class=pd.DataFrame(counted))
    assert [one for one in compose_answer(tables).warnings if "no method" in one] == [
        "With 20 images no method is clearly above always naming the class with the most test images "
        "(60.0\N{NO-BREAK SPACE}%) in the last tenth of its runs. Differences between methods say little there. "
        "Perhaps the trainings are too short."
    ]
    # A share that nine digits round up: 40 of 60 is 0.666666667 in the tables.
    two_thirds = dict.fromkeys([(20, "non"), (20, "label-mix")], (40 / 60,) * 3)
    uneven = tables.per_class.assign(images=[40, 10, 10] * 6)
    rounded = dataclasses.replace(tables_with(tmp_path / "rounded", two_thirds), dataset=images, per_class=uneven)
    assert [one for one in compose_answer(rounded).warnings if "(66.7" in one]
    even = dataclasses.replace(tables, per_class=tables.per_class.assign(images=20))
    assert not [one for one in compose_answer(even).warnings if "no method" in one]


def test_one_seed_is_said_once(tmp_path: Path) -> None:
    one = {place: of_seeds[:1] for place, of_seeds in TWO_SEEDS.items()}
    sentence = compose_answer(tables_with(tmp_path, one)).sentence
    assert sentence.count("With one seed each, no difference can be told from luck.") == 1
    assert "(+5.0 points with 20 images, +4.0 with 100)." in sentence


def test_a_method_without_finished_runs_is_named(tmp_path: Path) -> None:
    some = {place: of_seeds for place, of_seeds in TWO_SEEDS.items() if place[1] != "data-mix"}
    assert (
        "Of data-mix no size has finished runs to compare yet." in compose_answer(tables_with(tmp_path, some)).sentence
    )


def test_many_methods_are_sorted_by_where_they_came_out_ahead(tmp_path: Path) -> None:
    methods = {"plain": PLAIN, **{f"mix-{n}": mixing("images", 1 + n / 10, n / 10) for n in range(1, 6)}}
    gains = {"plain": (0, 0), "mix-1": (1, 1), "mix-2": (1, -1), "mix-3": (-1, -1), "mix-4": (2, 1), "mix-5": (-1, 1)}
    accuracies = {
        (size, name): ((50 + gain[place]) / 100,) * 3
        for name, gain in gains.items()
        for place, size in enumerate((20, 100))
    }
    assert compose_answer(tables_with(tmp_path, accuracies, methods=methods)).sentence == (
        "Ahead of plain came out mix-1 and mix-4 at every size tried; mix-2 and mix-5 at some sizes; mix-3 at none."
    )


def test_a_bound_just_below_zero_is_not_shown_as_zero(tmp_path: Path) -> None:
    """Differences 1 and 1 +- 0.40416 points: reach 4.30265 * 0.40416 / sqrt(3) = 1.0040, so the bound is -0.004."""
    near = {
        (20, "non"): (0.5, 0.5, 0.5),
        (20, "label-mix"): (0.51, 0.5140416, 0.5059584),
        (20, "data-mix"): (0.5, 0.5, 0.5),
    }
    tables = tables_with(tmp_path, near)
    gain = next(one for one in compose_answer(tables).gains if one.method == "label-mix")
    assert tables.differences("label-mix", "non")[0].low == pytest.approx(-0.00004, abs=2e-6)
    assert gain.text == f"+1.0 points (95 % interval {MINUS}0.004 to +2.0, 3 seeds) with 20 images"


def six_seeds(*points: float) -> dict[tuple[int, str], tuple[float, ...]]:
    """label-mix ahead of non by so many points."""
    return {
        (20, "non"): (0.5,) * len(points),
        (20, "label-mix"): tuple(0.5 + point / 100 for point in points),
        (20, "data-mix"): (0.4,) * len(points),
    }


def test_the_least_possible_p_stands_beside_the_declared_one(tmp_path: Path) -> None:
    """Mean 3.5, deviation 1.8708, error 0.76376, so t = 4.5826 and p = 0.00593; of 64 signs, 2 are as far off."""
    said = declared_sentences(tables_with(tmp_path, six_seeds(1, 2, 3, 4, 5, 6)))
    assert said.startswith("The hypothesis declared in advance, label-mix against non averaged over all sizes by the ")
    assert ": +3.5 points (95 % interval +1.5 to +5.5, 6 seeds). " in said
    assert "Exact sign-flip test over seeds: p = 0.0312 (the least possible with 6 seeds: 0.0312). " in said
    assert "Student's t test: p = 0.00593. " in said
    # 1 against the others: 21 - 2 and its mirror are as far off as 19, and so are all sums of 19 and more.
    weaker = declared_sentences(tables_with(tmp_path, six_seeds(-1, 2, 3, 4, 5, 6)))
    assert "p = 0.0625 (the least possible with 6 seeds: 0.0312)" in weaker


@pytest.mark.parametrize(
    ("seeds", "limit"),
    [
        (1, "with one seed there is no test"),
        (3, "with 3 seeds the exact test cannot give a p-value below 0.25"),
        (5, "with 5 seeds the exact test cannot give a p-value below 0.0625"),
    ],
)
def test_too_few_seeds_declare_nothing_and_say_why(seeds: int, limit: str, tmp_path: Path) -> None:
    said = declared_sentences(tables_with(tmp_path, six_seeds(*range(1, seeds + 1))))
    assert said.startswith(f"No hypothesis is declared in advance: {limit}. 6 seeds are the fewest that can decide")


def test_nothing_is_said_of_a_hypothesis_that_the_study_cannot_ask(tmp_path: Path) -> None:
    methods = {"plain": PLAIN, "mixed": mixing("images", 2, 1)}
    accuracies = {(20, "plain"): (0.5,) * 6, (20, "mixed"): (0.6,) * 6}
    assert declared_sentences(tables_with(tmp_path, accuracies, methods=methods)) == ""


def test_all_p_values_that_were_computed_are_shown(tmp_path: Path) -> None:
    view = comparison_view(tables_with(tmp_path, six_seeds(1, 2, 3, 4, 5, 6)))
    rows = [[entry.text for entry in row] for row in view.rows]
    best = next(row for row in rows if row[:3] == ["20", f"label-mix {MINUS} non", "best of the run"])
    # Three comparisons at the one size: Holm multiplies the smallest p-value by 3. non does not vary: ratio 1.
    ahead = "6 of 6 (61 to 100\N{NO-BREAK SPACE}%)"
    assert best[3:] == ["6", "+3.5", "+1.5 to +5.5", ahead, "0.0312", "0.0312", "0.0938 of 3", "0.00593", "1.00"]
    declared = [row for row in rows if "(declared)" in row[7]]
    assert [(row[0], row[1], row[9]) for row in declared] == [("all", f"label-mix {MINUS} non", "\N{EN DASH}")]
    assert len(rows) == 3 * len(selections_of(0)) * 2


def test_a_long_list_of_comparisons_is_cut_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tables = tables_with(tmp_path, TWO_SEEDS)
    assert comparison_view(tables).caption.startswith("Every comparison. ")
    monkeypatch.setattr(differences_section, "MOST_ROWS", 4)
    view = comparison_view(tables)
    assert len(view.rows) == 4
    assert view.caption.startswith("4 of 27 comparisons; all: comparison.csv. ")


def test_what_pairing_gained_is_said_as_observed(tmp_path: Path) -> None:
    shared = {  # data-mix and label-mix follow non exactly: differences do not vary at all
        (20, "non"): (0.40, 0.50, 0.60),
        (20, "data-mix"): (0.45, 0.55, 0.65),
        (20, "label-mix"): (0.41, 0.51, 0.61),
    }
    assert pairing_sentence(tables_with(tmp_path, shared)) == (
        "The variance of such a difference was 0.00 times the sum of the two methods' own variances (median of 3 "
        "comparisons of the best accuracy, 0.00 to 0.00), so pairing removed scatter that the methods share."
    )
    opposed = {**shared, (20, "data-mix"): (0.60, 0.50, 0.40), (20, "label-mix"): (0.5, 0.5, 0.5)}
    said = pairing_sentence(tables_with(tmp_path, opposed))
    # data-mix against non: 4 / 2; label-mix against either: 1, as one of the two does not vary.
    assert "1.00 times" in said
    assert "1.00 to 2.00), so pairing made little difference." in said
    against = {**shared, (20, "data-mix"): (0.60, 0.50, 0.40), (20, "label-mix"): (0.62, 0.50, 0.40)}
    assert "so pairing made the intervals wider rather than narrower." in pairing_sentence(
        tables_with(tmp_path, against)
    )
    two = pairing_sentence(tables_with(tmp_path, TWO_SEEDS))
    assert two == "Whether their scatter is shared, and so drops out, can be told from three seeds on."
