"""What a neuron is: the contract that its golden model, its circuit, its cycles and its cost are asked by.

A neuron is one file of this folder and its line in :data:`s2nn_hw.network.neurons.NEURONS`. It is a frozen dataclass of
integer tables, one value a channel, and settings. In each of its steps it gets sums that its synapses accumulated, and
gives spikes (or scores, if it does not fire):

    ``state[0] = start(shape)``      ``state[t + 1], spikes[t] = step(state[t], sums[t])``

A frame is ``step_count`` of them, and the state is a frame's own, unless ``stateful``: then the frames of a sequence,
or the ticks for which its frames are held, follow each other from its start on. ``sums[t]`` is

    of a ``two_phase`` neuron   the sum over all planes in step 0, nothing then
    else, from ``steps``        the sum of plane t
    else, from one number       that of the number in every step (direct coding)
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from amaranth.hdl import Module, Value

from s2nn_hw.errors import UserError
from s2nn_hw.family.cost import Cost
from s2nn_hw.family.record import Family
from s2nn_hw.network.neurons.lanes import Lanes, Register
from s2nn_hw.network.neurons.program import Program
from s2nn_hw.network.neurons.ramp import Ramp
from s2nn_hw.network.planes import Planes

Bounds = tuple[np.ndarray, np.ndarray]  # low and high


@dataclass(frozen=True)
class UnitShape:
    """What the circuit of the neurons of one layer is given and gives.

    ``neurons``: at one position, of which a frame has ``positions``; ``lanes``: sums at once, ``groups`` of which make
    a position; ``repeats``: positions of a pooling cell; ``slots``: cells for which it has room; ``width``: values a
    word that leaves, of ``planes`` bits, 0 where none does; ``score_width``: bits of a signed score, 0 where there is
    none.
    """

    neurons: int
    lanes: int
    groups: int = 1
    repeats: int = 1
    slots: int = 1
    width: int = 0
    score_width: int = 0
    positions: int = 1
    planes: int = 1


class Neuron:
    """A neuron; the tables named in ``tables`` are its fields, int32 ``(neurons,)`` each, the first one of its size.

    ``kind``: its name in files; ``settings``: the names of further fields, with their types. ``fires``: spikes leave,
    and other layers may read them; else scores, and it is the last layer's. ``stateful``: frames depend on those
    before. ``two_phase``: all sums come before the first step. ``states``: the names of what is kept from tick to tick,
    of neurons that need to know where a sequence starts and how long it can be; their state is a tuple that begins with
    these, int64 ``(batch, neurons)`` each. ``actions``: cycles of a circuit's tick behind the last spike, 0 where no
    circuit of sequences has these neurons; ``holds_sums``: a state keeps the sums of a frame that is held.
    """

    kind: ClassVar[str]
    tables: ClassVar[tuple[str, ...]]
    settings: ClassVar[dict[str, type]] = {}
    fires: ClassVar[bool] = True
    stateful: ClassVar[bool] = False
    two_phase: ClassVar[bool] = True
    states: ClassVar[tuple[str, ...]] = ()
    actions: ClassVar[int] = 0
    holds_sums: ClassVar[bool] = False

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

    @property
    def plain(self) -> bool:
        """Whether what leaves is the sign of the sum and the offset, or their sum, and nothing else."""
        return False

    @property
    def first_spike_slots(self) -> int:
        """Slots of a frame, of neurons that spike in one of them at most and whose value is when: ``slots - slot``; 0
        of all others."""
        return 0

    @property
    def step_count(self) -> int:
        """Steps of a frame."""
        return 1

    @property
    def planes(self) -> Planes:
        """What leaves, of a neuron that fires."""
        return Planes()

    def check_source(self, planes: Planes) -> None:
        """Raise :class:`UserError` where a tensor of ``planes`` can't be read."""
        if not (self.two_phase or planes.radix) and planes.count != self.step_count:
            raise UserError(f"{self.kind} neurons of {self.step_count} steps can't read {planes}")

    def start(self, shape: tuple[int, ...]) -> Any:
        """Return the state before the first step, for sums of ``shape`` ``(batch, positions * neurons)``."""
        return None

    def step(self, state: Any, sums: np.ndarray) -> tuple[Any, np.ndarray]:
        """Return the next state and spikes uint8, or scores int64, of int64 ``sums`` ``(batch, positions * neurons)``.

        The batch of ``stateful`` neurons is one of sequences, at the same tick each; a readout's scores are those of a
        sequence that ends here. A state that was given is not used again.
        """
        raise NotImplementedError

    def frame(self, state: Any, sums: list[np.ndarray]) -> tuple[Any, np.ndarray]:
        """Return the state after a frame and what leaves, values of :attr:`planes` or scores.

        ``sums``: one array, or one a step.
        """
        if not self.stateful:
            state = self.start(sums[0].shape)
        left = []
        for t in range(self.step_count):
            now = sums[0] if len(sums) == 1 else sums[t]
            state, given = self.step(state, now * 0 if self.two_phase and t else now)
            left.append(given)
        return state, self.planes.packed(left) if self.fires else left[-1]

    def kept(self, state: Any, count: int) -> Any:
        """Return the ``state`` of the first ``count`` sequences, the others being over."""
        if isinstance(state, tuple):
            return tuple(self.kept(part, count) for part in state)
        return state[:count] if isinstance(state, np.ndarray) else state

    def state_bounds(self, low: np.ndarray, high: np.ndarray, ticks: int) -> dict[str, Bounds]:
        """Return what each of :attr:`states` can reach in a sequence of so many ``ticks``, where the sums of one tick
        lie in ``low .. high``, 0 among them; of ``a`` the same, an accumulator that is no state.

        Arrays ``(neurons,)`` of Python's integers. All that an adder has between two steps is within these, in whatever
        order spikes come.
        """
        return {}

    def bounds(self, low: np.ndarray, high: np.ndarray, steps: int = 1) -> tuple[np.ndarray, np.ndarray]:
        """Return the range, int64 ``(neurons,)`` each, of what stands in the accumulators in ``steps`` steps, if the
        sums of one step lie in ``low .. high``."""
        return low, high

    def offsets(self, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        """Return what the circuit adds to sums in ``low .. high``, int64 ``(neurons,)``: accumulators start there."""
        raise NotImplementedError

    def program(self, planes: Planes, low: np.ndarray, high: np.ndarray) -> Program:
        """Return what the circuit does with accumulators, of sums in ``low .. high``, behind a source of ``planes``."""
        return Program(self.offsets(low, high))

    @property
    def ramp(self) -> Ramp | None:
        """The falling threshold by which a spike's time is the value that leaves; None: there is none."""
        return None

    def registers(self, low: np.ndarray, high: np.ndarray, ticks: int) -> dict[str, Register]:
        """Return by name the registers of a lane of a circuit of sequences, where the sums of a tick lie in ``low ..
        high``, int64 ``(neurons,)``, and a sequence has up to ``ticks``. A state is in the register of its name, which
        is it and a constant."""
        raise NotImplementedError

    def memories(
        self, registers: dict[str, Register], lanes: int, groups: int, ticks: int
    ) -> tuple[tuple[int, int], ...]:
        """Return (words, bits) of each memory beside those ``registers`` of all ``lanes``, that ``groups`` share."""
        return ()

    def circuit(self, m: Module, lanes: Lanes) -> list[Value]:
        """Add what ``lanes`` do in a tick to ``m``; return what leaves, a lane: the bits of a value or a signed
        score, from the cycle behind the last action to the next ``begin``."""
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
