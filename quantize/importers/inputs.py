"""What enters a foreign network, as its owner has it and as the integer network takes it."""

import numpy as np

from s2nn_hw.errors import UserError
from s2nn_hw.network.scaling import Scaling
from s2nn_hw.quantize.importers.operations import Entering


def scaling_of(entering: Entering) -> Scaling:
    """Return how a network takes the owner's numbers to pixels by itself."""
    offset, step = np.broadcast_arrays(*(np.ravel(np.asarray(n, np.float64)) for n in (entering.offset, entering.step)))
    return Scaling(offset, step)


def encoded(inputs: np.ndarray, entering: Entering) -> np.ndarray:
    """Return the integers, int32 ``(count, pixels)`` in raster order, of ``inputs`` ``(count, *shape)`` of the owner's.

    They are the nearest ones, ties to even, cut at the ends; float64. Of events uint8 ``(count, steps, pixels)``.
    """
    inputs = np.asarray(inputs)
    if entering.events:
        return _events(inputs, entering)
    if inputs.shape[1:] != entering.shape or not len(inputs):
        raise UserError(f"inputs must have shape (count, {', '.join(map(str, entering.shape))}), not {inputs.shape}")
    if not np.isfinite(inputs).all():
        raise UserError("inputs must be finite numbers")
    low, high = entering.ends
    whole = np.rint((inputs.astype(np.float64) - _lined(entering.offset, entering)) / _lined(entering.step, entering))
    flat = np.clip(whole, low, high).astype(np.int32)
    return (flat if flat.ndim == 2 else flat.transpose(0, 2, 3, 1)).reshape(len(flat), -1)


def _events(inputs: np.ndarray, entering: Entering) -> np.ndarray:
    """Return events ``(count, steps, *shape)`` of 0 and 1 as uint8 ``(count, steps, pixels)``."""
    wanted = (entering.bits, *entering.shape)
    if inputs.shape[1:] != wanted or not len(inputs):
        raise UserError(f"events must have shape (count, {', '.join(map(str, wanted))}), not {inputs.shape}")
    if not np.isin(inputs, (0, 1)).all():
        raise UserError("events must be 0 or 1 in each step")
    whole = inputs.astype(np.uint8)
    return (np.moveaxis(whole, 2, -1) if len(entering.shape) == 3 else whole).reshape(*whole.shape[:2], -1)


def decoded(pixels: np.ndarray, entering: Entering) -> np.ndarray:
    """Return what integers ``(count, pixels)`` stand for, float64 ``(count, *shape)`` in the owner's order; of events
    ``(count, steps, pixels)`` ``(count, steps, *shape)``."""
    shape = entering.shape
    if len(shape) == 3:
        lead = pixels.shape[:-1]
        pixels = np.moveaxis(pixels.reshape(*lead, *shape[1:], shape[0]), -1, len(lead))
    return pixels * _lined(entering.step, entering) + _lined(entering.offset, entering)


def _lined(numbers: np.ndarray, entering: Entering) -> np.ndarray:
    numbers = np.atleast_1d(np.asarray(numbers, np.float64))
    return numbers.reshape(-1, 1, 1) if len(entering.shape) == 3 else numbers


def as_images(pixels: np.ndarray, entering: Entering) -> np.ndarray:
    """Return integers ``(count, pixels)`` as the images of which an input without a scaling makes them again."""
    if entering.signed or entering.events or entering.bits > 8:
        return pixels
    return (pixels << (8 - entering.bits)).astype(np.uint8)


def raw(pixels: np.ndarray, entering: Entering) -> np.ndarray:
    """Return integers ``(count, pixels)`` as what an imported network takes: numbers in our order, or events."""
    if entering.raw is not None:
        channels = entering.shape[0] if len(entering.shape) == 3 else pixels.shape[1]
        return entering.raw.raw(pixels.reshape(len(pixels), -1, channels)).reshape(pixels.shape)
    return as_images(pixels, entering) if entering.plain else in_our_order(decoded(pixels, entering))


def in_our_order(inputs: np.ndarray) -> np.ndarray:
    """Return ``inputs`` ``(count, *shape)`` in the owner's order as images ``(count, rows, columns[, channels])``."""
    if inputs.ndim < 4:
        return inputs
    return inputs[:, 0] if inputs.shape[1] == 1 else np.moveaxis(inputs, 1, -1)
