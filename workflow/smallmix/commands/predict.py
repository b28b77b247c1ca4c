"""`predict`: labels and probabilities of images, by the trained network of a cell."""

from __future__ import annotations

import argparse
import csv
import io
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from smallmix.commands.options import Command, add_root, quick_imports
from smallmix.errors import ConfigurationError, DatasetError, SmallmixError

if TYPE_CHECKING:
    from smallmix.study.named_study import StudyResultsPlace
    from smallmix.study.study import StudyCell
    from smallmix.training.prediction import Predictions
    from smallmix.training.weights import TrainedNetwork

SUFFIX = ".safetensors"
SHOWN = 10


def _declare(parser: argparse.ArgumentParser) -> None:
    parser.usage = "smallmix predict [STUDY CELL | FILE.safetensors] IMAGE … [options]"
    parser.add_argument(
        "words",
        nargs="+",
        metavar="STUDY CELL IMAGE …",
        help="a study that keeps its networks (keep.weights: final) and one of its cells, as in demo "
        "n20/label-mix/seed0, or the path of a model.safetensors alone; then images, and folders of images",
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help="the CSV file to write (default: the terminal)")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="where to compute")
    parser.add_argument(
        "--own-code",
        nargs="+",
        default=[],
        metavar="FILE",
        help="your file with the network, where the network is your own and a model.safetensors is given alone",
    )
    add_root(parser)


def _predict(arguments: argparse.Namespace) -> int:
    """Write a row for each image that can be read. Raises DatasetError, after that, where some cannot."""
    with quick_imports():
        from smallmix.atomic_files import output_writer
        from smallmix.datasets.images_in_folders import find_images
        from smallmix.datasets.progress import Progress
        from smallmix.training.prediction import predict_images
        from smallmix.wording import count_of

    network, own_code, words = _read_network(arguments)
    found = find_images(words)
    if found.passed_over:
        others = count_of(len(found.passed_over), "file")
        print(
            f"smallmix: passed over, because its ending is no image's: {others} (first: {found.passed_over[0]})",
            file=sys.stderr,
        )
    progress = Progress("predicted", len(found.files), "images")
    told = _Told()
    parts = predict_images(network, found.files, arguments.device, own_code, progress.show)
    texts = told.rows(parts, network.description.classes)
    if arguments.output is None:
        for text in texts:
            print(text, end="")
    else:
        with output_writer(arguments.output) as stream:
            # Names of files may be bytes that are no text: they stand there as they are.
            stream.writelines(text.encode("utf-8", "surrogateescape") for text in texts)
        print(f"wrote {count_of(told.written, 'prediction')}: {arguments.output}")
    progress.close()
    for note, files in told.notes.items():
        print(f"smallmix: {len(files):,} of {told.written:,} images (first: {files[0]}) {note}", file=sys.stderr)
    if told.unreadable:
        raise DatasetError(_name_unreadable(told.unreadable, len(found.files)))
    return 0


@dataclass
class _Told:
    """What is said of the images once all are done: how many have a row, which cannot be read, and the notes."""

    written: int = 0
    unreadable: dict[str, str] = field(default_factory=dict)
    notes: dict[str, list[str]] = field(default_factory=dict)

    def rows(self, parts: Iterable[Predictions], classes: Sequence[str]) -> Iterator[str]:
        """Give the CSV text of the predictions, the header first."""
        yield csv_rows([csv_header(classes)])
        for part in parts:
            self.written += len(part.files)
            self.unreadable.update(part.unreadable)
            for note, files in part.notes.items():
                self.notes.setdefault(note, []).extend(files)
            yield rows_of(part, classes)


def _read_network(arguments: argparse.Namespace) -> tuple[TrainedNetwork, list[str], list[str]]:
    """Return the network, the user's files that it needs, and the words that name images."""
    from smallmix.study.named_study import find_results
    from smallmix.tables.configuration_of_results import require_results_meant
    from smallmix.training.weights import read_network_of, read_weights

    first, *words = arguments.words
    own_code = list(arguments.own_code)
    if first.endswith(SUFFIX):
        if not words:
            raise ConfigurationError(f"no images are named. Name some behind {first}: files, or folders of files.")
        return read_weights(Path(first)), own_code, words
    if len(words) < 2:
        raise ConfigurationError(
            "a study, a cell and images are needed, as in `smallmix predict demo n500/label-mix/seed0 photos/`, or a "
            "model.safetensors and images."
        )
    place = find_results(first, arguments.root)
    try:
        cell = place.study.cell(words[0])
    except SmallmixError:
        require_results_meant(place)  # which says it better where there are results of another configuration
        raise
    if cell.value.model.file is not None:
        own_code.append(cell.value.model.file)
    if not place.kept:
        return read_network_of(place.layout, cell), own_code, words[1:]
    require_results_meant(place)
    return _read_kept_network(place, cell), own_code, words[1:]


def _read_kept_network(place: StudyResultsPlace, cell: StudyCell) -> TrainedNetwork:
    """Return the network of a kept study's cell, checked to be that of the kept numbers: the model card lists it."""
    from smallmix.report.model_card import CARD_FILE
    from smallmix.study.layout import kept_network_file
    from smallmix.training.weights import read_weights

    file = place.tables / kept_network_file(cell.id)
    again = f"keep it again with `smallmix keep {place.study.name} --weights {cell.id}`"
    if not file.is_file():
        raise ConfigurationError(
            f"there is no {file}: the network of {cell.id} is not kept. Run the study with "
            f"keep: {{weights: final}}, and {again}."
        )
    network = read_weights(file)
    card = place.tables / CARD_FILE
    try:
        is_listed = network.description.weights_sha256 in card.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"{card} cannot be read ({error}), and it says which networks belong to the kept numbers. Restore it from "
            "version control."
        ) from error
    is_of_cell = network.description.cell.fingerprint == cell.value.fingerprint
    if not is_listed or not is_of_cell:
        why = f"{card} does not list it" if is_of_cell else f"it was trained by another configuration of {cell.id}"
        raise ConfigurationError(
            f"{file} is not the network of the kept numbers: {why}. Perhaps an earlier `smallmix keep` left it there. "
            f"Run the study with keep: {{weights: final}}, and {again}, or name the file itself to use it."
        )
    return network


def csv_header(classes: Sequence[str]) -> list[str]:
    """Return the names of the columns: file, label, probability, and one probability a class."""
    return ["file", "label", "probability", *(f"probability_{name}" for name in classes)]


def rows_of(part: Predictions, classes: Sequence[str]) -> str:
    """Return the rows of some predictions as CSV."""
    probabilities = part.probabilities
    return csv_rows(
        [file, classes[label], f"{row[label]:.6g}", *(f"{number:.6g}" for number in row)]
        for file, label, row in zip(part.files, part.labels.tolist(), probabilities.tolist(), strict=True)
    )


def csv_rows(rows: Iterable[Sequence[str]]) -> str:
    """Return rows of text as CSV, one a line."""
    buffer = io.StringIO(newline="")
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    return buffer.getvalue()


def _name_unreadable(unreadable: dict[str, str], of: int) -> str:
    lines = "".join(f"\n  {file} {reason}" for file, reason in list(unreadable.items())[:SHOWN])
    more = f"\n  ... and {len(unreadable) - SHOWN:,} more" if len(unreadable) > SHOWN else ""
    return (
        f"{len(unreadable):,} of {of:,} images cannot be read and have no prediction:{lines}{more}\n"
        "Mend these files, or leave them out."
    )


COMMANDS = {
    "predict": Command(
        "predict the labels of images by the trained network of a cell: labels and probabilities as CSV",
        _declare,
        _predict,
    )
}
