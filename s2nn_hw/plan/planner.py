"""Choose a plan: for each layer the cheapest way that is fast enough, from real spikes and a board's budget.

per layer    candidates (engine, word, taps, banks, groups, memory) -> cycles a frame, LUTs, flip-flops, block RAMs
choice       the candidate with ``cycles <= interval`` and the least ``sum over r of weight_r used_r / budget_r``
weights      those of resources that overflow grow until all fit (Lagrange multipliers), or it does not fit
fit          the shortest interval that fits, by bisection
exact        buffers are sized and the interval is measured by the exact cycle model on sample frames; if it misses
             the target, the interval asked of the layers shrinks by what is missing
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from math import inf

import numpy as np

from s2nn_hw.circuit.choices import MAX_WIDTH, LayerPlan, Plan
from s2nn_hw.circuit.engines import ENGINES
from s2nn_hw.circuit.lower import fusible, lower, with_buffers
from s2nn_hw.circuit.stage import Stage
from s2nn_hw.cost.estimate import frame_cost, link_cost, packing, stage_cost
from s2nn_hw.cycles.buffers import safe_buffers, size_buffers
from s2nn_hw.design import Design
from s2nn_hw.errors import UserError
from s2nn_hw.family import FAMILIES
from s2nn_hw.family.cost import Cost
from s2nn_hw.network.layer import INPUT, Layer
from s2nn_hw.network.network import Network
from s2nn_hw.plan.candidates import Shape
from s2nn_hw.plan.defaults import (
    UNROLLED_LEVELS,
    UNROLLED_SYNAPSES,
    event_plan,
    power_of_two_at_least,
    unrolled_plan,
    word_widths,
)
from s2nn_hw.plan.planned import RESOURCES, Candidate, OutOfReach, Planned, Used

QUEUE, SHORT_QUEUE = 8, 2  # words in front of each bank; short where nothing else fits
PLANNED_FRAMES = 3
WIDTHS, WIDE = (8, 16, 32, 64, 128), 16
LANES_LEAST = 2
ROUNDS = 14
PROBE = "parallel"  # the engine on which words are counted


class Planner:
    """Plans of ``network`` for a device ``family`` with a ``budget`` ``{luts, ffs, brams}``.

    ``values``: of every tensor by name, a few real frames (:func:`s2nn_hw.network.trace.layer_inputs`).
    """

    def __init__(
        self,
        network: Network,
        family: str,
        budget: Mapping[str, float],
        values: Mapping[str, np.ndarray],
        *,
        wide: int = WIDE,
    ) -> None:
        self.network, self.family = network, FAMILIES[family]
        self.values = {name: x[:PLANNED_FRAMES] for name, x in values.items()}
        self.base = event_plan(network)
        widths = word_widths(network, most=wide)
        self.free = {layer.name: _free_width(network, layer) for layer in network.layers}
        self.base = replace(
            self.base,
            layers=tuple(
                c
                if self.free[c.name] or (layer.accumulates and _takes_words(c) and layer.sources == (INPUT,))
                else replace(
                    c,
                    engine="event" if layer.accumulates and not c.fused else c.engine,
                    banks=1,
                    taps=1,
                    groups=1,
                    width=widths[layer.sources[0]],
                    buffers=(),
                )
                for c, layer in zip(self.base.layers, network.layers, strict=True)
            ),
        )
        self.fused = {c.name for c in self.base.layers if c.fused}
        design = Design(network, with_buffers(self.base, {}))
        self.fixed = frame_cost(self.family, design) + link_cost(self.family, design)
        self.budget = {r: share * budget[r] for r, share in zip(RESOURCES, self.family.room, strict=True)}
        self.depth = QUEUE
        self.layers = [layer for layer in network.layers if layer.name not in self.fused]
        self.made: dict[tuple[str, LayerPlan], list[Candidate]] = {}
        self.slots: dict[str, list[tuple[LayerPlan, float]]] = {}

    def plan(self, interval: float) -> dict[str, Candidate] | None:
        """Return ``{layer name: Candidate}`` for at most ``interval`` cycles a frame, or None if it does not fit.

        :class:`OutOfReach` if a layer can't be so fast.
        """
        chosen, used = self._cheapest(interval)
        return chosen if self._fullness(used) <= 1 else None

    def least(self, interval: float) -> Used:
        """Return the resources, by name, of the plan for ``interval`` cycles that overflows the budget least."""
        return self._cheapest(interval)[1]

    def _fullness(self, used: Used) -> float:
        return max(used[r] / self.budget[r] for r in RESOURCES)

    def _cheapest(self, interval: float) -> tuple[dict[str, Candidate], Used]:
        """Return the chosen candidates and what they use: the first that fit, else those that overflow least."""
        options = {layer.name: self.candidates(layer, interval) for layer in self.layers}
        for name, found in options.items():
            if not found:
                raise OutOfReach(f"layer {name} can't take {interval:,.0f} cycles a frame or less")
        weights = {"luts": 1.0, "ffs": 0.3, "brams": 1.0}
        tried: list[tuple[dict[str, Candidate], Used]] = []
        for _ in range(ROUNDS):
            chosen = {name: min(found, key=lambda c: self._price(c.cost, weights)) for name, found in options.items()}
            tried.append((chosen, self.used(chosen)))
            used = tried[-1][1]
            if self._fullness(used) <= 1:
                break
            weights = {r: w * (used[r] / self.budget[r]) ** 2 for r, w in weights.items()}
        return min(tried, key=lambda one: self._fullness(one[1]))

    def used(self, chosen: Mapping[str, Candidate]) -> Used:
        """Return the resources of ``chosen`` candidates and what stands around them."""
        return self._counted(sum((c.cost for c in chosen.values()), self.fixed))

    def _counted(self, cost: Cost) -> Used:
        return {"luts": self.family.cells(cost), "ffs": cost.ffs, "brams": cost.brams}

    def _price(self, cost: Cost, weights: Used) -> float:
        return sum(weights[r] * count / self.budget[r] for r, count in self._counted(cost).items())

    def shorten(self) -> bool:
        """Plan with the shortest queues from now on; return whether they were longer."""
        longer, self.depth = self.depth > SHORT_QUEUE, SHORT_QUEUE
        self.made, self.slots = {}, {}
        return longer

    def candidates(self, layer: Layer, interval: float) -> list[Candidate]:
        """Return the :class:`Candidate` list of ``layer`` that meet ``interval``: for each shape the fewest lanes."""
        found = []
        for choice, once in self._shapes(layer):
            groups = 1
            if layer.accumulates and not ENGINES[choice.engine].whole:
                neurons = layer.own_neuron.size
                allowed = [g for g in _divisors(neurons) if g * once <= interval]
                if layer.sources == (INPUT,) and not layer.synapses[0].slides:
                    allowed = allowed[:1]
                if not allowed or once > interval:
                    continue
                groups = max(g for g in allowed if g == 1 or neurons // g >= LANES_LEAST)
            elif once > interval:
                continue
            found += self._made(layer, replace(choice, groups=groups), once * groups)
        return found

    def fastest(self, layer: Layer) -> float:
        """Return the fewest cycles that any shape of ``layer`` takes."""
        return min(once for _, once in self._shapes(layer))

    def _made(self, layer: Layer, choice: LayerPlan, cycles: float) -> list[Candidate]:
        key = (layer.name, choice)
        if key not in self.made:
            self.made[key] = []
            stage = self._lowered(choice)
            if stage is None:
                return []
            width = self._output_width(stage.output)
            kinds: tuple[str, ...] = ("auto",)
            if stage.engine is not None and max((rows for _, rows, _ in stage.engine.memories), default=1) > 1:
                kinds = ("block", "distributed")
            for memory in kinds:
                one = stage if memory == "auto" else replace(stage, engine=replace(stage.engine, memory=memory))
                self.made[key].append(
                    Candidate(
                        replace(choice, memory=memory),
                        cycles,
                        stage_cost(self.family, one, width, predicted=True),
                        packing(self.family, one),
                    )
                )
        return self.made[key]

    def _output_width(self, name: str) -> int:
        readers = self.network.readers(name)
        return next((c.width for c in self.base.layers for r in readers if c.name == r.name), 1)

    def _shapes(self, layer: Layer) -> list[tuple[LayerPlan, float]]:
        """Return ``(LayerPlan with one group, cycles of one group)`` of every engine, word, taps and banks."""
        if layer.name not in self.slots:
            self.slots[layer.name] = list(self._all_shapes(layer))
        return self.slots[layer.name]

    def _all_shapes(self, layer: Layer) -> Iterator[tuple[LayerPlan, float]]:
        base = next(c for c in self.base.layers if c.name == layer.name)
        kernels = [synapse.kernel for synapse in layer.synapses]
        taps = sorted({1, *(columns for _, columns in kernels), *(rows * columns for rows, columns in kernels)})
        channels = self._channels(layer)
        widths = [base.width]
        if self.free[layer.name]:
            widths = sorted({min(w, power_of_two_at_least(channels)) for w in WIDTHS})
        for width in widths:
            for tap in taps:
                if layer.accumulates:
                    yield from self._accumulated(layer, width, tap)
                else:
                    shape = self._shape(layer, width, tap, None)
                    yield from shape.lowered(replace(base, width=width, taps=tap))
        if layer.accumulates:
            yield from self._whole(layer, widths)

    def _accumulated(self, layer: Layer, width: int, taps: int) -> Iterator[tuple[LayerPlan, float]]:
        """Yield what engines that take the taps one after the other can do with one group of lanes."""
        stage = self._lowered(LayerPlan(layer.name, banks=taps, width=width, taps=taps, engine=PROBE))
        if stage is None:
            return
        # what does not depend on the data first: of equal costs the first is taken
        for engine in sorted(ENGINES.values(), key=lambda engine: engine.counts_spikes):
            if not engine.whole:
                yield from engine.candidates(self._shape(layer, width, taps, stage))

    def _whole(self, layer: Layer, widths: Sequence[int]) -> Iterator[tuple[LayerPlan, float]]:
        """Yield what engines that take all taps at once can do, also with a whole frame in one word where the word is
        the layer's own affair."""
        synapses = sum(int((s.weights != 0).sum()) for s in layer.synapses)
        if synapses > UNROLLED_SYNAPSES or any(
            c.name in self.fused and layer.name in self.network.layer(c.name).sources for c in self.base.layers
        ):
            return
        whole = self.network.size(layer.sources[0])
        if self.free[layer.name] and whole <= MAX_WIDTH:
            widths = sorted({*widths, whole})
        for width in widths:
            for engine in ENGINES.values():
                if engine.whole:
                    yield from engine.candidates(self._shape(layer, width, 1, None))

    def _shape(self, layer: Layer, width: int, taps: int, stage: Stage | None) -> Shape:
        lut = self.family.mapped_inputs
        return Shape(layer, width, taps, self.depth, lut, UNROLLED_LEVELS[lut], stage, self.values, self._lowered)

    def _lowered(self, choice: LayerPlan) -> Stage | None:
        """Return the stage of the layer that ``choice`` is for, None if it can't be."""
        plan = replace(self.base, layers=tuple(choice if c.name == choice.name else c for c in self.base.layers))
        try:
            (stage,) = lower(self.network, plan, only=choice.name)
        except UserError:
            return None
        return stage

    def _channels(self, layer: Layer) -> int:
        shape = self.network.shapes[layer.sources[0]]
        if len(shape) == 1 or (layer.sources[0] == INPUT and not layer.synapses[0].slides):
            return 1 << 30
        return shape[-1] if len(shape) == 3 else 1


def _takes_words(choice: LayerPlan) -> bool:
    """Return whether the engine of ``choice`` takes a word after the other, whatever the data."""
    engine = ENGINES[choice.engine]
    return not (engine.counts_spikes or engine.whole)


def _free_width(network: Network, layer: Layer) -> bool:
    """Return whether the word of what ``layer`` reads is its own affair: one source, nobody else reads it."""
    if not layer.accumulates or len(layer.sources) > 1:
        return False
    (source,) = layer.sources
    if len(network.readers(source)) > 1:
        return False
    if source == INPUT:
        return not layer.synapses[0].slides
    before = network.layer(source)
    return before.accumulates or bool(before.synapses[0].slides and fusible(network, before))


def _divisors(n: int) -> list[int]:
    return [g for g in range(1, n + 1) if n % g == 0]


def make_plan(planner: Planner, interval: float) -> Planned | None:
    """Return :class:`Planned` for at most ``interval`` measured cycles a frame; None if it does not fit."""
    asked, best = interval * 0.97, None
    for _ in range(4):
        chosen = planner.plan(asked)
        if chosen is None:
            break
        planned = measure(planner, chosen)
        if best is None or planned.interval < best.interval:
            best = planned
        if best.interval <= interval:
            return sized(planner, best)
        asked *= min(0.97, interval / planned.interval)
    return None


def unroll(planner: Planner, levels: int) -> Planned:
    """Return :class:`Planned` with all weights in logic, ``levels`` of it between registers (0: the default)."""
    network, family = planner.network, planner.family
    plan = unrolled_plan(network, lut=family.mapped_inputs, levels=levels)
    design, rows, total = Design(network, plan), [], Cost()
    choices = {choice.name: choice for choice in plan.layers}
    for stage in design.stages:
        width = design.tensors[stage.output].width if stage.output in design.tensors else 1
        cost, cycles = stage_cost(family, stage, width), max(r.frame_words for r in stage.readers)
        rows.append((stage.name, Candidate(choices[stage.name], cycles, cost, packing(family, stage))))
        total += cost
    total += frame_cost(family, design) + link_cost(family, design)
    return _measured(planner, design, tuple(rows), planner._counted(total))


def measure(planner: Planner, chosen: Mapping[str, Candidate]) -> Planned:
    """Return :class:`Planned` of ``chosen`` candidates, buffers by the safe bound, cycles by the exact model."""
    network = planner.network
    base = {c.name: c for c in planner.base.layers}
    plan = Plan(
        tuple(chosen[layer.name].choice if layer.name in chosen else base[layer.name] for layer in network.layers)
    )
    plan = with_buffers(plan, safe_buffers(network, plan))
    design = Design(network, plan)
    widths = {name: tensor.width for name, tensor in design.tensors.items()}
    total = sum(
        (stage_cost(planner.family, stage, widths.get(stage.output, 1), predicted=True) for stage in design.stages),
        frame_cost(planner.family, design) + link_cost(planner.family, design),
    )
    return _measured(planner, design, tuple(chosen.items()), planner._counted(total))


def _measured(planner: Planner, design: Design, rows: tuple[tuple[str, Candidate], ...], used: Used) -> Planned:
    ones = design.timing.ones(planner.values)
    schedule = design.timing.schedule(ones, length=len(ones[0]))
    interval = float(np.diff(schedule.offered, axis=1).mean()) if len(ones[0]) > 1 else float(schedule.cycles[0, 0])
    return Planned(design.plan, rows, interval, float(schedule.cycles[0, 0]), used)


def sized(planner: Planner, planned: Planned) -> Planned:
    """Return ``planned`` with the least buffers before joins that cost no cycle on the sample frames."""
    buffers = size_buffers(planner.network, planned.plan, planner.values, length=2, exact=False)
    return replace(planned, plan=with_buffers(planned.plan, buffers))


def span(planner: Planner) -> tuple[float, float]:
    """Return the fewest cycles a frame that every layer can follow, and the most that any layer may take."""
    low = max(planner.fastest(layer) for layer in planner.layers)
    high = max(
        max(
            once * layer.neuron.size if layer.neuron and not ENGINES[choice.engine].whole else once
            for choice, once in planner._shapes(layer)
        )
        for layer in planner.layers
    )
    return low, high


def fit(planner: Planner) -> Planned:
    """Return :class:`Planned` with the shortest interval that fits the budget, within 3 %."""
    low, high = span(planner)
    best: dict[str, Candidate] | None = None
    while high > 1.03 * low:
        middle = (low * high) ** 0.5
        try:
            chosen = planner.plan(middle)
        except OutOfReach:
            chosen = None
        low, high, best = (low, middle, chosen) if chosen else (middle, high, best)
    if best is None and planner.shorten():
        return fit(planner)
    if best is None:  # nothing between the fastest and the slowest was tried, or fitted
        best = planner.plan(high)
    if best is None:
        used = planner.least(inf)
        what = max(RESOURCES, key=lambda r: used[r] / planner.budget[r])
        raise OutOfReach(
            f"even the slowest plan does not fit: {what} {used[what]:,.0f} of "
            f"{planner.budget[what]:,.0f}; take a larger board or a smaller network"
        )
    return sized(planner, measure(planner, best))
