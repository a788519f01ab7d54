"""Small ONNX models out of a few lines of text."""

import numpy as np
import onnx
from onnx import helper, numpy_helper, parser, shape_inference

IMAGE = "float[1,3,8,8] x"


def model(
    body: str, image: str = IMAGE, outputs: str = "float[] y", opset: int = 17, **constants: object
) -> onnx.ModelProto:
    """A model of the nodes in `body`; a tuple as constant is the shape of random weights."""
    text = f'<ir_version: 8, opset_import: ["": {opset}]> tiny ({image}) => ({outputs}) {{ {body} }}'
    made = parser.parse_model(text)
    for output in made.graph.output:
        output.type.tensor_type.ClearField("shape")
    rng = np.random.default_rng(7)
    for name, value in constants.items():
        array = rng.normal(size=value).astype(np.float32) if isinstance(value, tuple) else np.asarray(value)
        made.graph.initializer.append(numpy_helper.from_array(array, name))
    found = {value.name: value for value in shape_inference.infer_shapes(made).graph.output}
    for output in made.graph.output:
        output.CopyFrom(found[output.name])
        output.type.tensor_type.shape.SetInParent()
    return made


def norm(channels: int, prefix: str = "") -> dict[str, object]:
    """Parameters of a batch norm: g, b, m, v."""
    ones = np.ones(channels, np.float32)
    return {prefix + "g": ones, prefix + "b": ones / 2, prefix + "m": ones / 4, prefix + "v": ones}


def add_attribute(node: onnx.NodeProto, name: str, value: object) -> None:
    """Set an attribute that the text format cannot say."""
    node.attribute.append(helper.make_attribute(name, value))
