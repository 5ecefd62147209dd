"""What a network is made of: what enters, and its layers."""

import math
import re
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from s2nn_hw.errors import UserError, quoted
from s2nn_hw.network.neurons.neuron import Neuron
from s2nn_hw.network.planes import MAX_BITS, MAX_STEPS, RADIX, STEPS, Planes
from s2nn_hw.network.scaling import Scaling
from s2nn_hw.network.sequences import MAX_FRAMES
from s2nn_hw.network.synapse import Synapse

INPUT = "input"

INPUT_BITS = tuple(range(1, MAX_BITS + 1))
BYTE = 8  # bits of an image's value as files have it
MAX_NEURONS = 1 << 16
MAX_TICKS = 1 << 8  # of a frame
MAX_LENGTH = 1 << 20  # ticks of a sequence


@dataclass(frozen=True)
class Input:
    """What enters: ``shape`` (1 to 3 axes: row, column, channel) of ``bits``-bit pixels (1 to 16), ``signed`` or not,
    or, with ``code`` steps, of events in ``bits`` steps (2 to 31). ``scaling``: how raw values become pixels, where it
    is recorded. ``ticks``, ``frames``: where frames come as sequences, for how many ticks each is held, and how many
    frames a sequence has at most; else both are 0.

    Signed pixels are in two's complement: -2^(bits-1) .. 2^(bits-1) - 1.
    """

    shape: tuple[int, ...]
    bits: int
    code: str = RADIX
    signed: bool = False
    scaling: Scaling | None = None
    ticks: int = 0
    frames: int = 0

    def __post_init__(self) -> None:
        shape = tuple(self.shape)
        if not 1 <= len(shape) <= 3 or any(type(n) is not int or n < 1 for n in shape):
            raise UserError(f"input: shape must be 1 to 3 positive integers, not {quoted(list(shape))}")
        if math.prod(shape) > MAX_NEURONS:
            raise UserError(f"input: shape {quoted(list(shape))} has more than {MAX_NEURONS:,} pixels")
        if self.code not in (RADIX, STEPS):
            raise UserError(f"input: code must be {RADIX!r} or {STEPS!r}, not {quoted(self.code)}")
        if self.code == STEPS and (type(self.bits) is not int or not 2 <= self.bits <= MAX_STEPS):
            raise UserError(f"input: bits of code steps must be 2 to {MAX_STEPS}, one a step, not {quoted(self.bits)}")
        if self.code == RADIX and (type(self.bits) is not int or not 1 <= self.bits <= MAX_BITS):
            raise UserError(f"input: bits must be an integer from 1 to {MAX_BITS}, not {quoted(self.bits)}")
        if type(self.signed) is not bool or (self.signed and self.code == STEPS):
            raise UserError(f"input: signed must be true or false, and false of events, not {quoted(self.signed)}")
        if self.scaling is not None:
            if self.code == STEPS:
                raise UserError("input: events have no offset and step")
            self.scaling.check(shape)
        if self.ticks != 0 or self.frames != 0:
            for name, value, most in (("ticks", self.ticks, MAX_TICKS), ("frames", self.frames, MAX_FRAMES)):
                if type(value) is not int or not 1 <= value <= most:
                    raise UserError(f"input: {name} of sequences must be 1 to {most:,}, not {quoted(value)}")
            if self.most_ticks > MAX_LENGTH:
                raise UserError(
                    f"input: {self.frames:,} frames of {self.ticks} ticks are {self.most_ticks:,} ticks, more than "
                    f"{MAX_LENGTH:,}"
                )
        object.__setattr__(self, "shape", shape)

    @property
    def size(self) -> int:
        """Pixels of an image."""
        return math.prod(self.shape)

    @property
    def low(self) -> int:
        """The least value of a pixel."""
        return self.planes.low

    @property
    def peak(self) -> int:
        """The largest value of a pixel, of events how many steps there are."""
        return self.planes.peak

    @property
    def pattern(self) -> int:
        """All bits of a pixel as it is kept."""
        return (1 << self.bits) - 1

    @property
    def planes(self) -> Planes:
        """The planes of a pixel."""
        return Planes(self.bits, self.code, self.signed)

    @property
    def of_bytes(self) -> bool:
        """Whether images are 8-bit values of which a pixel is the top bits."""
        return not (self.events or self.signed or self.scaling) and self.bits <= BYTE

    @property
    def kind(self) -> np.dtype:
        """The least integer type of images or events."""
        if not self.signed:
            return np.dtype(np.uint8 if self.bits <= BYTE or self.events else np.uint16)
        return np.dtype(np.int8 if self.bits <= BYTE else np.int16)

    @property
    def sequences(self) -> bool:
        """Whether frames come as sequences."""
        return self.ticks > 0

    @property
    def most_ticks(self) -> int:
        """Ticks of the longest sequence."""
        return self.ticks * self.frames

    @property
    def events(self) -> bool:
        """Whether events of several steps enter, not images."""
        return self.code == STEPS

    @property
    def data_shape(self) -> tuple[int, ...]:
        """The shape of an image as users have it, or, of events, the steps and that shape."""
        return (self.bits, *self.shape) if self.events else self.shape

    @property
    def _word(self) -> str:
        """What is given, in messages."""
        return "frames" if self.sequences else "images"

    def coarser(self, bits: int) -> "Input":
        """Return the input whose pixels are the top ``bits`` bits of these."""
        scaling = self.scaling.coarser(self.bits - bits) if self.scaling else None
        return replace(self, bits=bits, scaling=scaling)

    def encode(self, images: Any) -> np.ndarray:
        """Return ``(count, pixels)`` patterns of ``bits`` bits of ``images`` ``(count, *shape)``.

        Of unsigned pixels of up to 8 bits: the top bits of uint8 ``images``, uint8. Of others: the bits of ``images``
        of any integer type with values in ``low .. peak``, int32. With a ``scaling`` images are raw values, real
        numbers of any type, which it takes to pixels. Flat images ``(count, pixels)`` in raster order are taken too.
        Of events, ``(count, steps, *shape)`` of 0 and 1, oldest step first, the steps of a pixel side by side, oldest
        in the highest bit (int32 from 9 steps on); so are ``(count, steps, pixels)`` and, as of images, one channel
        where ``shape`` has none. Errors name shape or type.
        """
        images = np.asarray(images)
        steps = (self.bits,) if self.events else ()
        taken = (self.data_shape, (*steps, self.size), *([(*steps, *self.shape, 1)] if len(self.shape) == 2 else []))
        if images.ndim < 1 or images.shape[1:] not in taken:
            or_flat = f" or (count, {self.size})" if not self.events and len(self.shape) > 1 else ""
            what = f"events in {self.bits} steps" if self.events else self._word
            wanted = ", ".join([*(["steps"] if steps else []), *map(str, self.shape)])
            raise UserError(f"{what} must have shape (count, {wanted}){or_flat}, not {images.shape}")
        if self.scaling is not None:
            pixels = self.scaling.quantise(images.reshape(len(images), *self.shape), self.low, self.peak)
            kind = np.int32 if self.signed or self.bits > BYTE else np.uint8
            return (pixels.reshape(len(images), self.size) & self.pattern).astype(kind)
        if not self.events and not self.of_bytes:
            return self._patterns(images.reshape(len(images), self.size))
        if images.dtype != np.uint8:
            values = "0 and 1" if self.events else "0 .. 255"
            raise UserError(
                f"{'events' if self.events else self._word} must be uint8 with values {values}, not {images.dtype}"
            )
        if not self.events:
            return (images.reshape(len(images), self.size) >> (BYTE - self.bits)).astype(np.uint8)
        if images.max(initial=0) > 1:
            raise UserError(f"events must be 0 or 1, not {images.max()}")
        weights = 1 << np.arange(self.bits)[::-1]
        kind = np.uint8 if self.bits <= 8 else np.int32
        return np.einsum("ntp,t->np", images.reshape(len(images), self.bits, self.size), weights).astype(kind)

    def _patterns(self, images: np.ndarray) -> np.ndarray:
        """Return the bits, int32, of integer ``images`` ``(count, pixels)``; :class:`UserError` if one is too large."""
        wanted = f"{self._word} of {self.bits}-bit {'signed ' if self.signed else ''}pixels must be"
        if not np.issubdtype(images.dtype, np.integer):
            raise UserError(f"{wanted} integers from {self.low} to {self.peak}, not {images.dtype}")
        low, high = (int(images.min()), int(images.max())) if images.size else (0, 0)
        if low < self.low or high > self.peak:
            raise UserError(f"{wanted} integers from {self.low} to {self.peak}, not {low} to {high}")
        return images.astype(np.int32) & self.pattern


@dataclass(frozen=True)
class Layer:
    """What is added, and the neurons behind it; ``sources`` name what feeds it (default: the layer before).

    ``synapses``: one or, for several sources that add to the same accumulators (a residual connection), one per
    source. ``neuron``: see :mod:`s2nn_hw.network.neurons`; None where spikes are only joined (max pooling, OR).
    ``delays``: by source 1 where the layer sees what that one gave in the step before (zeros in the first), which may
    be a layer behind it or the layer itself; else 0; none: all are 0.
    """

    name: str
    synapses: tuple[Synapse, ...]
    neuron: Neuron | None
    sources: tuple[str, ...] = ()
    delays: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.synapses, tuple | list):
            object.__setattr__(self, "synapses", (self.synapses,))
        object.__setattr__(self, "synapses", tuple(self.synapses))
        object.__setattr__(self, "sources", tuple(self.sources))
        object.__setattr__(self, "delays", tuple(self.delays))
        many = self.delays and len(self.delays) != max(1, len(self.sources))
        if many or any(type(delay) is not int or delay not in (0, 1) for delay in self.delays):
            raise UserError(
                f"layer {quoted(self.name)}: delays must be 0 or 1 for each source, not {quoted(self.delays)}"
            )
        if not isinstance(self.name, str) or not re.fullmatch(r"[a-z][a-z0-9_]{0,31}", self.name):
            raise UserError(
                f"layer name must be at most 32 lower-case letters, digits and '_' that begin with a "
                f"letter, not {quoted(self.name)}"
            )
        joins = any(not synapse.accumulates for synapse in self.synapses)
        if not self.synapses or (joins and len(self.synapses) > 1) or joins != (self.neuron is None):
            raise UserError(f"layer {self.name}: wanted one max pooling or OR without neurons, or weights with neurons")
        for synapse in self.synapses:
            if self.neuron and self.neuron.size != synapse.neurons:
                raise UserError(
                    f"layer {self.name}: {synapse.neurons} neurons in the weights, {self.neuron.size} in the "
                    f"{self.neuron.table_name}"
                )

    @property
    def lags(self) -> tuple[int, ...]:
        """The delay of each source."""
        return self.delays or (0,) * len(self.sources)

    @property
    def own_neuron(self) -> Neuron:
        """The neurons of a layer that accumulates."""
        if self.neuron is None:
            raise ValueError(f"layer {self.name} has no neurons")
        return self.neuron

    @property
    def accumulates(self) -> bool:
        """Whether this layer has weights and neurons; else it only joins spikes."""
        return self.neuron is not None

    @property
    def is_readout(self) -> bool:
        """Whether scores leave, not spikes."""
        return self.neuron is not None and not self.neuron.fires
