"""The pre-activation ResNet proper (He et al., Identity Mappings in Deep Residual Networks, 2016).

See figure 4(e) of that paper and its appendix.
"""

from __future__ import annotations

from smallmix.science.networks.preactivation import PreActivationForm

NETWORK = PreActivationForm(norm_after_stem=False, activated_shortcuts=False, final_norm=True)
