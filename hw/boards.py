"""The boards: one frozen record each. Adding a board is adding a record to ``BOARDS`` (docs/boards.md)."""

import importlib
from dataclasses import dataclass
from math import ceil

from s2nn_hw.errors import UserError

RESOURCES = ("luts", "ffs", "brams", "dsps")


@dataclass(frozen=True)
class Budget:
    """What the device has: counts, and the kind of LUT and block RAM that is counted."""

    lut_kind: str
    luts: int
    ffs: int
    bram_kind: str
    brams: int
    dsps: int

    def title(self, resource):
        """Return how ``resource`` (one of ``RESOURCES``) is called on this device."""
        return {"luts": self.lut_kind, "ffs": "FF", "brams": self.bram_kind, "dsps": "DSP"}[resource]


@dataclass(frozen=True)
class Board:
    """A board and how a design gets onto it.

    ``family``: ``ecp5``, ``ice40`` or ``xc7``, which decides clock primitives and flow. ``platform``:
    ``module:class`` of amaranth-boards, imported when used. ``crystal_hz`` is what the board's default clock pin
    carries, ``clock_hz`` the system clock unless another is asked for; ``uart`` and ``baud`` the host link.
    ``program``: the command that loads ``top.bit`` or ``top.bin``, for people.
    """

    name: str
    title: str
    family: str
    platform: str
    device: str
    crystal_hz: int
    clock_hz: int
    budget: Budget
    program: tuple
    uart: tuple = ("uart", 0)
    baud: int = 1_000_000

    def create_platform(self):
        """Return a new Amaranth platform object for this board (one per build)."""
        module, _, name = self.platform.partition(":")
        return getattr(importlib.import_module(module), name)()


def _ulx3s(name, size, budget):
    return Board(
        name=name, title=f"ULX3S ({size}F)", family="ecp5", platform=f"amaranth_boards.ulx3s:ULX3S_{size}F_Platform",
        device=f"LFE5U-{size}F", crystal_hz=25_000_000, clock_hz=80_000_000, budget=budget,
        program=("openFPGALoader", "-b", "ulx3s", "top.bit"),
    )


def _arty(name, size, budget):
    return Board(
        name=name, title=f"Arty A7-{size}T", family="xc7", platform=f"amaranth_boards.arty_a7:ArtyA7_{size}Platform",
        device=f"XC7A{size}T", crystal_hz=100_000_000, clock_hz=100_000_000, budget=budget,
        program=("openFPGALoader", "-b", f"arty_a7_{size}t", "top.bit"),
    )


_SMALL_ECP5 = Budget("LUT4", 24_288, 24_288, "DP16KD", 56, 28)

BOARDS = {
    board.name: board
    for board in (
        _ulx3s("ulx3s", 85, Budget("LUT4", 83_640, 83_640, "DP16KD", 208, 156)),
        _ulx3s("ulx3s_45", 45, Budget("LUT4", 43_848, 43_848, "DP16KD", 108, 72)),
        _ulx3s("ulx3s_25", 25, _SMALL_ECP5),
        _ulx3s("ulx3s_12", 12, _SMALL_ECP5),  # the same die as the 25F, and the open tools give all of it
        Board(
            name="icebreaker", title="iCEBreaker", family="ice40",
            platform="amaranth_boards.icebreaker:ICEBreakerPlatform", device="iCE40UP5K", crystal_hz=12_000_000,
            clock_hz=12_000_000, budget=Budget("LUT4", 5_280, 5_280, "EBR", 30, 8),
            program=("iceprog", "top.bin"),
        ),
        _arty("arty_a7", 35, Budget("LUT6", 20_800, 41_600, "RAMB36", 50, 90)),
        _arty("arty_a7_100", 100, Budget("LUT6", 63_400, 126_800, "RAMB36", 135, 240)),
    )
}
DEFAULT_BOARD = "ulx3s"


def find_board(name):
    """Return the :class:`Board` called ``name``; :class:`UserError` lists the known ones."""
    if name not in BOARDS:
        raise UserError(f"board {name!r} is unknown; known boards: {', '.join(BOARDS)}")
    return BOARDS[name]


def check_budget(estimate, board, *, what="estimate"):
    """Refuse, with the numbers side by side, what does not fit ``board``.

    ``estimate``: a mapping with any of ``luts``, ``ffs``, ``brams``, ``dsps`` in the device's own units (a half
    block RAM counts 0.5). Absent or None means unknown, and is not checked.
    """
    known = {name: ceil(estimate[name]) for name in RESOURCES if estimate.get(name) is not None}
    limits = {name: getattr(board.budget, name) for name in known}
    if all(count <= limits[name] for name, count in known.items()):
        return
    table = ", ".join(
        f"{board.budget.title(name)} {count:,} of {limits[name]:,}{' (too many)' if count > limits[name] else ''}"
        for name, count in known.items()
    )
    raise UserError(
        f"the design does not fit {board.title} ({board.device}), by {what}: {table}; "
        "choose a larger board, fewer banks in the plan, or a smaller network"
    )
