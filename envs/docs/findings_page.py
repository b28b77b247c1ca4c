"""The page of findings, docs/findings.md with its figures, written by `make findings` from kept tables alone.

It reads reports/reference/<study>/ and nothing else. A study that is not kept, or was kept before its tables got their
present form, is named as not run, with its command. So the page can be built at every moment.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from smallmix.atomic_files import write_text
from smallmix.errors import SmallmixError
from smallmix.figures.catalogue import draw_figure
from smallmix.figures.figure_files import svg_text
from smallmix.figures.style import INK, MUTED, PAPER, RULE, SERIES_COLORS
from smallmix.project_files import WORKFLOW
from smallmix.statistics import open_questions
from smallmix.statistics.answers import Answer, answer_claim, answer_published, show_value
from smallmix.statistics.claims import RULES
from smallmix.statistics.study_results import SMALL_DATA_LIMIT, StudyResults, read_histories, read_results
from smallmix.study.layout import Layout
from smallmix.study.own_images import own_images
from smallmix.study.published import find_published
from smallmix.study.study import Study
from smallmix.tables.study_tables import StudyTables, load_tables
from smallmix.tables.subset_table import count_classes, read_subset_table
from smallmix.wording import count_of, joined

CLASSES = 10  # of CIFAR-10 and of the digits, which all kept studies are about
FIGURES = "images/findings"
NEEDED = ("metrics.csv", "history.csv", "summary.csv", "comparison.csv")
HEAD = """\
# Findings

<!-- Written by `make findings` from the tables under reports/reference. Change envs/docs/findings_page.py instead. -->

What the kept studies say to the article's six claims and to the questions that it leaves open. Each answer is computed
from the tables under `reports/reference/` by a fixed rule. A *yes* or a *no* needs intervals that exclude zero. Where
an interval includes zero, the answer is *undecided*. Where several intervals could contradict, they must cover together
in 95 %. Published numbers are judged by fixed tolerances instead. [From images to conclusions](numbers.md) explains the
rules.

Many studies here are small: a narrow network and a short budget, as two processor cores can train. Their scale stands
below each answer. Such a study can contradict a claim at its own scale. It cannot settle what the article's network
does."""


@dataclass(frozen=True)
class KeptStudy:
    """A kept study: its results as rules read them, and its tables as figures read them."""

    results: StudyResults
    tables: StudyTables


Studies = Mapping[str, KeptStudy]


@dataclass(frozen=True)
class Finding:
    """A question, the studies that answer it, the rule that does, and what stands beside the answer.

    `asks` says where the question comes from. `figure` is drawn of the first studies, `drawn` of them.
    """

    question: str
    asks: str
    studies: tuple[str, ...]
    answer: Callable[[Sequence[KeptStudy]], Answer]
    figure: str
    silent: str
    change: str
    drawn: int = 1


def _claim(rule: str) -> Callable[[Sequence[KeptStudy]], Answer]:
    return _by_results(lambda studies: answer_claim(rule, RULES[rule](studies[0], studies[1:])))


def _by_results(answer: Callable[[Sequence[StudyResults]], Answer]) -> Callable[[Sequence[KeptStudy]], Answer]:
    return lambda studies: answer([one.results for one in studies])


def _published_row(studies: Sequence[KeptStudy]) -> Answer:
    claims = studies[0].tables.claims
    rows = {
        str(row["id"]): {key: str(row[key]) for key in ("published", "found", "verdict")}
        for row in claims.to_dict("records")
    }
    return answer_published(studies[0].results, rows)


FINDINGS = (
    Finding(
        "Does mixup help at every training-set size?",
        "The article's first claim.",
        ("curve-small",),
        _claim("mixup_helps_at_every_size"),
        "accuracy_by_size_log",
        "Whether a longer budget would change the large sizes, where this one is a few epochs.",
        "More seeds narrow every interval. The study `replicated` has the article's network and budgets, on a GPU.",
    ),
    Finding(
        "Does the dip at 1,000 images come from too few iterations?",
        "The article's second claim.",
        ("dip-small", "dip-small-longer"),
        _claim("dip_at_1000_from_few_iterations"),
        "accuracy_by_size_log",
        "Whether the article's own dip has this cause. Here it was made on purpose, by budgets like the article's.",
        "The article's budgets and network, in the studies `article` and `longer`, on a GPU.",
        drawn=2,
    ),
    Finding(
        "Do uneven classes cost accuracy where images are few?",
        "The article's third claim, and the open question of uneven classes.",
        ("random-small", "balance-small"),
        _claim("uneven_classes_matter"),
        "accuracy_by_size_log",
        "What classes cost that are more uneven than random draws make them.",
        "More draws. The interval covers the scatter of the draws, so it narrows with the number of seeds.",
        drawn=2,
    ),
    Finding(
        "Is one way of mixing better throughout?",
        "The article's fourth claim says that neither is.",
        ("curve-small",),
        _claim("neither_mix_is_better_throughout"),
        "paired_differences",
        "Which way is better at sizes between those tried, or after a longer training.",
        "More seeds, since the two ways lie near each other, and the article's budgets.",
    ),
    Finding(
        "Does plain training converge at once, and mixing never?",
        "The article's fifth claim.",
        ("row-1000",),
        _claim("non_converges_mixup_does_not"),
        "loss_curves",
        "What the article saw: at 500, 250 and 100 images, with budgets 50 to 146 times as long. A tenth of 800 "
        "iterations "
        "is 80, which is little time for plain training to converge.",
        "The article's whole budgets at 500, 250 and 100 images, in the study `replicated`, on a GPU.",
    ),
    Finding(
        "Does mixing over-fit, and does the loss of mixed labels fall least?",
        "The article's sixth claim.",
        ("row-1000",),
        _claim("mixup_overfits_label_mix_falls_least"),
        "loss_curves",
        "What the article saw: at 500, 250 and 100 images, with budgets 50 to 146 times as long. Nor does it say why "
        "a loss "
        "stays high: the floor that mixing sets is subtracted, and what is left has more than one cause.",
        "The article's whole budgets at 500, 250 and 100 images, in the study `replicated`, on a GPU.",
    ),
    Finding(
        "Would a calmer recipe have been better for mixing?",
        "The article's remark on over-fitting with its optimiser's setting.",
        ("small-end", "calmer-small-decay-5e-4", "calmer-small-decay-1e-3", "calmer-small-cosine"),
        _by_results(lambda studies: open_questions.does_a_calmer_recipe_help(studies[0], studies[1:])),
        "accuracy_curves",
        "Which recipe is the best. Three were tried, one change at a time, and no learning rate but the article's.",
        "Other learning rates, and several changes at once.",
    ),
    Finding(
        "Is one seed enough?",
        "An open question: the article trained each method once.",
        ("small-end",),
        _by_results(lambda studies: open_questions.is_one_seed_enough(studies[0])),
        "paired_differences",
        "How far a single run of the article's network scatters, whose subset is the same for every seed. Here each "
        "seed draws "
        "its own.",
        "The range of single runs does not narrow with more seeds. It only becomes better known.",
    ),
    Finding(
        "Does choosing the best of a run on the test set change the comparison?",
        "An open question: the article reports the best test accuracy of each run.",
        ("small-end",),
        _by_results(lambda studies: open_questions.does_the_best_of_a_run_mislead(studies[0])),
        "selection_gap",
        "How much the article's own maxima gain. They are taken of far more evaluations, and grow with their number.",
        "More evaluations in a run raise its best. More seeds narrow the intervals.",
    ),
    Finding(
        "Were 1,000 and 100 images trained too briefly?",
        "An open question: the article says so of both sizes.",
        ("budget-middle", "budget-long"),
        _by_results(lambda studies: open_questions.does_longer_training_help(studies[0], studies[1])),
        "accuracy_curves",
        "Where the gain ends. A budget beyond the longest was not tried.",
        "A third, longer budget, and more seeds.",
        drawn=2,
    ),
    Finding(
        "Does the Beta distribution need tuning?",
        "An open question, and the second half of the article's first claim.",
        ("beta-small",),
        _by_results(lambda studies: open_questions.does_the_beta_distribution_need_tuning(studies[0])),
        "paired_differences",
        "Distributions between and beyond those tried, and other sizes.",
        "More seeds, more values of a, and the study `beta` at the article's scale, on a GPU.",
    ),
    Finding(
        "Do the article's numbers come out?",
        "Rows of the article's Table 2, trained by its protocol as we read it.",
        ("article-rows",),
        _published_row,
        "accuracy_by_size_log",
        "The article's other rows, and how far chance moved its single runs and this one. An accuracy agrees within "
        "its "
        "tolerance, and disagrees beyond twice that (`claims.csv` has both).",
        "More seeds: the study `row-1000` has three, the first of them the same trainings, evaluated less often. "
        "Another "
        "reading of what the article leaves open: in `row-5000-even` no epoch ends with a small batch.",
    ),
)


# The first of these that is kept is drawn for the first page of the project.
FRONT = ("curve-small", "small-end")


def read_kept(folder: Path) -> KeptStudy:
    """Read a kept study from its folder alone. Raises SmallmixError where it lacks a table or has an older form."""
    study = Study.load(folder / "study.json")
    if lacking := [name for name in NEEDED if not (folder / name).is_file()]:
        raise SmallmixError(
            f"{folder} lacks {joined(lacking)}. Keep the study again with `smallmix keep {study.name}`."
        )
    named = study.configuration.get("published")
    tables = load_tables(study, folder, folder, find_published(named) if named else None)
    subset_table = folder / "subset_table.csv"
    layout = Layout(study)
    counts = {}
    for size in (size for size in study.sizes if size <= SMALL_DATA_LIMIT):
        for seed in study.seeds:
            path = folder / layout.subset_of(size, seed).relative_to(layout.results)
            if path.exists():
                counts[size, seed] = tuple(count_classes(path, CLASSES, size))
    results = StudyResults(
        study=study,
        runs=read_results(folder / "metrics.csv"),
        histories=read_histories(folder / "history.csv", SMALL_DATA_LIMIT),
        subset_rows=tuple(read_subset_table(subset_table)) if subset_table.exists() else (),
        class_counts=counts,
    )
    return KeptStudy(results, tables)


def find_kept(reference: Path) -> tuple[dict[str, KeptStudy], dict[str, str]]:
    """Return the kept studies that the findings name, and why others that lie there cannot be read."""
    found: dict[str, KeptStudy] = {}
    unreadable: dict[str, str] = {}
    for name in dict.fromkeys(name for finding in FINDINGS for name in finding.studies):
        folder = reference / name
        if not (folder / "study.json").exists():
            continue
        try:
            found[name] = read_kept(folder)
        except SmallmixError as error:
            unreadable[name] = str(error)
    return found, unreadable


def build_page(reference: Path) -> tuple[str, dict[str, str]]:
    """Return the page and the drawings by their places beside it, from the kept studies below `reference`."""
    kept, unreadable = find_kept(reference)
    parts, drawings = [HEAD], {}
    rows = []
    sections = []
    for number, finding in enumerate(FINDINGS, start=1):
        lacking = [name for name in finding.studies if name not in kept]
        heading = f"{number}. {finding.question}"
        if lacking:
            word = "not run yet"
            sections += [f"## {heading}", finding.asks, _not_run(lacking, unreadable)]
        else:
            studies = [kept[name] for name in finding.studies]
            answer = finding.answer(studies)
            word = answer.word
            shown = []
            for one in studies[: finding.drawn]:
                name = one.tables.study.name
                place = f"{FIGURES}/{name}-{finding.figure.replace('_', '-')}.svg"
                drawings[place], title, caption = _draw(one.tables, finding.figure, Path(place).stem)
                shown += [f"![{title}: {name}]({place})", f"*`{name}`: {caption}*"]
            sections += [
                f"## {heading}",
                finding.asks,
                f"**{word.capitalize()}.** {' '.join(answer.sentences)}",
                *shown,
                *_quantities(answer),
                "\n".join(
                    [
                        *(f"- Scale: {describe_scale(one.results.study, devices(one.tables))}" for one in studies),
                        f"- What it does not show: {_after_colon(finding.silent)}",
                        f"- What would change it: {_after_colon(finding.change)}",
                    ]
                ),
            ]
        rows.append(f"| {number} | {finding.question} | {word} | {joined([f'`{name}`' for name in finding.studies])} |")
    front = next((kept[name] for name in FRONT if name in kept), None)
    if front is not None:
        drawings[f"{FIGURES}/front.svg"] = _draw(front.tables, "accuracy_by_size_log", "front")[0]
    table = "\n".join(["| | question | answer | studies |", "|---:|---|---|---|", *rows])
    return "\n\n".join([*parts, table, *sections]) + "\n", drawings


def devices(tables: StudyTables) -> list[str]:
    """Return what computed a kept study, each once: a GPU's name, or a processor's."""
    machines = [group["environment"] for group in tables.provenance.get("environments", [])]
    named = [one["processor"] if one.get("device") == "cpu" else one.get("device", "") for one in machines]
    return [name for name in dict.fromkeys(named) if name]


def describe_scale(study: Study, computed_on: Sequence[str] = ()) -> str:
    """Say what a study was trained on, how wide its network is, how long it trained, its seeds and its devices."""
    own = own_images(study.configuration["dataset"])
    images = {"cifar10": "CIFAR-10", "digits": "8 x 8 digits"}.get(study.dataset, study.dataset)
    if own is not None:
        images = own["title"] or study.dataset
    sizes = joined([f"{size:,}" for size in sorted(study.sizes)])
    budgets = sorted({cell.value.iterations for cell in study.cells})
    steps = f"{budgets[0]:,}" if len(budgets) == 1 else f"{budgets[0]:,} to {budgets[-1]:,}"
    model = study.cells[0].value.model
    network = f"{model.name} of width {model.width}" if model.width else model.name
    return (
        f"`{study.name}`: {images}, {sizes} training images, network {network}, {steps} iterations, "
        f"{count_of(len(study.seeds), 'seed')}{f', on {joined(list(computed_on))}' if computed_on else ''}. "
        f"Tables in `reports/reference/{study.name}/`."
    )


def adapt_to_scheme(drawing: str) -> str:
    """Let a drawing follow a dark scheme: its colours as in the report's, where the viewer asks for dark ones."""
    rules = "".join(
        f'[style*="{paint}: {light}"] {{ {paint}: {dark} !important }}'
        for light, dark in dark_colours().items()
        for paint in ("fill", "stroke")
    )
    style = f'<style type="text/css">@media (prefers-color-scheme: dark) {{ {rules} }}</style>'
    return drawing.replace("<defs>", f"{style}\n <defs>", 1)


def dark_colours() -> dict[str, str]:
    """Return the dark colour of every light one of a drawing, from the report's style sheet."""
    css = (WORKFLOW / "report" / "report.css").read_text(encoding="utf-8")
    dark = dict(
        re.findall(r"--([\w-]+): (#[0-9a-f]{6})", css.partition("prefers-color-scheme: dark")[2].partition("\n}")[0])
    )
    names = {INK: "ink", MUTED: "muted", RULE: "rule", PAPER: "paper"}
    names |= {color: f"series-{position}" for position, color in enumerate(SERIES_COLORS)}
    return {light: dark[name] for light, name in names.items()}


def _draw(tables: StudyTables, figure: str, name: str) -> tuple[str, str, str]:
    """Return a figure of the catalogue as a drawing, with its title and its caption."""
    drawn, text = draw_figure(figure, tables, Path())
    return adapt_to_scheme(svg_text(drawn, name)), text.title, " ".join(text.caption.split())


def _after_colon(text: str) -> str:
    return f"{text[0].lower()}{text[1:]}"


def _quantities(answer: Answer) -> list[str]:
    if not answer.quantities:
        return []
    unit = answer.unit
    rows = [
        f"| {one.name} | {show_value(one.mean, unit)} | {_range(one.low, one.high, unit)} | {one.seeds} |"
        for one in answer.quantities
    ]
    return [
        f"{answer.measured}, in {unit}:",
        "\n".join([f"| quantity | mean | {answer.range_is} | seeds |", "|---|---:|---:|---:|", *rows]),
    ]


def _range(low: float | None, high: float | None, unit: str) -> str:
    return "none" if low is None or high is None else f"{show_value(low, unit)} to {show_value(high, unit)}"


def _not_run(lacking: Sequence[str], unreadable: Mapping[str, str]) -> str:
    """Say which studies lack, with their commands."""
    old = [name for name in lacking if name in unreadable]
    sentences = ["**Not run yet.**"]
    if old:
        sentences.append(
            f"What is kept of {joined([f'`{name}`' for name in old])} comes from an older version or is damaged."
        )
    sentences.append("These commands run and keep it:" if len(lacking) == 1 else "These commands run and keep them:")
    commands = [
        f"snakemake --cores all --configfile workflow/studies/{name}.yaml\nsmallmix keep {name}" for name in lacking
    ]
    return " ".join(sentences) + "\n\n```sh\n" + "\n".join(commands) + "\n```"


def write_findings(reference: Path, docs: Path) -> list[Path]:
    """Write findings.md and its drawings into `docs`, and remove drawings that it no longer shows."""
    page, drawings = build_page(reference)
    written = [docs / "findings.md"]
    write_text(written[0], page)
    for old in sorted((docs / FIGURES).glob("*.svg")):
        if f"{FIGURES}/{old.name}" not in drawings:
            old.unlink()
    for place, drawing in drawings.items():
        (docs / place).parent.mkdir(parents=True, exist_ok=True)
        write_text(docs / place, drawing)
        written.append(docs / place)
    return written


if __name__ == "__main__":
    for path in write_findings(Path(sys.argv[1]), Path(sys.argv[2])):
        print(path)
