"""The page of findings, docs/findings.md with its figures, written by `make findings` from kept tables alone.

It reads reports/reference/<study>/ and nothing else. A study that is not kept, or was kept before its tables got their
present form, is named as not run, with its command. So the page can be built at every moment.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from smallmix.atomic_files import write_text
from smallmix.figures.catalogue import draw_figure
from smallmix.figures.figure_files import svg_text
from smallmix.figures.style import INK, MUTED, PAPER, RULE, SERIES_COLORS
from smallmix.project_files import WORKFLOW
from smallmix.report.methods_paragraph import device_name
from smallmix.statistics.answers import IN_POINTS, Answer, show_value
from smallmix.study.own_images import own_images
from smallmix.study.study import Study
from smallmix.tables.study_tables import StudyTables
from smallmix.wording import count_of, joined

from envs.docs.kept_studies import find_kept
from envs.docs.questions import FINDINGS

FIGURES = "images/findings"
# A study's hypothesis, to the end of its description.
_EXPECTED = re.compile(r"Expected before it was run(?:, [^:]*)?: (.+)$")
HEAD = """\
# Findings

<!-- Written by `make findings` from the tables under reports/reference. Change envs/docs/questions.py instead. -->

What the kept studies say to the article's six claims and to the questions that it leaves open. Each answer is computed
from the tables under `reports/reference/` by a fixed rule. A *yes* or a *no* needs intervals that exclude zero, and the
answer is *undecided* without them. Some questions ask for any difference: one such interval is enough for a *yes*, and
the answer names the others. Both ways of mixing count as mixup, of images alone and of images and labels. Where one of
several intervals could contradict by chance, they are widened, so that all hold together in 95 % of studies
(Bonferroni). *Clearly* means: by such intervals. They assume that the differences of seeds are normally distributed.
With three seeds no exact test can reject anything. Published numbers are judged by fixed tolerances instead. [From
images to conclusions](numbers.md) explains the rules.

Many studies here are small: a narrow network and a short budget, as two processor cores can train. Their scale stands
below each answer. Their images are a JPEG copy of CIFAR-10's, and what that costs in accuracy was not measured. Such a
study can contradict a claim at its own scale. It cannot settle what the article's network does."""
# The first of these that is kept is drawn for the first page of the project.
FRONT = ("curve-small", "small-end")


def build_page(reference: Path) -> tuple[str, dict[str, str]]:
    """Return the page and the drawings by their places beside it, from the kept studies below `reference`."""
    kept, unreadable = find_kept(reference, [name for finding in FINDINGS for name in finding.studies])
    parts, drawings = [HEAD], {}
    rows = []
    sections = []
    for number, finding in enumerate(FINDINGS, start=1):
        lacking = [name for name in finding.studies if name not in kept]
        heading = f"{number}. {finding.question}"
        if lacking:
            word, scale = "not run yet", ""
            there = [kept[name].results.study for name in finding.studies if name in kept]
            sections += [f"## {heading}", finding.asks, _not_run(lacking, unreadable, there)]
        else:
            studies = [kept[name] for name in finding.studies]
            answer = finding.answer(studies)
            word = answer.word
            scale = joined(list(dict.fromkeys(_short_scale(one.results.study) for one in studies)))
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
                        *(
                            f"- Expected before it was run: {text}"
                            for text in dict.fromkeys(
                                expected(one.results.study)
                                for one in studies
                                if finding.tests_it and one.results.study.name not in finding.only_compared
                            )
                            if text
                        ),
                        f"- What it does not show: {_after_colon(finding.silent)}",
                        f"- What would change it: {_after_colon(finding.change)}",
                    ]
                ),
            ]
        named = joined([f"`{name}`" for name in finding.studies])
        rows.append(f"| {number} | {finding.question} | {word} | {scale} | {named} |")
    front = next((kept[name] for name in FRONT if name in kept), None)
    if front is not None:
        drawings[f"{FIGURES}/front.svg"] = _draw(front.tables, "accuracy_by_size_log", "front")[0]
    table = "\n".join(["| | question | answer | at this scale | studies |", "|---:|---|---|---|---|", *rows])
    return "\n\n".join([*parts, table, *sections]) + "\n", drawings


def devices(tables: StudyTables) -> list[str]:
    """Return what computed a kept study, each once: a GPU's name, or a processor's. Several come with their cells."""
    counts: dict[str, int] = {}
    for group in tables.provenance.get("environments", []):
        if name := device_name(group["environment"]):
            counts[name] = counts.get(name, 0) + len(group.get("cells", []))
    total = sum(counts.values())
    return list(counts) if len(counts) < 2 else [f"{name} ({count} of {total} cells)" for name, count in counts.items()]


def expected(study: Study) -> str:
    """Return what the study's description says was expected before it was run; empty where it says nothing."""
    text = " ".join(str(study.configuration["description"]).split())
    found = _EXPECTED.search(text)
    return f"{found[1][0].upper()}{found[1][1:]}" if found else ""


def describe_scale(study: Study, computed_on: Sequence[str] = ()) -> str:
    """Say what a study was trained on, how wide its network is, how long it trained, its seeds and its devices."""
    own = own_images(study.configuration["dataset"])
    images = {"cifar10": "CIFAR-10", "digits": "8 x 8 digits"}.get(study.dataset, study.dataset)
    if own is not None:
        images = own["title"] or study.dataset
    sizes = joined([f"{size:,}" for size in sorted(study.sizes)])
    model = study.cells[0].value.model
    network = f"{model.name} of width {model.width}" if model.width else model.name
    return (
        f"`{study.name}`: {images}, {sizes} training images ({_subsets(study)}), network {network}, "
        f"{study.cells[0].value.recipe.precision}, {_iterations(study)} iterations, "
        f"{count_of(len(study.seeds), 'seed')}{f', on {joined(list(computed_on))}' if computed_on else ''}. "
        f"Tables in `reports/reference/{study.name}/`."
    )


def _subsets(study: Study) -> str:
    rule = study.cells[0].value.subset.rule
    if rule == "head":
        return "the first of the list"
    return f"{rule} subsets, {'one for each seed' if study.redraws_subsets else 'the same for all seeds'}"


def _short_scale(study: Study) -> str:
    """Return the width of a study's network, its iterations and its seeds, for a table."""
    width = study.cells[0].value.model.width
    network = f"width {width}" if width else study.cells[0].value.model.name
    return f"{network}, {_iterations(study)} iterations, {count_of(len(study.seeds), 'seed')}"


def _iterations(study: Study) -> str:
    budgets = sorted({cell.value.iterations for cell in study.cells})
    return f"{budgets[0]:,}" if len(budgets) == 1 else f"{budgets[0]:,} to {budgets[-1]:,}"


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
    joint = any(one.joint_low is not None for one in answer.quantities)
    heads = [
        "quantity",
        "mean",
        answer.range_is,
        *(["widened to hold together"] if joint else []),
        "seeds",
    ]
    rows = []
    for one in answer.quantities:
        wider = "" if one.joint_low is None else _range(one.joint_low, one.joint_high, unit)
        cells = [one.name, show_value(one.mean, unit), _range(one.low, one.high, unit), *([wider] if joint else [])]
        rows.append(f"| {' | '.join([*cells, str(one.seeds)])} |")
    return [
        f"{answer.measured}{', in points' if unit == IN_POINTS else ''}:",
        "\n".join([f"| {' | '.join(heads)} |", "|---" + "|---:" * (len(heads) - 1) + "|", *rows]),
    ]


def _range(low: float | None, high: float | None, unit: str) -> str:
    return "none" if low is None or high is None else f"{show_value(low, unit)} to {show_value(high, unit)}"


def _not_run(lacking: Sequence[str], unreadable: Mapping[str, str], there: Sequence[Study]) -> str:
    """Say which studies lack, with their commands. Those that are kept (`there`) of a user's images come again."""
    old = [name for name in lacking if name in unreadable]
    sentences = ["**Not run yet.**"]
    if old:
        sentences.append(
            f"What is kept of {joined([f'`{name}`' for name in old])} comes from an older version or is damaged."
        )
    others = {study.name: images for study in there if (images := own_images(study.configuration["dataset"]))}
    for name, images in others.items():
        sentences.append(
            f"`{name}` is kept, trained on {images['title'] or 'other images'}. Only studies of equal images are "
            "compared."
        )
    wanted = [*others, *lacking]
    sentences.append(f"These commands run and keep {'it' if len(wanted) == 1 else 'them'}, and write this page anew:")
    commands = [
        f"snakemake --cores all --configfile workflow/studies/{name}.yaml\nsmallmix keep {name}" for name in wanted
    ]
    commands.append("make findings")
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
