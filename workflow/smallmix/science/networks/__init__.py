"""The networks, one file each, named as `model.name` in the configuration, with underscores.

A file defines `NETWORK`, which builds the network (`build`) and tells its cost (`forward_flops`, `parameter_count`)
without torch: see `smallmix.science.network`. What several networks share lies beside them.
"""
