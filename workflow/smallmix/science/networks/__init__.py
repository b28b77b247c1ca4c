"""The networks, one file each, named as `model.name` in the configuration, with underscores.

A file defines `NETWORK`: see `Network` in `smallmix.science.network`. What several networks share lies beside them.
What a configuration must know of each stands in `study/network_forms.py`.

| `model.name` | source | stages | width | blocks | parameters |
|---|---|---|---|---|---|
| preact-resnet18 (three forms) | He et al. 2016, Identity Mappings in Deep Residual Networks | 4 | yes | yes | |
| resnet18 | He et al. 2016, Deep Residual Learning for Image Recognition, section 4.2 | 4 | yes | yes | |
| wide-resnet | Zagoruyko and Komodakis 2016, Wide Residual Networks | 3 | yes | | depth, dropout |
| convnet | none: three convolutions with batch normalisation | 3 | yes | | |
| torchvision:NAME | torchvision's `get_model` | 0 | | | image_size, stem, weights |
"""
