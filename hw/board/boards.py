"""The boards: one frozen record each, and any other board of Amaranth by its platform's class (docs/boards.md)."""

from amaranth.build import Platform, ResourceError

from s2nn_hw.errors import UserError
from s2nn_hw.hw.board.board import Board, platform_class
from s2nn_hw.hw.board.clocking import pll_settings
from s2nn_hw.hw.board.devices import DEVICES, find_device
from s2nn_hw.hw.family import FLOWS


def _board(name: str, title: str, platform: str, part: str, program: str, *, crystal_mhz: int) -> Board:
    device = DEVICES[part.upper()]
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


def _ulx3s(name: str, size: int) -> Board:
    return _board(
        name,
        f"ULX3S ({size}F)",
        f"ulx3s:ULX3S_{size}F_Platform",
        f"LFE5U-{size}F",
        "openFPGALoader -b ulx3s top.bit",
        crystal_mhz=25,
    )


def _arty(name: str, size: int) -> Board:
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


def board_of_class(spec: str, uart: tuple[str, int] = ("uart", 0)) -> Board:
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
    _check_serial_port(spec, platform, uart)
    crystal_hz, clock_hz = _crystal_hz(spec, platform), device.clock_hz
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
        program=("openFPGALoader", "-b", "NAME_OF_THE_BOARD", FLOWS[device.family].bitstream),
        uart=uart,
    )


def _check_serial_port(spec: str, platform: Platform, uart: tuple[str, int]) -> None:
    try:
        pins = {sub.name for sub in platform.lookup(*uart).ios}
    except (ResourceError, AttributeError):
        pins = set()
    if not {"rx", "tx"} <= pins:
        raise UserError(
            f"board {spec!r} has no serial port (resource {uart[0]} {uart[1]} with rx and tx), and the "
            "link to the host needs one"
        )


def _crystal_hz(spec: str, platform: Platform) -> int:
    try:
        platform.lookup(platform.default_clk)
        return round(platform.default_clk_frequency)
    except (ResourceError, AttributeError, TypeError):
        raise UserError(
            f"board {spec!r} has no crystal: its default clock is {platform.default_clk or 'not named'}, "
            "which is no pin with a known frequency"
        ) from None


def find_board(name: str) -> Board:
    """Return the :class:`Board` called ``name``, or that of the class ``module:class``; else :class:`UserError`."""
    if ":" in name:
        return board_of_class(name)
    if name not in BOARDS:
        raise UserError(
            f"board {name!r} is unknown; known boards: {', '.join(BOARDS)}; or name a platform class of "
            "Amaranth, such as amaranth_boards.versa_ecp5:VersaECP5Platform"
        )
    return BOARDS[name]
