"""Every message of a training to people: subsets, data, device, progress, warnings, and what ends it.

Each error names its cause and the key to change. Nothing here decides a number, and no fingerprint covers it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from smallmix.science.early_loss import alarming_loss, early_steps
from smallmix.study.cell import Cell, Precision, SubsetValue
from smallmix.training.out_of_memory import describe_memory
from smallmix.training.processor import SLOWNESS_OF_EMULATION, bf16_instructions

# Most messages need no torch, and the start of a workflow must not wait for it.
if TYPE_CHECKING:
    import torch

    from smallmix.science.steps import EquivalenceCheck
    from smallmix.science.training_state import TrainingState
    from smallmix.training.adoption import Candidates, Verdict

# The form of the network that diverges at full width: see the interpretations in workflow/published/article.yaml.
UNBOUNDED_NETWORK = "preact-resnet18-without-final-norm"
CLASSES_NAMED = 10
EVALUATED_IMAGES = {"clean_train": "clean training", "validation": "validation", "test": "test"}


def describe_non_finite(
    cell: Cell, value: float, iteration: int, learning_rate: float, last_finite_loss: float | None
) -> str:
    """Describe a training whose loss left the finite numbers in step `iteration`, which was not taken."""
    before = "none in this run" if last_finite_loss is None else f"{last_finite_loss:.6g}"
    return (
        f"the training loss became {value} at iteration {iteration:,} of {cell.iterations:,} (learning rate "
        f"{learning_rate:g}, last finite loss {before}); stopped before the optimiser step. {_remedy(cell)}"
    )


def describe_non_finite_evaluation(
    cell: Cell, images: str, value: float, iteration: int, learning_rate: float, last_finite_loss: float | None
) -> str:
    """Describe a network whose loss on `images` (a key of EVALUATED_IMAGES) is not finite after `iteration` steps."""
    before = "none in this run" if last_finite_loss is None else f"{last_finite_loss:.6g}"
    return (
        f"the loss on the {EVALUATED_IMAGES[images]} images is {value} after iteration {iteration:,} of "
        f"{cell.iterations:,} (learning rate {learning_rate:g}, last finite training loss {before}). {_remedy(cell)}"
    )


def describe_early_loss(cell: Cell, loss: float, iteration: int, limit: float) -> str:
    """Warn of a training whose first steps had a loss above `limit`: it began to diverge."""
    return (
        f"warning: the training loss rose to {loss:.4g} at iteration {iteration:,}, above {limit:.3g}, ten times the "
        f"loss of guessing, so this training began to diverge and its accuracy may be far too low. {_remedy(cell)}"
    )


def warn_of_remainder(cell: Cell) -> str | None:
    """Warn of a last batch that is smaller than an eighth of a batch; None where it is not."""
    if not cell.epoch_batches.has_small_remainder(cell.recipe.batch_size):
        return None
    return f"warning: {_small_remainder(cell)}"


def warn_of_early_loss(cell: Cell, state: TrainingState, classes: int) -> str | None:
    """Warn after the first evaluation behind the early steps, where their largest loss is out of all bounds."""
    read = [row.iteration for row in state.history[-2:]]
    just_passed = read[-1] >= early_steps(cell.iterations) and (
        len(read) == 1 or read[0] < early_steps(cell.iterations)
    )
    if not just_passed or state.largest_early_loss <= alarming_loss(classes):
        return None
    return describe_early_loss(
        cell, state.largest_early_loss, state.largest_early_loss_iteration, alarming_loss(classes)
    )


def progress_line(cell: Cell, state: TrainingState, images_per_second: float, seconds_left: float) -> str:
    """Return one line per evaluation, for logs that people follow."""
    row = state.history[-1]
    return (
        f"iteration {row.iteration:,}/{cell.iterations:,} | train loss {row.train_loss:.4f} | "
        f"test loss {row.test_loss:.4f} | test accuracy {100 * row.test_accuracy:.2f} % | "
        f"learning rate {row.learning_rate:g} | {images_per_second:,.0f} images/s | "
        f"{describe_seconds(seconds_left)} left"
    )


def describe_seconds(seconds: float) -> str:
    """Return a duration for people: 42 s, 3 min 05 s, 2 h 10 min, 4 days 3 h."""
    whole = math.ceil(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86400} days {whole % 86400 // 3600} h"


def explain_unusable_gpus(gpus: Sequence[str]) -> str | None:
    """Say why a training goes to the CPU although GPUs were counted; None where one can be used or none counted."""
    import torch

    if not gpus or torch.cuda.is_available():
        return None
    version = torch.__version__
    if torch.version.cuda is None and torch.version.hip is None:
        reason = f"PyTorch {version} is a build for the CPU alone; install one for CUDA"
    else:
        try:
            torch.cuda.init()  # type: ignore[no-untyped-call]
            reason = f"PyTorch {version} finds no GPU it can use"
        except (RuntimeError, AssertionError) as error:
            reason = f"PyTorch {version} reports: {str(error).strip().splitlines()[0]}"
    # Without their names: the note is part of a result's environment, and another GPU is not another environment.
    counted = f"{len(gpus)} GPU{'s are' if len(gpus) > 1 else ' is'} counted here"
    return (
        f"{counted} but cannot be used, so cells train on the CPU, many times slower. {reason.rstrip('.')}. "
        "Check `nvidia-smi` and the driver, or set CUDA_VISIBLE_DEVICES= (empty) where the CPU is meant."
    )


def warn_of_emulation(precision: Precision, device: torch.device) -> str | None:
    """Warn people who chose bf16 where it costs time instead of saving it; None where all is well."""
    from smallmix.training.hardware import bfloat16_support

    if precision == "fp32" or bfloat16_support(device) != "emulated":
        return None
    if device.type == "cuda":
        device_name, comparison = "GPU", "longer than"
    else:
        times = SLOWNESS_OF_EMULATION.get(bf16_instructions(), "several times")
        device_name, comparison = "processor", f"{times} as long as"
    return (
        f"precision bf16 is emulated here (this {device_name} does not compute in bfloat16): a step takes {comparison} "
        "in fp32. To train in fp32, add --config study=my-study recipe='{precision: fp32}'. The cells are others, with "
        "their own results"
    )


def describe_executor(check: EquivalenceCheck) -> str:
    """Say how steps are taken on a GPU, and why."""
    if check.passed:
        return f"whole steps are captured as a CUDA graph ({check.steps} of them equalled plain ones bit for bit)"
    return f"steps are started one by one, which is slower: {describe_fallback(check)}"


def describe_fallback(check: EquivalenceCheck) -> str:
    """Say why captured steps are not taken; empty where they are."""
    if check.causes:
        return f"captured steps do not work here ({describe_causes(check.causes)})"
    if check.non_finite:
        return f"one of {check.steps} steps had a loss that is not finite, so captured steps could not be compared"
    if check.difference is not None:
        name, largest = check.difference.name.replace("momentum/", "momentum of "), check.difference.largest
        return (
            f"captured steps gave other numbers than plain ones (after {check.steps} of them, {name} differs in "
            f"{check.difference.numbers:,} of {check.difference.of:,} numbers, by up to {largest:.3g})"
        )
    return ""


def describe_evaluation_fallback(causes: tuple[str, ...]) -> str:
    """Say why evaluations are not captured although steps are; without `causes`, other logits are the reason."""
    return describe_causes(causes) or "captured ones gave other logits than plain ones"


def describe_plain_evaluation(causes: tuple[str, ...]) -> str:
    """Say how evaluations are taken where they are not captured although steps are, and why."""
    return f"evaluations are started kernel by kernel, which is slower: {describe_evaluation_fallback(causes)}"


def describe_causes(causes: Sequence[str]) -> str:
    """Return a chain of errors in one line, the first one first."""
    return ", then ".join(causes)


def describe_failed_capture(cell: Cell, causes: tuple[str, ...]) -> str:
    """Describe a training whose executor, asked for by name, cannot be had on this GPU."""
    return (
        f"recipe.executor: {cell.recipe.executor}: whole steps could not be captured on this GPU "
        f"({describe_causes(causes)}). Use recipe.executor: automatic, which takes plain steps where captured ones do "
        "not work, or eager."
    )


def describe_broken_context(captured: str, causes: tuple[str, ...]) -> str:
    """Describe a training whose GPU answers nothing any more. `captured` is what was tried: a step or an evaluation."""
    return (
        f"a captured {captured} broke this process's CUDA context ({describe_causes(causes)}), and nothing more can be "
        "computed on the GPU. Run again with recipe.executor: eager."
    )


def describe_unusable_workspace(value: str) -> str:
    """Describe a setting of the environment with which a GPU would not give equal numbers to equal trainings."""
    return (
        f"CUBLAS_WORKSPACE_CONFIG is {value!r} in the environment, with which products of matrices on a GPU are not "
        "deterministic. Unset it, or set it to :4096:8 or :16:8."
    )


def describe_missing_gpu(cell: Cell) -> str:
    """Describe a training whose executor needs a GPU and that runs on the CPU."""
    return (
        f"recipe.executor: {cell.recipe.executor} needs a CUDA GPU, and this training runs on the CPU. "
        "Use recipe.executor: automatic, or --device cuda on a machine with a GPU."
    )


def describe_drawing_layers(cell: Cell) -> str:
    """Describe a training whose executor captures steps, and whose network draws random numbers in its layers."""
    return (
        f"recipe.executor: {cell.recipe.executor}: layers of the network {cell.model.name} draw random numbers, as "
        "dropout does, and a captured step cannot draw those of its own iteration. Use recipe.executor: automatic, "
        "or eager."
    )


def describe_nondeterministic(cell: Cell, device: torch.device, error: BaseException) -> str:
    """Describe a network with an operation that has no deterministic form on the device, as PyTorch says it."""
    first_line = str(error).strip().partition(". ")[0]
    return (
        f"the network {cell.model.name} cannot be trained with equal results on {describe_memory(device)}: "
        f"{first_line}. Take another network, or train on the CPU (--device cpu)."
    )


def is_nondeterministic(error: BaseException) -> bool:
    """Return whether PyTorch refused an operation because it has no deterministic form on this device."""
    return isinstance(error, RuntimeError) and "does not have a deterministic implementation" in str(error)


def describe_candidates(found: Candidates) -> str:
    """Count the cells of a study by what the store holds for them."""
    counts = [
        (found.current, "are current"),
        (len(found.older), "have results of older code that can be replayed"),
        (found.without_digests, "have older results without digests of early weights, which cannot be adopted"),
        (found.missing, "have no result in the store"),
    ]
    return "; ".join(f"{count} cells {what}" for count, what in counts if count) or "no cells"


def describe_verdict(verdict: Verdict) -> str:
    """Say what the replay of a sample showed, and for how many results it stands."""
    sample = verdict.sample
    value = sample.cell.value
    what = f"{value.method.mix}, {value.model.name}, {value.recipe.precision}"
    if verdict.difference:
        outcome = f"differs ({verdict.difference})"
    else:
        evaluations = f" and {verdict.evaluations} evaluations" if verdict.evaluations else ""
        outcome = f"agrees bit for bit ({sample.replay_length} iterations{evaluations})"
    return f"{sample.cell.id}, which stands for {len(verdict.records)} results ({what}): {outcome}"


def describe_too_few_images(size: int, total: int) -> str:
    """Describe a subset that is larger than the data set."""
    return (
        f"subsets.sizes: {size:,} images wanted, but the data set has only {total:,} training images. "
        f"Remove the size {size} or lower it to at most {total}."
    )


def describe_too_few_unused_images(wanted: int, unused: int, total: int) -> str:
    """Describe validation images of which the subsets of the study leave too few."""
    return (
        f"evaluation.validation_images: {wanted:,} images wanted, but the study's subsets leave only {unused:,} of the "
        f"{total:,} training images. Lower it to at most {unused}, or use smaller subsets.sizes."
    )


def describe_too_many_classes(size: int, classes: int) -> str:
    """Describe a balanced subset with fewer images than classes."""
    return (
        f"subsets.sizes: {size} images cannot be balanced over {classes} classes. "
        f"Use sizes of at least {classes}, or another subsets.rule."
    )


def describe_scarce_classes(size: int, wanted: int, at_hand: Mapping[int, int], classes: Sequence[str]) -> str:
    """Describe a balanced subset for which some classes (label -> images at hand) have too few images."""
    scarce = _named([f"{classes[label]!r} ({count:,})" for label, count in at_hand.items()])
    return (
        f"subsets.sizes: {size:,} images cannot be balanced. Each class needs {wanted:,} training images, too few "
        f"are there of {scarce}. Use smaller sizes, or subsets.rule: random."
    )


def describe_one_class(rule: SubsetValue, label: int, labels: NDArray[np.int64], classes: Sequence[str]) -> str:
    """Describe a subset whose images are all of the class `label`, so that nothing could be told apart."""
    who = f"subsets.sizes: {rule.size:,} {'image holds' if rule.size == 1 else 'images hold'} one class only"
    others = np.flatnonzero(labels != label)
    if rule.rule == "head" and rule.size > 1 and len(others):
        return (
            f"{who}: the training list begins with {others[0]:,} images of {classes[label]!r}, and subsets.rule: head "
            "takes the first ones. Use subsets.rule: balanced or random, shuffle the list, or take more images."
        )
    return (
        f"{who}, {classes[label]!r}, and telling classes apart needs two. Use larger sizes, or subsets.rule: balanced."
    )


def warn_of_missing_classes(labels: NDArray[np.int64], classes: Sequence[str]) -> str | None:
    """Warn of the classes that have no image among `labels`, int64 [size]; None where all have one."""
    counts = np.bincount(labels, minlength=len(classes))
    missing = [repr(name) for name, count in zip(classes, counts.tolist(), strict=True) if count == 0]
    if not missing:
        return None
    return (
        f"the subset of {len(labels):,} images has no image of {len(missing):,} of {len(classes):,} classes: "
        f"{_named(missing)}"
    )


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - CLASSES_NAMED:,} more" if len(names) > CLASSES_NAMED else ""
    return ", ".join(names[:CLASSES_NAMED]) + more


def _remedy(cell: Cell) -> str:
    """Name what may help, a sentence each: the network's form, the remainder, the rate and the precision."""
    causes = []
    if cell.model.name == UNBOUNDED_NETWORK:
        causes.append(
            "This network has no normalisation after its last block, and nothing bounds its sums at a high rate. Use "
            "model.name: preact-resnet18."
        )
    if cell.epoch_batches.has_small_remainder(cell.recipe.batch_size):
        causes.append(_small_remainder(cell))
    precision = ", or use recipe.precision: fp32" if cell.recipe.precision == "bf16" else ""
    causes.append(f"Lower recipe.learning_rate{precision}.")
    return " ".join(causes)


def _small_remainder(cell: Cell) -> str:
    last, full = cell.epoch_batches.small, cell.recipe.batch_size
    images = f"{last} image{'s' if last > 1 else ''}"
    return (
        f"The last batch of each epoch holds {images} instead of {full}, and steps on the statistics of so few can "
        "cost many points or end in NaN. Use recipe.last_batch: even."
    )
