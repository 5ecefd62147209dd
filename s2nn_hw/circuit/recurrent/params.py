"""One layer of a circuit of sequences: what it reads, its rows of weights, its lanes, and the cycles of a tick.

Neurons come in ``groups`` of ``lanes``, one group after the other. A tick of a group takes

    ``n + actions + 2`` cycles      n   ones of all planes of all sources

and a tick of a layer 3 more: see :mod:`s2nn_hw.cycles.ticks`.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from s2nn_hw.circuit.choices import LayerPlan
from s2nn_hw.circuit.engines.params import MEMORIES
from s2nn_hw.errors import UserError, quoted
from s2nn_hw.network.layer import INPUT, Layer
from s2nn_hw.network.network import Network
from s2nn_hw.network.neurons.lanes import Register, bits_of
from s2nn_hw.network.neurons.neuron import Neuron
from s2nn_hw.network.planes import Planes

KIND = "recurrent"  # of the engine, in plans


@dataclass(frozen=True)
class Source:
    """One source of a layer: the tensor ``name`` of ``size`` values of ``planes``, a ``delay`` of 0 or 1 ticks before,
    in chunks of ``width`` values; ``first_row``: of its weights, in chunks; ``loops``: it is the layer itself, or
    one behind; ``direct``: it stays as it is until it is scanned, so that nothing has to keep it."""

    name: str
    delay: int
    size: int
    planes: Planes
    width: int
    first_row: int
    loops: bool = False
    direct: bool = False

    @property
    def chunks(self) -> int:
        """Chunks of one plane."""
        return -(-self.size // self.width)

    @property
    def bits(self) -> int:
        """Bits of a vector."""
        return self.size * self.planes.count


@dataclass(frozen=True)
class RecurrentParams:
    """One layer of ``network`` under its ``choice``: the fields of a plan that count are ``width`` (values a chunk of
    what is scanned), ``groups`` and ``memory``."""

    network: Network
    layer: Layer
    choice: LayerPlan

    def __post_init__(self) -> None:
        name, neuron = self.layer.name, self.layer.neuron
        if neuron is None or any(synapse.kind != "dense" for synapse in self.layer.synapses):
            raise UserError(f"layer {name}: circuits of sequences have dense layers alone")
        if not neuron.actions:
            raise UserError(f"layer {name}: circuits of sequences have no {neuron.kind} neurons")
        choice = self.choice
        if choice.engine != KIND:
            raise UserError(f"layer {name}: engine must be {KIND!r} in a network of sequences, not {choice.engine!r}")
        if choice.width & (choice.width - 1):
            raise UserError(f"layer {name}: width must be a power of two, not {choice.width}")
        if choice.groups > neuron.size:
            raise UserError(f"layer {name}: groups must be at most its {neuron.size} neurons, not {choice.groups}")
        if choice.memory not in MEMORIES:
            raise UserError(f"layer {name}: memory must be {', '.join(MEMORIES)}, not {quoted(choice.memory)}")

    @property
    def name(self) -> str:
        """The layer's."""
        return self.layer.name

    @property
    def neuron(self) -> Neuron:
        """The neurons."""
        return self.layer.own_neuron

    @property
    def is_readout(self) -> bool:
        """Whether scores leave."""
        return self.layer.is_readout

    @property
    def lanes(self) -> int:
        """Neurons at once."""
        return -(-self.neuron.size // self.choice.groups)

    @property
    def groups(self) -> int:
        """Groups of lanes, none of them empty."""
        return -(-self.neuron.size // self.lanes)

    @cached_property
    def sources(self) -> tuple[Source, ...]:
        """What is read, in the order of the file."""
        names = [INPUT, *(layer.name for layer in self.network.layers)]
        found, row = list[Source](), 0
        for name, delay in zip(self.layer.sources, self.layer.lags, strict=True):
            loops = names.index(name) >= names.index(self.name)
            size, planes = self.network.size(name), self.network.planes[name]
            direct = name == INPUT and not delay and len(self.network.readers(INPUT)) == 1
            found.append(Source(name, delay, size, planes, self.choice.width, row, loops, direct))
            row += found[-1].chunks
        return tuple(found)

    @property
    def group_rows(self) -> int:
        """Rows of weights of a group."""
        return sum(source.chunks for source in self.sources) * self.choice.width

    @property
    def holds(self) -> bool:
        """Whether sums are the same in all ticks of a frame, and kept."""
        return self.neuron.holds_sums and all(s.name == INPUT and not s.delay for s in self.sources)

    @property
    def group_cycles(self) -> int:
        """Cycles of a group's tick without spikes."""
        return self.neuron.actions + 2

    @cached_property
    def sums(self) -> tuple[np.ndarray, np.ndarray]:
        """The range of a tick's sums, int64 ``(neurons,)`` each."""
        return self.network.sum_range(self.layer)

    @cached_property
    def registers(self) -> dict[str, Register]:
        """Of a lane."""
        return self.neuron.registers(*self.sums, self.network.input.most_ticks)

    @property
    def state_bits(self) -> int:
        """Bits of the states of a lane."""
        return sum(self.registers[name].width for name in self.neuron.states)

    @property
    def memories(self) -> tuple[tuple[int, int], ...]:
        """(words, bits) of the neurons' own memories."""
        return self.neuron.memories(self.registers, self.lanes, self.groups, self.network.input.most_ticks)

    @cached_property
    def bits(self) -> int:
        """Bits of a weight in two's complement."""
        tables = [synapse.weights for synapse in self.layer.synapses]
        return bits_of(min(int(t.min()) for t in tables), max(int(t.max()) for t in tables))

    @property
    def shift(self) -> int:
        """Fraction bits below a weight."""
        return int(getattr(self.neuron, "fraction", 0))

    @cached_property
    def rows(self) -> np.ndarray:
        """Weights, int8 ``(groups * group_rows, lanes)``: those of a group by source and value, zeros where there are
        none."""
        table = np.zeros((self.groups * self.lanes, self.group_rows), np.int8)
        for source, synapse in zip(self.sources, self.layer.synapses, strict=True):
            at = source.first_row * source.width
            table[: self.neuron.size, at : at + source.size] = synapse.weights
        parted = table.reshape(self.groups, self.lanes, self.group_rows)
        return parted.transpose(0, 2, 1).reshape(-1, self.lanes)

    @cached_property
    def chunk_rows(self) -> list[int]:
        """The row, in chunks, of each chunk that is scanned: of the sources one after the other, of each its planes
        from the lowest on."""
        return [s.first_row + k for s in self.sources for _ in range(s.planes.count) for k in range(s.chunks)]

    @cached_property
    def chunk_weights(self) -> list[int]:
        """What a spike of each chunk counts: a power of two, negative of the sign of a number."""
        return [w for s in self.sources for w in reversed(s.planes.weights) for _ in range(s.chunks)]

    def ones(self, values: list[np.ndarray]) -> np.ndarray:
        """Return the ones of ``values``, an array ``(ticks, size)`` a source as the network has them, int64
        ``(ticks,)``."""
        count = np.zeros(len(values[0]), np.int64)
        for value in values:
            count += np.bitwise_count(value).sum(axis=1, dtype=np.int64)
        return count
