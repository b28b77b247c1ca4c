"""The network of the mixup paper's own repository (Zhang et al. 2018), as described there; written anew here."""

from __future__ import annotations

from smallmix.science.networks.preactivation import PreActivationForm

NETWORK = PreActivationForm(norm_after_stem=True, activated_shortcuts=True, final_norm=False)
