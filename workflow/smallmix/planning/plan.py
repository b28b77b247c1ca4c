"""The plan of a run: one line as it starts, or a table with time and disk, and warnings."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from smallmix.datasets.originals import find_changes
from smallmix.errors import SmallmixError
from smallmix.own_code import names_file
from smallmix.planning.capacity import Capacity, usable_cores
from smallmix.planning.cost import (
    CellWork,
    checkpoint_bytes,
    cost_of_network,
    dataset_bytes,
    evaluation_flops,
    operations,
    result_bytes,
    training_flops,
    weights_bytes,
)
from smallmix.planning.estimate import Estimate, RunJobs, StudyState, about, estimate_run, study_pace
from smallmix.planning.pace import keep_pace
from smallmix.science.early_loss import alarming_loss
from smallmix.study.cell import Cell
from smallmix.study.config_errors import listed
from smallmix.study.layout import Layout
from smallmix.study.study import Study, StudyCell
from smallmix.tables.cell_status import STATUS_WORDS
from smallmix.training.gpu_slots import list_gpus
from smallmix.training.processor import SLOWNESS_OF_EMULATION, bf16_instructions
from smallmix.wording import DAY, count_of

CELLS_NAMED = 5
# A measurement pays where it takes less than a tenth of the run: seconds of the run, on a CPU and on a GPU.
WORTH_MEASURING, WORTH_MEASURING_ON_A_GPU = 60.0, 300.0


def brief_plan(
    study: Study,
    root: Path,
    capacity: Capacity,
    jobs: RunJobs | None = None,
    measure_here: Callable[[], object] | None = None,
) -> str:
    """Return one line: cells to train, device, and the estimate by what is known of this machine.

    `jobs` are those of this run; None stands for a run of the whole study. `measure_here` measures this machine for
    this estimate and later ones. It is called where the run is long enough for that. What goes wrong is said in the
    line: the run does not depend on it.
    """
    try:
        state = _state_by_images(study, root)[0] if jobs is None else StudyState.of(study, root)
        jobs = state.jobs() if jobs is None else jobs
        if measure_here is not None and is_worth_measuring(state, jobs, capacity):
            measure_here()
        return _brief_plan(state, capacity, jobs)
    except Exception as error:
        return f"smallmix: study {study.name}: {count_of(len(study.cells), 'cell')}; no estimate can be made ({error})."


def _state_by_images(study: Study, root: Path) -> tuple[StudyState, str | None]:
    """Return the state of a study, and why its arrays must be made anew; None where they need not be.

    Cells that were trained on the arrays as they are count as stale then.
    """
    state, changed = StudyState.of(study, root), None
    with contextlib.suppress(SmallmixError):  # the start of a run says it
        changed = find_changes(study.configuration["dataset"], state.layout.dataset)
    return (state if changed is None else state.with_other_images(changed)), changed


def _brief_plan(state: StudyState, capacity: Capacity, jobs: RunJobs) -> str:
    study, start = state.study, f"smallmix: study {state.study.name}{_own_code_in_words(state.study)}: "
    cells = [cell for cell in state.to_train if cell.id in jobs.cells]
    estimate = estimate_run(state, jobs, capacity)
    if state.fetched and jobs.others.get("fetch_dataset"):
        # What is trained on them now is known when they were read: the arrays may come out as they were.
        everything = len(study.cells)
        cells = [cell for cell in study.cells if cell.id in jobs.cells]
        if not cells:
            return f"{start}the images are read again, and none of its {everything} cells is trained in this run."
        place = _place_in_words(state, cells, capacity, estimate)
        return f"{start}the images are read again; if they changed, {len(cells)} of {everything} cells to train {place}"
    if not cells:
        # A cell that the store has is copied, by a job of its own.
        if state.to_train:
            place = _device_in_words(state, state.to_train, capacity)
            trained = f"{_cells_in_words(state, state.to_train)} {place}, none of them in this run"
        else:
            trained = f"all {len(study.cells)} cells are trained"
        steps = len(jobs.cells) + sum(jobs.others.values())
        rest = f"; {estimate.duration()} for {count_of(steps, 'other step')}" if steps and estimate is not None else ""
        return f"{start}{trained}{rest}."
    return f"{start}{_cells_in_words(state, cells)} {_place_in_words(state, cells, capacity, estimate)}"


def _own_code_in_words(study: Study) -> str:
    """Return the user's files in brackets; nothing where there are none."""
    return f" (yours: {listed(study.own_code)})" if study.own_code else ""


def _cells_in_words(state: StudyState, cells: Sequence[StudyCell]) -> str:
    everything, untrained = len(state.study.cells), len(state.to_train)
    of_all = f"{everything} cells"
    if len(cells) < untrained:
        of_all = f"the {untrained} cells that are not trained yet, {everything} in all,"
    resumable = sum(state.statuses[cell.id].has_checkpoint for cell in cells)
    continued = f" ({resumable} of them from a checkpoint)" if resumable else ""
    return f"{len(cells)} of {of_all} to train{continued}{_stored_in_words(state, cells)}"


def _stored_in_words(state: StudyState, cells: Sequence[StudyCell]) -> str:
    """Return in brackets that fewer cells may have to be trained than are counted; nothing where all is known."""
    return " (some may be found in the store once the subsets are drawn)" if state.may_be_stored(cells) else ""


def _place_in_words(
    state: StudyState, cells: Sequence[StudyCell], capacity: Capacity, estimate: Estimate | None
) -> str:
    device = _device_in_words(state, cells, capacity)
    if capacity.executor is not None:
        if estimate is None:
            return f"{device}; how long they take depends on the nodes."
        return f"{device}; {estimate.sentence()}, without the time in the queue."
    if estimate is None:
        return f"{device}."
    line = f"{device}; {estimate.sentence()}."
    emulated = not capacity.on_gpus and bf16_instructions() in SLOWNESS_OF_EMULATION
    if emulated and any(cell.value.recipe.precision == "bf16" for cell in cells):
        slower = SLOWNESS_OF_EMULATION[bf16_instructions()]
        line += (
            f" This processor emulates bf16 and takes {slower} as long as for fp32, which trains other cells: add "
            "--config study=my-study recipe='{precision: fp32}'."
        )
    if estimate.seconds >= DAY:
        line += " `snakemake plan --cores all` names smaller studies."
    return line


def _device_in_words(state: StudyState, cells: Sequence[StudyCell], capacity: Capacity) -> str:
    """Return where the cells train, and how many at once: on CPU (2 at once), on 1 GPU, as jobs of slurm."""
    at_once = state.at_once(capacity, cells)
    if capacity.executor is not None:
        return f"as jobs of {capacity.executor} (up to {at_once} at once)"
    if not capacity.on_gpus:
        return f"on CPU ({at_once} at once)"
    gpus = f"on {capacity.on_gpus} GPU{'s' if capacity.on_gpus > 1 else ''}"
    return gpus if at_once == capacity.on_gpus else f"{gpus} ({at_once} at once)"


def is_worth_measuring(state: StudyState, jobs: RunJobs, capacity: Capacity) -> bool:
    """Return whether a run of these jobs is long enough for a measurement of this machine, and none is known."""
    estimate = None if capacity.executor is not None else estimate_run(state, jobs, capacity)
    if estimate is None or estimate.others_running:  # it would be spoilt
        return False
    least = WORTH_MEASURING_ON_A_GPU if capacity.on_gpus else WORTH_MEASURING
    return estimate.basis == "assumed" and estimate.seconds >= least


def measure_and_keep(study: Study, root: Path, capacity: Capacity) -> None:
    """Measure this machine for the study's network, and keep what was found, unless other work spoilt it."""
    from smallmix.planning.probe import measure

    state = StudyState.of(study, root)
    sample = (state.to_train or list(study.cells))[0].value
    found = measure(sample, state.images)
    if not found.is_disturbed:
        keep_pace(sample, state.images, found.pace, on_gpu=bool(capacity.on_gpus))


def full_plan(study: Study, root: Path, capacity: Capacity, studies: Sequence[str], targets: Sequence[str] = ()) -> str:
    """Return a table by size, totals by what a short probe measured, and warnings, for a run of the targets.

    Raises ValueError for a target that there is not.
    """
    from smallmix.planning.probe import advise_on_precision, measure
    from smallmix.training.messages import explain_unusable_gpus

    state, changed = _state_by_images(study, root)
    jobs = state.jobs(targets)
    everything = study.cells
    cells = [cell for cell in state.to_train if cell.id in jobs.cells]
    sample = (cells or list(everything))[0].value
    measured = measure(sample, state.images)
    unusable = explain_unusable_gpus(list_gpus()) if capacity.on_gpus else None
    if not measured.is_disturbed:
        keep_pace(sample, state.images, measured.pace, on_gpu=bool(capacity.on_gpus))
    pace = study_pace(state, cells, capacity)
    if pace.pace.basis == "assumed":  # disturbed, or nothing can be kept here: still better than assumed
        pace = dataclasses.replace(pace, pace=measured.pace)
    lines = [
        f"Study {study.name}: {study.title}",
        f"Data set {study.dataset}: {_dataset_in_words(state, changed)}",
        _network_in_words(sample, state),
        *_own_code_lines(study),
        "",
        f"{'size':>8} {'cells':>6} {' '.join(STATUS_WORDS.values())} "
        f"{'iterations a cell':>18} {'PFLOP a cell':>13} {'time a cell':>14}",
    ]
    for size in study.sizes:
        of_size = [cell for cell in everything if cell.size == size]
        counts = Counter(state.statuses[cell.id].status for cell in of_size)
        value = of_size[0].value
        work = operations(value, state.images)
        seconds = pace.cell_seconds(size, CellWork.of(value, state.images))
        counted = " ".join(f"{counts[status]:>{len(word)}}" for status, word in STATUS_WORDS.items())
        lines.append(
            f"{size:>8,} {len(of_size):>6} {counted} "
            f"{value.iterations:>18,} {work / 1e15:>13.3g} {about(seconds).removeprefix('about '):>14}"
        )
    at_once = state.at_once(capacity, cells)
    estimate = estimate_run(state, jobs, capacity, pace)
    running = max((checkpoint_bytes(cell.value, state.images) for cell in cells), default=0) * at_once
    disk = sum(result_bytes(cell.value, state.images) for cell in cells) + running
    networks = [cell for cell in cells if study.keeps_weights]
    kept = sum(weights_bytes(cell.value, state.images) for cell in networks)
    disk += kept
    disk += 0 if state.fetched else dataset_bytes(state.images)
    total_iterations = sum(cell.value.iterations for cell in cells)
    training = sum(training_flops(cell.value, state.images) for cell in cells)
    evaluating = sum(evaluation_flops(cell.value, state.images) for cell in cells)
    lines += [
        "",
        f"To train: {len(cells)} of {len(everything)} cells{_stored_in_words(state, cells)}, "
        f"{total_iterations:,} iterations, {(training + evaluating) / 1e15:,.3g} PFLOP "
        f"({training / 1e15:,.3g} for training, {evaluating / 1e15:,.3g} for evaluations).",
        f"Measured here: {1000 * measured.step.seconds_a_step:,.1f} ms a step, "
        f"{measured.step.flops_a_second / 1e9:,.0f} GFLOP/s a cell, on {measured.step.device} "
        "(a probe of a few steps).",
    ]
    if measured.is_disturbed:
        lines.append("Other work kept the cores busy meanwhile, so this measurement is not kept for later estimates.")
    if estimate is not None:
        lines.append(
            f"Estimated time: {estimate.sentence()}, with {count_of(at_once, 'cell')} at once. Starts, evaluations, "
            "tables, figures and report are included."
        )
    all_cores = dataclasses.replace(capacity, cores=usable_cores())
    if cells and state.at_once(all_cores, cells) > at_once:
        faster = estimate_run(
            state, jobs, all_cores, dataclasses.replace(study_pace(state, cells, all_cores), pace=pace.pace)
        )
        if faster is not None:
            lines.append(
                f"With --cores all: {faster.duration()}, with {state.at_once(all_cores, cells)} cells at once."
            )
    of_networks = f", {describe_bytes(kept)} of it for {count_of(len(networks), 'network')} (keep.weights: final)"
    lines.append(f"Disk: about {describe_bytes(disk)} more{of_networks if networks else ''}.")
    if unusable is not None:
        lines.append(f"Warning: {unusable}")
    done = [cell for cell in everything if state.statuses[cell.id].status == "current"]
    warnings = (
        warn_of_small_batches(study),
        warn_of_mirrored_digits(study),
        warn_of_early_losses(state.layout, done, state.images.classes),
    )
    lines += [warning for warning in warnings if warning is not None]
    advice = advise_on_precision(sample, state.images, measured.step) if cells else None
    if advice is not None:
        lines.append(advice)
    if estimate is not None and estimate.seconds > DAY:
        lines += [
            "",
            "That is days on this machine. Smaller studies answer the same question sooner:",
            *(f"  {name}" for name in studies),
            "Or run it where there is a GPU, or on a cluster.",
        ]
    return "\n".join(lines)


def _dataset_in_words(state: StudyState, changed: str | None) -> str:
    if changed:
        return f"to be made again ({changed}); what was trained on it counts as outdated"
    return "fetched" if state.fetched else "not fetched yet"


def _own_code_lines(study: Study) -> list[str]:
    """Return a line for each file of the user's, with the methods and the network that lie in it."""
    lines = []
    for file in study.own_code:
        methods = [name for name in study.methods if names_file(study.configuration["methods"][name]["mix"], file)]
        network = ["the network"] if names_file(study.configuration["model"]["name"], file) else []
        lines.append(f"Your own code: {file} ({', '.join([*methods, *network])}); smallmix check-own-code tries it.")
    return lines


def _network_in_words(cell: Cell, state: StudyState) -> str:
    cost = cost_of_network(cell, state.images)
    return (
        f"Network {cell.model.name}: {count_of(cost.parameters, 'weight')}, {cost.flops / 1e6:,.3g} MFLOP a forward "
        "pass of an image"
    )


def warn_of_small_batches(study: Study) -> str | None:
    """Return a warning of sizes whose last batch is smaller than an eighth of a batch; None where there are none."""
    remainders = study.small_remainders
    if not remainders:
        return None
    batch_size = study.configuration["recipe"]["batch_size"]
    sizes = ", ".join(f"{last} of {batch_size} at {size:,} images" for size, last in remainders.items())
    return (
        f"Warning: the last batch of an epoch is small: {sizes}. Steps on the statistics of so few images can cost "
        "many points or end in NaN. recipe.last_batch: even deals the images out evenly."
    )


def warn_of_mirrored_digits(study: Study) -> str | None:
    """Return a warning where images are flipped that then show another class; None elsewhere."""
    if not study.mirrors_what_it_should_not:
        return None
    return (
        "Warning: recipe.augmentation.flip is true, and a mirrored digit is another digit or none: trained on them the "
        "network gets worse. recipe.augmentation.flip: automatic leaves them as they are."
    )


def warn_of_early_losses(layout: Layout, finished: Iterable[StudyCell], classes: int) -> str | None:
    """Return a warning of finished cells whose first steps had an alarming loss; None where there are none."""
    limit, found = alarming_loss(classes), []
    for cell in finished:
        try:
            metrics = json.loads((layout.cell(cell) / "metrics.json").read_text(encoding="utf-8"))
            loss, iteration = float(metrics["largest_early_loss"]), int(metrics["largest_early_loss_iteration"])
        except (OSError, ValueError, KeyError, TypeError):
            continue  # the cell's own state reports a damaged file
        if loss > limit:
            found.append(f"{cell.id} ({loss:.4g} at iteration {iteration:,})")
    if not found:
        return None
    more = f", and {len(found) - CELLS_NAMED} more" if len(found) > CELLS_NAMED else ""
    count = f"{len(found)} finished cell{'s' if len(found) > 1 else ''}"
    return (
        f"Warning: {count} began to diverge, with an early training loss above {limit:.3g}, ten times the loss of "
        f"guessing: {', '.join(found[:CELLS_NAMED])}{more}. Their accuracy may be far too low; the cells' logs say "
        "what may help."
    )


def describe_bytes(count: int) -> str:
    """Return a number of bytes for people: 12 MB."""
    amount = float(count)
    for unit in ("bytes", "kB", "MB", "GB"):
        if amount < 1000 or unit == "GB":
            return f"{amount:,.0f} {unit}" if amount >= 10 or unit == "bytes" else f"{amount:.1f} {unit}"
        amount /= 1000
    raise AssertionError("unreachable")
