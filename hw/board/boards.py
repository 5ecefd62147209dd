"""The boards: one frozen record each, and any other board of Amaranth by its platform's class (docs/boards.md)."""

import importlib
from dataclasses import dataclass
from math import ceil

from amaranth.build import Platform, ResourceError

from s2nn_hw.errors import UserError
from s2nn_hw.hw.board.clocking import pll_settings
from s2nn_hw.hw.board.devices import DEVICES, RESOURCES, Budget, find_device


@dataclass(frozen=True)
class Board:
    """A board and how a design gets onto it.

    ``family``: ``ecp5``, ``ice40``, ``gowin`` or ``xc7``, which decides clock primitives and flow. ``platform``:
    ``module:class`` of amaranth-boards, imported when used. ``crystal_hz`` is what the board's default clock pin
    carries, ``clock_hz`` the system clock unless another is asked for; ``uart`` and ``baud`` the host link.
    ``program``: the command that loads the bitstream, for people.
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
        return platform_class(self.platform)()


def _board(name, title, platform, device, program, *, crystal_mhz):
    device = DEVICES[device.upper()]
    return Board(
        name=name,
        title=title,
        family=device.family,
        platform=f"amaranth_boards.{platform}",
        device=device.name,
        crystal_hz=crystal_mhz * 1_000_000,
        clock_hz=device.clock_hz,
        budget=device.budget,
        program=tuple(program.split()),
    )


def _ulx3s(name, size):
    return _board(
        name,
        f"ULX3S ({size}F)",
        f"ulx3s:ULX3S_{size}F_Platform",
        f"LFE5U-{size}F",
        "openFPGALoader -b ulx3s top.bit",
        crystal_mhz=25,
    )


def _arty(name, size):
    return _board(
        name,
        f"Arty A7-{size}T",
        f"arty_a7:ArtyA7_{size}Platform",
        f"XC7A{size}T",
        f"openFPGALoader -b arty_a7_{size}t top.bit",
        crystal_mhz=100,
    )


BOARDS = {
    board.name: board
    for board in (
        _ulx3s("ulx3s", 85),
        _ulx3s("ulx3s_45", 45),
        _ulx3s("ulx3s_25", 25),
        _ulx3s("ulx3s_12", 12),
        _board(
            "icebreaker", "iCEBreaker", "icebreaker:ICEBreakerPlatform", "iCE40UP5K", "iceprog top.bin", crystal_mhz=12
        ),
        _board(
            "tang_primer_20k",
            "Tang Primer 20K",
            "tang_primer_20k:TangPrimer20kPlatform",
            "GW2A-18C",
            "openFPGALoader -b tangprimer20k top.fs",
            crystal_mhz=27,
        ),
        _board(
            "tang_nano_9k",
            "Tang Nano 9K",
            "tang_nano_9k:TangNano9kPlatform",
            "GW1NR-9C",
            "openFPGALoader -b tangnano9k top.fs",
            crystal_mhz=27,
        ),
        _arty("arty_a7", 35),
        _arty("arty_a7_100", 100),
    )
}
DEFAULT_BOARD = "ulx3s"
PROGRAM = {"ecp5": "top.bit", "ice40": "top.bin", "gowin": "top.fs", "xc7": "top.bit"}


def platform_class(spec):
    """Return the platform class named ``module:class``; :class:`UserError` says what can't be found."""
    module, _, name = spec.partition(":")
    try:
        found = getattr(importlib.import_module(module), name, None)
    except (ImportError, ValueError) as error:  # ValueError: an empty module name
        raise UserError(f"board {spec!r}: module {module!r} can't be imported ({error})") from None
    if not (isinstance(found, type) and issubclass(found, Platform)):
        raise UserError(f"board {spec!r}: {name!r} is no platform class of Amaranth in module {module}")
    return found


def board_of_class(spec, uart=("uart", 0)):
    """Return the :class:`Board` of the platform class ``module:class``, everything taken from the class.

    Its system clock is the device's safe one if the PLL makes it from the crystal, else the crystal itself.
    :class:`UserError`: no such class, a device that is not in the table, no serial port, no clock pin.
    """
    try:
        platform = platform_class(spec)()
    except (TypeError, ValueError, AssertionError) as error:  # abstract, or a part that Amaranth doesn't know
        raise UserError(f"board {spec!r} can't be made: {error}") from None
    try:
        device = find_device(platform)
    except UserError as error:
        raise UserError(f"board {spec!r}: {error}") from None
    try:
        pins = {sub.name for sub in platform.lookup(*uart).ios}
    except (ResourceError, AttributeError):
        pins = set()
    if not {"rx", "tx"} <= pins:
        raise UserError(
            f"board {spec!r} has no serial port (resource {uart[0]} {uart[1]} with rx and tx), and the "
            "link to the host needs one"
        )
    try:
        platform.lookup(platform.default_clk)
        crystal_hz = round(platform.default_clk_frequency)
    except (ResourceError, AttributeError, TypeError):
        raise UserError(
            f"board {spec!r} has no crystal: its default clock is {platform.default_clk or 'not named'}, "
            "which is no pin with a known frequency"
        ) from None
    clock_hz = device.clock_hz
    try:
        pll_settings(device.family, crystal_hz, clock_hz)
    except UserError:
        clock_hz = crystal_hz
    return Board(
        name=spec,
        title=type(platform).__name__.removesuffix("Platform").rstrip("_"),
        family=device.family,
        platform=spec,
        device=device.name,
        crystal_hz=crystal_hz,
        clock_hz=clock_hz,
        budget=device.budget,
        program=("openFPGALoader", "-b", "NAME_OF_THE_BOARD", PROGRAM[device.family]),
        uart=uart,
    )


def find_board(name):
    """Return the :class:`Board` called ``name``, or that of the class ``module:class``; else :class:`UserError`."""
    if ":" in name:
        return board_of_class(name)
    if name not in BOARDS:
        raise UserError(
            f"board {name!r} is unknown; known boards: {', '.join(BOARDS)}; or name a platform class of "
            "Amaranth, such as amaranth_boards.versa_ecp5:VersaECP5Platform"
        )
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
        "choose a larger board, a smaller network, or the smaller circuit that `s2nn-hw plan NETWORK --board "
        f"{board.name} -o plan.json` finds (then --plan plan.json)"
    )
