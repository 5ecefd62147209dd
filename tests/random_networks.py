"""Random small networks and plans of everything that docs/format.md and docs/plan.md allow, for tests and soaks."""

from collections import Counter
from dataclasses import replace

import numpy as np

from s2nn_hw.accelerator import Design
from s2nn_hw.buffers import safe_buffers, size_buffers
from s2nn_hw.emit import layer_inputs
from s2nn_hw.errors import UserError
from s2nn_hw.lower import fusible, lower, with_buffers
from s2nn_hw.network import INPUT, INPUT_BITS, Input, Layer, Network
from s2nn_hw.neurons import Fire, Readout
from s2nn_hw.plan import LayerPlan, Plan, default_plan, power_of_two_at_least, unrolled_plan
from s2nn_hw.synapses import Conv2d, Dense, MaxPool, Or, PooledDense, image_shape, weight_limit
from s2nn_hw.timing import Deadlock, Timing

# so small that a simulator made of Python objects is through in a second
MOST_VALUES = 90  # of an image
MOST_TERMS = 160  # that an engine adds in one cycle
MOST_CYCLES = 1200  # of three white frames
LISTED = 4096  # weights from which on a table may be listed
LETTERS = "abcxyz_019"
NAMES = ("always", "reg", "module", "wire", "i", "o", "rst", "clk", "a", "a1", "a2", "a_", "a__b", "engine_a", "x" * 32,
         "accelerator", "readout", "window_a", "results", "starts", "entity", "signal", "input_", "walk", "queue")
NETWORK_NAMES = ("a", "9", "A.b-c_d", "module", "x" * 64, "0-0", "end.", "Z__z")
CLASS_LETTERS = "aZ09 .,[]/()<>&'\"\\éß猫😀-$`#%{}"


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


def random_offsets(rng, synapses, peak, count):
    """Return int32 thresholds or biases ``(count,)``: mostly within what ``synapses`` reach, some far beyond."""
    low, high = (sum(bound) for bound in zip(*(s.bounds(peak) for s in synapses), strict=True))
    table = np.array([rng.integers(a // 3 - 1, b // 3 + 2) for a, b in zip(low, high, strict=True)])
    style = rng.random()
    if style < 0.15:
        odd = np.array([rng.choice([-2**30, 2**30, 0, -1, 1, a, b, a - 1, b + 1]) for a, b in
                        zip(low, high, strict=True)])
        table = np.where(rng.random(count) < 0.5, odd, table)
    elif style < 0.2:
        table = np.full(count, rng.choice([-2**30, 2**30, 0]))
    return table.astype(np.int32)


class _Growing:
    """A network while it is drawn: shapes by name, layers, what nothing reads yet."""

    def __init__(self, rng):
        self.rng = rng
        axes = int(rng.choice([1, 2, 3, 3, 3]))
        limits = {1: [30], 2: [7, 7], 3: [6, 6, 3]}[axes]
        shape = tuple(int(rng.integers(1, most + 1)) for most in limits)
        self.input = Input(shape, int(rng.choice(INPUT_BITS)))
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
            peak = self.input.peak if sources == (INPUT,) else 1
            made = neuron(random_offsets(self.rng, synapses, peak, synapses[0].neurons))
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
            padding = int(rng.integers(0, min(kernel)))
            stride = int(rng.choice([1, 1, 1, 2, 3, 5]))
            if any(k > n + 2 * padding for k, n in zip(kernel, (rows, columns), strict=True)):
                continue
            size = tuple((n + 2 * padding - k) // stride + 1 for k, n in zip(kernel, (rows, columns), strict=True))
            out = wanted[2] if wanted else int(rng.integers(1, 8))
            groups = int(rng.choice([g for g in range(1, channels + 1) if channels % g == 0]))
            if rng.random() < 0.5:
                groups = 1
            if not wanted:
                out = groups * max(1, out // groups)
            values = size[0] * size[1] * out
            if (wanted and (*size, out) != wanted) or out % groups or values > MOST_VALUES or (
                    values * kernel[0] * kernel[1] * channels // groups > 40 * MOST_VALUES):
                continue
            bits = self.bits()
            table = random_weights(rng, (out, *kernel, channels // groups), bits)
            return Conv2d(table, bits, stride, padding, groups)
        return None

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
        parts = (self.join(synapse, source, int(rng.integers(1, 3)), (neurons,)) if joined
                 else ([synapse], [source]))
        return self.add(*parts, Fire)

    def pooling(self, source):
        rng = self.rng
        size = min(int(rng.choice([1, 2, 2, 3, 4, 7])), *self.shapes[source][:2])
        stride = size if rng.random() < 0.6 else int(rng.integers(1, 4))
        self.add([MaxPool(size, stride, 0 if rng.random() < 0.6 else int(rng.integers(0, size // 2 + 1)))], [source])

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
    texts = ["".join(rng.choice(list(CLASS_LETTERS), int(rng.integers(1, 9)))).strip() for _ in range(count)]
    return tuple(f"{text}{k}" for k, text in enumerate(texts))


def random_graph(rng):
    """Return a random small :class:`Network`: every kind of layer, joint, weight, offset, pixel and name."""
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
    return Network("listed", Input((inputs,), int(rng.choice(INPUT_BITS))), (
        Layer("first", Dense(table, bits), Fire(random_offsets(rng, [Dense(table, bits)], 1, neurons))),
        Layer("last", Dense(readout, 3), Readout(rng.integers(-9, 9, 3).astype(np.int32))),
    ), classes)


def random_plan(rng, network):
    """Return a random valid plan of ``network``: widths, engines, taps, banks, groups, memories, fusing, buffers."""
    if rng.random() < 0.1:
        return default_plan(network)
    if rng.random() < 0.1:
        return unrolled_plan(network, lut=int(rng.choice([4, 6])), levels=int(rng.integers(1, 7)))
    widths = _random_widths(rng, network)
    layers = [_random_layer(rng, network, layer, widths) for layer in network.layers]
    layers = _fused(rng, network, layers)
    plan = Plan(tuple(layers))
    return with_buffers(plan, _random_buffers(rng, network, plan))


def _random_widths(rng, network):
    """Return a width by tensor name; the sources of a layer, and what an OR gives, share one."""
    bound = {name: {name} for name in network.shapes}
    for layer in network.layers:
        names = [*layer.sources] + ([] if layer.accumulates else [layer.name])
        together = set().union(*(bound[name] for name in names))
        bound |= dict.fromkeys(together, together)
    widths = {}
    for name, together in bound.items():
        if name not in widths:
            most = max(network.size(n) for n in together)
            widths_of = [2, 4, 8, 4, 8, rng.integers(1, 12), power_of_two_at_least(min(most, 8)), min(most, 40)]
            width = int(rng.choice([1, 16, 32, 40] if rng.random() < 0.1 else widths_of))
            widths |= dict.fromkeys(together, width)
    return widths


def _random_layer(rng, network, layer, widths):
    width, synapse = widths[layer.sources[0]], layer.synapses[0]
    choice = LayerPlan(layer.name, width=width, engine="or")
    if not layer.accumulates:
        if isinstance(synapse, MaxPool):
            if fusible(network, layer) and rng.random() < 0.7:
                return replace(choice, engine="fused")
            return replace(choice, taps=int(rng.integers(1, synapse.size**2 + 1)))
        return choice
    engine = str(rng.choice(["event", "event", "parallel", "parallel", "unrolled"]))
    several = len(layer.sources) > 1
    if engine == "event" and several and width & (width - 1):
        engine = "parallel"
    if engine == "unrolled":
        return replace(choice, engine=engine, levels=int(rng.integers(1, 7)), lut=int(rng.choice([4, 6])))
    kernel = int(np.prod(synapse.kernel)) if isinstance(synapse, Conv2d) else 1
    taps = int(rng.choice([1, kernel, rng.integers(1, kernel + 1)]))
    shares = [1 << k for k in range(7) if width % (1 << k) == 0 and taps * width >> k <= 64]
    banks = taps * width // int(rng.choice(shares)) if shares else taps
    if engine == "event" and not shares:
        engine = "parallel"
    neurons, groups = layer.neuron.size, _groups(rng, layer.neuron.size)
    if (banks if engine == "event" else taps * width) * -(-neurons // groups) > MOST_TERMS:
        taps, banks, groups = 1, 1, neurons
        if engine == "event" and width & (width - 1):
            engine = "parallel"
    return replace(
        choice, engine=engine, taps=taps, banks=banks if engine == "event" else 1, depth=int(rng.choice([2, 2, 3, 8])),
        groups=groups, memory=str(rng.choice(["auto", "block", "distributed"])))


def _fused(rng, network, layers):
    """Return ``layers`` with some unrolled ones fused into the one behind, and no pooling into an unrolled one."""
    by_name = {choice.name: choice for choice in layers}
    changed = []
    for choice, layer in zip(layers, network.layers, strict=True):
        if choice.engine == "fused" and by_name[layer.sources[0]].engine == "unrolled":
            choice = replace(choice, engine="or")
        readers = network.readers(layer.name)
        dense = all(type(s) is Dense for b in (layer, *readers) for s in b.synapses)
        if (choice.engine == "unrolled" and dense and len(readers) == 1 and rng.random() < 0.5
                and by_name[readers[0].name].engine == "unrolled" and len(readers[0].sources) == 1
                and layer.neuron.kind == "fire"):
            choice = replace(choice, engine="fused")
        changed.append(choice)
    last = {choice.name: choice for choice in changed}
    for layer in reversed(network.layers):  # what is fused has the levels and tables of the layer that it is fused into
        choice = last[layer.name]
        if choice.engine == "fused" and layer.accumulates:
            behind = last[network.readers(layer.name)[0].name]
            last[layer.name] = replace(choice, levels=behind.levels, lut=behind.lut)
    return list(last.values())


def _groups(rng, neurons):
    groups = int(rng.integers(1, min(4, neurons) + 1))
    while -(-neurons // groups) * (groups - 1) >= neurons:
        groups -= 1
    return groups


def _random_buffers(rng, network, plan):
    """Return buffers by layer: the safe bound, or the least that do not stop the circuit, for some of all windows."""
    safe = safe_buffers(network, plan)
    style = rng.random()
    if style < 0.4:
        return safe
    stages = lower(network, with_buffers(plan, safe))
    buffers = dict(safe)
    for stage in stages:
        windows = [reader.window for reader in stage.readers]
        if all(windows) and rng.random() < 0.7:
            more = int(rng.choice([0, 0, 1, 5]))
            buffers[stage.name] = tuple(window.least_depth + more for window in windows)
    _, values = layer_inputs(network, np.zeros((3, *network.input.shape), np.uint8))
    if stops(network, with_buffers(plan, buffers), values):
        buffers |= size_buffers(network, with_buffers(plan, safe), values, length=2)
    return safe if stops(network, with_buffers(plan, buffers), values) else buffers


def stops(network, plan, values):
    """Return whether the circuit of ``plan`` stops for ever; that does not depend on the ``values``."""
    stages = lower(network, plan)
    timing = Timing(stages, classes=len(network.classes), frames_under_way=len(stages) + 3)
    ones = timing.ones(values)
    try:
        timing.schedule(ones, length=len(ones[0]))
    except Deadlock:
        return True
    return False


def random_case(rng, refused=None):
    """Return ``(network, plan)`` that a simulator is soon through; ``refused``: a Counter of what is said of plans that
    can't be built."""
    while True:
        network = random_graph(rng)
        for _ in range(4):
            try:
                plan = random_plan(rng, network)
                design = Design(network, plan)
            except UserError as error:
                if refused is not None:
                    refused[str(error)] += 1
                continue
            images = np.full((3, *network.input.shape), 255, np.uint8)
            ones = design.timing.ones(layer_inputs(network, images)[1])
            if design.timing.schedule(ones, length=3).offered[0, -1] <= MOST_CYCLES:
                return network, plan


def signature(network, plan):
    """Return the shape of a network's circuit: by layer its synapses and their sources' kinds, engine and width.

    Two of one signature differ in sizes and tables alone.
    """
    kinds = {INPUT: f"input{len(network.input.shape)}x{network.input.bits}"}
    parts = []
    for layer, choice in zip(network.layers, plan.layers, strict=True):
        kinds[layer.name] = "+".join(s.kind for s in layer.synapses)
        parts.append((kinds[layer.name], tuple(kinds[s] for s in layer.sources), choice.engine, choice.width))
    return tuple(parts)


