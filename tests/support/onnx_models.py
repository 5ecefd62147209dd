"""ONNX and QONNX models made node by node, as other programs export them."""

from itertools import pairwise

import numpy as np
from onnx import TensorProto, helper, numpy_helper

QONNX = "qonnx.custom_op.general"


class Model:
    """Nodes one behind the other: each call returns the name of what it gives."""

    def __init__(self, shape, seed=0, name="made"):
        self.shape, self.name = shape, name
        self.nodes, self.constants, self.random = [], [], np.random.default_rng(seed)

    def constant(self, value, kind=np.float32):
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, kind), name))
        return name

    def node(self, kind, *inputs, name=None, **settings):
        domain = QONNX if kind in ("Quant", "IntQuant", "BipolarQuant", "MultiThreshold", "Trunc") else ""
        output = f"t{len(self.nodes)}"
        name = name or f"{kind.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [output], name=name, domain=domain, **settings))
        return output

    def quant(self, x, scale, bits, *, zero=0.0, signed=0, narrow=0, rounding_mode="ROUND"):
        numbers = self.constant(scale), self.constant(zero), self.constant(bits)
        return self.node("Quant", x, *numbers, signed=signed, narrow=narrow, rounding_mode=rounding_mode)

    def bipolar(self, x, scale=1.0):
        return self.node("BipolarQuant", x, self.constant(scale))

    def normal(self, *shape, spread=1.0):
        return self.random.normal(0, spread, shape)

    def batch_norm(self, x, channels, spread=1.0, level=0.0):
        r = self.random
        arrays = (
            r.uniform(0.5, 1.5, channels) * r.choice([-1, 1], channels),
            r.normal(0, 0.5, channels),
            r.normal(level, spread, channels),
            r.uniform(0.5, 1.5, channels) * spread**2,
        )
        return self.node("BatchNormalization", x, *map(self.constant, arrays))

    def proto(self, output, opset=13, batch=1, kind=TensorProto.FLOAT):
        shape = None if batch is None else [batch, *self.shape]
        graph = helper.make_graph(
            self.nodes,
            self.name,
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info(output, kind, None)],
            self.constants,
        )
        opsets = [helper.make_opsetid("", opset), helper.make_opsetid(QONNX, 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=8)

    def save(self, path, output, **options):
        path.write_bytes(self.proto(output, **options).SerializeToString())
        return path


def bipolar_mlp(sizes=(64, 48, 32, 10), *, norm=True, bias=False, scale=1.0, per_channel=False, seed=0):
    """Return ``(model, output)``: bipolar input, weights and activations."""
    m = Model((sizes[0],), seed)
    x = m.bipolar("x")
    for layer, (fan, out) in enumerate(pairwise(sizes)):
        last = layer == len(sizes) - 2
        own = m.random.uniform(0.5, 2.0, (1, out)) if per_channel and not last else scale
        x = m.node("MatMul", x, m.bipolar(m.constant(m.normal(fan, out)), own))
        if bias:
            x = m.node("Add", x, m.constant(m.normal(out, spread=3.0)))
        if norm and not last:
            x = m.batch_norm(x, out, spread=fan**0.5)
        x = x if last else m.bipolar(x)
    return m, x


def few_bit_cnn(*, seed=0, scale=0.37, input_scale=1 / 16):
    """Return ``(model, output)``: 4-bit input, two convolutions with 2-bit and 4-bit activations, max and mean pool."""
    m = Model((1, 12, 12), seed)
    x = m.quant("x", input_scale, 4)
    w = m.quant(m.constant(m.normal(8, 1, 3, 3)), 0.3, 3, signed=1, narrow=1)
    x = m.node("Conv", x, w, kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    x = m.quant(m.node("Relu", m.batch_norm(x, 8, spread=0.5)), scale, 2)
    x = m.node("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    w = m.quant(m.constant(m.normal(12, 8, 3, 3)), m.random.uniform(0.2, 0.5, (12, 1, 1, 1)), 4, signed=1, narrow=1)
    x = m.node("Conv", x, w, kernel_shape=[3, 3])
    x = m.quant(m.node("Relu", m.batch_norm(x, 12, spread=2.0)), scale / 3, 4)
    x = m.node("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2])
    x = m.node("Flatten", x)
    w = m.quant(m.constant(m.normal(48, 10)), 0.2, 4, signed=1, narrow=1)
    return m, m.node("Add", m.node("MatMul", x, w), m.constant(m.normal(10)))
