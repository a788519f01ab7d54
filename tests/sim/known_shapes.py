"""Shapes of well-known networks: layers with weights, one image, 224 x 224."""

from pathlib import Path

import onnx

from sim.layer_shape import LayerShape, conv, layer_shapes
from sim.network import load_network

__all__ = ["alexnet", "light_model", "mobilenet_v2", "resnet18"]


def light_model(name: str) -> Path:
    """A network that comes with the onnx wheel, its weights left out."""
    return Path(onnx.__file__).parent / "backend" / "test" / "data" / "light" / f"light_{name}.onnx"


def alexnet() -> list[LayerShape]:
    """The five convolutions of bvlc_alexnet."""
    shapes = layer_shapes(load_network(light_model("bvlc_alexnet")))
    return [shape for shape in shapes if shape.weighted and shape.out_height > 1]


def resnet18() -> list[LayerShape]:
    layers = [conv("conv1", 3, 224, 64, 7, 2)]
    channels, size = 64, 56
    for stage, (filters, stride) in enumerate(((64, 1), (128, 2), (256, 2), (512, 2))):
        layers.append(conv(f"{stage}a", channels, size, filters, 3, stride))
        if stride > 1:
            layers.append(conv(f"{stage}s", channels, size, filters, 1, stride))
        size //= stride
        layers += [conv(f"{stage}{part}", filters, size, filters, 3) for part in "bcd"]
        channels = filters
    return [*layers, conv("fc", 512, 1, 1000)]


def mobilenet_v2() -> list[LayerShape]:
    layers, channels, size = [conv("conv1", 3, 224, 32, 3, 2)], 32, 112
    stages = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
    for expansion, filters, repeats, first_stride in stages:
        for block in range(repeats):
            hidden, stride = channels * expansion, first_stride if block == 0 else 1
            name = f"{filters}.{block}"
            if expansion > 1:
                layers.append(conv(f"{name}.expand", channels, size, hidden))
            layers.append(conv(f"{name}.depthwise", hidden, size, hidden, 3, stride, groups=hidden))
            size //= stride
            layers.append(conv(f"{name}.project", hidden, size, filters))
            channels = filters
    return [*layers, conv("last", channels, size, 1280), conv("fc", 1280, 1, 1000)]
