"""Choose a plan: for each layer the way to build it with which all fit and are fast enough, from real spikes.

ways        per layer: engine, word, taps, banks, groups, memory, pooling -> cycles a frame, LUTs, flip-flops, block RAM
choice      of the ways with ``cycles <= interval`` one a layer, the cheapest set that fits: a knapsack, solved exactly
fit         the shortest interval for which there is a choice, by bisection over the cycles of all candidates
exact       cycles of a way are a bound from below at first; those of chosen ways are counted by the exact model of the
            engine alone, and the choice is made again, until all that are chosen are exact. Then no plan that fits is
            faster than that ``bound``. What the whole circuit takes is counted by the exact model as well.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from s2nn_hw.circuit.choices import Plan
from s2nn_hw.circuit.lower import check_edges, with_buffers
from s2nn_hw.cost.estimate import around_cost, design_link_cost, frame_cost, link_cost, packing, stage_cost
from s2nn_hw.cycles.buffers import safe_buffers, size_buffers
from s2nn_hw.design import Design
from s2nn_hw.family import FAMILIES
from s2nn_hw.family.cost import Cost
from s2nn_hw.network.layer import INPUT, Layer
from s2nn_hw.network.network import Network
from s2nn_hw.plan.defaults import unrolled_plan
from s2nn_hw.plan.knapsack import Choice, Option, choose, undominated
from s2nn_hw.plan.planned import RESOURCES, Candidate, OutOfReach, Planned, Used
from s2nn_hw.plan.ways import Ways

PLANNED_FRAMES = 3
WEIGHTS = {"luts": 1.0, "ffs": 0.3, "brams": 1.0}  # of a resource's share of the budget in the price of a candidate
# others may hold a slow layer up: the price of its cycles beside that, and the share of the interval below which they
# cost nothing
SPEEDS = ((0.0, 0.0), (1.0, 0.5), (1.0, 0.0))
CLOSE = 1.002  # times the bound: no faster plan is looked for
STEP = 1.03  # between intervals of the last search
WIDE = 1.25  # and of the first
NOTHING = 1e-3  # of a resource that a device lacks: whatever takes of it does not fit
TRIES = 4  # of making room for what stands around the layers
TURNS = 40  # of counting the cycles of what was chosen, at most


class Planner:
    """Plans of ``network`` for a device ``family`` with a ``budget`` ``{luts, ffs, brams}``.

    ``values``: of every tensor by name, a few real frames (:func:`s2nn_hw.network.trace.layer_inputs`).
    """

    def __init__(
        self, network: Network, family: str, budget: Mapping[str, float], values: Mapping[str, np.ndarray]
    ) -> None:
        check_edges(network)
        self.network, self.family = network, FAMILIES[family]
        self.values = {name: x[:PLANNED_FRAMES] for name, x in values.items()}
        self.budget = {r: share * budget[r] for r, share in zip(RESOURCES, self.family.room, strict=True)}
        self.ways = Ways(network, self.family, self.values)
        self._shared: dict[Cost, tuple[float, ...]] = {}
        self.limits = dict.fromkeys(RESOURCES, 1.0)  # shares of the budget for what stands in parts

    def plan(self, interval: float, *, least: bool = False, speed: float = 0.0) -> dict[str, Candidate] | None:
        """Return ``{layer name: Candidate}`` for at most ``interval`` cycles a frame, or None if it does not fit.

        ``least``: only ways with the fewest lanes are looked at; ``speed``: price of a layer's cycles over
        ``interval``. :class:`OutOfReach` if a layer can't be so fast.
        """
        chosen, proven = self._choice(self.options(interval, least=least), interval, speed)
        if chosen is None and not proven:
            raise OutOfReach("no plan was found in the time for one; take another target")
        return chosen

    def options(self, interval: float, *, least: bool = False) -> list[list[Candidate]]:
        """Return the candidates of each layer for at most ``interval`` cycles, with cycles as far as they are counted.

        :class:`OutOfReach` if a layer has none.
        """
        found = []
        for layer in self.network.layers:
            mine = [known for c in self.ways.of(layer, interval, least=least) for known in self.ways.known(c)]
            mine = [c for c in mine if c.cycles <= interval]
            if not mine:
                raise OutOfReach(f"layer {layer.name} can't take {interval:,.0f} cycles a frame or less")
            found.append(mine)
        return found

    def front(self, options: Sequence[Sequence[Candidate]]) -> list[list[Candidate]]:
        """Return those of ``options`` of which no other is as cheap in everything and as fast."""
        found = []
        for part in options:
            kept = undominated([self._option(c, 0.0) for c in part], [c.cycles for c in part])
            found.append([part[n] for n in kept])
        return found

    def count(self, chosen: Mapping[str, Candidate]) -> bool:
        """Count the cycles of those ``chosen`` that are bounds; return whether there were such."""
        new = [c for c in chosen.values() if not c.exact]
        for candidate in new:
            self.ways.count(candidate)
        return bool(new)

    def _choice(
        self, options: Sequence[Sequence[Candidate]], interval: float, speed: float, quick: float = 0.0
    ) -> tuple[dict[str, Candidate] | None, bool]:
        """Return the cheapest of ``options`` that fit, by layer, or None, and whether that is proven; ``quick``: the
        share of the ``interval`` below which cycles cost nothing."""
        found = self._chosen(options, 0.0)
        if found.taken is not None and speed:
            found = self._chosen(options, speed / interval, found.taken, quick=quick * interval)
        if found.taken is None:
            return None, found.proven
        chosen = {part[n].choice.name: part[n] for part, n in zip(options, found.taken[1:], strict=True)}
        return chosen, True

    def _chosen(
        self,
        options: Sequence[Sequence[Candidate]],
        speed: float,
        known: Sequence[int] | None = None,
        quick: float = 0.0,
    ) -> Choice:
        parts = [self._inputs(), *([self._option(c, speed, quick) for c in part] for part in options)]
        return choose(parts, limits=tuple(self.limits.values()), known=known)

    def _option(self, candidate: Candidate, speed: float, quick: float = 0.0) -> Option:
        shares = self._shares(candidate.cost)
        price = self._price(shares) + speed * max(candidate.cycles, quick)
        return Option(shares, price, candidate.gives, candidate.takes)

    def _inputs(self) -> list[Option]:
        """Return what stands around the layers, by the width of the input's words."""
        network, found = self.network, []
        forks = sum(len(network.readers(name)) - 1 for name in network.shapes if network.readers(name))
        for width in self.ways.widths(INPUT):
            beats = self.ways.words(INPUT, width)
            cost = around_cost(self.family, frames_under_way=len(network.layers) + 3, forks=forks, beats=beats)
            cost += link_cost(self.family, beats, width * network.input.bits)
            shares = self._shares(cost)
            found.append(Option(shares, self._price(shares), gives={INPUT: width}))
        return found

    def _shares(self, cost: Cost) -> tuple[float, ...]:
        if cost not in self._shared:
            used = self.used_by(cost)
            self._shared[cost] = tuple(used[r] / (self.budget[r] or NOTHING) for r in RESOURCES)
        return self._shared[cost]

    def _price(self, shares: Sequence[float]) -> float:
        return sum(WEIGHTS[r] * share for r, share in zip(RESOURCES, shares, strict=True))

    def used_by(self, cost: Cost) -> Used:
        """Return the resources, by name, that ``cost`` takes."""
        return {"luts": self.family.cells(cost), "ffs": cost.ffs, "brams": cost.brams}

    def fullest(self, interval: float) -> tuple[str, float]:
        """Return the resource that overflows most in the plan for ``interval`` that overflows least, and its use."""
        options = self.options(interval)
        low, high, best = 1.0, 2.0, None
        while high < 1e6:
            best = self._least(options, high)
            if best:
                break
            low, high = high, 2 * high
        while best and high > 1.02 * low:
            middle = (low * high) ** 0.5
            found = self._least(options, middle)
            low, high, best = (low, middle, found) if found else (middle, high, best)
        if best is None:
            raise OutOfReach("no plan of any size was found")
        name = max(RESOURCES, key=lambda r: best[r] / (self.budget[r] or NOTHING))
        return name, best[name]

    def _least(self, options: Sequence[Sequence[Candidate]], limit: float) -> Used | None:
        """Return what the cheapest plan uses that takes ``limit`` times the budget at most."""
        parts = [self._inputs(), *([self._option(c, 0.0) for c in part] for part in options)]
        found = choose(parts, limits=[limit] * len(RESOURCES))
        if found.taken is None:
            return None
        shares = np.sum([part[n].shares for part, n in zip(parts, found.taken, strict=True)], axis=0)
        return {r: float(share) * (self.budget[r] or NOTHING) for r, share in zip(RESOURCES, shares, strict=True)}


def cheapest(planner: Planner, interval: float) -> dict[str, Candidate] | None:
    """Return the cheapest choice whose layers take ``interval`` cycles alone at most, all of them counted; or None."""
    for _ in range(TURNS):
        chosen = planner.plan(interval)
        if chosen is None or not planner.count(chosen):
            return chosen
    return chosen


def make_plan(planner: Planner, interval: float) -> Planned | None:
    """Return :class:`Planned` for at most ``interval`` measured cycles a frame; None if none was found."""
    planner.limits = dict.fromkeys(RESOURCES, 1.0)
    asked = interval
    for _ in range(6):
        chosen = cheapest(planner, asked)
        if chosen is None:
            break
        planned = measure(planner, chosen)
        if not _fits(planner, planned):
            continue
        if planned.interval <= interval:
            return sized(planner, planned)
        asked = min(0.98 * asked, max(c.cycles for c in chosen.values()) * interval / planned.interval)
    return None


def fit(planner: Planner) -> Planned:
    """Return :class:`Planned` with the shortest interval that fits; ``bound`` is None where nothing is proven."""
    planner.limits = dict.fromkeys(RESOURCES, 1.0)
    high, bound, proven = _first(planner), 0.0, True
    for _ in range(TURNS):
        options = planner.front(planner.options(high))
        low = max(bound, _lowest(options))
        paces = sorted({c.cycles for part in options for c in part if c.cycles >= low})
        at, chosen, sure = _bisect(planner, options, paces)
        bound, proven = paces[at], proven and sure
        if chosen is None:  # what was chosen before takes more than was thought
            high *= STEP
        elif not planner.count(chosen):
            break
    else:
        proven = False
    found = _fastest(planner, bound, max(span(planner)))
    return replace(found, bound=bound if proven else None)


def _lowest(options: Sequence[Sequence[Candidate]]) -> float:
    """Return the fewest cycles that every layer can follow."""
    return max(min(c.cycles for c in part) for part in options)


def _first(planner: Planner) -> float:
    """Return an interval for which a plan fits, within :data:`WIDE` of the shortest of plans with the fewest lanes."""
    low, high = span(planner)
    if _thin(planner, high) is None and planner.plan(high) is None:
        name, used = planner.fullest(high)
        raise OutOfReach(
            f"even the slowest plan does not fit: {planner.family.title_of(name)} {used:,.0f} of "
            f"{planner.budget[name]:,.0f}; take a larger board or a smaller network"
        )
    while high > WIDE * low:
        middle = (low * high) ** 0.5
        low, high = (low, middle) if _thin(planner, middle) else (middle, high)
    return high


def _thin(planner: Planner, interval: float) -> dict[str, Candidate] | None:
    """Return a choice of the fewest lanes for ``interval`` cycles, None if there is none."""
    try:
        return planner.plan(interval, least=True)
    except OutOfReach:
        return None


def _bisect(
    planner: Planner, options: Sequence[Sequence[Candidate]], paces: Sequence[float]
) -> tuple[int, dict[str, Candidate] | None, bool]:
    """Return the index of the fewest cycles of ``paces`` for which ``options`` hold a choice that fits, it, and whether
    it is proven that there is none for fewer."""
    low, high, best, proven = 0, len(paces) - 1, None, True
    middle = 0  # the fewest cycles were possible as far as was known before, and most often they still are
    while low <= high:
        mine = [[c for c in part if c.cycles <= paces[middle]] for part in options]
        chosen, sure = planner._choice(mine, paces[middle], 0.0) if all(mine) else (None, True)
        if chosen:
            best, high = chosen, middle - 1
        else:
            low, proven = middle + 1, proven and sure
        middle = (low + high) // 2
    return min(low, len(paces) - 1), best, proven


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
    total += frame_cost(family, design) + design_link_cost(family, design)
    return _measured(planner, design, tuple(rows), planner.used_by(total))


def measure(planner: Planner, chosen: Mapping[str, Candidate]) -> Planned:
    """Return :class:`Planned` of ``chosen`` candidates, buffers by the safe bound, cycles by the exact model."""
    network, family = planner.network, planner.family
    plan = Plan(tuple(chosen[layer.name].choice for layer in network.layers))
    plan = with_buffers(plan, safe_buffers(network, plan))
    design = Design(network, plan)
    widths = {name: tensor.width for name, tensor in design.tensors.items()}
    total = sum(
        (stage_cost(family, stage, widths.get(stage.output, 1), predicted=True) for stage in design.stages),
        frame_cost(family, design) + design_link_cost(family, design),
    )
    rows = tuple((name, c) for name, c in chosen.items() if not c.choice.fused)
    return _measured(planner, design, rows, planner.used_by(total))


def _measured(planner: Planner, design: Design, rows: tuple[tuple[str, Candidate], ...], used: Used) -> Planned:
    ones = design.timing.ones(planner.values)
    frames = len(ones[0])
    # twice, one after the other: of the second time, what was done ahead before the first frame has no part in it
    schedule = design.timing.schedule([np.concatenate([n, n]) for n in ones], length=2 * frames)
    interval = float(np.diff(schedule.offered, axis=1)[:, frames - 1 :].mean())
    return Planned(design.plan, rows, interval, float(schedule.cycles[0, 0]), used)


def _fits(planner: Planner, planned: Planned) -> bool:
    """Return whether the whole of ``planned`` fits; where it does not, its parts get less from now on."""
    over = {r: planned.used[r] / (planner.budget[r] or NOTHING) - 1 for r in RESOURCES}
    for r, share in over.items():
        planner.limits[r] -= max(0.0, share * (1 + 1e-9))
    return all(share <= 0 for share in over.values())


def sized(planner: Planner, planned: Planned) -> Planned:
    """Return ``planned`` with the least buffers before joins that cost no cycle on the sample frames."""
    buffers = size_buffers(planner.network, planned.plan, planner.values, length=2, exact=False)
    return replace(planned, plan=with_buffers(planned.plan, buffers))


def _fastest(planner: Planner, bound: float, most: float) -> Planned:
    """Return the plan that measures least, of those whose layers alone keep to ``bound``, or little more.

    :class:`OutOfReach` if none up to ``most`` cycles fits by the account of the whole circuit.
    """
    best: Planned | None = None
    asked = bound
    while best is None or best.interval > STEP * asked:
        for speed, quick in SPEEDS:
            planned = _whole(planner, asked, speed, quick)
            if planned and (best is None or planned.interval < best.interval / CLOSE):
                best = planned
            if best and best.interval <= CLOSE * bound:
                return sized(planner, best)
        asked *= STEP
        if best is None and asked > STEP * most:
            raise OutOfReach("no plan fits with all that stands around its layers; take a larger board")
    return sized(planner, best)


def _whole(planner: Planner, interval: float, speed: float, quick: float) -> Planned | None:
    """Return a plan for ``interval`` that fits as a whole, None if there is none."""
    for _ in range(TRIES):
        chosen, _ = planner._choice(planner.front(planner.options(interval)), interval, speed, quick)
        if chosen is None:
            return None
        planner.count(chosen)
        planned = measure(planner, chosen)
        if _fits(planner, planned):
            return planned
    return None


def span(planner: Planner) -> tuple[float, float]:
    """Return the fewest cycles a frame that every layer can follow, and the most that any layer may take."""
    layers: list[Layer] = [layer for layer in planner.network.layers if planner.ways.ways(layer)]
    return max(map(planner.ways.fastest, layers)), max(map(planner.ways.slowest, layers))
