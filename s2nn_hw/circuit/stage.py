"""The stages of a circuit: what each reads, in which order, and what it computes."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from s2nn_hw.circuit.geometry import WindowParams
from s2nn_hw.network.layer import Layer
from s2nn_hw.network.neurons.neuron import Neuron
from s2nn_hw.network.planes import Planes

ONE = Planes()


@dataclass(frozen=True)
class Tensor:
    """How a tensor is streamed: ``rows`` x ``columns`` pixels of ``channels`` values in words of ``width``.

    ``planes``: of a value, side by side in the word, the first in the value's highest bit. With ``slots`` a value is a
    spike in one of so many, and the words of all pixels come once a slot, a bit a value.
    """

    rows: int
    columns: int
    channels: int
    width: int
    planes: Planes = ONE
    slots: int = 0

    @property
    def pixel_words(self) -> int:
        """Words of a pixel."""
        return -(-self.channels // self.width)

    @property
    def plane_words(self) -> int:
        """Words of all pixels."""
        return self.rows * self.columns * self.pixel_words

    @property
    def words(self) -> int:
        """Words of a frame."""
        return self.plane_words * (self.slots or 1)

    @property
    def spare(self) -> int:
        """Values past the last channel in a pixel's last word."""
        return self.pixel_words * self.width - self.channels

    def stream(self, values: np.ndarray) -> np.ndarray:
        """Return ``values`` ``(frames, size)`` as words, ``(frames, plane_words, width)``, zeros in the spare
        places."""
        pixels = values.reshape(len(values), self.rows * self.columns, self.channels)
        padded = np.pad(pixels, ((0, 0), (0, 0), (0, self.spare)))
        return padded.reshape(len(values), self.plane_words, self.width)


@dataclass(frozen=True)
class Reader:
    """One source of a stage: ``source`` (name of a tensor) and its ``window``.

    Without a window the words are used as they come, a frame of the engine being a whole tensor or, ``pixelwise``,
    one pixel (a convolution by a kernel of 1 x 1).
    """

    source: str
    tensor: Tensor
    window: WindowParams | None
    pixelwise: bool = False

    @property
    def pass_words(self) -> int:
        """Words that the source adds to one pass of the engine."""
        if self.window:
            return self.window.pass_words
        return self.tensor.pixel_words if self.pixelwise else self.tensor.plane_words

    @property
    def positions(self) -> np.ndarray:
        """Output positions (row, column) in the order of computation, int64 ``(positions, 2)``."""
        if self.window:
            return self.window.positions
        size = (self.tensor.rows, self.tensor.columns) if self.pixelwise else (1, 1)
        return np.indices(size).reshape(2, -1).T

    @property
    def frame_words(self) -> int:
        """Words that leave in one frame."""
        w = self.window
        return len(w.positions) * w.groups * w.planes * w.pass_words if w else self.tensor.words

    def gather(self, values: np.ndarray) -> np.ndarray:
        """Return the words of a pass, ``(frames, positions, splits, pass_words, taps * width)``."""
        if self.window is None:
            words = self.tensor.stream(values)
            return words.reshape(len(values), -1, 1, self.pass_words, self.tensor.width)
        out = self.window.gather(self.tensor.stream(values))
        return out.reshape(*out.shape[:4], -1)


@dataclass(frozen=True)
class Stage:
    """One layer in the circuit; ``output``: name of the tensor that leaves (the layer's, or of the fused pooling's).

    ``engine``: an :class:`~s2nn_hw.circuit.engines.params.EngineParams`, or None where spikes are only
    ORed. ``repeats``: positions of a pooling cell; ``or_taps``: places of which a join takes the OR at once;
    ``fused``: the layers in front that an unrolled engine has swallowed, in order.
    """

    layer: Layer
    output: str
    readers: tuple[Reader, ...]
    engine: Any
    neurons: int
    repeats: int = 1
    or_taps: int = 1
    fused: tuple[Layer, ...] = ()

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers that are computed here, in order, but for a fused pooling."""
        return (*self.fused, self.layer)

    @property
    def name(self) -> str:
        """The name of the layer."""
        return self.layer.name

    @property
    def is_readout(self) -> bool:
        """Whether scores leave, not spikes."""
        return self.layer.is_readout

    @property
    def neuron(self) -> Neuron:
        """The neurons of a stage that accumulates."""
        return self.layer.own_neuron

    @property
    def seen_bits(self) -> int:
        """Bits of what neurons that fire capture at once, ``seen`` in their circuit."""
        values = self.neurons if self.engine.constant else self.engine.lanes
        return values * self.neuron.planes.count

    @cached_property
    def positions(self) -> np.ndarray:
        """Output positions (row, column) in the order of computation, int64 ``(positions, 2)``."""
        return self.readers[0].positions

    @property
    def pace(self) -> int:
        """Cycles that a frame takes here at least, whatever its values."""
        words = max(r.frame_words for r in self.readers)
        if self.engine is None or self.engine.constant:
            return words
        return max(words, len(self.positions) // self.repeats * self.engine.cell_cycles)

    @property
    def pass_words(self) -> int:
        """Words of one pass, of all sources."""
        return sum(reader.pass_words for reader in self.readers)

    def words(self, values: Sequence[np.ndarray]) -> np.ndarray:
        """Return what the engine sees of each source's ``values``: ``(frames, positions, splits, words, width)``."""
        parts = [reader.gather(x) for reader, x in zip(self.readers, values, strict=True)]
        splits, width = max(p.shape[2] for p in parts), max(p.shape[4] for p in parts)
        parts = [
            np.pad(np.repeat(p, splits // p.shape[2], axis=2), [(0, 0)] * 4 + [(0, width - p.shape[4])]) for p in parts
        ]
        return np.concatenate(parts, axis=3) if len(parts) > 1 else parts[0]
