"""What is said of a network, or of a file of weights, that does not fit. No number follows from these words."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from smallmix.own_code import describe_place, names_own_code

NAMED = 3  # weights that a message names


def explain_unfit_network(name: str, file: str | None, images: str, error: Exception) -> str:
    """Return why a network cannot take `images`, which is said in words, and the remedy."""
    if names_own_code(name):
        return (
            f"{describe_place(error, str(Path(file or '').resolve()))}\nThe network {name} was tried on {images}, on a "
            "device where tensors have shapes and no numbers, in the memory layout channels_last. Correct that file; a "
            "step must not look at numbers."
        )
    first_line = str(error).strip().partition("\n")[0]
    remedy = "Take larger images, or another network"
    if name.startswith("torchvision:"):
        remedy = "Write model: {parameters: {image_size: 224}}, which enlarges the images, or take another network"
    return f"model.name: {name} cannot take {images} ({type(error).__name__}: {first_line}). {remedy}."


def explain_lazy_layers(name: str, file: str | None, layers: Sequence[str]) -> str:
    """Return what is wrong with layers whose sizes are not known when the network is built, and the remedy."""
    return (
        f"{file or name}: {', '.join(layers[:NAMED])}: a lazy layer has no weights until images have passed it, and "
        "initial weights are drawn before. Write the sizes out, as in nn.Linear(64, classes)."
    )


def explain_stages(mix: str, wanted: Sequence[int], network: str, stages: int) -> str:
    """Return that a method wants other stages than the network has, and the remedy."""
    has = f"has the stages 1 to {stages}" if stages else "has no stages"
    return (
        f"mix {mix} wants the stages {', '.join(map(str, wanted))} of the network, and {network} {has}. Take other "
        "stages, or a network such as preact-resnet18. A network of your own declares them by an attribute `stages` of "
        "its module."
    )


def list_other_weights(missing: Sequence[str], unknown: Sequence[str], shapes: Sequence[str]) -> str:
    """Return in words which weights of a file are not those of the network."""
    return "; ".join(
        f"{what}: {', '.join(names[:NAMED])}{f' and {len(names) - NAMED} more' if len(names) > NAMED else ''}"
        for what, names in (("missing", missing), ("unknown", unknown), ("of another shape", shapes))
        if names
    )
