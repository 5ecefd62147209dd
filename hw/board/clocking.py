"""From the crystal to the ``sync`` domain: PLL settings, and a reset that ends only after the PLL has locked."""

from dataclasses import dataclass
from itertools import product
from math import log2

from amaranth.hdl import ClockDomain, ClockSignal, Const, Elaboratable, Instance, Module, ResetSignal, Signal
from amaranth.lib import io
from amaranth.lib.cdc import FFSynchronizer

from s2nn_hw.errors import UserError
from s2nn_hw.hw.board.leds import request_leds

TOLERANCE = 0.005
RESET_CLOCKS = 16
# iCE40 block RAM reads as zero for some microseconds after configuration (icestorm issue 76); the same wait as
# Amaranth's own iCE40 platform
ICE40_RESET_SECONDS = 15e-6


@dataclass(frozen=True)
class PllLimits:
    """Bounds of one family's PLL: frequencies in Hz, dividers as ranges (data sheet DC and switching tables).

    ``divided_feedback``: the loop closes behind the output divider, which then does not change the output.
    """

    phase_hz: tuple
    vco_hz: tuple
    output_hz: tuple
    input_div: range
    multiplier: range
    output_div: tuple
    divided_feedback: bool = False


LIMITS = {
    # ECP5 data sheet FPGA-DS-02012, sysCLOCK PLL timing
    "ecp5": PllLimits(
        (10e6, 400e6), (400e6, 800e6), (3.125e6, 400e6), range(1, 129), range(1, 129), tuple(range(1, 129))
    ),
    # iCE40 UltraPlus data sheet FPGA-DS-02008, sysCLOCK PLL timing
    "ice40": PllLimits(
        (10e6, 133e6), (533e6, 1066e6), (16e6, 275e6), range(1, 17), range(1, 129), tuple(2**n for n in range(1, 7))
    ),
    # Artix-7 data sheet DS181, PLL switching characteristics, speed grade -1
    "xc7": PllLimits((19e6, 450e6), (800e6, 1600e6), (6.25e6, 464e6), range(1, 57), range(2, 65), tuple(range(1, 129))),
    # Gowin data sheets DS117 (GW1N-9, grade C6/I5) and DS226 (GW2A, C8/I7), rPLL: what both allow
    "gowin": PllLimits(
        (3e6, 400e6),
        (500e6, 1200e6),
        (3.90625e6, 600e6),
        range(1, 65),
        range(1, 65),
        (2, 4, 8, *range(16, 129, 16)),
        divided_feedback=True,
    ),
}


@dataclass(frozen=True)
class PllSettings:
    """``output_hz = crystal / input_div * multiplier / output_div``; ``vco_hz`` lies before the output divider.

    With the feedback behind that divider (Gowin) the output is ``crystal / input_div * multiplier``.
    """

    input_div: int
    multiplier: int
    output_div: int
    phase_hz: float
    vco_hz: float
    output_hz: float


def pll_settings(family, crystal_hz, wanted_hz):
    """Return the closest :class:`PllSettings`; among equals the fastest phase detector, then the middle of the VCO.

    :class:`UserError` if nothing within 0.5 % of ``wanted_hz`` lies inside the family's limits.
    """
    limits = LIMITS[family]
    low, high = limits.output_hz
    if not low <= wanted_hz <= high:
        raise UserError(
            f"clock {wanted_hz / 1e6:g} MHz is outside what the {family} PLL makes, {low / 1e6:g} to {high / 1e6:g} MHz"
        )
    best, middle = None, sum(limits.vco_hz) / 2
    for divider, output in product(limits.input_div, limits.output_div):
        phase = crystal_hz / divider
        if not limits.phase_hz[0] <= phase <= limits.phase_hz[1]:
            continue
        within = output if limits.divided_feedback else 1  # what the loop multiplies beside the multiplier
        multiplier = round(wanted_hz * output / within / phase)
        vco = phase * multiplier * within
        if multiplier not in limits.multiplier or not limits.vco_hz[0] <= vco <= limits.vco_hz[1]:
            continue
        rank = (round(abs(vco / output - wanted_hz)), -phase, abs(vco - middle))
        if best is None or rank < best[0]:
            best = rank, PllSettings(divider, multiplier, output, phase, vco, vco / output)
    if best is None or abs(best[1].output_hz - wanted_hz) > TOLERANCE * wanted_hz:
        nearest = f"; the nearest is {best[1].output_hz / 1e6:.4f} MHz" if best else ""
        raise UserError(
            f"clock {wanted_hz / 1e6:g} MHz can't be made from the {crystal_hz / 1e6:g} MHz crystal "
            f"within {TOLERANCE:.1%}{nearest}"
        )
    return best[1]


def system_clock(board, wanted_hz=None):
    """Return ``(clock_hz, settings)`` for ``board``; ``settings`` is None where the crystal itself is the clock."""
    wanted_hz = wanted_hz or board.clock_hz
    if wanted_hz == board.crystal_hz:
        return board.crystal_hz, None
    settings = pll_settings(board.family, board.crystal_hz, wanted_hz)
    return round(settings.output_hz), settings


def highest_clock(board, limit_hz, accept=lambda clock_hz: True):
    """Return the highest clock in whole Hz, of at most ``limit_hz``, that the PLL of ``board`` or its crystal makes.

    ``accept``: which clocks count, by their Hz. :class:`UserError` if there is none.
    """
    limits, crystal = LIMITS[board.family], board.crystal_hz
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
    """Defines domain ``sync`` of ``board`` (``settings`` from :func:`system_clock`).

    ``sync`` is in reset from configuration until the PLL has been locked, and the board's reset button (if it has
    one) released, for ``RESET_CLOCKS`` clocks or the family's own wait. The reset is a register of ``sync``.
    """

    def __init__(self, board, settings=None):
        self.board, self.settings = board, settings

    def elaborate(self, platform):
        m = Module()
        m.domains.sync = ClockDomain()
        m.domains.por = ClockDomain(reset_less=True, local=True)
        pin = platform.request(platform.default_clk, dir="-")
        clock = Signal()
        locked = Signal()
        ice40_pad = self.board.device.startswith("iCE40UP")
        if self.settings is not None and ice40_pad:
            # its one PLL sits at the clock pin, which then can't be an input: it takes the pad, no buffer before it
            m.submodules.pll = self._ice40_pll("PAD", clock, locked, io_PACKAGEPIN=pin.io)
        else:
            m.submodules.clock_pin = buffer = io.Buffer("i", pin)
            if self.settings is None:
                m.d.comb += [clock.eq(buffer.i), locked.eq(1)]
            elif self.board.family == "ecp5":
                m.submodules.pll = self._ecp5_pll(buffer.i, clock, locked)
            elif self.board.family == "ice40":
                m.submodules.pll = self._ice40_pll("CORE", clock, locked, i_REFERENCECLK=buffer.i)
            elif self.board.family == "gowin":
                m.submodules.pll = self._gowin_pll(buffer.i, clock, locked, platform.family)
            else:
                feedback = Signal()
                m.submodules.pll = self._xc7_pll(buffer.i, clock, locked, feedback)
        if self.board.family == "xc7":
            m.submodules.bufg = Instance("BUFG", i_I=clock, o_O=ClockSignal("sync"))
        else:
            m.d.comb += ClockSignal("sync").eq(clock)
        m.d.comb += ClockSignal("por").eq(ClockSignal("sync"))

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
        return m

    def _wait_clocks(self):
        if self.board.family != "ice40":
            return RESET_CLOCKS
        clock_hz = self.settings.output_hz if self.settings else self.board.crystal_hz
        return max(RESET_CLOCKS, round(ICE40_RESET_SECONDS * clock_hz))

    def _ecp5_pll(self, pin, clock, locked):
        # CLKOP closes the loop at the phase detector's frequency, CLKOS carries the system clock
        s = self.settings
        return Instance(
            "EHXPLLL",
            a_ICP_CURRENT="12",
            a_LPF_RESISTOR="8",
            a_MFG_ENABLE_FILTEROPAMP="1",
            a_MFG_GMCREF_SEL="2",
            a_FREQUENCY_PIN_CLKI=f"{self.board.crystal_hz / 1e6:g}",
            a_FREQUENCY_PIN_CLKOP=f"{s.phase_hz / 1e6:g}",
            a_FREQUENCY_PIN_CLKOS=f"{s.output_hz / 1e6:g}",
            p_PLLRST_ENA="DISABLED",
            p_INTFB_WAKE="DISABLED",
            p_STDBY_ENABLE="DISABLED",
            p_DPHASE_SOURCE="DISABLED",
            p_OUTDIVIDER_MUXA="DIVA",
            p_OUTDIVIDER_MUXB="DIVB",
            p_FEEDBK_PATH="CLKOP",
            p_CLKI_DIV=s.input_div,
            p_CLKFB_DIV=1,
            p_CLKOP_ENABLE="ENABLED",
            p_CLKOP_DIV=s.multiplier,
            p_CLKOP_CPHASE=s.multiplier - 1,
            p_CLKOP_FPHASE=0,
            p_CLKOS_ENABLE="ENABLED",
            p_CLKOS_DIV=s.output_div,
            p_CLKOS_CPHASE=s.output_div - 1,
            p_CLKOS_FPHASE=0,
            i_CLKI=pin,
            i_CLKFB=(feedback := Signal(name="pll_feedback")),
            o_CLKOP=feedback,
            o_CLKOS=clock,
            o_LOCK=locked,
            i_RST=Const(0),
            i_STDBY=Const(0),
            i_PHASESEL0=Const(0),
            i_PHASESEL1=Const(0),
            i_PHASEDIR=Const(1),
            i_PHASESTEP=Const(1),
            i_PHASELOADREG=Const(1),
            i_PLLWAKESYNC=Const(0),
            i_ENCLKOP=Const(0),
            i_ENCLKOS=Const(0),
        )

    def _ice40_pll(self, kind, clock, locked, **reference):
        s = self.settings
        edges = (17e6, 26e6, 44e6, 66e6, 101e6)  # the loop filter for each range of the phase detector (icepll)
        return Instance(
            f"SB_PLL40_{kind}",
            **reference,
            p_FEEDBACK_PATH="SIMPLE",
            p_PLLOUT_SELECT="GENCLK",
            p_DIVR=Const(s.input_div - 1, 4),
            p_DIVF=Const(s.multiplier - 1, 7),
            p_DIVQ=Const(round(log2(s.output_div)), 3),
            p_FILTER_RANGE=Const(1 + sum(s.phase_hz >= edge for edge in edges), 3),
            o_PLLOUTGLOBAL=clock,
            o_LOCK=locked,
            i_RESETB=Const(1),
            i_BYPASS=Const(0),
        )

    def _gowin_pll(self, pin, clock, locked, device):
        s = self.settings
        off = {
            f"p_{name}": "false"
            for name in (
                "DYN_IDIV_SEL",
                "DYN_FBDIV_SEL",
                "DYN_ODIV_SEL",
                "DYN_DA_EN",
                "CLKOUT_BYPASS",
                "CLKOUTP_BYPASS",
                "CLKOUTD_BYPASS",
            )
        }
        unused = {
            f"i_{name}": Const(0, width)
            for name, width in (
                ("CLKFB", 1),
                ("RESET", 1),
                ("RESET_P", 1),
                ("FBDSEL", 6),
                ("IDSEL", 6),
                ("ODSEL", 6),
                ("PSDA", 4),
                ("DUTYDA", 4),
                ("FDLY", 4),
            )
        }
        return Instance(
            "rPLL",
            **off,
            **unused,
            p_DEVICE=device,
            p_FCLKIN=f"{self.board.crystal_hz / 1e6:g}",
            p_IDIV_SEL=s.input_div - 1,
            p_FBDIV_SEL=s.multiplier - 1,
            p_ODIV_SEL=s.output_div,
            p_PSDA_SEL="0000",
            p_DUTYDA_SEL="1000",
            p_CLKFB_SEL="internal",
            p_CLKOUTD_SRC="CLKOUT",
            p_CLKOUTD3_SRC="CLKOUT",
            p_DYN_SDIV_SEL=2,
            i_CLKIN=pin,
            o_CLKOUT=clock,
            o_LOCK=locked,
        )

    def _xc7_pll(self, pin, clock, locked, feedback):
        s = self.settings
        return Instance(
            "PLLE2_ADV",
            p_BANDWIDTH="OPTIMIZED",
            p_COMPENSATION="INTERNAL",
            p_STARTUP_WAIT="FALSE",
            p_CLKIN1_PERIOD=1e9 / self.board.crystal_hz,
            p_DIVCLK_DIVIDE=s.input_div,
            p_CLKFBOUT_MULT=s.multiplier,
            p_CLKOUT0_DIVIDE=s.output_div,
            i_CLKIN1=pin,
            i_CLKINSEL=Const(1),
            i_CLKFBIN=feedback,
            o_CLKFBOUT=feedback,
            o_CLKOUT0=clock,
            o_LOCKED=locked,
            i_RST=Const(0),
            i_PWRDWN=Const(0),
        )


class BoardTop(Elaboratable):
    """A design with members ``rx`` and ``tx`` on ``board``'s pins and system clock.

    A member ``leds``, if it has one, goes to the board's LEDs in the order of :data:`s2nn_hw.hw.board.leds.ROLES`;
    which they are is in ``leds``, role to name, once this is elaborated.
    """

    def __init__(self, design, board, settings=None):
        self.design, self.board, self.settings = design, board, settings
        self.leds = {}

    def elaborate(self, platform):
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
