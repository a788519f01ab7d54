"""The optional CIFAR-10 network."""

import sys
from importlib.util import find_spec

import numpy as np
import pytest

from sim import cifar
from sim.cifar import build_cifar, load_cifar_images
from sim.network import load_network
from sim.tensors import capture

NEEDED = ("cifar_10_model", "foolbox", "h5py")
installed = pytest.mark.skipif(
    not all(map(find_spec, NEEDED)), reason="needs h5py and the data of cifar-10-model and foolbox"
)


@pytest.fixture(scope="module")
def captured():
    images, _ = load_cifar_images()
    return capture(load_network(build_cifar()), images)


@installed
def test_all_twenty_images_are_recognised(captured):
    _, labels = load_cifar_images()
    np.testing.assert_array_equal(captured.outputs["scores"].argmax(axis=1), labels)
    assert len(labels) == 20


@installed
def test_rectified_tensors_reach_memory(captured):
    network = load_network(build_cifar())
    assert {tensor.activation for tensor in network.activations} == {"relu"}
    assert [tensor.shape for tensor in network.activations] == [
        (64, 30, 30),
        (64, 28, 28),
        (64, 14, 14),
        (128, 12, 12),
        (128, 10, 10),
        (128, 5, 5),
        (64, 3, 3),
    ]
    zeros = sum((captured.symbols[tensor.name] == 0).sum() for tensor in network.activations)
    total = sum(captured.symbols[tensor.name].size for tensor in network.activations)
    assert 0.6 < zeros / total < 0.7


@installed
def test_data_is_read_without_running_the_packages():
    """Their code wants tensorflow and torch; importing it would fail or take seconds."""
    before = set(sys.modules)  # other tests have use for torch
    build_cifar()
    load_cifar_images()
    assert not {"foolbox", "tensorflow", "torch", "eagerpy"}.intersection(set(sys.modules) - before)


@pytest.mark.parametrize(("function", "package"), [(build_cifar, "cifar-10-model"), (load_cifar_images, "foolbox")])
def test_missing_package_is_named(monkeypatch, function, package):
    monkeypatch.setattr(cifar, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=rf"^package {package} must be installed .*: install thinwire\[cifar\], then"):
        function()


@installed
def test_missing_reader_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ValueError, match=r"^package h5py must be installed .*: install thinwire\[cifar\], then"):
        build_cifar()
