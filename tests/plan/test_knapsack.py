"""The planner against exhaustive search: the same fewest cycles, the same least price; the solver's own rules."""

from itertools import product

import numpy as np
import pytest

from s2nn_hw.network.synapses import MaxPool
from s2nn_hw.network.trace import layer_inputs
from s2nn_hw.plan import planner
from s2nn_hw.plan.knapsack import MIP_GAP, Choice, Option, choose, undominated
from s2nn_hw.plan.planner import RESOURCES, OutOfReach, Planner, fit, measure
from tests.support.graphs import build, convolution, dense, joined
from tests.support.networks import random_images, random_network, residual
from tests.support.ramps import ttfs_network
from tests.support.random_networks import random_graph


def by_hand(parts, limits):
    """Return the price of the cheapest combination, trying all of them, or None."""
    best = None
    for options in product(*parts):
        if any(sum(o.shares[r] for o in options) > limit + 1e-12 for r, limit in enumerate(limits)):
            continue
        given = {name: form for o in options for name, form in o.gives.items()}
        read = [(name, form) for o in options for name, form in o.takes.items()]
        if all(given.setdefault(name, form) == form for name, form in read):
            price = sum(o.price for o in options)
            best = price if best is None else min(best, price)
    return best


@pytest.mark.parametrize("seed", range(40))
def test_the_cheapest_choice_is_that_of_all_combinations(seed):
    rng = np.random.default_rng(seed)
    parts = []
    for part in range(int(rng.integers(1, 5))):
        options = []
        for _ in range(int(rng.integers(1, 7))):
            # the input "x" has readers and no writer; each part writes a stream of its own
            takes = {"x": int(rng.integers(2))} if part == 0 or rng.integers(2) else {}
            if part and rng.integers(4):
                takes[f"s{part - 1}"] = int(rng.integers(2))
            options.append(Option(tuple(rng.random(2)), float(rng.random()), {f"s{part}": int(rng.integers(2))}, takes))
        if part:  # all options of a part read the same streams
            names = {name for o in options for name in o.takes}
            options = [
                Option(o.shares, o.price, o.gives, {n: o.takes.get(n, 0) for n in sorted(names)}) for o in options
            ]
        parts.append(options)
    limits = tuple(rng.uniform(0.2, 0.7, 2) * len(parts))
    best, found = by_hand(parts, limits), choose(parts, limits=limits)
    assert found.proven
    assert (found.taken is None) == (best is None)
    if best is not None:
        price = sum(part[n].price for part, n in zip(parts, found.taken, strict=True))
        assert best <= price + 1e-9 <= best * (1 + 2 * MIP_GAP) + 2e-9


def test_what_is_worse_in_everything_is_dropped():
    options = [
        Option((0.2, 0.2), 1.0),
        Option((0.3, 0.2), 1.0),
        Option((0.1, 0.3), 1.0),
        Option((0.2, 0.2), 1.0),
        Option((0.3, 0.3), 2.0, gives={"a": 1}),
    ]
    assert undominated(options) == [0, 2, 4]


def test_a_part_without_options_has_no_choice():
    assert choose([[Option((0.1,), 0.0)], []]) == Choice(None, True)


def small(seed):
    """Return a small random network, a few of its values, and a budget between what its cheapest and its fastest plan
    take, a little less than the cheapest at times."""
    rng = np.random.default_rng(seed)
    if seed >= 20:
        sizes = (int(rng.integers(20, 90)), *(int(n) for n in rng.integers(4, 20, rng.integers(1, 3))), 3)
        network = ttfs_network(sizes, input_bits=int(rng.integers(1, 5)), slots=(7, 15), seed=seed)
    elif seed % 3:
        sizes = (int(rng.integers(40, 300)), *(int(n) for n in rng.integers(8, 40, rng.integers(1, 3))), 3)
        network = random_network(sizes, bits=int(rng.integers(1, 5)), seed=seed)
    else:
        parts = [convolution(int(rng.integers(4, 9)), 3), joined(MaxPool(2)), dense(3)]
        network = build((6, 6, 1), int(rng.integers(1, 5)), parts)
    values = layer_inputs(network, random_images(network, 3))[1]
    ample = Planner(network, "xc7", dict.fromkeys(RESOURCES, 1e6), values)
    slow, fast = measure(ample, ample.plan(np.inf)).used, fit(ample).used
    share = rng.uniform(-0.02, 0.7, 3)
    budget = {
        r: (slow[r] + x * abs(fast[r] - slow[r])) / 0.9 + 0.5 * (r == "brams")
        for r, x in zip(RESOURCES, share, strict=True)
    }
    return network, values, budget


@pytest.mark.parametrize("seed", [0, 1, 2, 3, 5, 6, 8, 9, 12, 13, 15, 20, 22])
def test_the_plan_is_that_of_exhaustive_search(seed):
    network, values, budget = small(seed)
    work = Planner(network, "xc7", budget, values)
    parts = [counted(work, layer) for layer in network.layers]
    best = fewest(work, parts)
    if best is None:
        with pytest.raises(OutOfReach, match="even the slowest plan does not fit"):
            fit(work)
        return
    planned = fit(work)
    assert planned.bound == pytest.approx(best)
    assert planned.interval >= 0.999 * planned.bound
    assert max(c.cycles for _, c in planned.rows) >= planned.bound


@pytest.mark.parametrize("seed", range(24))
def test_no_way_is_said_to_be_slower_than_its_engine_is(seed):
    rng = np.random.default_rng(seed)
    network = residual(rng) if seed % 4 == 0 else random_graph(rng)
    values = layer_inputs(network, random_images(network, 3))[1]
    ways = Planner(network, "xc7", dict.fromkeys(RESOURCES, 1e6), values).ways
    for layer in network.layers:
        for candidate in ways.of(layer, np.inf)[:: int(rng.integers(1, 8))]:
            alone = ways._intervals(layer, candidate)
            entering = max(way.entering for way in ways.ways(layer))
            assert candidate.exact or candidate.cycles <= max(alone, entering) + 1e-9, (layer.name, candidate.choice)


def test_no_bound_is_claimed_where_the_solver_had_no_time(monkeypatch):
    network, values, budget = small(4)
    assert fit(Planner(network, "xc7", budget, values)).bound is not None
    calls = []

    def hurried(parts, **limits):
        found = choose(parts, **limits)
        calls.append(found)
        return found if found.taken is not None else Choice(None, False)

    monkeypatch.setattr(planner, "choose", hurried)
    planned = fit(Planner(network, "xc7", budget, values))
    assert any(found.taken is None for found in calls)
    assert planned.bound is None


def counted(work, layer):
    """Return all candidates of ``layer`` with the exact cycles of each, longer queues included."""
    candidates = work.ways.of(layer, np.inf)
    for candidate in candidates:
        if not candidate.exact:
            work.ways.count(candidate)
    found = [known for candidate in candidates for known in work.ways.known(candidate)]
    assert all(candidate.exact for candidate in found)
    return found


def fewest(work, parts):
    """Return the fewest cycles that the slowest layer can have in a choice that fits, None if none fits, trying all:
    tables of what layers up to one take together, by what they give and take, are joined with the next layer's."""
    tables = {}
    for option in work._inputs():
        tables[tuple(option.gives.items())] = [(np.array(option.shares), 0.0)]
    for part in parts:
        joined = {}
        for known, rows in tables.items():
            for c in part:
                streams, shares = dict(known), np.array(work._shares(c.cost))
                if any(streams.get(n, f) != f for n, f in (*c.takes.items(), *c.gives.items())):
                    continue
                after = tuple(sorted({**streams, **c.takes, **c.gives}.items()))
                for used, cycles in rows:
                    if (used + shares <= 1).all():
                        joined.setdefault(after, []).append((used + shares, max(cycles, c.cycles)))
        tables = {streams: front(rows) for streams, rows in joined.items()}
    return min((cycles for rows in tables.values() for _, cycles in rows), default=None)


def front(rows):
    """Return those of ``rows`` that none beats in everything."""
    kept = []
    for used, cycles in sorted(rows, key=lambda row: (row[1], *row[0])):
        if not any(c <= cycles and (u <= used).all() for u, c in kept):
            kept.append((used, cycles))
    return kept
