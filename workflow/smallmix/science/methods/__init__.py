"""The methods, one file each: what becomes of a batch's images, of the features inside the network, and of the labels.

A file is named as `mix` in the configuration, with underscores; `METHODS` in study/method_forms.py lists these names
and their parameters. It defines a class, `METHOD`, that inherits from `Method` (science/method.py). The weight lambda
belongs to the own image or label, the rest to those of the partner, which a permutation of the batch chooses.

| mix                         | images              | target          | drawn for | source                         |
|-----------------------------|---------------------|-----------------|-----------|--------------------------------|
| none                        | as they are         | own label       | -         | plain training                 |
| images                      | mixed by lambda     | own label       | the batch | inference.vc, the note         |
| images-and-labels           | mixed by lambda     | mixed by lambda | the batch | Zhang et al., mixup, ICLR 2018 |
| images-per-image            | mixed by lambda     | own label       | an image  | as `images`                    |
| images-and-labels-per-image | mixed by lambda     | mixed by lambda | an image  | Zhang et al., mixup, ICLR 2018 |
| cutmix                      | a box pasted in     | mixed by area   | the batch | Yun et al., CutMix, ICCV 2019  |
| manifold-mixup              | mixed, or features  | mixed by lambda | the batch | Verma et al., ICML 2019        |
| label-smoothing             | as they are         | a part spread   | -         | Szegedy et al., CVPR 2016      |
| cutout                      | a square blanked    | own label       | an image  | DeVries & Taylor, Cutout, 2017 |
| random-erasing              | a rectangle blanked | own label       | an image  | Zhong et al., AAAI 2020        |

Cross-entropy is linear in the label, so mixing labels with lambda ~ Beta(a, a) has, in expectation, the same loss as
keeping the first label with lambda ~ Beta(a + 1, a): for a = 1 that is the article's data-mix, Beta(2, 1).
"""
