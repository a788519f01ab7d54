"""Light backbones, built to a given stride: MobileNetV2 and ShuffleNetV2, both at width 1; and a heavy one to replace.

Where fewer halvings are asked for than a network has, its last ones are left out; weights are seeded, not trained.

References
----------
Sandler et al., "MobileNetV2: inverted residuals and linear bottlenecks", CVPR 2018, table 2.
Ma et al., "ShuffleNet V2: practical guidelines", ECCV 2018, table 5.
Xiao, Wu, Wei, "Simple baselines for human pose estimation and tracking", ECCV 2018: PoseResNet.
He et al., "Deep residual learning for image recognition", CVPR 2016, table 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import onnx

from sim.onnx_builder import Builder

__all__ = ["BACKBONES", "OPERATORS", "build_pose_resnet"]

# expansion, channels, blocks, stride
_MOBILENET = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
_SHUFFLENET = ((116, 4), (232, 8), (464, 4))
_RESNET50 = ((64, 3), (128, 4), (256, 6), (512, 3))


def _mobilenet_v2(builder: Builder, value: str, halvings: int) -> str:
    value = builder.relu(builder.conv(value, "stem", 32, 3, 2), 6)
    left = halvings - 1
    for stage, (expansion, channels, blocks, stride) in enumerate(_MOBILENET):
        first = stride if left > 0 else 1
        left -= first == 2
        for block in range(blocks):
            value = _inverted(builder, value, f"stage{stage}.{block}", expansion, channels, 1 if block else first)
    return value


def _inverted(builder: Builder, value: str, name: str, expansion: int, channels: int, stride: int) -> str:
    source, width = value, builder.shapes[value][0] * expansion
    if expansion > 1:
        value = builder.relu(builder.conv(value, f"{name}.expand", width), 6)
    value = builder.relu(builder.conv(value, f"{name}.depthwise", width, 3, stride, groups=width), 6)
    value = builder.conv(value, f"{name}.project", channels)
    same = builder.shapes[source] == builder.shapes[value]
    return builder.add(value, source, f"{name}.add") if same else value


def _shufflenet_v2(builder: Builder, value: str, halvings: int) -> str:
    value = builder.relu(builder.conv(value, "stem", 24, 3, 2))
    left = halvings - 1
    if left > 0:
        value, left = builder.pool(value, "pool"), left - 1
    for stage, (channels, blocks) in enumerate(_SHUFFLENET):
        for block in range(blocks):
            stride = 2 if not block and left > 0 else 1
            left -= stride == 2
            value = _shuffle_unit(builder, value, f"stage{stage}.{block}", channels, stride, widen=not block)
    return value


def _shuffle_unit(builder: Builder, value: str, name: str, channels: int, stride: int, widen: bool) -> str:
    half = channels // 2
    if widen:
        around = builder.shapes[value][0]
        kept = builder.conv(value, f"{name}.kept.depthwise", around, 3, stride, groups=around)
        kept, worked = builder.relu(builder.conv(kept, f"{name}.kept.point", half)), value
    else:
        kept, worked = (
            _channels(builder, value, f"{name}.{part}", start, half) for part, start in (("a", 0), ("b", half))
        )
    worked = builder.relu(builder.conv(worked, f"{name}.first", half))
    worked = builder.conv(worked, f"{name}.depthwise", half, 3, stride, groups=half)
    worked = builder.relu(builder.conv(worked, f"{name}.last", half))
    _, height, width = builder.shapes[worked]
    joined = builder.node("Concat", [kept, worked], f"{name}.concat", (channels, height, width), axis=1)
    sizes = ((1, 2, half, height, width), (1, channels, height, width))
    apart, together = (builder.constant(f"{name}.sizes{k}", np.array(size, np.int64)) for k, size in enumerate(sizes))
    value = builder.node("Reshape", [joined, apart], f"{name}.apart", (channels, height, width))
    value = builder.node("Transpose", [value], f"{name}.turned", (channels, height, width), perm=[0, 2, 1, 3, 4])
    return builder.node("Reshape", [value, together], f"{name}.shuffled", (channels, height, width))


def _channels(builder: Builder, value: str, name: str, start: int, count: int) -> str:
    _, height, width = builder.shapes[value]
    bounds = [
        builder.constant(f"{name}.{part}", np.array([number], np.int64))
        for part, number in (("start", start), ("end", start + count), ("axis", 1))
    ]
    return builder.node("Slice", [value, *bounds], name, (count, height, width))


Backbone = Callable[[Builder, str, int], str]
BACKBONES: Mapping[str, Backbone] = {"mobilenetv2": _mobilenet_v2, "shufflenetv2": _shufflenet_v2}
"""Each adds itself to a builder: from a value, by so many halvings of height and width, to its last value."""
OPERATORS: Mapping[str, frozenset[str]] = {
    "mobilenetv2": frozenset({"Conv", "Clip", "Add"}),
    "shufflenetv2": frozenset({"Conv", "Relu", "MaxPool", "Slice", "Concat", "Reshape", "Transpose"}),
}
"""What each needs of an accelerator."""


def build_pose_resnet(height: int = 256, width: int = 192, joints: int = 16) -> onnx.ModelProto:
    """PoseResNet-50 with seeded weights: ResNet-50, three transposed convolutions to 256 channels, one 1 x 1.

    Batch norm is folded. Input ``image`` float32 (1, 3, height, width); output heat maps (1, joints, height / 4,
    width / 4); 16 joints as in MPII, which PCKh is measured on.
    """
    builder = Builder("image", (3, height, width))
    value = builder.pool(builder.relu(builder.conv("image", "stem", 64, 7, 2)), "pool")
    for stage, (channels, blocks) in enumerate(_RESNET50):
        for block in range(blocks):
            stride = 2 if stage and not block else 1
            value = _bottleneck(builder, value, f"stage{stage}.{block}", channels, stride)
    for place in range(3):
        value = builder.relu(builder.transposed(value, f"deconv{place}", 256))
    return builder.finish(builder.conv(value, "heatmaps", joints), "PoseResNet-50")


def _bottleneck(builder: Builder, value: str, name: str, channels: int, stride: int) -> str:
    source = value
    value = builder.relu(builder.conv(value, f"{name}.a", channels))
    value = builder.relu(builder.conv(value, f"{name}.b", channels, 3, stride))
    value = builder.conv(value, f"{name}.c", 4 * channels)
    if builder.shapes[source] != builder.shapes[value]:
        source = builder.conv(source, f"{name}.shortcut", 4 * channels, 1, stride)
    return builder.relu(builder.add(value, source, f"{name}.add"))
