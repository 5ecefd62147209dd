"""From the crystal to the ``sync`` domain: the PLL, and a reset that ends only after it has locked."""

from collections.abc import Callable
from itertools import product

from amaranth.build import Platform
from amaranth.hdl import ClockDomain, ClockSignal, Const, Elaboratable, Module, ResetSignal, Signal
from amaranth.lib import io
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import Component

from s2nn_hw.errors import UserError
from s2nn_hw.hw.board.board import Board
from s2nn_hw.hw.board.leds import request_leds
from s2nn_hw.hw.board.pll import PllRequest, PllSettings, closest_settings
from s2nn_hw.hw.family import FLOWS

RESET_CLOCKS = 16
CLOCKS_MHZ = 0.001, 10_000.0  # what may be asked for


def pll_settings(family: str, crystal_hz: float, wanted_hz: float) -> PllSettings:
    """Return :func:`~s2nn_hw.hw.board.pll.closest_settings` of the PLL of ``family``."""
    return closest_settings(family, FLOWS[family].clock.limits, crystal_hz, wanted_hz)


def hertz(mhz: float) -> int:
    """Return ``mhz`` in whole Hz; :class:`UserError` unless it lies in :data:`CLOCKS_MHZ`."""
    low, high = CLOCKS_MHZ
    if not low <= mhz <= high:
        raise UserError(f"a clock from {low:g} to {high:g} MHz is wanted, not {mhz:g}")
    return round(mhz * 1e6)


def system_clock(board: Board, wanted_hz: int | None = None) -> tuple[int, PllSettings | None]:
    """Return ``(clock_hz, settings)`` for ``board``; ``settings`` is None where the crystal itself is the clock."""
    wanted_hz = board.clock_hz if wanted_hz is None else wanted_hz
    if wanted_hz == board.crystal_hz:
        return board.crystal_hz, None
    settings = pll_settings(board.family, board.crystal_hz, wanted_hz)
    return round(settings.output_hz), settings


def highest_clock(board: Board, limit_hz: float, accept: Callable[[int], bool] = lambda clock_hz: True) -> int:
    """Return the highest clock in whole Hz, of at most ``limit_hz``, that the PLL of ``board`` or its crystal makes.

    ``accept``: which clocks count, by their Hz. :class:`UserError` if there is none.
    """
    limits, crystal = FLOWS[board.family].clock.limits, board.crystal_hz
    dividers = [d for d in limits.input_div if limits.phase_hz[0] <= crystal / d <= limits.phase_hz[1]]
    made = {crystal}
    for divider, multiplier, output in product(dividers, limits.multiplier, limits.output_div):
        vco = crystal / divider * multiplier * (output if limits.divided_feedback else 1)
        if limits.vco_hz[0] <= vco <= limits.vco_hz[1] and limits.output_hz[0] <= vco / output <= limits.output_hz[1]:
            made.add(round(vco / output))
    for clock_hz in sorted(made, reverse=True):
        if clock_hz <= limit_hz and accept(clock_hz):
            return clock_hz
    raise UserError(
        f"no clock of at most {limit_hz / 1e6:.2f} MHz that also makes the baud rate can be made from the "
        f"{crystal / 1e6:g} MHz crystal of {board.title}"
    )


class Clocking(Elaboratable):
    """Defines domain ``sync`` of ``board`` (``settings`` from :func:`system_clock`); no ports.

    ``sync`` is in reset from configuration until the PLL has been locked, and the board's reset button (if it has
    one) released, for ``RESET_CLOCKS`` clocks or the family's own wait. The reset is a register of ``sync``.
    """

    def __init__(self, board: Board, settings: PllSettings | None = None) -> None:
        self.board, self.settings, self.source = board, settings, FLOWS[board.family].clock

    def elaborate(self, platform: Platform) -> Module:
        """Return the circuit."""
        m = Module()
        m.domains.sync = ClockDomain()
        m.domains.por = ClockDomain(reset_less=True, local=True)
        pin = platform.request(platform.default_clk, dir="-")
        clock = Signal()
        locked = Signal()
        family = getattr(platform, "family", None)
        if self.settings is not None and self.source.at_pad(self.board.device):
            request = PllRequest(self.settings, self.board.crystal_hz, family, pin.io, None, clock, locked)
            m.submodules.pll = self.source.instance(request)
        else:
            m.submodules.clock_pin = buffer = io.Buffer("i", pin)
            if self.settings is None:
                m.d.comb += [clock.eq(buffer.i), locked.eq(1)]
            else:
                request = PllRequest(self.settings, self.board.crystal_hz, family, None, buffer.i, clock, locked)
                m.submodules.pll = self.source.instance(request)
        self.source.drive(m, clock)
        m.d.comb += ClockSignal("por").eq(ClockSignal("sync"))
        self._reset(m, platform, locked)
        return m

    def _reset(self, m: Module, platform: Platform, locked: Signal) -> None:
        """Keep ``sync`` in reset until ``locked`` has lasted long enough."""
        pressed = Const(0)
        if platform.default_rst is not None:
            m.submodules.reset_pin = button = io.Buffer("i", platform.request(platform.default_rst, dir="-"))
            pressed = button.i
        good = Signal()
        m.submodules.good = FFSynchronizer(locked & ~pressed, good, o_domain="por", init=0)
        wait = self._wait_clocks()
        timer = Signal(range(wait + 1))
        hold = Signal(init=1)
        with m.If(~good):
            m.d.por += [timer.eq(0), hold.eq(1)]
        with m.Elif(timer == wait):
            m.d.por += hold.eq(0)
        with m.Else():
            m.d.por += timer.eq(timer + 1)
        m.d.comb += ResetSignal("sync").eq(hold)

    def _wait_clocks(self) -> int:
        clock_hz = self.settings.output_hz if self.settings else self.board.crystal_hz
        return max(RESET_CLOCKS, round(self.source.wait_seconds * clock_hz))


class BoardTop(Elaboratable):
    """A design with members ``rx`` and ``tx`` on ``board``'s pins and system clock; no ports but the board's pins.

    A member ``leds``, if it has one, goes to the board's LEDs in the order of :data:`s2nn_hw.hw.board.leds.ROLES`;
    which they are is in ``leds``, role to name, once this is elaborated.
    """

    def __init__(self, design: Component, board: Board, settings: PllSettings | None = None) -> None:
        self.design, self.board, self.settings = design, board, settings
        self.leds: dict[str, str] = {}

    def elaborate(self, platform: Platform) -> Module:
        """Return the circuit."""
        m = Module()
        m.submodules.clocking = Clocking(self.board, self.settings)
        m.submodules.design = design = self.design
        name, number = self.board.uart
        unbuffered = {sub.name: "-" for sub in platform.lookup(name, number).ios}
        pins = platform.request(name, number, dir=unbuffered)
        m.submodules.rx = rx = io.Buffer("i", pins.rx)
        m.submodules.tx = tx = io.Buffer("o", pins.tx)
        m.d.comb += [design.rx.eq(rx.i), tx.o.eq(design.tx)]
        if "leds" in design.signature.members:
            for bit, (role, led, port) in enumerate(request_leds(platform)):
                m.submodules[f"led_{role}"] = buffer = io.Buffer("o", port)
                m.d.comb += buffer.o.eq(design.leds[bit])
                self.leds[role] = led
        return m
