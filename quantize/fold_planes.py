"""Batch norm and threshold of neurons of several planes or steps as integer tables, in units of ``2^-F`` weights.

What the batch norm gives is ``u = g a + c`` of the integer sum ``a``, ``g >= 0`` (the quantizer turns rows round). Over
``g 2^-F`` a threshold ``th`` is ``theta = th 2^F / g`` and ``c`` is ``c 2^F / g``:

    quantized, ttfs   ``floor((v + 2^F a) / theta)``,   ``v = start theta + c 2^F / g``,   theta the width of a level
    integrate   ``theta = level th 2^F / g``,  ``R = th 2^F / g``,  ``v = start R``,  ``b = c 2^F / g``; with leak
                theta and R are multiples of ``2^k``

each rounded to the nearest integer. Where ``g`` is 0, or so small that the sum can hardly change what leaves, ``g`` is
taken as large as makes of all that the sum can be a ``2^-10`` of theta; v and b are no further out than what
all sums make of them the same spikes.

Where only what is above theta spikes, theta is the next integer. With leak it must be a multiple, so m is kept one less
than it is: ``L(m - 1) = L(m)`` where m is a multiple of ``2^k``; b and v are one less, and a hard reset is to -1.
"""

import math

import numpy as np
from torch import Tensor

from s2nn_hw.errors import UserError
from s2nn_hw.network.neurons.integrate import Integrate
from s2nn_hw.network.neurons.quantized import Quantized
from s2nn_hw.network.neurons.tables import MAX_FRACTION
from s2nn_hw.network.neurons.ttfs import Ttfs
from s2nn_hw.quantize.float_graph import FloatLayer
from s2nn_hw.quantize.float_neurons import FloatIntegrate, FloatQuantized

MAX_TABLE = 2**29
EXACT = 256  # least threshold that is rounded finely enough
FLAT = 1 << 10  # thresholds beyond so many times what the sum can be are all the same


def reached(layer: FloatLayer, levels: list[Tensor], ends: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return the least and the largest sum of ``layer``, ``(neurons,)`` each, of inputs within ``ends``.

    ``levels``: the integers ``(neurons, weights of a neuron)`` of each table; one before a cell counts for all in it.
    """
    cells = [math.prod(table.connection.pool) for table in layer.tables]
    rows = np.concatenate([table.numpy() * cell for table, cell in zip(levels, cells, strict=True)], axis=1)
    negative, positive, (least, largest) = np.clip(rows, None, 0).sum(axis=1), np.clip(rows, 0, None).sum(axis=1), ends
    return largest * negative + least * positive, largest * positive + least * negative


def fold_planes(
    layer: FloatLayer, levels: list[Tensor], slope: Tensor, offset: Tensor, ends: tuple[int, int]
) -> tuple[list[Tensor], Quantized | Ttfs | Integrate]:
    """Return ``levels``, and the integer neurons of ``layer`` behind their sums.

    ``levels``: integers ``(neurons, weights of a neuron)`` of each table; ``slope``, ``offset``: g and c, float64
    ``(neurons,)``; ``ends``: the least and the largest input value of one sum.
    """
    neuron = layer.neuron
    assert isinstance(neuron, FloatQuantized | FloatIntegrate)
    low, high = reached(layer, levels, ends)
    size = neuron.width if isinstance(neuron, FloatQuantized) else neuron.threshold
    sizes = size / slope.numpy()[slope.numpy() > 0]
    fraction = max(_fraction(sizes), neuron.finest) if neuron.fraction is None else neuron.fraction
    one = float(1 << fraction)
    low, high = low * one, high * one
    most = np.minimum(FLAT * (high - low + one), MAX_TABLE // (neuron.planes.peak + 1))
    whole = np.minimum(size * one / np.maximum(slope.numpy(), 1e-300), most)  # size in units of the accumulator
    bias = whole * (offset.numpy() / size)
    if isinstance(neuron, FloatQuantized):
        return levels, _quantized(neuron, fraction, whole, bias, low, high)
    return levels, _integrate(neuron, fraction, whole, bias, low, high)


def _fraction(sizes: np.ndarray) -> int:
    """Return the least F, or the most, with which none of ``sizes``, in weights, is rounded by over 1/512 of itself."""
    smallest = sizes.min(initial=EXACT)
    return next((f for f in range(MAX_FRACTION) if smallest * 2**f >= EXACT), MAX_FRACTION)


def _quantized(
    neuron: FloatQuantized, fraction: int, whole: np.ndarray, bias: np.ndarray, low: np.ndarray, high: np.ndarray
) -> Quantized | Ttfs:
    """Return the neurons; ``whole``: the width of a level, ``bias``: c, ``low``, ``high``: of sums, in fractions."""
    thetas = np.maximum(np.rint(whole), 1)
    starts = np.clip(np.rint(bias + neuron.start * whole), -high - 1, neuron.planes.peak * thetas - low)
    if neuron.timed:
        return Ttfs(_table(thetas), _table(starts), neuron.planes.peak, fraction)
    return Quantized(_table(thetas), _table(starts), neuron.planes.count, neuron.planes.code, fraction)


def _integrate(
    neuron: FloatIntegrate, fraction: int, whole: np.ndarray, bias: np.ndarray, low: np.ndarray, high: np.ndarray
) -> Integrate:
    """Return the neurons, as :func:`_quantized`; ``whole``: the threshold."""
    step, soft = 1 << neuron.leak, neuron.reset == "soft"
    level = _settled(neuron.level * whole)
    resets = np.maximum(_nearest(_settled(whole) / step), 1) * step
    below = 1 if neuron.strict and neuron.leak else 0
    thetas = np.floor(level) + 1 if neuron.strict and not neuron.leak else _nearest(level / step) * step
    thetas = np.maximum(thetas, step)
    if soft and neuron.level == 1:  # one number, so it is rounded once
        thetas = resets + (1 if neuron.strict and not neuron.leak else 0)
    far = (neuron.planes.count + 1) * (resets + thetas)
    biases = np.clip(np.rint(bias), -high - far, far - low)
    return Integrate(
        _table(thetas),
        _table(resets if soft else 0 * resets - below),
        _table(biases - below),
        _table(np.rint(neuron.start * whole) - below),
        neuron.planes.count,
        neuron.leak,
        fraction,
        neuron.reset,
    )


def _settled(values: np.ndarray) -> np.ndarray:
    """Return ``values``, those integers and halves of them that floats are an error of their last digits away from."""
    whole = np.rint(2 * values) / 2
    return np.where(np.abs(values - whole) <= 1e-12 * np.abs(values), whole, values)


def _nearest(values: np.ndarray) -> np.ndarray:
    """Return the nearest integers, the upper one of two that are as near: what an integer must reach to reach that."""
    return np.floor(values + 0.5)


def _table(values: np.ndarray) -> np.ndarray:
    if np.abs(values).max() > 2**30:
        raise UserError(f"accumulators reach beyond {2**30}, the largest threshold")
    return values.astype(np.int32)
