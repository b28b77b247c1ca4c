"""A network of the user: a function of a file beside the configuration, as in `model.name: my_network.py:build`.

The function is called as `build(channels, classes, **parameters)` and returns a torch.nn.Module. That maps float32
[B, channels, H, W] (square, normalised) to logits [B, classes]. Lists among the parameters come as tuples.

A module may have an attribute `stages`, a whole number. A method that mixes inside of networks
calls such a module with a second argument, `mix_stage`. After stage k the module goes on with `mix_stage(features, k)`,
for k from 1 to `stages`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from smallmix.errors import ConfigurationError
from smallmix.network_faults import explain_lazy_layers
from smallmix.own_code import describe_place, load_own, own_name
from smallmix.science.network import UncountedNetwork
from smallmix.study.cell import ModelValue

if TYPE_CHECKING:
    from torch import nn


class OwnNetwork(UncountedNetwork):
    """What a user's function builds (a Network)."""

    def build(self, value: ModelValue, channels: int, classes: int) -> nn.Module:
        """See Network."""
        from torch import nn

        function, path = load_own(value.name, value.file), str(Path(value.file or "").resolve())
        call = f"{own_name(value.name)}({', '.join(['channels', 'classes', *(name for name, _ in value.parameters)])})"
        try:
            module = function(channels, classes, **dict(value.parameters))
        except ConfigurationError:
            raise
        except Exception as error:
            raise ConfigurationError(
                f"{describe_place(error, path)}\nIt was called as {call}, by model.name and model.parameters. Correct "
                "that file, or the parameters."
            ) from error
        if not isinstance(module, nn.Module):
            raise ConfigurationError(
                f"{path}: {call} returned {type(module).__name__}, and a torch.nn.Module is wanted. Correct that file."
            )
        lazy = [name for name, weight in module.named_parameters() if nn.parameter.is_lazy(weight)]
        if lazy:
            raise ConfigurationError(explain_lazy_layers(value.name, value.file, lazy))
        return module

    def stages(self, value: ModelValue) -> int:
        """See Network."""
        from smallmix.science.network_trial import on_meta

        stages = getattr(on_meta(self, value, channels=3, classes=2), "stages", 0)
        return stages if isinstance(stages, int) else 0

    def draws(self, value: ModelValue) -> bool | None:
        """See Network."""
        return None


NETWORK = OwnNetwork()
