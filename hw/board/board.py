"""A board as a record, and the check of what is to fit on it."""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil

from amaranth.build import Platform

from s2nn_hw.errors import UserError
from s2nn_hw.hw.board.device import RESOURCES, Budget


@dataclass(frozen=True)
class Board:
    """A board and how a design gets onto it.

    ``name``        as commands take it
    ``title``       for people
    ``family``      a key of :data:`s2nn_hw.hw.family.FLOWS`, which decides clock primitives and flow
    ``platform``    ``module:class`` of amaranth-boards, imported when used
    ``device``      as its maker writes it
    ``crystal_hz``  what the board's default clock pin carries
    ``clock_hz``    the system clock unless another is asked for
    ``budget``      of the device
    ``program``     the command that loads the bitstream, for people
    ``uart``        the host link: resource and number
    ``baud``        of the host link
    """

    name: str
    title: str
    family: str
    platform: str
    device: str
    crystal_hz: int
    clock_hz: int
    budget: Budget
    program: tuple[str, ...]
    uart: tuple[str, int] = ("uart", 0)
    baud: int = 1_000_000

    def create_platform(self) -> Platform:
        """Return a new Amaranth platform object for this board (one per build)."""
        return platform_class(self.platform)()


def platform_class(spec: str) -> type[Platform]:
    """Return the platform class named ``module:class``; :class:`UserError` says what can't be found."""
    module, _, name = spec.partition(":")
    try:
        found = getattr(importlib.import_module(module), name, None)
    except (ImportError, ValueError) as error:  # ValueError: an empty module name
        raise UserError(f"board {spec!r}: module {module!r} can't be imported ({error})") from None
    if not (isinstance(found, type) and issubclass(found, Platform)):
        raise UserError(f"board {spec!r}: {name!r} is no platform class of Amaranth in module {module}")
    return found


def check_budget(estimate: Mapping[str, float | None], board: Board, *, what: str = "estimate") -> None:
    """Refuse, with the numbers side by side, what does not fit ``board``.

    ``estimate``: a mapping with any of ``luts``, ``ffs``, ``brams``, ``dsps`` in the device's own units (a half
    block RAM counts 0.5). Absent or None means unknown, and is not checked.
    """
    counts = {name: estimate.get(name) for name in RESOURCES}
    known = {name: ceil(count) for name, count in counts.items() if count is not None}
    limits = {name: board.budget.count(name) for name in known}
    if all(count <= limits[name] for name, count in known.items()):
        return
    table = ", ".join(
        f"{board.budget.title(name)} {count:,} of {limits[name]:,}{' (too many)' if count > limits[name] else ''}"
        for name, count in known.items()
    )
    raise UserError(
        f"the design does not fit {board.title} ({board.device}), by {what}: {table}; "
        "choose a larger board, a smaller network, or the smaller circuit that `s2nn-hw plan NETWORK --board "
        f"{board.name} -o plan.json` finds (then --plan plan.json)"
    )
