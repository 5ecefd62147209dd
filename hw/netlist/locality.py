"""An order of a netlist's cells in which cells that a placement puts near each other are near each other."""

from collections.abc import Iterable

from s2nn_hw.hw.netlist.flat import DESIGN, FlatNetlist, Pin

# nets with more loads say nothing about who belongs together
MOST_LOADS = 24

Links = list[dict[int, float]]  # by cluster: how much it has to do with which other


def clusters(netlist: FlatNetlist) -> dict[str, int]:
    """Return for each cell the number of its cluster: what one carry chain, slice or LUT with its flip-flop is made of.

    Carry chains with the LUTs that feed them alone; multiplexers of a slice with their LUTs; a flip-flop behind a
    LUT, multiplexer or carry that feeds nothing else.
    """
    parent = {cell: cell for cell in netlist.cells}

    def find(cell: str) -> str:
        while parent[cell] != cell:
            parent[cell] = parent[parent[cell]]
            cell = parent[cell]
        return cell

    for net, loads in netlist.loads.items():
        drivers = netlist.drivers.get(net, ())
        if len(drivers) != 1 or drivers[0][0] == DESIGN:
            continue
        for load in loads:
            if load[0] != DESIGN and _together(netlist, drivers[0], load, len(loads) == 1):
                a, b = find(drivers[0][0]), find(load[0])
                if a != b:
                    parent[b] = a
    numbers: dict[str, int] = {}
    return {cell: numbers.setdefault(find(cell), len(numbers)) for cell in netlist.cells}


def _together(netlist: FlatNetlist, driver: Pin, load: Pin, alone: bool) -> bool:
    """Whether a net's ``driver`` and ``load`` lie in one cluster; ``alone``: it has no other load."""
    source, sink = netlist.primitive(driver[0]), netlist.primitive(load[0])
    if source is None or sink is None:
        return False
    if sink.kind == "mux":
        return load[1] in sink.joins
    if sink.kind == "carry":
        chained = source.kind == "carry" and driver[1] == source.chain[1] and load[1] == sink.chain[0]
        return chained or (alone and source.kind == "lut")
    return alone and sink.kind == "ff" and load[1].startswith("D") and source.kind in ("lut", "mux", "carry")


def arrange(netlist: FlatNetlist) -> tuple[dict[str, int], dict[str, int]]:
    """Return ``(cluster, place)``: the cluster of each cell, and its place in the order, the same within a cluster.

    Clusters are joined in rounds, each with the one that it has most to do with for the size of both; the order is
    that of the tree which this makes, so any stretch of it is a few subtrees. Nets of up to ``MOST_LOADS`` loads count,
    each load with one part in the number of them. The same netlist gives the same order.
    """
    cluster = clusters(netlist)
    count = 1 + max(cluster.values(), default=-1)
    links: Links = [{} for _ in range(count)]
    sizes = [0] * count
    for number in cluster.values():
        sizes[number] += 1
    for net, loads in netlist.loads.items():
        drivers = netlist.drivers.get(net, ())
        if len(loads) > MOST_LOADS or not drivers or drivers[0][0] == DESIGN:
            continue
        a = cluster[drivers[0][0]]
        for cell, _, _ in loads:
            b = cluster.get(cell, a)
            if a != b:
                links[a][b] = links[b][a] = links[a].get(b, 0.0) + 1 / len(loads)
    order = _merge(links, sizes)
    place = {number: index for index, number in enumerate(order)}
    return cluster, {cell: place[number] for cell, number in cluster.items()}


def _merge(links: Links, sizes: list[int]) -> list[int]:
    """Return the numbers of ``links`` in the order of the tree that joining the closest makes."""
    leaves = [[number] for number in range(len(links))]
    while True:
        parts = _parts(links, sizes)
        if len(parts) == len(links):
            return [number for leaf in leaves for number in leaf]
        new = {number: index for index, part in enumerate(parts) for number in part}
        joined: Links = [{} for _ in parts]
        for number, others in enumerate(links):
            mine, target = new[number], joined[new[number]]
            for other, weight in others.items():
                if new[other] != mine:
                    target[new[other]] = target.get(new[other], 0.0) + weight
        leaves = [[leaf for number in part for leaf in leaves[number]] for part in parts]
        sizes = [sum(sizes[number] for number in part) for part in parts]
        links = joined


def _parts(links: Links, sizes: list[int]) -> list[list[int]]:
    """Return who joins whom in this round, as lists: each with the one it has most to do with, the smallest first.

    Who finds all of them taken waits for the next round; where most would wait, round a hub, they join it at once.
    """
    part: dict[int, list[int]] = {}

    def closest(number: int, others: Iterable[int]) -> int | None:
        found = [(links[number][other] / (sizes[number] * sizes[other]) ** 0.5, -other) for other in others]
        return -max(found)[1] if found else None

    for number in sorted(range(len(links)), key=lambda number: (sizes[number], number)):
        if number not in part:
            other = closest(number, (other for other in links[number] if other not in part))
            if other is not None:
                part[number] = part[other] = [number, other]
    waiting = [number for number in range(len(links)) if links[number] and number not in part]
    if len(waiting) > len(part) / 2:
        for number in waiting:
            other = closest(number, links[number])
            if other is None:
                continue
            part[number] = part[other]
            part[number].append(number)
    return [
        part.get(number, [number]) for number in range(len(links)) if number not in part or part[number][0] == number
    ]
