"""The methods, one file each: how much of a partner's image and label a batch gets. One weight per batch.

A file is named as `mix` in the configuration, with underscores; `MixName` in study/published.py lists these names. It
defines `draw_weights(method, draw, count)`: the weights of the own image and of the own label of `count` batches, both
float32 [count], in [0, 1]. The mixup paper's code draws one weight per batch, too.

| mix               | weight of the own image | weight of the own label | source                                       |
|-------------------|-------------------------|-------------------------|----------------------------------------------|
| none              | 1                       | 1                       | plain training                               |
| images            | lambda ~ Beta(a, b)     | 1                       | inference.vc: mixup as data augmentation     |
| images-and-labels | lambda ~ Beta(a, b)     | lambda                  | Zhang et al., mixup, ICLR 2018, equation (2) |

Cross-entropy is linear in the label, so mixing labels with lambda ~ Beta(a, a) has, in expectation, the same loss as
keeping the first label with lambda ~ Beta(a + 1, a): for a = 1 that is the article's data-mix, Beta(2, 1).
"""
