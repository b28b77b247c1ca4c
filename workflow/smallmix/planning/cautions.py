"""What a study's configuration and its finished cells warn of, before more of it is trained."""

from __future__ import annotations

import json
from collections.abc import Iterable

from smallmix.science.early_loss import alarming_loss
from smallmix.study.layout import Layout
from smallmix.study.study import Study, StudyCell

CELLS_NAMED = 5


def warn_of_small_batches(study: Study) -> str | None:
    """The warning of sizes whose last batch is smaller than an eighth of a batch; None where there are none."""
    remainders = study.small_remainders
    if not remainders:
        return None
    batch_size = study.configuration["recipe"]["batch_size"]
    sizes = ", ".join(f"{last} of {batch_size} at {size:,} images" for size, last in remainders.items())
    return (
        f"Warning: the last batch of an epoch is small: {sizes}. Steps on the statistics of so few images can cost "
        "many points or end in NaN. recipe.last_batch: even deals the images out evenly."
    )


def warn_of_early_losses(layout: Layout, finished: Iterable[StudyCell], classes: int) -> str | None:
    """The warning of finished cells whose first steps had an alarming loss; None where there are none."""
    limit, found = alarming_loss(classes), []
    for cell in finished:
        try:
            metrics = json.loads((layout.cell(cell) / "metrics.json").read_text(encoding="utf-8"))
            loss, iteration = float(metrics["largest_early_loss"]), int(metrics["largest_early_loss_iteration"])
        except (OSError, ValueError, KeyError, TypeError):
            continue  # the cell's own state tells of a damaged file
        if loss > limit:
            found.append(f"{cell.place} ({loss:.4g} at iteration {iteration:,})")
    if not found:
        return None
    more = f", and {len(found) - CELLS_NAMED} more" if len(found) > CELLS_NAMED else ""
    count = f"{len(found)} finished cell{'s' if len(found) > 1 else ''}"
    return (
        f"Warning: {count} began to diverge, with an early training loss above {limit:.3g}, ten times the loss of "
        f"guessing: {', '.join(found[:CELLS_NAMED])}{more}. Their accuracy may be far too low; the cells' logs say "
        "what may help."
    )
