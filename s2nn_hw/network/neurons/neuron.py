"""What a neuron is: the contract that its golden model, its circuit, its cycles and its cost are asked by.

A neuron is one file of this folder and its line in :data:`s2nn_hw.network.neurons.NEURONS`. It is a frozen dataclass of
integer tables, one value a channel. In each step it gets the sums that its synapses accumulated, and gives spikes (or
scores, if it does not fire):

    ``state[0] = start(shape)``      ``state[t + 1], values[t] = step(state[t], sums[t])``

Without state (:class:`~s2nn_hw.network.neurons.fire.Fire`) all frames are steps of their own and go through ``step``
together; with state the frames of a sequence are its steps, one after the other from reset on.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from amaranth.hdl import Module, Value

from s2nn_hw.family.cost import Cost
from s2nn_hw.family.record import Family


@dataclass(frozen=True)
class UnitShape:
    """What the circuit of the neurons of one layer is given and gives.

    ``neurons``: at one position, of which a frame has ``positions``; ``lanes``: sums at once, ``groups`` of which make
    a position; ``repeats``: positions of a pooling cell; ``slots``: cells for which it has room; ``width``: spikes a
    word that leaves, 0 where none does; ``score_width``: bits of a signed score, 0 where there is none.
    """

    neurons: int
    lanes: int
    groups: int = 1
    repeats: int = 1
    slots: int = 1
    width: int = 0
    score_width: int = 0
    positions: int = 1


class Neuron:
    """A neuron; the tables named in ``tables`` are its fields, int32 ``(neurons,)`` each, the first one of its size.

    ``kind``: its name in files. ``fires``: spikes leave, and other layers may read them; else scores, and it is the
    last layer's. ``stateful``: frames depend on those before. ``plain``: what leaves is the sign of the sum
    and the offset, or their sum, and nothing else.
    """

    kind: ClassVar[str]
    tables: ClassVar[tuple[str, ...]]
    fires: ClassVar[bool] = True
    stateful: ClassVar[bool] = False
    plain: ClassVar[bool] = False

    @property
    def size(self) -> int:
        """Neurons at one position: the channels."""
        return len(getattr(self, self.tables[0]))

    @property
    def table_name(self) -> str:
        """The name of the first table."""
        return self.tables[0]

    @property
    def table(self) -> np.ndarray:
        """The first table."""
        return getattr(self, self.tables[0])

    def start(self, shape: tuple[int, ...]) -> Any:
        """Return the state before the first step of a sequence, for sums of ``shape`` ``(1, positions * neurons)``."""
        return None

    def step(self, state: Any, sums: Any) -> tuple[Any, Any]:
        """Return the next state and spikes uint8, or scores int64, of int64 ``sums`` ``(batch, positions * neurons)``.

        The batch is 1 where there is state.
        """
        raise NotImplementedError

    def bounds(self, low: np.ndarray, high: np.ndarray, steps: int = 1) -> tuple[np.ndarray, np.ndarray]:
        """Return the range, int64 ``(neurons,)`` each, of what stands in the accumulators in ``steps`` steps, if the
        sums of one step lie in ``low .. high``."""
        return low, high

    def offsets(self, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        """Return what the circuit adds to sums in ``low .. high``, int64 ``(neurons,)``: accumulators start there."""
        raise NotImplementedError

    def latency(self, classes: int) -> int:
        """Return the cycles from the capture of the last sums of a cell to the first offer of what leaves."""
        return 1

    def unit(self, shape: UnitShape) -> Any:
        """Return the circuit, a Component with ``capture``, ``o`` (stream) and ``release``, see
        :class:`~s2nn_hw.network.neurons.fire.FireUnit`."""
        raise NotImplementedError

    def connect(self, m: Module, unit: Any, sums: list[Value]) -> None:
        """Give the accumulators ``sums`` (signed, offsets added) of each lane to its ``unit``."""
        raise NotImplementedError

    def cost(self, family: Family, shape: UnitShape) -> Cost:
        """Return the cost of :meth:`unit`, an estimate."""
        raise NotImplementedError
