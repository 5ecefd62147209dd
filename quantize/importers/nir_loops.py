"""Loops of a NIR graph: which of its edges bring the spikes of the step before.

NIR's edges have no delay of their own. In steps of time a loop needs one of a step, and spikes are what waits: the loop
is walked in from the input, the edge that closes it is followed back to what gave its spikes, and the edge that these
leave by is late. So weights read late spikes, and a bias of theirs is added in every step.
"""

from collections.abc import Mapping

from s2nn_hw.errors import UserError

SPIKING = ("IF", "LIF", "CubaLIF", "Threshold")
PASSING = ("Input", "Output", "Flatten")
Edge = tuple[str, str]


def late_edges(kinds: Mapping[str, str], edges: list[Edge]) -> frozenset[Edge]:
    """Return those of ``edges`` that bring what their source gave a step before; none without loops.

    ``kinds``: of each node, in the order of the file. A loop without neurons stays one. Weights in a loop that somebody
    else reads, too, are a :class:`UserError`: it is not said whether late there.
    """
    before: dict[str, list[str]] = {name: [] for name in kinds}
    after: dict[str, list[str]] = {name: [] for name in kinds}
    for source, target in edges:
        before[target].append(source)
        after[source].append(target)
    late: set[Edge] = set()
    for closing in _closing(before, after):
        loop = _reached(closing[1], after)
        found, passed = _followed(closing, loop, before, kinds)
        for name in passed if found else ():
            others = [reader for reader in after[name] if reader not in passed and reader != closing[1]]
            if others:
                raise UserError(
                    f"{name} ({kinds[name]}) is read within a loop, by {closing[1]}, and by {others[0]}: give the loop "
                    "weights of its own"
                )
        late.update(found)
    return frozenset(late)


def _closing(before: Mapping[str, list[str]], after: Mapping[str, list[str]]) -> list[Edge]:
    """Return the edges that lead back to a node on the way to them, depth first from where nothing leads to."""
    found, over, way = [], set[str](), dict[str, None]()
    for first in [*(name for name in before if not before[name]), *before]:
        if first in over:
            continue
        waiting = [(first, iter(after[first]))]
        way[first] = None
        while waiting:
            name, targets = waiting[-1]
            target = next(targets, None)
            if target is None:
                waiting.pop()
                way.pop(name)
                over.add(name)
            elif target in way:
                found.append((name, target))
            elif target not in over:
                way[target] = None
                waiting.append((target, iter(after[target])))
    return found


def _reached(name: str, after: Mapping[str, list[str]]) -> set[str]:
    """Return ``name`` and all nodes that it leads to."""
    seen, waiting = {name}, [name]
    while waiting:
        new = [target for target in after[waiting.pop()] if target not in seen]
        seen.update(new)
        waiting.extend(new)
    return seen


def _followed(
    closing: Edge, loop: set[str], before: Mapping[str, list[str]], kinds: Mapping[str, str]
) -> tuple[list[Edge], set[str]]:
    """Return the edges by which spikes leave for the edge ``closing`` of a ``loop``, and the nodes between."""
    found: list[Edge] = []
    passed, waiting = set[str](), [closing]
    while waiting:
        source, target = waiting.pop()
        if origin(source, before, kinds):
            found.append((source, target))
        elif source not in passed:
            passed.add(source)
            waiting.extend((name, source) for name in before[source] if name in loop)
    return found, passed


def origin(name: str, before: Mapping[str, list[str]], kinds: Mapping[str, str]) -> str | None:
    """Return the neurons whose spikes node ``name`` gives as they are; None where it gives something else."""
    seen = set[str]()
    while kinds[name] not in SPIKING:
        if kinds[name] not in PASSING or len(before[name]) != 1 or name in seen:
            return None
        seen.add(name)
        name = before[name][0]
    return name
