"""Random small networks of everything that docs/format.md allows; for their plans see :mod:`random_plans`."""

from collections import Counter

import numpy as np

from s2nn_hw.errors import UserError
from s2nn_hw.network.layer import INPUT, Input, Layer
from s2nn_hw.network.network import Network
from s2nn_hw.network.neurons.fire import Fire
from s2nn_hw.network.neurons.readout import Readout
from s2nn_hw.network.synapse import alike, both, swept
from s2nn_hw.network.synapses import Conv2d, Dense, MaxPool, Or, PooledDense, image_shape, weight_limit
from tests.support.random_planes import with_numbers, with_planes

# so small that a simulator made of Python objects is through in a second
MOST_VALUES = 90  # of an image
LISTED = 4096  # weights from which on a table may be listed
LETTERS = "abcxyz_019"
NAMES = (
    "always",
    "reg",
    "module",
    "wire",
    "i",
    "o",
    "rst",
    "clk",
    "a",
    "a1",
    "a2",
    "a_",
    "a__b",
    "engine_a",
    "x" * 32,
    "accelerator",
    "readout",
    "window_a",
    "results",
    "starts",
    "entity",
    "signal",
    "input_",
    "walk",
    "queue",
)
NETWORK_NAMES = ("a", "9", "A.b-c_d", "module", "x" * 64, "0-0", "end.", "Z__z")
CLASS_LETTERS = "aZ09 .,[]/()<>&'\"\\éß猫😀-$`#%{}\u00a0\u3000"


def random_weights(rng, shape, bits):
    """Return int8 weights of ``shape`` that ``bits`` allow: random, mostly zero, all zero, or all extreme."""
    limit = weight_limit(bits)
    style = rng.choice(["random", "random", "random", "few", "none", "extreme", "one"])
    if bits == 1 or style == "extreme":
        table = rng.choice([-limit, limit], shape)
    elif style == "one":
        table = np.full(shape, rng.choice([-limit, limit]))
    else:
        share = {"random": 1.0, "few": 0.2, "none": 0.0}[style]
        table = rng.integers(-limit, limit + 1, shape) * (rng.random(shape) < share)
    return table.astype(np.int8)


def random_offsets(rng, synapses, reach, count):
    """Return int32 thresholds or biases ``(count,)``: mostly within what ``synapses`` reach, some far beyond.

    ``reach``: largest and least value that comes.
    """
    low, high = (sum(bound) for bound in zip(*(s.bounds(*reach) for s in synapses), strict=True))
    table = np.array([rng.integers(a // 3 - 1, b // 3 + 2) for a, b in zip(low, high, strict=True)])
    style = rng.random()
    if style < 0.15:
        odd = np.array(
            [rng.choice([-(2**30), 2**30, 0, -1, 1, a, b, a - 1, b + 1]) for a, b in zip(low, high, strict=True)]
        )
        table = np.where(rng.random(count) < 0.5, odd, table)
    elif style < 0.2:
        table = np.full(count, rng.choice([-(2**30), 2**30, 0]))
    return table.clip(-(2**30), 2**30).astype(np.int32)


def random_input(rng, shape):
    """Return an :class:`Input` of pixels of ``shape``, of any number of bits, mostly few, signed or not."""
    bits = int(rng.integers(1, 17 if rng.random() < 0.3 else 9))
    return Input(shape, bits, signed=bool(rng.random() < 0.4))


class _Growing:
    """A network while it is drawn: shapes by name, layers, what nothing reads yet."""

    def __init__(self, rng):
        self.rng = rng
        axes = int(rng.choice([1, 2, 3, 3, 3]))
        limits = {1: [30], 2: [7, 7], 3: [6, 6, 3]}[axes]
        shape = tuple(int(rng.integers(1, most + 1)) for most in limits)
        if axes > 1 and rng.random() < 0.25:  # a sequence
            length = int(rng.integers(1, 25))
            shape = ((1, length) if rng.random() < 0.7 else (length, 1)) + shape[2:]
        self.input = random_input(rng, shape)
        self.shapes, self.layers = {INPUT: shape}, []
        self.names = [n for n in rng.permutation(NAMES).tolist() if n != "readout" or rng.random() < 0.5]

    def bits(self):
        return int(self.rng.integers(1, 9))

    def unread(self):
        read = {source for layer in self.layers for source in layer.sources}
        return [name for name in self.shapes if name not in read]

    def images(self):
        return [name for name, shape in self.shapes.items() if len(shape) > 1]

    def name(self):
        rng = self.rng
        if self.names and rng.random() < 0.6:
            return self.names.pop()
        while True:
            tail = "".join(rng.choice(list(LETTERS), int(rng.integers(0, 5))))
            name = f"{rng.choice(list('abz'))}{tail}"
            if name not in self.shapes:
                self.names = [n for n in self.names if n != name]
                return name

    def pick(self, names):
        """Return one of ``names``, mostly one that nothing reads yet."""
        fresh = [name for name in names if name in self.unread()]
        return str(self.rng.choice(fresh if fresh and self.rng.random() < 0.85 else names))

    def add(self, synapses, sources, neuron=None):
        """Add a layer of ``synapses``; ``neuron``: its class, None where spikes are joined."""
        sources, made = tuple(sources), None
        if neuron:
            reach = (self.input.peak, self.input.low) if sources == (INPUT,) else (1, 0)
            made = neuron(random_offsets(self.rng, synapses, reach, synapses[0].neurons))
        name = self.name()
        self.layers.append(Layer(name, tuple(synapses), made, sources))
        shapes = [self.shapes[source] for source in sources]
        self.shapes[name] = synapses[0].output_shape(*(shapes[:1] if neuron else shapes))

    def vector(self, source, neurons):
        """Return a synapse from ``source`` to ``neurons``: dense, or pooled where the source is an image."""
        rng, shape, bits = self.rng, self.shapes[source], self.bits()
        if len(shape) == 1 or rng.random() < 0.4:
            return Dense(random_weights(rng, (neurons, int(np.prod(shape))), bits), bits)
        rows, columns, channels = image_shape(shape)
        pool = tuple(int(rng.choice([d for d in range(1, n + 1) if n % d == 0])) for n in (rows, columns))
        cells = rows // pool[0] * (columns // pool[1])
        return PooledDense(random_weights(rng, (neurons, cells * channels), bits), bits, pool)

    def convolution(self, source, wanted=None):
        """Return a convolution of ``source``, None if there is none that gives an image of shape ``wanted``."""
        rng = self.rng
        rows, columns, channels = image_shape(self.shapes[source])
        for _ in range(30 if wanted else 8):
            kernel = tuple(int(rng.choice([1, 1, 1, 2, 2, 3, 3, 3, 4, 5, 7])) for _ in range(2))
            if rng.random() < 0.6:
                kernel = (kernel[0],) * 2
            if rng.random() < 0.7:  # often one-dimensional where the image is
                kernel = tuple(1 if n == 1 else k for k, n in zip(kernel, (rows, columns), strict=True))
            padding = self.sides(lambda most: rng.integers(0, most), kernel)
            stride = self.sides(lambda _: rng.choice([1, 1, 1, 2, 3, 5]), kernel)
            try:
                size = tuple(swept((rows, columns), kernel, both(stride), both(padding)))
            except UserError:
                continue
            out = wanted[2] if wanted else int(rng.integers(1, 8))
            groups = int(rng.choice([g for g in range(1, channels + 1) if channels % g == 0]))
            if rng.random() < 0.5:
                groups = 1
            if not wanted:
                out = groups * max(1, out // groups)
            values = size[0] * size[1] * out
            if (
                (wanted and (*size, out) != wanted)
                or out % groups
                or values > MOST_VALUES
                or (values * kernel[0] * kernel[1] * channels // groups > 40 * MOST_VALUES)
            ):
                continue
            bits = self.bits()
            table = random_weights(rng, (out, *kernel, channels // groups), bits)
            return Conv2d(table, bits, stride, padding, groups)
        return None

    def sides(self, draw, most):
        """Return one number for rows and columns, or one for each: ``draw`` of the least, or of each, of ``most``."""
        if self.rng.random() < 0.6:
            return int(draw(min(most)))
        return alike(tuple(int(draw(one)) for one in most))

    def join(self, synapse, source, more, shape):
        """Return ``(synapses, sources)`` of ``synapse`` from ``source`` and one or two more, in any order."""
        parts = [(synapse, source)]
        hidden = [name for name in self.shapes if name != INPUT]
        for _ in range(more):
            other = self.pick(hidden if len(shape) == 1 else [n for n in hidden if len(self.shapes[n]) > 1])
            found = self.vector(other, shape[0]) if len(shape) == 1 else self.convolution(other, shape)
            if found:
                parts.append((found, other))
        order = self.rng.permutation(len(parts))
        return [parts[k][0] for k in order], [parts[k][1] for k in order]

    def hidden(self):
        """Add a random hidden layer."""
        rng = self.rng
        kind = rng.choice(["conv", "conv", "vector", "pool", "or", "join", "join", "join"])
        images = self.images()
        spikes = [name for name in images if name != INPUT]
        if kind == "pool" and spikes:
            return self.pooling(self.pick(spikes))
        if kind == "or" and len(self.shapes) > 1 and self.either():
            return None
        if kind in ("conv", "join", "pool", "or") and images and rng.random() < 0.75:
            source = self.pick(images)
            synapse = self.convolution(source)
            if synapse:
                shape, more = synapse.output_shape(self.shapes[source]), int(rng.integers(1, 3))
                joined = kind == "join" and source != INPUT
                parts = self.join(synapse, source, more, shape) if joined else ([synapse], [source])
                return self.add(*parts, Fire)
        source, neurons = self.pick(list(self.shapes)), int(rng.integers(1, 11))
        synapse, joined = self.vector(source, neurons), kind == "join" and source != INPUT
        parts = self.join(synapse, source, int(rng.integers(1, 3)), (neurons,)) if joined else ([synapse], [source])
        return self.add(*parts, Fire)

    def pooling(self, source):
        rng = self.rng
        size = self.sides(lambda most: min(int(rng.choice([1, 2, 2, 3, 4, 7])), most), self.shapes[source][:2])
        stride = size if rng.random() < 0.6 else self.sides(lambda _: rng.integers(1, 4), (1, 1))
        padding = self.sides(lambda most: rng.integers(0, most // 2 + 1), both(size)) if rng.random() < 0.4 else 0
        self.add([MaxPool(size, stride, padding)], [source])

    def either(self):
        """Add an OR of two to four sources of one shape; return whether there are such."""
        counts = Counter(shape for name, shape in self.shapes.items() if name != INPUT)
        shapes = [shape for shape, count in counts.items() if count > 1]
        if not shapes:
            return False
        shape = shapes[int(self.rng.integers(len(shapes)))]
        names = [name for name in self.shapes if name != INPUT and self.shapes[name] == shape]
        self.add([Or()], [self.pick(names) for _ in range(int(self.rng.integers(2, 5)))])
        return True

    def readout(self):
        """Read all that nothing reads yet, and perhaps more, into the classes."""
        rng, classes = self.rng, int(rng_classes(self.rng))
        loose = [name for name in self.unread() if name != INPUT]
        sources = loose or [INPUT]
        if loose and len(loose) < 3 and rng.random() < 0.35:
            sources = loose + [self.pick([n for n in self.shapes if n != INPUT])]
        sources = [sources[k] for k in rng.permutation(len(sources))]
        self.add([self.vector(source, classes) for source in sources], sources, Readout)
        return classes


def rng_classes(rng):
    """Return how many classes: mostly few, now and then one."""
    return rng.choice([1, 2, 2, 3, 3, 4, 5, 7, 10])


def random_classes(rng, count):
    """Return ``count`` class names of every allowed spelling."""
    texts = ["".join(rng.choice(list(CLASS_LETTERS), int(rng.integers(1, 9)))).strip(" ") for _ in range(count)]
    return tuple(f"{text}{k}" for k, text in enumerate(texts))


def random_graph(rng, planes=0.5):
    """Return a random small :class:`Network`: every kind of layer, joint, weight, offset, pixel and name.

    ``planes``: the share of networks over planes (:func:`~tests.support.random_planes.with_planes`).
    """
    network = _plain(rng)
    return with_planes(rng, network) if rng.random() < planes else network


def random_numbers(rng):
    """Return a random small :class:`Network` of numbers of several bits and two classes or more, sums of sources among
    them."""
    while True:
        network = _plain(rng)
        joins = any(not layer.accumulates and not layer.synapses[0].slides for layer in network.layers)
        if len(network.layers) > 1 and len(network.classes) > 1 and not joins:
            return with_numbers(rng, network)


def _plain(rng):
    """Return one whose tensors behind the input have one plane."""
    if rng.random() < 0.01:
        return _listed(rng)
    growing = _Growing(rng)
    for _ in range(int(rng.choice([0, 1, 1, 2, 2, 3, 3, 4, 5]))):
        growing.hidden()
    if INPUT in growing.unread() and growing.layers:
        growing.hidden()
    classes = growing.readout()
    if INPUT in growing.unread():  # all layers drawn read others: can't be, the first one reads the input
        raise AssertionError("the input is read by nothing")
    return Network(str(rng.choice(NETWORK_NAMES)), growing.input, tuple(growing.layers), random_classes(rng, classes))


def _listed(rng):
    """Return a network whose first table is listed in its file: many weights, nearly all zero."""
    inputs, neurons = int(rng.integers(316, 340)), 13
    table = np.zeros((neurons, inputs), np.int8)
    bits = int(rng.integers(2, 9))
    chosen = rng.random(table.shape) < rng.choice([0.0, 0.01, 0.1])
    table[chosen] = rng.integers(-weight_limit(bits), weight_limit(bits) + 1, chosen.sum())
    readout, classes = random_weights(rng, (3, neurons), 3), ("a", "b", "c")
    assert table.size >= LISTED
    return Network(
        "listed",
        random_input(rng, (inputs,)),
        (
            Layer("first", Dense(table, bits), Fire(random_offsets(rng, [Dense(table, bits)], (1, 0), neurons))),
            Layer("last", Dense(readout, 3), Readout(rng.integers(-9, 9, 3).astype(np.int32))),
        ),
        classes,
    )
