"""All ways to build a layer that the planner knows: engine, word, taps, banks, groups, queue, memory, pooling.

way         an engine with words, taps and banks of its own, the pooling behind it fused or not, and the fewest
            groups; cycles a frame that no circuit of it can go below, counted on real frames
candidate   a way with its groups, a memory for its weights and words that leave it: a plan of the layer, its cost
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations

import numpy as np

from s2nn_hw.circuit.accumulation import slots_for
from s2nn_hw.circuit.choices import FUSED, JOINED, MAX_WIDTH, LayerPlan
from s2nn_hw.circuit.engines import ENGINES
from s2nn_hw.circuit.engines.params import MEMORIES
from s2nn_hw.circuit.engines.ramp import has_slots
from s2nn_hw.circuit.lower import fusible, lower_alone, streamed
from s2nn_hw.circuit.stage import Stage
from s2nn_hw.cost.estimate import Packing, packing, sums_cost
from s2nn_hw.cycles.timing import engine_alone, stage_ones
from s2nn_hw.errors import UserError
from s2nn_hw.family.cost import Cost
from s2nn_hw.family.record import Family
from s2nn_hw.network.layer import INPUT, Layer
from s2nn_hw.network.network import Network
from s2nn_hw.plan.candidates import Shape
from s2nn_hw.plan.defaults import UNROLLED_LEVELS, UNROLLED_SYNAPSES, power_of_two_at_least
from s2nn_hw.plan.planned import Candidate

WIDTHS = (8, 16, 32, 64, 128)
SLOT_WIDTHS = (256, 512)  # where words come once a slot, too
DEPTHS, SHORT_QUEUE = (8, 32, 64), 2  # words in front of each bank; short where queues are of flip-flops
QUEUED = 1.001  # times the cycles that are possible: more, and its queues cost cycles
LANES_LEAST = 2
PROBE = "parallel"  # the engine on which words are counted


@dataclass(frozen=True)
class Way:
    """``choice`` with the fewest groups, ``cycles`` a frame of these, ``entering``: words of a frame that come in."""

    choice: LayerPlan
    pool: Layer | None
    cycles: float
    entering: int

    def bound(self, groups: int) -> float:
        """Return cycles a frame below which it can't be with so many times the ``groups``."""
        return max(groups * self.cycles, self.entering)


class Ways:
    """Ways to build the layers of ``network`` on a device ``family``; ``values``: of all tensors, on a few frames."""

    def __init__(self, network: Network, family: Family, values: Mapping[str, np.ndarray]) -> None:
        self.network, self.family, self.values = network, family, values
        self._ways: dict[str, list[Way]] = {}
        self._made: dict[tuple[LayerPlan, Layer | None], list[Candidate]] = {}
        self._of: dict[tuple[str, float, bool], list[Candidate]] = {}
        self._alone: dict[tuple[LayerPlan, Layer | None], float] = {}

    def of(self, layer: Layer, interval: float, *, least: bool = False) -> list[Candidate]:
        """Return the candidates of ``layer`` that may take ``interval`` cycles a frame or fewer.

        ``least``: of each way those with the fewest lanes alone.
        """
        key = layer.name, interval, least
        if key not in self._of:
            self._of[key] = self._within(layer, interval, least=least)
        return list(self._of[key])

    def _within(self, layer: Layer, interval: float, *, least: bool) -> list[Candidate]:
        found: list[Candidate] = []
        for way in self.ways(layer):
            allowed = [g for g in self._groups(layer, way) if way.bound(g) <= interval]
            for groups in allowed[-1:] if least else allowed:
                found += self._candidates(layer, way, groups)
        found = [c for c in found if c.cycles <= interval]
        if self._fusible(layer):
            nothing = LayerPlan(layer.name, engine=FUSED)
            found.append(Candidate(nothing, 0.0, Cost(), Packing(), takes={_pooling(layer): 1}, exact=True))
        return found

    def fastest(self, layer: Layer) -> float:
        """Return the fewest cycles that any way to build ``layer`` takes."""
        return min((way.bound(1) for way in self.ways(layer)), default=0.0)

    def slowest(self, layer: Layer) -> float:
        """Return the most cycles that any way to build ``layer`` takes."""
        return max((way.bound(self._groups(layer, way)[-1]) for way in self.ways(layer)), default=0.0)

    def count(self, candidate: Candidate) -> None:
        """Count the cycles that the engine of ``candidate`` takes alone on the frames, and, as far as its queues cost
        cycles, those with longer ones."""
        layer = self.network.layer(candidate.choice.name)
        for depth in (candidate.choice.depth, *self._longer(candidate)):
            choice = replace(candidate.choice, depth=depth)
            if (choice, candidate.pool) not in self._alone:
                cycles = self._intervals(layer, replace(candidate, choice=choice))
                for memory in MEMORIES:
                    self._alone[replace(choice, memory=memory), candidate.pool] = cycles
            if self._alone[choice, candidate.pool] <= QUEUED * candidate.cycles:
                return

    def known(self, candidate: Candidate) -> list[Candidate]:
        """Return ``candidate``, if it was counted with those cycles, and where its queues cost cycles with it those
        that have longer ones."""
        alone = self._alone.get((candidate.choice, candidate.pool))
        if alone is None:
            return [candidate]
        found = [replace(candidate, cycles=max(candidate.cycles, alone), exact=True)]
        longer = self._longer(candidate)
        if longer and alone > QUEUED * candidate.cycles:
            way = Way(replace(candidate.choice, depth=longer[0]), candidate.pool, candidate.cycles, 0)
            layer, memory = self.network.layer(candidate.choice.name), candidate.choice.memory
            built = self._candidates(layer, way, 1, memory=memory)
            for other in built:
                if (other.gives, other.takes) == (candidate.gives, candidate.takes):
                    found += self.known(other)
        return found

    def _longer(self, candidate: Candidate) -> list[int]:
        """Return the depths that the queues of ``candidate`` may have beyond its own."""
        spikes = ENGINES[candidate.choice.engine].counts_spikes
        return [depth for depth in DEPTHS if spikes and depth > candidate.choice.depth]

    def _intervals(self, layer: Layer, candidate: Candidate) -> float:
        stage = self._lowered(candidate.choice, candidate.pool)
        if stage is None or stage.engine is None:
            return 0.0
        ones = stage_ones(stage, [self.values[r.source] for r in stage.readers])
        twice = np.concatenate([ones, ones])  # one after the other, until what was done ahead has no part in it
        return float(engine_alone(stage, twice, length=len(twice))[:, len(ones) - 1 :].mean())

    def ways(self, layer: Layer) -> list[Way]:
        """Return every :class:`Way` of ``layer``."""
        if layer.name not in self._ways:
            self._ways[layer.name] = list(self._all(layer))
        return self._ways[layer.name]

    def _groups(self, layer: Layer, way: Way) -> list[int]:
        """Return by how many groups that of ``way`` may be multiplied, ascending."""
        if not layer.accumulates or ENGINES[way.choice.engine].whole or ENGINES[way.choice.engine].literal:
            return [1]
        neurons = layer.own_neuron.size
        if layer.sources == (INPUT,) and not layer.synapses[0].slides:
            return [1]  # pixels would have to be kept
        whole, base = neurons // way.choice.groups, way.choice.groups
        return [g for g in range(1, whole + 1) if neurons % (base * g) == 0 and (g == 1 or whole // g >= LANES_LEAST)]

    def _all(self, layer: Layer) -> Iterator[Way]:
        kernels = [synapse.kernel for synapse in layer.synapses]
        taps = sorted({1, *(columns for _, columns in kernels), *(rows * columns for rows, columns in kernels)})
        pools = self._pools_behind(layer)
        for width in self.widths(layer.sources[0]):
            for tap in taps:
                for pool in pools:
                    if layer.accumulates:
                        yield from self._accumulated(layer, width, tap, pool)
                    else:
                        yield from self._joined(layer, width, tap)
            for pool in pools if layer.accumulates else ():
                yield from self._whole(layer, width, pool)

    def _joined(self, layer: Layer, width: int, taps: int) -> Iterator[Way]:
        choice = LayerPlan(layer.name, width=width, taps=taps, engine=JOINED)
        stage = self._lowered(choice, None)
        if stage:
            entering = max(r.tensor.words for r in stage.readers)
            yield Way(choice, None, sum(r.frame_words for r in stage.readers), entering)

    def _accumulated(self, layer: Layer, width: int, taps: int, pool: Layer | None) -> Iterator[Way]:
        """Yield what engines that take the taps one after the other can do with the fewest groups: one, and as many as
        let each group read its own part of the channels."""
        for groups in self._splits(layer, width, taps):
            probe = LayerPlan(layer.name, banks=taps, width=width, taps=taps, engine=PROBE, groups=groups)
            stage = self._lowered(probe, pool)
            if stage is None:
                continue
            shape = self._shape(layer, width, taps, stage)
            # what does not depend on the data first: of equal costs the first is taken
            for engine in sorted(ENGINES.values(), key=lambda engine: engine.counts_spikes):
                if not engine.whole:
                    for choice, cycles in engine.candidates(shape):
                        yield Way(replace(choice, groups=groups), pool, groups * cycles, shape.entering)

    def _splits(self, layer: Layer, width: int, taps: int) -> list[int]:
        """Return 1 and, of a convolution in groups, the fewest groups of lanes that each need a part of the words."""
        neurons = layer.own_neuron.size
        if all(synapse.groups == 1 for synapse in layer.synapses):
            return [1]
        for groups in (g for g in range(2, neurons + 1) if neurons % g == 0):
            stage = self._lowered(LayerPlan(layer.name, 1, width, taps=taps, engine=PROBE, groups=groups), None)
            if stage and any(r.window and r.window.splits > 1 for r in stage.readers):
                return [1, groups]
        return [1]

    def _whole(self, layer: Layer, width: int, pool: Layer | None) -> Iterator[Way]:
        """Yield what engines that take all taps at once can do."""
        synapses = sum(int((s.weights != 0).sum()) for s in layer.synapses)
        if synapses > UNROLLED_SYNAPSES:
            return
        for engine in ENGINES.values():
            if engine.whole:
                for choice, _ in engine.candidates(self._shape(layer, width, 1, None)):
                    stage = self._lowered(choice, pool)
                    if stage:
                        words = sum(r.frame_words for r in stage.readers)
                        yield Way(choice, pool, words, max(r.tensor.words for r in stage.readers))

    def _shape(self, layer: Layer, width: int, taps: int, stage: Stage | None) -> Shape:
        lut = self.family.mapped_inputs
        return Shape(layer, width, taps, self.depth, lut, UNROLLED_LEVELS[lut], stage, self.values)

    @cached_property
    def depth(self) -> int:
        """Words in front of each bank to begin with."""
        return SHORT_QUEUE if self.family.lutram is None else DEPTHS[0]

    def _candidates(self, layer: Layer, way: Way, groups: int, *, memory: str = "") -> list[Candidate]:
        choice = replace(way.choice, groups=way.choice.groups * groups)
        key = (choice, way.pool)
        if key not in self._made:
            self._made[key] = [c for slots in self._forms(layer, choice) for c in self._built(layer, key, slots)]
        cycles = way.bound(groups)
        return [replace(c, cycles=cycles) for c in self._made[key] if memory in ("", c.choice.memory)]

    def _forms(self, layer: Layer, choice: LayerPlan) -> list[tuple[str, ...]]:
        """Return which of the tensors that ``layer`` reads and gives may come and leave as spikes in their slots."""
        if not layer.accumulates or not ENGINES[choice.engine].literal:
            return [()]
        (source,) = layer.sources
        may = [name for name in (source, layer.name) if self._has_slots(name)]
        return [form for count in range(len(may) + 1) for form in combinations(may, count)]

    def _has_slots(self, name: str) -> bool:
        """Return whether spikes of tensor ``name`` may leave in their slots: it and all that reads it have such."""
        if name == INPUT or name not in self.network.planes:
            return False
        readers = self.network.readers(name)
        return all(has_slots(x, self.network.read(x)) for x in (self.network.layer(name), *readers))

    def _built(
        self, layer: Layer, key: tuple[LayerPlan, Layer | None], in_slots: tuple[str, ...]
    ) -> Iterator[Candidate]:
        choice, pool = key
        kinds: tuple[str, ...] = ("auto",)
        stage = self._lowered(choice, pool, in_slots)
        if stage is None:
            return
        if stage.engine is not None and max((rows for _, rows, _ in stage.engine.memories), default=1) > 1:
            kinds = ("block", "distributed")
        takes = {s: _form(choice.width, s in in_slots) for s in layer.sources}
        takes |= {_pooling(layer): 0} if self._fusible(layer) else {}
        # pooling that is fused has no stream in front of it; the one that could be says that it is not
        behind = {_pooling(p): int(p is pool) for p in self._pools_behind(layer) if p}
        outputs = self.widths(stage.output) if layer.accumulates and not layer.is_readout else (choice.width,)
        exact = stage.engine is None or stage.engine.constant  # its words, whatever they are
        for memory in kinds:
            one = stage if memory == "auto" else replace(stage, engine=stage.engine.with_memory(memory))
            inside, weights = sums_cost(self.family, one, predicted=True), packing(self.family, one)
            made = replace(choice, memory=memory)
            for width in outputs:
                cost, gives = inside, dict(behind)
                if not layer.is_readout:
                    gives[stage.output] = _form(width, stage.output in in_slots)
                if layer.accumulates:
                    cost += self._neurons(one, width)
                yield Candidate(made, 0.0, cost, weights, gives=gives, takes=takes, pool=pool, exact=exact)

    def _neurons(self, stage: Stage, width: int) -> Cost:
        """Return the cost of the neurons that give words of ``width``, or scores."""
        if stage.is_readout:
            width = self._score_width(stage.layer) if stage.engine.constant else stage.engine.score_width
            return stage.engine.neurons_cost(self.family, stage, score_width=width)
        if not stage.engine.constant:
            slots = slots_for(stage.engine, streamed(self.network, stage.output, width).pixel_words)
            if slots != stage.engine.slots:
                stage = replace(stage, engine=replace(stage.engine, slots=slots))
        return stage.engine.neurons_cost(self.family, stage, width=width)

    def _score_width(self, layer: Layer) -> int:
        """Return the bits of signed scores as far as they are known without a search for logic."""
        low, high = self.network.bounds(layer)
        return 1 + int(max(abs(low).max(), abs(high).max())).bit_length()

    def _lowered(self, choice: LayerPlan, pool: Layer | None, in_slots: tuple[str, ...] = ()) -> Stage | None:
        """Return the stage of the layer that ``choice`` is for, None if it can't be."""
        layer = self.network.layer(choice.name)
        output = pool.name if pool else layer.name
        width = choice.width if not layer.accumulates or layer.is_readout else self.widths(output)[0]
        try:
            return lower_alone(self.network, choice, output_width=width, pool=pool, in_slots=in_slots)
        except UserError:
            return None

    def _fusible(self, layer: Layer) -> bool:
        """Return whether ``layer`` is a max pooling that the neurons before it can do."""
        return not layer.accumulates and layer.synapses[0].slides and fusible(self.network, layer) is not None

    def _pools_behind(self, layer: Layer) -> tuple[Layer | None, ...]:
        """Return None and the max pooling behind ``layer`` that its neurons can do."""
        behind = [p for p in self.network.readers(layer.name) if self._fusible(p)]
        return (None, *behind)

    def widths(self, name: str) -> tuple[int, ...]:
        """Return the widths that words of tensor ``name`` may have, ascending."""
        return self._widths[name]

    def words(self, name: str, width: int) -> int:
        """Return the words of tensor ``name`` a frame, if they have ``width``."""
        return streamed(self.network, name, width).words

    @cached_property
    def _widths(self) -> dict[str, tuple[int, ...]]:
        """Widths by tensor: tensors that one layer adds up or joins have one width, so the same to choose from."""
        channels = {name: self._channels(name) for name in self.network.shapes if self.network.readers(name)}
        for _ in self.network.layers:
            for layer in self.network.layers:
                bound = [*layer.sources] + ([] if layer.accumulates else [layer.name])
                channels |= dict.fromkeys(bound, min(channels[name] for name in bound))
        return {name: self._word_widths(name, channels[name]) for name in channels}

    def _channels(self, name: str) -> int:
        return power_of_two_at_least(streamed(self.network, name, 1).channels)

    def _word_widths(self, name: str, channels: int) -> tuple[int, ...]:
        readers, whole = self.network.readers(name), self.network.size(name)
        slots = self.network.planes[name].count > 1 and all(has_slots(x, self.network.planes[name]) for x in readers)
        found = {min(width, channels) for width in WIDTHS + SLOT_WIDTHS * slots}
        alone = all(r.accumulates and r.sources == (name,) and r.synapses[0].flattens for r in readers)
        if alone and streamed(self.network, name, 1).channels == whole <= MAX_WIDTH:
            found.add(whole)  # a frame a word, for layers in logic
        return tuple(sorted(found))


def _form(width: int, in_slots: bool) -> int:
    """Return the form of a stream of words of ``width``: of spikes in their slots below zero."""
    return -width if in_slots else width


def _pooling(pool: Layer) -> str:
    return f"{pool.name} is fused"  # no layer is called so: names have no spaces
