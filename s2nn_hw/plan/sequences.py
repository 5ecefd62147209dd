"""The plans of networks of sequences: how many neurons of a layer share a lane.

Sound is slow beside a clock: a recording of 62.5 frames a second, 7 ticks each, has some thousands of spikes a second.
So lanes are for what they cost, not for speed: the planner takes as few as a rate of frames wants.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from s2nn_hw.circuit.choices import LayerPlan, Plan
from s2nn_hw.circuit.recurrent.params import KIND, RecurrentParams
from s2nn_hw.cost.recurrent import circuit_cost, counts, layer_cost
from s2nn_hw.errors import UserError
from s2nn_hw.family import FAMILIES
from s2nn_hw.family.board import BoardFacts
from s2nn_hw.network.network import Network
from s2nn_hw.network.over_time import forward_sequences
from s2nn_hw.sequence_design import SequenceDesign

CHUNK = 8  # values that are looked at at once for the next one
FEW_LANES = {"ice40": 2, "gowin": 4}  # of devices with few look-up tables: neurons at once
PLANNED = 24  # sequences, of which the cycles are counted
RESOURCES = ("luts", "ffs", "brams")


def sequence_plan(network: Network, family: str) -> Plan:
    """Return the plan of ``network``, which reads sequences, on devices of ``family``: a lane a neuron, but few lanes
    where look-up tables are few, as states in block RAM cost less there than their registers."""
    lanes = FEW_LANES.get(family)
    layers = []
    for layer in network.layers:
        size = layer.neuron.size if layer.neuron else 1
        groups = 1 if lanes is None else -(-size // lanes)
        layers.append(LayerPlan(layer.name, width=CHUNK, engine=KIND, groups=groups))
    return Plan(tuple(layers))


@dataclass(frozen=True)
class PlannedSequences:
    """A ``plan``, exact ``cycles_per_frame`` without a gap, ``frames_per_second`` at the clock, and what it takes of
    the board: ``used`` by resource, an estimate."""

    plan: Plan
    cycles_per_frame: float
    frames_per_second: float
    used: dict[str, float]
    layers: tuple[RecurrentParams, ...]
    busy: tuple[float, ...]


class SequencePlanner:
    """Looks for plans of ``network`` on ``board`` at ``clock_hz``, for the sequences ``frames``, ``offsets``."""

    def __init__(
        self, network: Network, board: BoardFacts, clock_hz: float, frames: np.ndarray, offsets: np.ndarray
    ) -> None:
        self.network, self.board, self.clock_hz = network, board, clock_hz
        self.family = FAMILIES[board.family]
        count = min(PLANNED, len(offsets) - 1)
        self.frames = int(offsets[count])
        first = SequenceDesign(network, sequence_plan(network, board.family))
        pixels = network.encode(frames[: self.frames])
        output = forward_sequences(network, frames[: self.frames], offsets[: count + 1], trace=True)
        self.ones, self.ends = first.ones(pixels, output), output.ticks

    def cheapest(self, frames_per_second: float) -> PlannedSequences:
        """Return the plan that takes least of the board for such a rate; :class:`UserError` if none reaches it, or
        fits."""
        wanted = self.clock_hz / frames_per_second  # cycles a frame
        for limit in reversed(self._limits):
            if limit <= wanted:
                found = self._planned(self._choices(limit))
                if found.cycles_per_frame <= wanted:
                    self._check(found)
                    return found
        best = self._planned(self._choices(0))
        raise UserError(
            f"{frames_per_second:,.0f} frames/s are out of reach on {self.board.title} at {self.clock_hz / 1e6:g} MHz: "
            f"with a lane a neuron it is {best.frames_per_second:,.0f}"
        )

    def fastest(self) -> PlannedSequences:
        """Return the fastest plan that fits; :class:`UserError` if none does."""
        for limit in self._limits:
            found = self._planned(self._choices(limit))
            if self._fullest(found)[1] <= 1:
                return found
        self._check(found)
        return found

    @property
    def _limits(self) -> list[float]:
        """The cycles of a frame at which choices differ, the fewest first."""
        return sorted({cycles for ways in self._candidates for cycles, _, _ in ways})

    @cached_property
    def _candidates(self) -> list[list[tuple[float, float, LayerPlan]]]:
        """Of each layer (cycles of a frame, share of the board, plan) of all its groups."""
        ticks, found = self.network.input.ticks, []
        for layer, ones in zip(self.network.layers, self.ones, strict=True):
            size, ways = layer.own_neuron.size, []
            for groups in _powers(size):
                choice = LayerPlan(layer.name, width=CHUNK, engine=KIND, groups=groups)
                stage = RecurrentParams(self.network, layer, choice)
                cycles = ticks * (stage.groups * (float(ones.mean()) + stage.group_cycles) + 3)
                ways.append((cycles, self._weight(counts(self.family, layer_cost(self.family, stage))), choice))
            found.append(ways)
        return found

    def _choices(self, limit: float) -> Plan:
        """Return of each layer the cheapest way within ``limit`` cycles a frame, else its fastest."""
        chosen = []
        for ways in self._candidates:
            within = [way for way in ways if way[0] <= limit] or [min(ways, key=lambda way: way[0])]
            chosen.append(min(within, key=lambda way: way[1])[2])
        return Plan(tuple(chosen))

    def _weight(self, used: dict[str, float]) -> float:
        return sum(used[name] / max(1, self.board.budget[name].budget) for name in RESOURCES)

    def _planned(self, plan: Plan) -> PlannedSequences:
        design = SequenceDesign(self.network, plan)
        schedule = design.timing.schedule(self.ones, self.ends)
        cycles = float(schedule.offered[-1])
        return PlannedSequences(
            plan,
            cycles / self.frames,
            self.clock_hz * self.frames / cycles,
            counts(self.family, circuit_cost(self.family, design, link=True)),
            design.stages,
            tuple((schedule.busy / cycles).tolist()),
        )

    def _fullest(self, found: PlannedSequences) -> tuple[str, float]:
        """Return the resource of which ``found`` takes most, and its share of what a plan may take."""
        room = dict(zip(RESOURCES, self.family.room, strict=True))
        shares = {name: found.used[name] / (room[name] * max(1, self.board.budget[name].budget)) for name in RESOURCES}
        name = max(shares, key=lambda name: shares[name])
        return name, shares[name]

    def _check(self, found: PlannedSequences) -> None:
        name, share = self._fullest(found)
        if share > 1:
            budget = self.board.budget[name]
            raise UserError(
                f"network {self.network.name} on {self.board.title}: it does not fit: {budget.kind} about "
                f"{found.used[name]:,.0f} of {budget.budget:,}, an estimate; choose a larger board or a smaller network"
            )


def _powers(size: int) -> Sequence[int]:
    """Return 1, 2, 4, ... up to ``size``, and that."""
    powers = [1 << k for k in range(size.bit_length()) if 1 << k < size]
    return [*powers, size]
