"""QONNX's quantizers: of constants as integers with a scale, of activations as levels and spikes.

Quant            ``y = s (round(clip(x / s + z, low, high)) - z)``, by qonnx's own function
BipolarQuant     ``y = s`` where ``x >= 0``, else ``-s``
MultiThreshold   ``y = out_scale (how many thresholds x reaches) + out_bias``
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from s2nn_hw.errors import UserError, quoted
from s2nn_hw.quantize.importers.operations import Affine, Kind, Levels, Spike

KINDS = ("Quant", "IntQuant", "BipolarQuant", "MultiThreshold")
ROUNDING = {
    "ROUND": "nearest",
    "HALF_EVEN": "nearest",
    "HALF_UP": "half up",  # away from zero; thresholds are looked for with the owner's own function
    "HALF_DOWN": "half up",
    "FLOOR": "floor",
    "CEIL": "ceil",
}
MAX_LEVEL = 1 << 16


@dataclass(frozen=True, eq=False)
class Integers:
    """A constant that is ``scale values``, ``values`` integers; both float64, of its shape.

    ``owner``: the constant as its owner computes it.
    """

    values: np.ndarray
    scale: np.ndarray
    owner: np.ndarray


@dataclass(frozen=True, eq=False)
class Quantizer:
    """``scale``, ``zero``: of any shape that broadcasts; ``low``, ``high``: ends; ``bipolar``: +1 or -1."""

    scale: np.ndarray
    zero: np.ndarray
    low: int
    high: int
    bits: int
    signed: bool = True
    rounding: str = "ROUND"
    bipolar: bool = False

    @property
    def key(self) -> tuple[Any, ...]:
        """What two quantizers share that do the same."""
        numbers = (np.unique(self.scale).tobytes(), np.unique(self.zero).tobytes())
        return (*numbers, self.low, self.high, self.rounding, self.bipolar)


def quantizer(
    kind: str, inputs: Sequence[str], settings: Mapping[str, Any], constants: Mapping[str, np.ndarray]
) -> Quantizer:
    """Return what a node of ``kind`` Quant, IntQuant or BipolarQuant says with its ``inputs`` behind the first."""
    scale = _numbers(inputs, 1, "its scale", constants)
    if not np.isfinite(scale).all() or (scale <= 0).any():
        raise UserError("its scale must be positive numbers")
    if kind == "BipolarQuant":
        return Quantizer(scale, np.zeros(1), -1, 1, 1, bipolar=True)
    zero, bits = _numbers(inputs, 2, "its zero point", constants), _numbers(inputs, 3, "its bit width", constants)
    if bits.size != 1 or bits.flat[0] != np.rint(bits.flat[0]) or not 1 <= bits.flat[0] <= 32:
        raise UserError(f"its bit width must be an integer from 1 to 32, not {quoted(bits.tolist())}")
    if not np.isfinite(zero).all() or (zero != np.rint(zero)).any() or np.abs(zero).max() > 2**32:
        raise UserError("its zero point must be integers")
    signed, narrow = bool(settings.get("signed", 1)), bool(settings.get("narrow", 1))
    rounding, width = str(settings.get("rounding_mode", "ROUND")).upper(), int(bits.flat[0])
    if width == 1 and signed:  # as qonnx has it
        if (zero != 0).any():
            raise UserError("one signed bit has no zero point")
        return Quantizer(scale, zero, -1, 1, 1, bipolar=True)
    low = -(1 << (width - 1)) + narrow if signed else 0
    high = (1 << (width - 1)) - 1 if signed else (1 << width) - 1 - narrow
    if high <= low:
        raise UserError("it has a single level")
    if rounding not in ROUNDING and not (rounding == "DOWN" and not signed) and not (rounding == "UP" and not signed):
        raise UserError(
            f"rounding mode {quoted(rounding)} has no form here: levels of one width have, {', '.join(ROUNDING)}"
        )
    return Quantizer(scale, zero, low, high, width, signed, rounding)


def _numbers(inputs: Sequence[str], place: int, what: str, constants: Mapping[str, np.ndarray]) -> np.ndarray:
    if place >= len(inputs) or inputs[place] not in constants:
        raise UserError(f"{what} must be a constant")
    found = constants[inputs[place]]
    if found.dtype.kind not in "fiu" or not found.size:
        raise UserError(f"{what} must be numbers")
    return np.atleast_1d(found.astype(np.float64))


def constant(
    kind: str, inputs: Sequence[str], settings: Mapping[str, Any], constants: Mapping[str, np.ndarray], where: str
) -> Integers:
    """Return the constant that a quantizer makes of a constant, as qonnx computes it."""
    try:
        if kind == "MultiThreshold":
            raise UserError("thresholds of constants have no form here")
        found = quantizer(kind, inputs, settings, constants)
        if inputs[0] not in constants:
            raise UserError("it reads nothing")
        values = constants[inputs[0]]
        if values.dtype.kind != "f":
            raise UserError("it must be of floats")
        owner = _quantised(values, found, [constants[name] for name in inputs[1:]])
        scale = np.broadcast_to(found.scale if found.scale.size > 1 else found.scale.ravel()[0], owner.shape)
        return Integers(np.rint(owner / scale), scale, owner)
    except (UserError, ValueError) as error:
        raise UserError(f"{where}: {error}") from None


def _quantised(values: np.ndarray, found: Quantizer, given: list[np.ndarray]) -> np.ndarray:
    from qonnx.custom_op.general.bipolar_quant import binary_quant
    from qonnx.custom_op.general.intquant import int_quant

    if found.bipolar:
        return np.asarray(binary_quant(values, given[0]), np.float32)
    narrow = found.low == -found.high or (not found.signed and found.high == (1 << found.bits) - 2)
    return np.asarray(int_quant(values, *given[:3], found.signed, narrow, found.rounding), np.float32)


def activation(found: Quantizer, scale: np.ndarray, zero: np.ndarray, ends: tuple[float, float | None]) -> list[Kind]:
    """Return what a quantizer of activations does; ``scale``, ``zero``: one number, or one a channel.

    ``ends``: what enters lies between them, as behind a ReLU; None: without an upper one.
    """
    if found.bipolar:
        spike = Spike(np.zeros(1), low=-1.0, high=1.0)
        return [spike] if (scale == 1).all() else [spike, Affine(scale, np.zeros(1))]
    low, high = found.low, found.high
    if ends[0] == 0:
        if zero.size > 1:
            raise UserError("a zero point a channel behind a ReLU has no form here")
        low = max(low, int(zero[0]))
        if ends[1] is not None:
            if scale.size > 1:
                raise UserError("a scale a channel behind a clip has no form here")
            high = min(high, int(np.rint(ends[1] / scale[0])) + int(zero[0]))
    if high - low >= MAX_LEVEL:
        raise UserError(f"{found.bits} bits are too many for what neurons give: 8 at most")
    if zero.size > 1 or (scale.size > 1 and zero[0] != 0):
        raise UserError("a zero point a channel, or beside a scale a channel, has no form here")
    rounding = ROUNDING.get(found.rounding, "floor" if found.rounding == "DOWN" else "ceil")
    return [Levels(scale, low, high, rounding, zero, -float(zero[0] * scale[0]))]


def thresholds(values: np.ndarray, channels: int, settings: Mapping[str, Any]) -> list[Kind]:
    """Return what MultiThreshold with thresholds ``values`` ``(channels or 1, levels)`` does to ``channels`` channels.

    Between the first threshold and the last of a channel they must be evenly spaced, as far as integers can tell.
    """
    values = np.asarray(values, np.float64)
    if values.ndim != 2 or values.shape[0] not in (1, channels) or not values.shape[1]:
        raise UserError(f"thresholds must be (channels, levels) of {channels} channels or 1, not {values.shape}")
    if np.isnan(values).any() or (np.diff(values, axis=1) < 0).any():
        raise UserError("thresholds must rise from level to level")
    values = np.clip(values, -(2.0**40), 2.0**40)  # of infinite ones
    scale, bias = float(settings.get("out_scale", 1.0)), float(settings.get("out_bias", 0.0))
    if not scale > 0 or not np.isfinite([scale, bias]).all():
        raise UserError("out_scale must be a positive number, out_bias a number")
    after: list[Kind] = [] if (scale, bias) == (1.0, 0.0) else [Affine(np.array([scale]), np.array([bias]))]
    levels = values.shape[1]
    if levels == 1:
        return [Spike(values[:, 0]), *after]
    spacing = np.maximum((values[:, -1] - values[:, 0]) / (levels - 1), 1e-9)
    before = Affine(1 / spacing, 1 - values[:, 0] / spacing)
    return [before, Levels(np.ones(1), 0, levels, "floor"), *after]
