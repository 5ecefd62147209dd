"""Random plans of everything that docs/plan.md allows, and random networks with one: the cases of tests and soaks."""

from dataclasses import replace

import numpy as np

from s2nn_hw.circuit.choices import LayerPlan, Plan
from s2nn_hw.circuit.engines.ramp import check_layer
from s2nn_hw.circuit.lower import fusible, lower, with_buffers
from s2nn_hw.cycles.buffers import safe_buffers, size_buffers
from s2nn_hw.cycles.timing import Deadlock, Timing
from s2nn_hw.design import Design
from s2nn_hw.errors import UserError
from s2nn_hw.network.layer import INPUT
from s2nn_hw.network.synapses import Conv2d, Dense, MaxPool
from s2nn_hw.network.trace import layer_inputs
from s2nn_hw.plan.defaults import default_plan, power_of_two_at_least, unrolled_plan
from tests.support.random_networks import random_graph

# so small that a simulator made of Python objects is through in a second
MOST_TERMS = 160  # that an engine adds in one cycle
MOST_LOGIC = 600  # bits that the neurons of an unrolled layer add
MOST_CYCLES = 1200  # of three white frames


def random_plan(rng, network):
    """Return a random valid plan of ``network``: widths, engines, taps, banks, groups, memories, fusing, buffers."""
    if rng.random() < 0.1:
        return default_plan(network, "xc7")
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
            return replace(choice, taps=int(rng.integers(1, int(np.prod(synapse.kernel)) + 1)))
        return choice
    if ramped(network, layer) and rng.random() < 0.6:
        return _random_ramp(rng, layer, choice)
    engine = str(rng.choice(["event", "event", "parallel", "parallel", "unrolled"]))
    if engine == "unrolled" and layer.neuron.kind == "leaky_readout" and layer.neuron.steps > 1:
        engine = "event"
    planes = network.read(layer).count
    adders = planes * planes if network.stepwise(layer) else planes  # each step has sums of its own
    if engine == "unrolled" and adders * sum(int((s.weights != 0).sum()) for s in layer.synapses) > MOST_LOGIC:
        engine = "parallel"
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
        choice,
        engine=engine,
        taps=taps,
        banks=banks if engine == "event" else 1,
        depth=int(rng.choice([2, 2, 3, 8])),
        groups=groups,
        memory=str(rng.choice(["auto", "block", "distributed"])),
    )


def ramped(network, layer):
    """Return whether the ramp engine can have ``layer``."""
    try:
        check_layer(layer, network.read(layer))
    except UserError:
        return False
    return True


def _random_ramp(rng, layer, choice):
    """Return the plan ``choice`` of ``layer`` on the ramp engine."""
    shares = [1 << k for k in range(7) if choice.width % (1 << k) == 0 and choice.width >> k <= 64]
    banks = choice.width // int(rng.choice(shares)) if shares else 1
    if banks * layer.neuron.size > MOST_TERMS and choice.width & (choice.width - 1) == 0:
        banks = 1
    memory = str(rng.choice(["auto", "block", "distributed"]))
    return replace(choice, engine="ramp", banks=banks, depth=int(rng.choice([2, 2, 3, 8])), memory=memory)


def _fused(rng, network, layers):
    """Return ``layers`` with some unrolled ones fused into the one behind."""
    by_name = {choice.name: choice for choice in layers}
    changed = []
    for choice, layer in zip(layers, network.layers, strict=True):
        readers = network.readers(layer.name)
        dense = all(type(s) is Dense for b in (layer, *readers) for s in b.synapses)
        if (
            choice.engine == "unrolled"
            and dense
            and len(readers) == 1
            and rng.random() < 0.5
            and by_name[readers[0].name].engine == "unrolled"
            and len(readers[0].sources) == 1
            and layer.neuron.plain
            and layer.neuron.fires
        ):
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
    _, values = layer_inputs(network, np.zeros((3, *network.input.data_shape), network.input.kind))
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


def random_case(rng, refused=None, planes=0.5):
    """Return ``(network, plan)`` that a simulator is soon through; ``refused``: a Counter of what is said of plans that
    can't be built; ``planes``: the share of networks over planes."""
    while True:
        network = random_graph(rng, planes)
        for _ in range(4):
            try:
                plan = random_plan(rng, network)
                design = Design(network, plan)
            except UserError as error:
                if refused is not None:
                    refused[str(error)] += 1
                continue
            images = np.full((3, *network.input.data_shape), *_busiest(network.input))
            ones = design.timing.ones(layer_inputs(network, images)[1])
            if design.timing.schedule(ones, length=3).offered[0, -1] <= MOST_CYCLES:
                return network, plan


def _busiest(entering):
    """Return the value whose planes are all ones, and its type."""
    return (
        1 if entering.events else -1 if entering.signed else 255 if entering.of_bytes else entering.peak,
        entering.kind,
    )


def signature(network, plan):
    """Return the shape of a network's circuit: by layer its synapses and their sources' kinds, engine and width.

    Two of one signature differ in sizes and tables alone.
    """
    entering = network.input
    kinds = {INPUT: f"input{len(entering.shape)}x{entering.bits}{entering.code}{'s' if entering.signed else ''}"}
    parts = []
    for layer, choice in zip(network.layers, plan.layers, strict=True):
        kinds[layer.name] = "+".join(s.kind for s in layer.synapses)
        if layer.name in network.planes:
            kinds[layer.name] += f" {network.planes[layer.name]}"
        parts.append((kinds[layer.name], tuple(kinds[s] for s in layer.sources), choice.engine, choice.width))
    return tuple(parts)
