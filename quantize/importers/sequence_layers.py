"""Layers of real numbers over sequences as integers: tables of weights, ``lif`` and ``fire`` neurons, the readout.

A channel's unit u is what the last of F bits below a weight stands for, ``slope scale / 2^F``; in it

    lif         R and b are rounded, theta is the least multiple of 2^k that is above v_threshold (or, said, reaches it)
    fire        T, of whole weights, likewise
    readouts    the bias of a tick is rounded; all classes have one unit

A membrane that leaks wants k more bits in each tick. So with weights, thresholds and biases that are whole in units of
2^-F0 all is exact where ``F >= F0 + k T`` (T the ticks of the longest sequence; spikes at v_threshold, k fewer). Beyond
8 bits, or 32 of a state, F is what there is: a leak is then rounded down, so that membranes are up to 2^k u too high,
as theta is. Weights that are floats are rounded as those of single frames are, all sources of a neuron in one scale.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from s2nn_hw.errors import UserError
from s2nn_hw.network.layer import INPUT, Input, Layer
from s2nn_hw.network.network import Network
from s2nn_hw.network.neurons.fire import Fire
from s2nn_hw.network.neurons.integrator_readout import IntegratorReadout
from s2nn_hw.network.neurons.lif import Lif
from s2nn_hw.network.neurons.readout import Readout
from s2nn_hw.network.neurons.tables import MAX_FRACTION
from s2nn_hw.network.states import MOST_BITS, widths
from s2nn_hw.network.synapses import Dense
from s2nn_hw.quantize.convert import MAX_THRESHOLD, clip_search
from s2nn_hw.quantize.importers.assemble import READOUT
from s2nn_hw.quantize.importers.integer_weights import integers_of
from s2nn_hw.quantize.importers.nir_neurons import Membrane
from s2nn_hw.quantize.importers.nir_sequences import LATE, RELAY, RealLayer
from s2nn_hw.quantize.importers.values import united

CLOSE = 1e-9  # of two numbers that are one
ROUNDED_BITS = 4  # below 2^-k of a weight, where nothing is exact anyway
RELAYED_BITS = 4  # of an input that neurons pass on as spikes, one for each of its levels
MAX_RELAY = 1 << 24  # weights of theirs
CALIBRATION_TICKS = 4000
Neuron = Lif | Fire | IntegratorReadout | Readout


@dataclass(frozen=True)
class Rounding:
    """``bits`` of weights that are floats; ``fraction``: F, None for the best; ``seen``: values by source, ``(ticks,
    neurons)``, to choose scales on, or None."""

    bits: int
    fraction: int | None
    seen: Mapping[str, np.ndarray] | None


@dataclass(frozen=True, eq=False)
class _Weights:
    """``levels`` integers ``(out, in)`` of ``bits`` by table; a sum is ``slope`` of them ``+ shift``, ``(out,)``."""

    levels: list[np.ndarray]
    bits: list[int]
    slope: np.ndarray
    shift: np.ndarray
    rounded: bool


def made_network(
    name: str, entering: Input, layers: tuple[RealLayer, ...], classes: tuple[str, ...] | None, rounding: Rounding
) -> tuple[Network, list[str]]:
    """Return the integer network of ``layers`` without provenance, and notes of what is not exact."""
    notes: list[str] = []
    made = [_layer(layer, entering, rounding, notes) for layer in layers]
    mixed = [layer.name for layer in made if RELAY in layer.sources]
    if mixed:
        made.insert(0, _relay(entering))
        many = (
            "a neuron for each of its bits" if entering.bits == 1 else f"{entering.peak} neurons for each of its values"
        )
        notes.append(f"layer {RELAY} gives the input as spikes, {many}, to {', '.join(mixed)}, which read spikes, too")
    scores = layers[-1].total.shape[0]
    if classes and len(classes) != scores:
        raise UserError(f"{scores} class names wanted, {len(classes)} came: one a score")
    return Network(name, entering, tuple(made), classes or tuple(map(str, range(scores)))), notes


def _relay(entering: Input) -> Layer:
    """Return the layer that gives a number 0 .. L as the first of L spikes."""
    peak = entering.peak
    if entering.size**2 * peak > MAX_RELAY:
        raise UserError(
            f"layer {RELAY}, which gives {entering.size:,} inputs as spikes beside those of neurons, would have more "
            f"than {MAX_RELAY:,} weights: put neurons between"
        )
    weights = np.repeat(np.eye(entering.size, dtype=np.int8), peak, axis=0)
    thresholds = np.tile(np.arange(1, peak + 1, dtype=np.int32), entering.size)
    return Layer(RELAY, (Dense(weights, 2),), Fire(thresholds), (INPUT,))


def _layer(layer: RealLayer, entering: Input, rounding: Rounding, notes: list[str]) -> Layer:
    try:
        weights = _weights(layer, rounding)
        sources = [term.source for term in layer.total.terms]
        levels = list(weights.levels)
        if INPUT in sources and len(sources) > 1:
            if entering.bits > RELAYED_BITS:
                raise UserError(
                    f"it reads the input of {entering.bits} bits and spikes, and spikes of {entering.peak} neurons "
                    f"would have to stand for each value: take --input-bits {RELAYED_BITS} or fewer, or --events, or "
                    "put neurons between"
                )
            levels = [
                np.repeat(table, entering.peak, axis=1) if source == INPUT else table
                for source, table in zip(sources, levels, strict=True)
            ]
            sources = [RELAY if source == INPUT else source for source in sources]
        tables = tuple(Dense(t.astype(np.int8), b) for t, b in zip(levels, weights.bits, strict=True))
        low, high = np.zeros(len(levels[0]), np.int64), np.zeros(len(levels[0]), np.int64)
        for source, table in zip(sources, tables, strict=True):
            ends = table.bounds(entering.peak if source == INPUT else 1)
            low, high = low + ends[0], high + ends[1]
        neuron = _neuron(layer, weights, (low, high), entering.most_ticks, rounding, notes)
    except UserError as error:
        raise UserError(f"{layer.where}: {error}") from None
    delays = tuple(int(source.endswith(LATE)) for source in sources)
    return Layer(layer.name, tables, neuron, tuple(s.removesuffix(LATE) for s in sources), delays)


def _weights(layer: RealLayer, rounding: Rounding) -> _Weights:
    """Return integer weights whose rows are turned where the gain is negative; of the scores all have one slope."""
    total, score = layer.total, layer.name == READOUT
    synapses, scale, _ = united(total.terms)
    tables, gain, shift = [np.asarray(s.weights, np.float64) for s in synapses], total.gain, total.shift
    bits = [s.bits for s in synapses]
    many = [table.shape[1] for table in tables]
    cuts = np.cumsum(many)[:-1]
    if scale is not None and score and np.unique(np.abs(gain) * scale).size > 1:
        tables, scale = [table * np.broadcast_to(scale, gain.shape)[:, None] for table in tables], None
    rounded = False
    if scale is None:
        whole = np.concatenate(tables, axis=1) * (gain[:, None] if score else 1.0)
        gain = np.ones_like(gain) if score else gain
        found = integers_of(whole)
        if found is not None and (not score or found[2].size == 1):
            levels, wide, scale = found
            bits = [wide] * len(tables)
        else:
            rounded = True
            levels, scale, off = _rounded(layer, whole, rounding, shared=score)
            bits, shift = [rounding.bits] * len(tables), shift - gain * off
        tables = np.split(levels, cuts, axis=1)
    slope = np.abs(gain) * scale
    tables = [table * np.sign(gain)[:, None] for table in tables]
    bits = [b if table.all() else max(b, 2) for b, table in zip(bits, tables, strict=True)]
    return _Weights(tables, bits, np.where(slope > 0, slope, 1.0), shift, rounded)


def _rounded(
    layer: RealLayer, weights: np.ndarray, rounding: Rounding, *, shared: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return levels ``(out, in)``, their scale, and by how much a sum of them is more in the mean, ``(out,)``."""
    if rounding.seen is None:
        raise UserError("inputs are wanted, to choose the scales of its weights on: recordings with --inputs")
    values = np.concatenate([rounding.seen[t.source] for t in layer.total.terms], axis=1)[:CALIBRATION_TICKS]
    x = torch.as_tensor(values.astype(np.float64))
    found, scale = clip_search(torch.as_tensor(weights), rounding.bits, x, shared=shared)
    levels, steps = found.numpy(), scale.numpy().ravel()
    off = (levels * steps[:, None] - weights) @ values.mean(axis=0)
    return levels, steps, off


def _neuron(
    layer: RealLayer,
    weights: _Weights,
    ends: tuple[np.ndarray, np.ndarray],
    ticks: int,
    rounding: Rounding,
    notes: list[str],
) -> Neuron:
    what, slope, score, said = layer.membrane, weights.slope, layer.name == READOUT, rounding.fraction
    tables = "biases" if score else "thresholds and biases"
    whole = f"{layer.where}: weights are rounded to {rounding.bits} bits"
    if what.leak is None:
        notes += [whole] if weights.rounded else []
    if what.leak is None and not score:
        height = (what.threshold - weights.shift) / slope
        return Fire(_table(_above(height) if what.strict else _least(height)))
    if what.leak is None:
        return Readout(_table(np.rint(weights.shift / slope)))
    numbers = [weights.shift] if score else [weights.shift, what.threshold, what.reset]
    base = _base([np.broadcast_to(n, slope.shape) / slope for n in numbers])
    leaks = what.leak * (ticks - 1 if score else ticks if what.strict else max(1, ticks - 1))
    wanted = what.leak + ROUNDED_BITS if base is None or weights.rounded else base + leaks
    fraction = min(MAX_FRACTION, wanted) if said is None else said
    while True:
        neuron = _integrator(what, weights, fraction, score=score)
        reached = neuron.state_bounds(*ends, ticks)
        if said is not None or not fraction or max(int(n.max()) for n in widths(reached).values()) <= MOST_BITS:
            break
        fraction -= 1
    if weights.rounded:
        notes.append(f"{whole}, {tables} to 2^-{fraction} of a weight's step")
    elif base is None or fraction < base:
        notes.append(f"{layer.where}: {tables} are rounded to 2^-{fraction} of a weight's step")
    if what.leak and (base is None or fraction < base + leaks):
        notes.append(
            f"{layer.where}: what leaks, 2^-{what.leak} of a membrane, is rounded to 2^-{fraction} of a weight's step, "
            f"so that membranes are less than {2.0 ** (what.leak - fraction):g} steps off"
        )
    return neuron


def _integrator(what: Membrane, weights: _Weights, fraction: int, *, score: bool) -> Lif | IntegratorReadout:
    unit, leak = weights.slope / 2**fraction, what.leak or 0
    shift = _table(np.rint(weights.shift / unit))
    if score:
        return IntegratorReadout(shift, leak, fraction)
    multiple = 1 << leak
    height = what.threshold / unit / multiple
    thresholds = multiple * (_above(height) if what.strict else _least(height))
    reset = np.broadcast_to(what.reset, unit.shape) / unit
    resets = multiple * np.maximum(np.rint(reset / multiple), 0) if what.soft else np.rint(reset)
    return Lif(_table(thresholds), _table(resets), shift, leak, fraction, "soft" if what.soft else "hard")


def _base(numbers: list[np.ndarray]) -> int | None:
    """Return the least F with which all ``numbers`` are whole in units of 2^-F, None without one."""
    every = np.concatenate(numbers)
    for fraction in range(MAX_FRACTION + 1):
        units = every * 2**fraction
        if (np.abs(units - np.rint(units)) <= CLOSE * np.maximum(np.abs(units), 1e-3)).all():
            return fraction
    return None


def _above(numbers: np.ndarray) -> np.ndarray:
    """Return the least integers above ``numbers``."""
    return np.floor(numbers + CLOSE * np.maximum(np.abs(numbers), 1)) + 1


def _least(numbers: np.ndarray) -> np.ndarray:
    """Return the least integers not below ``numbers``."""
    return np.ceil(numbers - CLOSE * np.maximum(np.abs(numbers), 1))


def _table(numbers: np.ndarray) -> np.ndarray:
    if np.abs(numbers).max() > MAX_THRESHOLD:
        raise UserError("a threshold, reset or bias is too large for the scale of the weights")
    return numbers.astype(np.int32)
