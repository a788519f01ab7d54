"""Networks through the weight codecs and back: which weights, what error, what runs."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from golden.registry import WEIGHT_CODECS
from golden.weights.container import StoredWeights, WeightFile, dump, load
from golden.weights.linear import LinearFormat, dequantize, quantize
from golden.weights.packed import Packed
from golden.weights.prune import prune_globally
from sim.lite0 import build_lite0
from sim.session import open_session, values_of
from sim.weights import Recipe, compare, compress, decompress, find_weights, order0_bits, parse_settings

RNG = np.random.default_rng(7)


def tensor(name: str, *shape: int, dtype=np.float32) -> TensorProto:
    return numpy_helper.from_array(RNG.normal(0, 0.1, shape).astype(dtype), name)


def tiny(dtype: int = TensorProto.FLOAT) -> onnx.ModelProto:
    """Convolution, transposed convolution, two matrix products and one constant that is no weight."""
    kind = helper.tensor_dtype_to_np_dtype(dtype)
    nodes = [
        helper.make_node("Conv", ["x", "conv.w", "conv.b"], ["a"], pads=[1, 1, 1, 1]),
        helper.make_node("ConvTranspose", ["a", "up.w"], ["b"]),
        helper.make_node("Add", ["b", "table"], ["c"]),
        helper.make_node("GlobalAveragePool", ["c"], ["d"]),
        helper.make_node("Flatten", ["d"], ["e"]),
        helper.make_node("Gemm", ["e", "fc.w"], ["f"], transB=1),
        helper.make_node("MatMul", ["f", "last.w"], ["y"]),
    ]
    constants = [
        tensor("conv.w", 4, 3, 3, 3, dtype=kind),
        tensor("conv.b", 4, dtype=kind),
        tensor("up.w", 4, 5, 1, 1, dtype=kind),
        tensor("table", 5, 6, 6, dtype=kind),
        tensor("fc.w", 8, 5, dtype=kind),
        tensor("last.w", 8, 2, dtype=kind),
    ]
    x = helper.make_tensor_value_info("x", dtype, [1, 3, 6, 6])
    y = helper.make_tensor_value_info("y", dtype, [1, 2])
    graph = helper.make_graph(nodes, "tiny", [x], [y], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def initializers(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    return {item.name: numpy_helper.to_array(item) for item in model.graph.initializer}


@pytest.fixture(scope="module")
def lite0() -> onnx.ModelProto:
    return build_lite0()


def test_weights_are_what_convolutions_and_products_read():
    assert [(weight.name, weight.channel_axis) for weight in find_weights(tiny())] == [
        ("conv.w", 0),
        ("up.w", 1),
        ("fc.w", 0),
        ("last.w", -1),
    ]


def test_the_default_network_has_fifty(lite0):
    weights = find_weights(lite0)
    assert (len(weights), sum(weight.values.size for weight in weights)) == (50, 4_608_992)


@pytest.mark.parametrize(
    "recipe", [Recipe(), Recipe("zero-runs", 4, 0.5, per_channel=True), Recipe("packed", 5)], ids=str
)
def test_restored_weights_are_the_quantized_ones(recipe):
    model = tiny()
    before = initializers(model)
    restored = initializers(decompress(load(dump(compress(model, recipe)))))
    names = ["conv.w", "up.w", "fc.w", "last.w"]
    for name, axis in zip(names, (0, 1, 0, 1), strict=True):
        (pruned,) = prune_globally([before[name]], recipe.density)
        expected = dequantize(quantize(pruned, LinearFormat(recipe.bits, axis=axis if recipe.per_channel else None)))
        assert np.array_equal(restored[name], expected)
    for name in ("conv.b", "table"):
        assert np.array_equal(restored[name], before[name])
    assert all(np.array_equal(before[name], values) for name, values in initializers(model).items())


def test_the_network_without_its_weights_is_small(lite0):
    file = compress(lite0, Recipe("deepcomp", 5, 0.1))
    biases = sum(values.nbytes for values in initializers(lite0).values() if values.ndim < 2)
    assert len(file.attachment) < biases + 40_000


def test_the_default_network_runs_again(lite0):
    image = RNG.normal(0, 1, (1, 3, 224, 224)).astype(np.float32)

    def logits(model):
        return values_of(open_session(model, []), ["logits"], {"image": image})["logits"]

    exact = logits(lite0)
    restored = logits(decompress(load(dump(compress(lite0, Recipe("huffman", per_channel=True))))))
    assert np.abs(restored - exact).max() < 0.1 * np.abs(exact).max()
    assert not np.array_equal(restored, exact)


def test_shares_may_be_counted_over_the_network():
    model = tiny()
    file = compress(model, Recipe("deepcomp", 8, 0.25, "network"))
    kept = [np.count_nonzero(stored.restore()) for stored in file.tensors]
    values = [weight.values for weight in find_weights(model)]
    assert kept == [np.count_nonzero(pruned) for pruned in prune_globally(values, 0.25)]
    per_layer = compress(model, Recipe("deepcomp", 8, 0.25))
    assert [np.count_nonzero(stored.restore()) for stored in per_layer.tensors] == [27, 5, 10, 4]
    assert kept != [27, 5, 10, 4]


def test_half_precision_stays_half_precision():
    restored = initializers(decompress(compress(tiny(TensorProto.FLOAT16), Recipe())))
    assert restored["conv.w"].dtype == np.float16


def test_comparison_shows_size_beside_entropy(lite0):
    rows = {row.codec: row for row in compare(lite0, Recipe(density=0.2), ["packed", "huffman", "zero-runs"])}
    for row in rows.values():
        assert row.weights == 4_608_992
        assert 0 < row.entropy_bits <= row.size_bits
        assert 0.1 < row.error < 1
        assert row.encode_s > 0
        assert row.decode_s > 0
    scales = 50 * 32
    assert rows["packed"].size_bits == 8 * 4_608_992 + scales
    assert rows["zero-runs"].size_bits < rows["huffman"].size_bits < rows["packed"].size_bits
    assert rows["packed"].error == rows["huffman"].error


def test_error_is_relative_to_the_weights():
    model = tiny()
    (row,) = compare(model, Recipe(bits=4), ["packed"])
    before = [weight.values.ravel().astype(np.float64) for weight in find_weights(model)]
    after = [stored.restore().ravel() for stored in compress(model, Recipe("packed", 4)).tensors]
    lost, all_of_it = np.concatenate(after) - np.concatenate(before), np.concatenate(before)
    assert row.error == pytest.approx(np.linalg.norm(lost) / np.linalg.norm(all_of_it))


def test_comparison_covers_the_registry_and_tells_what_fails():
    rows = {row.codec: row for row in compare(tiny(), Recipe("deepcomp", 1))}
    assert list(rows) == list(WEIGHT_CODECS)
    assert rows["deepcomp"].fault == ""
    assert {row.fault for name, row in rows.items() if "f" not in WEIGHT_CODECS[name].takes} == {
        "bits must be in 2..8, not 1"
    }


def test_order0_entropy_by_hand():
    assert order0_bits(np.array([0, 0, 1, 2])) == pytest.approx(2 * 1 + 2 + 2)


def test_settings_reach_the_format():
    settings = parse_settings(["form=relative-index", "index_bits=5", "huffman=false"])
    codec = Recipe("deepcomp", 5, 0.1, settings=settings).make()
    assert codec.config() | {"form": "relative-index", "index_bits": 5, "huffman": False} == codec.config()
    assert (codec.config()["density"], codec.config()["bits"]) == (0.1, 5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Recipe("zip"), r"codec must be one of .* not 'zip'"),
        (lambda: Recipe(density=2), r"density must be in 0..1, not 2"),
        (lambda: Recipe(bits=1), r"bits must be in 2..8, not 1"),
        (lambda: Recipe(scope="block"), r"scope must be one of .* not 'block'"),
        (lambda: Recipe(density=0.5, scheme="asymmetric"), "scheme must be symmetric where weights are pruned"),
        (lambda: Recipe(settings={"colour": 1}), r"huffman parameter must be one of .* not 'colour'"),
        (lambda: Recipe(settings={"max_length": "x"}), "settings of huffman must have the kinds of its defaults"),
        (lambda: parse_settings(["index_bits"]), "setting must be name=value, not 'index_bits'"),
    ],
)
def test_recipes_that_cannot_be_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_networks_without_weights_are_refused():
    model = tiny()
    del model.graph.initializer[:]
    with pytest.raises(ValueError, match="network must have weights: float initializers"):
        find_weights(model)


def test_weights_that_are_not_numbers_are_named():
    model = tiny()
    bad = np.full((8, 5), np.nan, np.float32)
    model.graph.initializer[4].CopyFrom(numpy_helper.from_array(bad, "fc.w"))
    with pytest.raises(ValueError, match=r"weights 'fc.w' must be finite"):
        compress(model, Recipe(density=0.5))


def test_files_with_another_network_are_refused():
    stored = StoredWeights("conv.w", Packed(), Packed().encode(np.ones((2, 2), np.int8)))
    with pytest.raises(ValueError, match=r"network of the file must have weights 'conv.w' of shape \(2, 2\)"):
        decompress(WeightFile((stored,), tiny().SerializeToString()))
    with pytest.raises(ValueError, match="file must hold a network beside its weights"):
        decompress(WeightFile((stored,), b"\xff\xff\xff"))
    with pytest.raises(ValueError, match="network of the file must be valid ONNX"):
        decompress(WeightFile((), b""))
