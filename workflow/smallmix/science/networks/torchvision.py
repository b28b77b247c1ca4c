"""The networks of torchvision, by name: `model.name: torchvision:NAME`, built by `torchvision.models.get_model`.

They are made for photographs of three channels and about 224 pixels. Grey images are given to all three channels. The
parameter `image_size` enlarges small images (bilinear) before the network. `stem: small` puts a 3 x 3 convolution of
stride 1 in the place of the ResNets' first one, and leaves out its pooling.

The parameter `weights` names a file of weights to begin with. Nothing in it is run. All weights must be there, in their
shapes. Those whose shape follows from the number of classes, and those of a small stem, are taken where they fit, and
are else drawn by the seed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from smallmix.errors import ConfigurationError
from smallmix.science.network import UncountedNetwork
from smallmix.study.cell import ModelValue

if TYPE_CHECKING:
    from torch import nn

STEM = "conv1.weight"  # of a ResNet
# These build further classifiers beside the last one unless they are told not to.
WITH_AUXILIARY = ("googlenet", "inception_v3")


class TorchvisionNetwork(UncountedNetwork):
    """A network of torchvision, with its input adapted (a Network)."""

    def build(self, value: ModelValue, channels: int, classes: int) -> nn.Module:
        """See Network."""
        from smallmix.science.networks.torchvision_layers import AdaptedNetwork, make_deterministic, with_small_stem
        from smallmix.science.networks.weights_file import load_weights

        parameters = dict(value.parameters)
        network, may_differ = self._bare(value, classes), self._names_of_classifier(value, classes)
        if parameters["stem"] == "small":
            network = with_small_stem(network, value.name)
            may_differ.add(STEM)
        if parameters["weights_sha256"]:
            load_weights(network, value, parameters["weights_sha256"], may_differ)
        return AdaptedNetwork(make_deterministic(network), channels, parameters["image_size"])

    def draws(self, value: ModelValue) -> bool | None:
        """See Network."""
        return None

    def stages(self, value: ModelValue) -> int:
        """See Network."""
        return 0

    def _names_of_classifier(self, value: ModelValue, classes: int) -> set[str]:
        """Return the names of the weights whose shape follows from the number of classes."""
        import torch

        with torch.device("meta"):
            here, other = (self._bare(value, count).state_dict() for count in (classes, classes + 1))
        return {name for name, tensor in here.items() if tensor.shape != other[name].shape}

    def _bare(self, value: ModelValue, classes: int) -> nn.Module:
        from torchvision.models import get_model

        name = value.name.partition(":")[2]
        more: dict[str, Any] = {"aux_logits": False, "init_weights": True} if name in WITH_AUXILIARY else {}
        try:
            network: nn.Module = get_model(name, weights=None, num_classes=classes, **more)
        except ValueError as error:
            raise ConfigurationError(
                f"model.name: torchvision {_version()} has no network {name!r} for classification. Correct the name."
            ) from error
        return network


def _version() -> str:
    import torchvision

    return str(torchvision.__version__)


NETWORK = TorchvisionNetwork()
