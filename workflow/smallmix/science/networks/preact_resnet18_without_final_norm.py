"""A widespread shortening of the pre-activation ResNet: no normalisation before the pooling.

Nothing bounds the sum of its blocks: at width 64 it diverges at rate 0.1.
"""

from __future__ import annotations

from smallmix.science.networks.preactivation import PreActivationForm

NETWORK = PreActivationForm(norm_after_stem=False, activated_shortcuts=False, final_norm=False)
