"""The loads of a net cut into consecutive parts of about one size, without cutting what belongs together."""

from collections.abc import Iterable

from s2nn_hw.hw.netlist.flat import Pin

PART_OF_LIMIT = 4  # a group larger than this part of the limit may be cut


def chunks(groups: Iterable[list[Pin]], limit: int) -> list[list[Pin]]:
    """Return the pins of ``groups`` (lists, in order) in as few lists of at most ``limit`` as whole groups allow.

    Groups stay whole up to a quarter of ``limit`` pins; larger ones are cut into about equal pieces, between cells if
    these have fewer pins than that. The lists are about equally long.
    """
    pieces = [piece for group in groups for piece in _pieces(group, max(1, limit // PART_OF_LIMIT))]
    pins = sum(map(len, pieces))
    fewest = len(_fill(pieces, limit))
    size = -(-pins // fewest)
    while len(parts := _fill(pieces, size)) > fewest:
        size += 1
    return parts


def _pieces(group: list[Pin], size: int) -> list[list[Pin]]:
    if len(group) <= size:
        return [group]
    even = -(-len(group) // -(-len(group) // size))
    pieces: list[list[Pin]] = [[]]
    cells: dict[str, list[Pin]] = {}
    for pin in group:
        cells.setdefault(pin[0], []).append(pin)
    for pins in cells.values():
        for start in range(0, len(pins), size):
            few = pins[start : start + size]
            if pieces[-1] and len(pieces[-1]) + len(few) > even:
                pieces.append([])
            pieces[-1].extend(few)
    return pieces


def _fill(pieces: Iterable[list[Pin]], size: int) -> list[list[Pin]]:
    """Return ``pieces`` joined in order to lists of at most ``size`` pins, where no piece is longer."""
    parts: list[list[Pin]] = [[]]
    for piece in pieces:
        if parts[-1] and len(parts[-1]) + len(piece) > size:
            parts.append([])
        parts[-1].extend(piece)
    return parts
