"""The heads whose weights go through the video codec: the default network's, and a LeNet-5's on Fashion-MNIST."""

from __future__ import annotations

import numpy as np

from sim.cifar import package_folder
from sim.coded_head import Head
from sim.datasets import load_dataset
from sim.hevc_sweep import Classifier, classifier_of, load_classifier
from sim.images import load_images
from sim.lenet import LENETS
from sim.lenet_runs import dense_run
from sim.torch_fit import Schedule, check_torch, predict, scaled

__all__ = ["crops_head", "fashion_head", "labelled_head"]

_SCHEDULE, _QUICK_SCHEDULE = Schedule(4, 1e-3), Schedule(1, 1e-3)
_QUICK_PICTURES = 2000, 500


def crops_head(crops: int) -> Head:
    """EfficientNet-Lite0's classifier on crops of the photos; the float network's top-1 is the label."""
    return _one_layer(f"EfficientNet-Lite0, {crops} crops", load_classifier(crops))


def labelled_head() -> Head:
    """EfficientNet-Lite0's classifier on the twenty labelled ImageNet pictures of package foolbox.

    Raises
    ------
    ValueError
        If the package is not installed or holds no such picture.
    """
    photos = load_images(package_folder("foolbox") / "data", "imagenet_*.jpg")
    labels = np.array([int(photo.name.rsplit("_", 1)[1]) for photo in photos], np.int64)  # imagenet_INDEX_LABEL
    return _one_layer(f"EfficientNet-Lite0, {len(photos)} labelled pictures", classifier_of(photos), labels)


def _one_layer(name: str, found: Classifier, labels: np.ndarray | None = None) -> Head:
    return Head(name, (found.weights,), (found.bias,), found.features, labels)


def fashion_head(quick: bool = False) -> Head:
    """The two dense layers of LeNet-5 on Fashion-MNIST's test pictures; `quick` trains and tests on few.

    Raises
    ------
    ValueError
        If the data or torch is not installed.
    """
    check_torch()
    net, data = LENETS["lenet-5"], load_dataset("fashion")
    data = data.first(*_QUICK_PICTURES) if quick else data
    dense = dense_run(net, data, _QUICK_SCHEDULE if quick else _SCHEDULE)
    features = predict(lambda part: net.features(dense.weights, dense.biases, part), scaled(data.test, data.scale))
    matrices = tuple(np.ascontiguousarray(w.T) for w in dense.weights if w.ndim == 2)
    name = f"LeNet-5, {len(data.test):,} pictures of Fashion-MNIST"
    return Head(name, matrices, dense.biases[-len(matrices) :], features.numpy(), data.test_labels)
