"""Networks that cannot be simulated are refused with a reason."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, external_data_helper, helper
from tiny_models import model

from sim.network import load_network
from sim.tensors import capture

WEIGHT = (4, 3, 1, 1)


def test_missing_file(tmp_path):
    with pytest.raises(ValueError, match=r"^network must be a file that exists, not '.*none.onnx'$"):
        load_network(tmp_path / "none.onnx")


def test_folder(tmp_path):
    with pytest.raises(ValueError, match="network must be a file that exists"):
        load_network(str(tmp_path))


@pytest.mark.parametrize("content", [b"\xff" * 64, b"not a network\n", onnx.__doc__.encode() if onnx.__doc__ else b"#"])
def test_file_that_is_not_onnx(tmp_path, content):
    path = tmp_path / "broken.onnx"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"^network must be an ONNX file, not '.*broken.onnx'$"):
        load_network(path)


def test_empty_file(tmp_path):
    path = tmp_path / "empty.onnx"
    path.write_bytes(b"")
    with pytest.raises(ValueError, match=r"^network must be valid ONNX: [^\n]*$"):
        load_network(path)


def test_truncated_file(tmp_path):
    path = tmp_path / "short.onnx"
    content = model("y = Conv(x, w)", w=WEIGHT).SerializeToString()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=r"network must be (an ONNX file|valid ONNX)"):
        load_network(path)


def test_missing_external_data(tmp_path):
    path = tmp_path / "split.onnx"
    made = model("y = Conv(x, w)", w=WEIGHT)
    external_data_helper.convert_model_to_external_data(made, location="weights.bin", size_threshold=0)
    onnx.save(made, path)
    assert load_network(path).weight_count == 12
    (tmp_path / "weights.bin").unlink()
    with pytest.raises(ValueError, match=r"external data of '.*split.onnx' must lie beside it"):
        load_network(path)


def test_undefined_value():
    made = model("y = Conv(x, w)", w=WEIGHT)
    made.graph.node[0].input[0] = "nowhere"
    with pytest.raises(ValueError, match=r"network must be valid ONNX: .*nowhere"):
        load_network(made)


def test_an_unknown_operator_is_a_layer_of_its_own_and_is_named():
    made = model("c = Conv(x, w) y = CumSum(c, axis)", w=WEIGHT, axis=np.array(2, np.int64))
    made.graph.node[1].name = "sum"
    network = load_network(made)
    assert [(layer.name, layer.op, layer.inputs, layer.macs) for layer in network.layers[1:]] == [
        ("sum", "cumsum", ("c",), 0)
    ]
    assert network.notes == (
        "operator 'CumSum' of sum is not known: its tensors travel, its arithmetic is not counted",
    )


def test_operator_of_another_domain():
    made = model("c = Conv(x, w) y = Relu(c)", w=WEIGHT)
    made.graph.node[1].domain = "com.vendor"
    made.opset_import.append(helper.make_opsetid("com.vendor", 1))
    with pytest.raises(ValueError, match=r"not 'com.vendor.Relu' \(node 'y'\)"):
        load_network(made)


def test_used_second_output():
    made = model("y, z = MaxPool<kernel_shape=[2,2]>(x)", outputs="float[] y, int64[] z")
    with pytest.raises(ValueError, match=r"operator must have one output that is used, not 'MaxPool' \(node 'y'\)"):
        load_network(made)


def test_two_inputs():
    with pytest.raises(ValueError, match="exactly one input, the image, not 2: x, z"):
        load_network(model("y = Add(x, z)", image="float[1,3,8,8] x, float[1,3,8,8] z"))


def test_no_input():
    made = model("y = Relu(x)", image="", x=(1, 3, 8, 8))
    with pytest.raises(ValueError, match="exactly one input, the image, not 0: none"):
        load_network(made)


def test_initializer_that_is_listed_as_input_is_no_input():
    made = model("y = Conv(x, w)", w=WEIGHT)
    made.graph.input.append(helper.make_tensor_value_info("w", TensorProto.FLOAT, WEIGHT))
    assert load_network(made).inputs == ("x",)


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        ("uint8[1,3,8,8] x", "input 'x' must be float, not uint8"),
        ("float[1,3,8] x", "input 'x' must have 4 dimensions, not 3"),
        ("float[4,3,8,8] x", "batch of input 'x' must be 1 or left open, not 4"),
        ("float[N,3,H,W] x", "size of input 'x' must be fixed, not 3 x H x W"),
    ],
)
def test_input_that_is_not_one_image(image, reason):
    with pytest.raises(ValueError, match=f"^{reason}$"):
        load_network(model("y = Identity(x)", image=image))


def test_shapes_that_disagree():
    made = model("y = Conv(x, w)", w=WEIGHT)
    made.graph.initializer[0].CopyFrom(onnx.numpy_helper.from_array(np.ones((4, 5, 1, 1), np.float32), "w"))
    with pytest.raises(ValueError, match=r"^network must [^\n]*$"):
        capture(load_network(made), np.zeros((1, 3, 8, 8), np.float32))


def test_output_that_is_a_constant():
    made = model("y = Relu(k)", k=(1, 3))
    with pytest.raises(ValueError, match="outputs of the network must depend on the image, not 'y'"):
        load_network(made)


def test_model_is_not_changed():
    made = model("c = Conv(x, w) y = Relu(c)", image="float[N,3,8,8] x", w=WEIGHT)
    before = made.SerializeToString(deterministic=True)
    load_network(made)
    assert made.SerializeToString(deterministic=True) == before
