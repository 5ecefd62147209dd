"""QONNX in: every hidden spike and level and every class equal to qonnx's execution on 500 random inputs."""

import numpy as np
import pytest
from onnx import TensorProto

from s2nn_hw.errors import UserError
from s2nn_hw.quantize.importers.from_onnx import from_onnx
from tests.support.onnx_models import Model, bipolar_mlp, few_bit_cnn

ZERO = "a zero point"


def same(tmp_path, made, layers, kind=TensorProto.FLOAT, **options):
    """Import what was ``made``, hold all values against the owner's, return what became of it."""
    model, output = made
    found = from_onnx(model.save(tmp_path / "made.onnx", output, kind=kind), **options)
    agreement = found.agreement
    assert agreement.images == 500 or "inputs" in options
    assert agreement.same_class == agreement.images, str(agreement)
    assert len(agreement.different) >= layers
    assert {name: wrong for name, (wrong, _) in agreement.different.items() if wrong} == {}
    return found


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"sizes": (64, 10)},
        {"sizes": (100, 64, 64, 64, 10), "seed": 1},
        {"norm": False},
        {"norm": False, "bias": True},
        {"bias": True, "seed": 2},
        {"per_channel": True},
        {"scale": 0.1, "seed": 3},
    ],
    ids=str,
)
def test_bipolar_mlp(tmp_path, options):
    found = same(tmp_path, bipolar_mlp(**options), len(options.get("sizes", (0, 0, 0, 0))) - 2)
    assert all(layer.synapses[0].bits == 1 for layer in found.network.layers[:-1])
    assert found.network.input.bits == 1


@pytest.mark.parametrize(("scale", "input_scale"), [(0.37, 1 / 16), (0.25, 1.0)])
def test_cnn_of_two_and_four_bits(tmp_path, scale, input_scale):
    found = same(tmp_path, few_bit_cnn(scale=scale, input_scale=input_scale), 3)
    planes = [found.network.planes[name].count for name in found.agreement.different]
    assert planes == [2, 2, 4]
    assert [layer.synapses[0].bits for layer in found.network.layers if layer.accumulates] == [
        3,
        4,
        8,
    ]  # of ten ranks of biases


def image(seed=0, channels=2, size=8, bits=2):
    m = Model((channels, size, size), seed)
    return m, m.quant("x", 1.0, bits)


def conv(m, x, out, into, kernel=3, *, bits=4, bias=False, **settings):
    w = m.quant(m.constant(m.normal(out, into, kernel, kernel)), 0.25, bits, signed=1, narrow=1)
    extra = [m.constant(m.normal(out))] if bias else []
    return m.node("Conv", x, w, *extra, kernel_shape=[kernel, kernel], **settings)


def levels(m, x, bits=2, scale=0.75):
    """Levels behind a bias that no tie survives."""
    return m.quant(m.node("Relu", m.node("Add", x, m.constant(0.1234567))), scale, bits)


def ends(m, x, inputs):
    w = m.quant(m.constant(m.normal(inputs, 5)), 0.25, 4, signed=1, narrow=1)
    return m, m.node("MatMul", x, w)


CONVOLUTIONS = {
    "auto_pad": ({"auto_pad": "SAME_UPPER"}, 3, 4 * 64),
    "dilated": ({"dilations": [2, 2]}, 3, 4 * 16),
    "even, padded at one side": ({"pads": [0, 0, 1, 1]}, 2, 4 * 64),
    "padded at the other": ({"pads": [2, 2, 1, 1]}, 3, 4 * 81),
    "same lower": ({"auto_pad": "SAME_LOWER"}, 2, 4 * 64),
    "strides": ({"strides": [2, 2], "auto_pad": "SAME_UPPER"}, 3, 4 * 16),
    "groups": ({"group": 2}, 3, 4 * 36),
    "valid": ({"auto_pad": "VALID"}, 3, 4 * 36),
}


@pytest.mark.parametrize(("settings", "kernel", "size"), CONVOLUTIONS.values(), ids=CONVOLUTIONS)
def test_convolutions(tmp_path, settings, kernel, size):
    m, x = image()
    x = levels(m, conv(m, x, 4, 2 // settings.get("group", 1), kernel, bias=True, **settings))
    same(tmp_path, ends(m, m.node("Flatten", x), size), 1)


def _residual(m, x):
    y = levels(m, conv(m, x, 4, 2))
    z = levels(m, conv(m, y, 4, 4, pads=[1] * 4))
    total = m.node("Add", conv(m, z, 4, 4, pads=[1] * 4), conv(m, y, 4, 4, 1))
    return ends(m, m.node("Flatten", levels(m, total)), 4 * 36)


def _means(m, x):
    x = levels(m, conv(m, x, 4, 2, pads=[1] * 4))
    x = m.node("AveragePool", x, kernel_shape=[4, 4], strides=[4, 4])
    return ends(m, m.node("Flatten", x), 16)


def _global(m, x):
    x = m.node("GlobalAveragePool", levels(m, conv(m, x, 4, 2, pads=[1] * 4)))
    return ends(m, m.node("Flatten", x), 4)


def _reduced(m, x):
    x = levels(m, conv(m, x, 4, 2, pads=[1] * 4))
    return ends(m, m.node("ReduceMean", x, axes=[2, 3], keepdims=0), 4)


def _view(m, x):
    x = levels(m, conv(m, x, 4, 2))
    count = m.node("Gather", m.node("Shape", x), m.constant(0, np.int64))
    axes = m.constant([0], np.int64)
    shape = m.node("Concat", m.node("Unsqueeze", count, axes), m.constant([-1], np.int64), axis=0)
    return ends(m, m.node("Reshape", x, shape), 4 * 36)


def _one_batch(m, x):
    x = levels(m, conv(m, x, 4, 2))
    return ends(m, m.node("Reshape", x, m.constant([1, 144], np.int64)), 4 * 36)


def _gemm(m, x):
    w = m.quant(m.constant(m.normal(12, 128)), 0.25, 4, signed=1, narrow=1)
    x = m.node("Gemm", m.node("Flatten", x), w, m.constant(m.normal(12)), transB=1)
    return ends(m, levels(m, x), 12)


def _arithmetic(m, x):
    x = conv(m, x, 4, 2)
    x = m.node("Sub", m.constant(m.normal(1, 4, 1, 1)), x)  # a negative factor: rows are turned
    x = m.node("Div", x, m.constant([[[1.5]], [[0.5]], [[2.0]], [[1.0]]]))
    x = m.node("Mul", m.constant(m.random.choice([-1.0, 1.0], (4, 1, 1))), x)
    return ends(m, m.node("Flatten", levels(m, x)), 4 * 36)


def _passed(m, x):
    x = m.node("Dropout", levels(m, conv(m, x, 4, 2)))
    x = m.node("Cast", m.node("Identity", x), to=TensorProto.FLOAT)
    m, x = ends(m, m.node("Flatten", x), 4 * 36)
    return m, m.node("Softmax", x, axis=1)


def _clipped(m, x):
    x = m.node("Clip", m.node("Add", conv(m, x, 4, 2), m.constant(0.0123)), m.constant(0.0), m.constant(1.5))
    return ends(m, m.node("Flatten", m.quant(x, 0.375, 4)), 4 * 36)


def _pooled_sums(m, x):
    x = m.node("MaxPool", conv(m, x, 4, 2, pads=[1] * 4), kernel_shape=[2, 2], strides=[2, 2])
    return ends(m, m.node("Flatten", levels(m, x)), 4 * 16)


def _folded(m, x):
    w = m.quant(m.constant(m.normal(12, 128)), 0.25, 4, signed=1, narrow=1)
    w = m.node("Mul", m.node("Transpose", w, perm=[1, 0]), m.node("Constant", value_float=3.0))
    return ends(m, levels(m, m.node("MatMul", m.node("Flatten", x), w)), 12)


def _plain_integers(m, x):
    w = m.constant(m.random.integers(-3, 4, (128, 12)))
    return ends(m, levels(m, m.node("MatMul", m.node("Flatten", x), w)), 12)


def _again(m, x):
    x = levels(m, conv(m, x, 4, 2))
    x = m.node("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    return ends(m, m.node("Flatten", m.quant(x, 0.75, 2)), 4 * 9)


def steps(m, x, bits, start, width, channels=4):
    """Thresholds that are sums, each reached exactly."""
    table = start + width * np.arange(2**bits - 1) + np.zeros((channels, 1))
    return m.node("MultiThreshold", x, m.constant(table), out_dtype=f"UINT{bits}")


def integers(m, out, into, kernel=3):
    return m.constant(m.random.integers(-3, 4, (out, into, kernel, kernel)))


def _thresholds_behind_a_sum(m, x):
    """Of three terms: two products and what neurons give."""
    a = steps(m, m.node("Conv", x, integers(m, 4, 2), kernel_shape=[3, 3]), 4, -8, 3)
    b, c = (m.node("Conv", a, integers(m, 4, 4), kernel_shape=[3, 3], pads=[1] * 4) for _ in range(2))
    total = m.node("Add", m.node("Sub", m.node("Add", b, a), m.constant(3.0)), c)
    return ends(m, m.node("Flatten", steps(m, total, 4, -40, 7)), 4 * 36)


def _thresholds_behind_levels(m, x):
    x = steps(m, m.node("Conv", x, integers(m, 4, 2), kernel_shape=[3, 3]), 4, -8, 3)
    return ends(m, m.node("Flatten", steps(m, m.node("Mul", x, m.constant(0.7)), 2, 3.5, 2.8)), 4 * 36)


def _levels_behind_a_mean(m, x):
    x = levels(m, conv(m, x, 4, 2, pads=[1] * 4), 4)
    x = m.node("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2])
    return ends(m, m.node("Flatten", m.quant(m.node("Add", x, m.constant(0.01)), 1.75, 3)), 4 * 16)


def _thresholds_behind_alpha(m, x):
    w = m.constant(m.random.integers(-3, 4, (12, 128)))
    bias = m.constant(m.random.integers(-9, 9, 12))
    x = m.node("Gemm", m.node("Flatten", x), w, bias, transB=1, alpha=0.75, beta=0.5)
    return ends(m, steps(m, x, 4, -21, 2.5, 12), 12)


NETWORKS = {
    f.__name__.strip("_"): f
    for f in (
        _residual,
        _means,
        _global,
        _reduced,
        _view,
        _one_batch,
        _gemm,
        _arithmetic,
        _passed,
        _clipped,
        _pooled_sums,
        _folded,
        _plain_integers,
        _again,
        _thresholds_behind_a_sum,
        _thresholds_behind_levels,
        _levels_behind_a_mean,
        _thresholds_behind_alpha,
    )
}


@pytest.mark.parametrize("build", NETWORKS.values(), ids=NETWORKS)
def test_operators(tmp_path, build):
    same(tmp_path, build(*image()), 1)


def test_argmax_at_the_end(tmp_path):
    m, x = bipolar_mlp()
    found = same(tmp_path, (m, m.node("ArgMax", x, axis=1)), 2, kind=TensorProto.INT64)
    assert found.network.layers[-1].neuron.kind == "readout"


def hidden(quantize, seed=0):
    """A dense network whose hidden layer is what ``quantize(model, tensor)`` makes."""
    m, x = image(seed)
    w = m.quant(m.constant(m.normal(128, 24)), 0.25, 4, signed=1, narrow=1)
    x = m.node("MatMul", m.node("Flatten", x), w)
    return ends(m, quantize(m, m.node("Add", x, m.constant(m.normal(24)))), 24)


QUANTIZERS = {
    "signed": lambda m, x: m.quant(x, 0.875, 3, signed=1),
    "signed narrow": lambda m, x: m.quant(x, 0.875, 3, signed=1, narrow=1),
    "unsigned narrow": lambda m, x: m.quant(x, 0.875, 3, narrow=1),
    ZERO: lambda m, x: m.quant(x, 0.875, 3, zero=3),
    "a zero point, signed": lambda m, x: m.quant(x, 0.875, 3, zero=-1, signed=1),
    "floor": lambda m, x: m.quant(x, 0.875, 2, rounding_mode="FLOOR"),
    "ceil": lambda m, x: m.quant(x, 0.875, 2, rounding_mode="CEIL"),
    "half up": lambda m, x: m.quant(x, 0.875, 2, rounding_mode="HALF_UP"),
    "down": lambda m, x: m.quant(x, 0.875, 2, rounding_mode="DOWN"),
    "one bit": lambda m, x: m.quant(x, 0.875, 1),
    "one signed bit": lambda m, x: m.quant(x, 0.875, 1, signed=1),
    "bipolar, scaled": lambda m, x: m.bipolar(x, 0.25),
    "eight bits": lambda m, x: m.quant(x, 0.125, 8),
    "one threshold": lambda m, x: m.node("MultiThreshold", x, m.constant(m.normal(24, 1)), out_dtype="BINARY"),
    "thresholds": lambda m, x: m.node(
        "MultiThreshold",
        x,
        m.constant(m.normal(24, 1) + m.random.uniform(0.5, 2, (24, 1)) * np.arange(7)),
        out_dtype="UINT3",
        out_scale=0.5,
        out_bias=-1.0,
    ),
    "thresholds for all": lambda m, x: m.node("MultiThreshold", x, m.constant([[-1, 0.5, 2.0]]), out_dtype="UINT2"),
    "thresholds that are even among integers": lambda m, x: m.node(
        "MultiThreshold", x, m.constant([[0.001, 0.002, 0.0021]]), out_dtype="UINT2"
    ),
}


@pytest.mark.parametrize("quantize", QUANTIZERS.values(), ids=QUANTIZERS)
def test_quantizers(tmp_path, quantize):
    same(tmp_path, hidden(quantize), 1)


def test_thresholds_that_are_not_evenly_spaced_are_refused(tmp_path):
    m, x = hidden(lambda m, x: m.node("MultiThreshold", x, m.constant([[0, 1, 9.0]]), out_dtype="UINT2", name="steps"))
    with pytest.raises(UserError, match=r"'steps' \(MultiThreshold\): its thresholds are not evenly spaced"):
        from_onnx(m.save(tmp_path / "a.onnx", x))


def test_channels_with_different_scales_are_refused_before_integer_weights(tmp_path):
    m, x = hidden(lambda m, x: m.quant(x, m.random.choice([0.5, 0.75, 2], (1, 24)), 2))
    with pytest.raises(UserError, match="weights that are integers can't read channels with different scales"):
        from_onnx(m.save(tmp_path / "a.onnx", x))


def test_ties_that_are_rounded_to_even_are_told(tmp_path):
    m, x = image()
    w = m.quant(m.constant(m.normal(128, 24)), 0.5, 3, signed=1, narrow=1)
    x = m.quant(m.node("Relu", m.node("MatMul", m.node("Flatten", x), w)), 1.0, 2)  # each second sum is a tie
    found = from_onnx(m.save(tmp_path / "a.onnx", ends(m, x, 24)[1]))
    (off,) = found.imported.unfit
    assert 0 < off.many <= 24
    assert off.levels == 72
    assert any("ties" in note for note in found.notes)
    same(tmp_path, (m, m.nodes[-1].output[0]), 1, split_levels=True)


def _tied_cnn(seed=0):
    m, x = image(seed)
    w = m.quant(m.constant(m.normal(6, 2, 3, 3)), 0.5, 3, signed=1, narrow=1)
    x = m.quant(m.node("Relu", m.node("Conv", x, w, kernel_shape=[3, 3], pads=[1] * 4)), 1.0, 2)
    x = m.node("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    w = m.quant(m.constant(m.normal(6, 3, 3, 3)), 0.5, 3, signed=1, narrow=1)
    x = m.quant(m.node("Relu", m.node("Conv", x, w, kernel_shape=[3, 3], group=2)), 2.0, 3)
    x = m.node("Flatten", m.node("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2]))
    return ends(m, x, 6)


def test_spikes_in_place_of_levels_have_any_thresholds(tmp_path):
    found = same(tmp_path, _tied_cnn(), 2, split_levels=True)
    assert {layer.neuron.kind for layer in found.network.layers if layer.accumulates} == {"fire", "readout"}
    assert found.network.shapes["conv2"] == (8, 8, 18)
    uneven = hidden(lambda m, x: m.node("MultiThreshold", x, m.constant([[0, 1, 9.0]]), out_dtype="UINT2"))
    same(tmp_path, uneven, 1, split_levels=True)


def test_a_quantizer_of_the_input_says_what_enters(tmp_path):
    m = Model((12,))
    x = m.node("Div", m.node("Sub", "x", m.constant(0.5)), m.constant(0.25))
    m, x = ends(
        m, levels(m, m.node("MatMul", m.quant(x, 0.5, 4, zero=4), m.constant(m.random.integers(-3, 4, (12, 8))))), 8
    )
    found = same(tmp_path, (m, x), 1)
    entering = found.imported.entering
    assert (entering.bits, entering.step, entering.offset) == (4, 0.125, 0.0)


@pytest.mark.parametrize("biases", [np.linspace(0.9, 0.0, 10), np.linspace(0.0, 0.9, 10)], ids=["falling", "rising"])
def test_scores_with_biases_that_are_no_integers(tmp_path, biases):
    m, x = bipolar_mlp((32, 10), seed=5)
    found = same(tmp_path, (m, m.node("Add", x, m.constant(biases))), 0)
    assert found.network.layers[-1].synapses[0].bits <= 6  # ten ranks


def test_quantize_and_dequantize_linear(tmp_path):
    m, x = image()
    flat = m.node("Flatten", x)
    scale, zero = m.constant(0.0625), m.constant(0, np.int8)
    w = m.constant(m.random.integers(-100, 101, (128, 24)), np.int8)
    x = m.node("Relu", m.node("MatMul", flat, m.node("DequantizeLinear", w, scale, zero)))
    step, none = m.constant(7 * 0.0625), m.constant(0, np.uint8)
    x = m.node("DequantizeLinear", m.node("QuantizeLinear", x, step, none), step, none)
    found = same(tmp_path, ends(m, x, 24), 1)
    assert found.network.layers[0].synapses[0].bits == 8
