"""A paragraph on the methods for the reader's own paper, composed from the configuration, with its references."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from smallmix.own_code import names_own_code
from smallmix.report.method_section import (
    describe_budgets,
    describe_network,
    describe_training,
    method_meaning,
)
from smallmix.study.study import Study
from smallmix.tables.study_tables import FEWEST_FOR_AN_INTERVAL, StudyTables
from smallmix.wording import count_of, joined


@dataclass(frozen=True)
class Reference:
    """A publication: how a text names it, and its entry in a list of references."""

    short: str
    entry: str


@dataclass(frozen=True)
class MethodsParagraph:
    """The paragraph, and the entries of the publications that it names, by their authors."""

    text: str
    references: tuple[str, ...]


MIXUP = Reference(
    "Zhang et al. 2018",
    "H. Zhang, M. Cissé, Y. N. Dauphin and D. Lopez-Paz. mixup: Beyond Empirical Risk Minimization. ICLR 2018.",
)
HUSZAR = Reference(
    "Huszár 2017",
    "F. Huszár. mixup: Data-Dependent Data Augmentation. inFERENCe, 2017. "
    "http://www.inference.vc/mixup-data-dependent-data-augmentation/",
)
MIX_SOURCES: Mapping[str, tuple[Reference, ...]] = {
    "none": (),
    "images": (MIXUP, HUSZAR),
    "images-and-labels": (MIXUP,),
    "images-per-image": (MIXUP, HUSZAR),
    "images-and-labels-per-image": (MIXUP,),
    "cutmix": (
        Reference(
            "Yun et al. 2019",
            "S. Yun, D. Han, S. J. Oh, S. Chun, J. Choe and Y. Yoo. CutMix: Regularization Strategy to Train Strong "
            "Classifiers with Localizable Features. ICCV 2019.",
        ),
    ),
    "manifold-mixup": (
        Reference(
            "Verma et al. 2019",
            "V. Verma, A. Lamb, C. Beckham, A. Najafi, I. Mitliagkas, D. Lopez-Paz and Y. Bengio. Manifold Mixup: "
            "Better Representations by Interpolating Hidden States. ICML 2019.",
        ),
    ),
    "label-smoothing": (
        Reference(
            "Szegedy et al. 2016",
            "C. Szegedy, V. Vanhoucke, S. Ioffe, J. Shlens and Z. Wojna. Rethinking the Inception Architecture for "
            "Computer Vision. CVPR 2016.",
        ),
    ),
    "cutout": (
        Reference(
            "DeVries and Taylor 2017",
            "T. DeVries and G. W. Taylor. Improved Regularization of Convolutional Neural Networks with Cutout. "
            "arXiv:1708.04552, 2017.",
        ),
    ),
    "random-erasing": (
        Reference(
            "Zhong et al. 2020",
            "Z. Zhong, L. Zheng, G. Kang, S. Li and Y. Yang. Random Erasing Data Augmentation. AAAI 2020.",
        ),
    ),
}
IDENTITY_MAPPINGS = Reference(
    "He et al. 2016", "K. He, X. Zhang, S. Ren and J. Sun. Identity Mappings in Deep Residual Networks. ECCV 2016."
)
# By the beginning of the network's name. `describe_network` names the authors already.
NETWORK_SOURCES: Mapping[str, Reference] = {
    "preact-resnet18": IDENTITY_MAPPINGS,
    "resnet18": Reference(
        "He et al. 2016",
        "K. He, X. Zhang, S. Ren and J. Sun. Deep Residual Learning for Image Recognition. CVPR 2016.",
    ),
    "wide-resnet": Reference(
        "Zagoruyko and Komodakis 2016", "S. Zagoruyko and N. Komodakis. Wide Residual Networks. BMVC 2016."
    ),
}
DATA_SOURCES: Mapping[str, Reference] = {
    "cifar10": Reference(
        "Krizhevsky 2009", "A. Krizhevsky. Learning Multiple Layers of Features from Tiny Images. 2009."
    ),
    "svhn": Reference(
        "Netzer et al. 2011",
        "Y. Netzer, T. Wang, A. Coates, A. Bissacco, B. Wu and A. Y. Ng. Reading Digits in Natural Images with "
        "Unsupervised Feature Learning. NIPS Workshop on Deep Learning and Unsupervised Feature Learning, 2011.",
    ),
    "fashion-mnist": Reference(
        "Xiao et al. 2017",
        "H. Xiao, K. Rasul and R. Vollgraf. Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning "
        "Algorithms. arXiv:1708.07747, 2017.",
    ),
    "mnist": Reference(
        "LeCun et al. 1998",
        "Y. LeCun, L. Bottou, Y. Bengio and P. Haffner. Gradient-Based Learning Applied to Document Recognition. "
        "Proceedings of the IEEE, 1998.",
    ),
    "stl10": Reference(
        "Coates et al. 2011",
        "A. Coates, H. Lee and A. Y. Ng. An Analysis of Single Layer Networks in Unsupervised Feature Learning. "
        "AISTATS 2011.",
    ),
    "digits": Reference(
        "Alpaydin and Kaynak 1998",
        "E. Alpaydin and C. Kaynak. Optical Recognition of Handwritten Digits. UCI Machine Learning Repository, 1998.",
    ),
}
_FIRST_AUTHOR = re.compile(r"(?:\w\. )+(\w+)")  # initials, then the family name
COSINE = Reference(
    "Loshchilov and Hutter 2017",
    "I. Loshchilov and F. Hutter. SGDR: Stochastic Gradient Descent with Warm Restarts. ICLR 2017.",
)
WARM_UP = Reference(
    "Goyal et al. 2017",
    "P. Goyal et al. Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour. arXiv:1706.02677, 2017.",
)
BAG_OF_TRICKS = Reference(
    "He et al. 2019",
    "T. He, Z. Zhang, H. Zhang, Z. Zhang, J. Xie and M. Li. Bag of Tricks for Image Classification with Convolutional "
    "Neural Networks. CVPR 2019.",
)
# What is reported of a run, by the selection that the study declares.
REPORTED: Mapping[str, str] = {
    "best": "the best test accuracy of its evaluations, which is chosen on the test images",
    "last": "the test accuracy at the end of its budget",
    "last_tenth": "the median test accuracy of the evaluations in the last tenth of its budget",
    "validation": "the test accuracy at the evaluation with the best validation accuracy",
}
# The arithmetic of the convolutions, by recipe.precision.
PRECISIONS: Mapping[str, str] = {"fp32": "single precision", "bf16": "bfloat16"}
# What becomes of images that do not fill a batch at the end of an epoch, by recipe.last_batch.
LAST_BATCH: Mapping[str, str] = {
    "keep": "",
    "drop": "The images left over at the end of an epoch were not used in it.",
    "even": "Each epoch was cut into batches of equal size, to within one image.",
}
# How a subset is made, by its rule.
SUBSETS: Mapping[str, str] = {
    "head": "Each subset holds the first images of the training list",
    "balanced": "Each subset holds equally many images of each class, drawn at random",
    "random": "Each subset was drawn at random",
}


def methods_paragraph(tables: StudyTables) -> MethodsParagraph:
    """Return the paragraph: data, network, recipe, methods, seeds and statistics, in whole sentences."""
    cell = tables.study.cells[0].value
    sentences = [
        _data(tables),
        f"The network was {describe_network(cell.model)}",
        f"It was trained by stochastic gradient descent: {describe_training(cell)}.",
        LAST_BATCH[tables.study.configuration["recipe"].get("last_batch", "keep")],
        f"The budget was {describe_budgets(tables)}",
        _methods(tables.study),
        _seeds(tables.study),
        f"Of each run we report {REPORTED[tables.study.selection]}.",
        *_statistics(tables),
        _software(tables),
    ]
    entries = {one.entry for one in _references(tables.study)}
    return MethodsParagraph(" ".join(one for one in sentences if one), tuple(sorted(entries, key=_family_name)))


def _data(tables: StudyTables) -> str:
    study, dataset = tables.study, tables.dataset
    source = _data_source(study)
    named = f"{tables.dataset_title.partition(' (')[0]} ({source.short})" if source else tables.dataset_title
    sizes = joined([f"{size:,}" for size in tables.sizes])
    drawn = "subsets" if len(tables.sizes) > 1 else "a subset"
    counted = ""
    if dataset is not None:
        height, width, _ = dataset.image_shape
        counted = (
            f", of {height} × {width} pixels in {count_of(len(dataset.classes), 'class', 'classes')}; all "  # noqa: RUF001
            f"{count_of(dataset.test_count, 'test image')} were used for testing"
        )
    often = ""
    if study.cells[0].value.subset.rule != "head":
        often = ", anew for each seed" if study.redraws_subsets else ", once for all seeds"
    held = (
        f" Another {count_of(study.validation_images, 'training image')} served for validation."
        if study.validation_images
        else ""
    )
    return (
        f"We trained on {drawn} of {sizes} training images of {named}{counted}. "
        f"{SUBSETS[study.cells[0].value.subset.rule]}{often}.{held}"
    )


def _methods(study: Study) -> str:
    parts = []
    for name, meaning in study.configuration["methods"].items():
        sources = "; ".join(one.short for one in MIX_SOURCES.get(meaning["mix"], ()))
        parts.append(f"{name} ({method_meaning(meaning)}{f'; {sources}' if sources else ''})")
    return f"{'We compared' if len(parts) > 1 else 'The method was'} {joined(parts)}."


def _seeds(study: Study) -> str:
    seeds = f"{count_of(len(study.seeds), 'seed')} ({', '.join(map(str, study.seeds))})"
    shared = (
        " Runs of one seed share the training images, the initial weights, the order of the batches, the crops, the "
        "flips and the mixing partners."
        if len(study.methods) > 1
        else ""
    )
    return f"Every method was trained with {seeds} at each size.{shared}"


def _statistics(tables: StudyTables) -> list[str]:
    seeds = len(tables.study.seeds)
    if seeds < FEWEST_FOR_AN_INTERVAL:
        return [f"With {count_of(seeds, 'seed')}, no intervals are given and nothing is tested."]
    sentences = [
        "Intervals are 95 % intervals of the mean over seeds (Student's t). Differences between methods are taken seed "
        "by seed."
    ]
    if (tables.comparison["role"] == "declared").any():
        sentences.append(
            "One hypothesis was declared in advance and tested by an exact sign-flip test over seeds; all other "
            "comparisons are exploratory, with p-values corrected by Holm's method."
        )
    else:
        sentences.append("No hypothesis was declared in advance; all comparisons are exploratory.")
    return sentences


def _software(tables: StudyTables) -> str:
    own, torch = joined(tables.versions_of("smallmix")), joined(tables.versions_of("torch"))
    if not own:
        return ""
    precisions = joined(list(dict.fromkeys(PRECISIONS[cell.value.recipe.precision] for cell in tables.study.cells)))
    groups = tables.provenance.get("environments", [])
    devices = dict.fromkeys(name for group in groups if (name := device_name(group.get("environment", {}))))
    return (
        f"All runs were computed with smallmix {own}{f' and PyTorch {torch}' if torch else ''}, in {precisions}"
        f"{f', on {joined(list(devices))}' if devices else ''}."
    )


def device_name(machine: Mapping[str, Any]) -> str:
    """Return the name of what computed: a GPU's, or a processor's."""
    return str(machine.get("processor" if machine.get("device") == "cpu" else "device", "")).strip()


def _references(study: Study) -> list[Reference]:
    found: list[Reference] = []
    cell = study.cells[0].value
    for meaning in study.configuration["methods"].values():
        if not names_own_code(meaning["mix"]):
            found += MIX_SOURCES.get(meaning["mix"], ())
    found += [one for name, one in NETWORK_SOURCES.items() if cell.model.name.startswith(name)]
    if (source := _data_source(study)) is not None:
        found.append(source)
    recipe = cell.recipe
    found += [COSINE] if recipe.schedule == "cosine" else []
    found += [WARM_UP] if recipe.warm_up else []
    found += [] if recipe.decay_normalization else [BAG_OF_TRICKS]
    return found


def _data_source(study: Study) -> Reference | None:
    """Return who published the images; None for the user's own. Both data sets of 2009 stand in one report."""
    name = str(study.configuration["dataset"]["name"])
    return DATA_SOURCES.get("cifar10" if name == "cifar100" else name)


def _family_name(entry: str) -> str:
    """Return what a list of references is sorted by: the first author's family name."""
    found = _FIRST_AUTHOR.match(entry)
    return found[1] if found else entry
