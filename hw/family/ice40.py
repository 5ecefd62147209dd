"""Lattice iCE40: yosys, nextpnr-ice40, icepack. Busy enables and resets go over global nets by themselves."""

from dataclasses import replace
from math import log2
from pathlib import Path

from amaranth.hdl import Const, Instance

from s2nn_hw.hw.board.device import devices
from s2nn_hw.hw.board.pll import ClockSource, PllLimits, PllRequest
from s2nn_hw.hw.family.base import FamilyFlow, PartSynthesis
from s2nn_hw.hw.flow.ice_cells import count_logic_cells
from s2nn_hw.hw.flow.nextpnr import Nextpnr
from s2nn_hw.hw.flow.openxc7 import TOP
from s2nn_hw.hw.flow.toolreports import Usage
from s2nn_hw.hw.flow.work import Netlists
from s2nn_hw.hw.netlist.primitives import LUT, PAD, Buffer, CellLibrary, Primitive, clock_cell, many

# FPGA-DS-02008 and FPGA-DS-02029; the 4K is the 8K's die, and the open tools give all of it
DEVICES = (
    *devices(
        "ice40",
        "LUT4",
        "EBR",
        12,
        (
            ("iCE40UP3K", 2_800, 2_800, 20, 4),
            ("iCE40UP5K", 5_280, 5_280, 30, 8),
            ("iCE40LP1K", 1_280, 1_280, 16, 0),
            ("iCE40LP4K iCE40LP8K", 7_680, 7_680, 32, 0),
        ),
    ),
    *devices(
        "ice40", "LUT4", "EBR", 48, (("iCE40HX1K", 1_280, 1_280, 16, 0), ("iCE40HX4K iCE40HX8K", 7_680, 7_680, 32, 0))
    ),
)
# iCE40 UltraPlus data sheet FPGA-DS-02008, sysCLOCK PLL timing
LIMITS = PllLimits(
    (10e6, 133e6), (533e6, 1066e6), (16e6, 275e6), range(1, 17), range(1, 129), tuple(2**n for n in range(1, 7))
)
# its block RAM reads as zero for some microseconds after configuration (icestorm issue 76); the same wait as Amaranth's
# own iCE40 platform
RESET_SECONDS = 15e-6
_FLIP_FLOPS = [
    f"SB_DFF{edge}{kind}" for edge in ("", "N") for kind in ("", "E", "SR", "R", "SS", "S", "ESR", "ER", "ESS", "ES")
]
PRIMITIVES = {
    "SB_LUT4": LUT,
    "SB_CARRY": Primitive("carry", chain=("CI", "CO")),
    **many(_FLIP_FLOPS, Primitive("ff", ("C",))),
    **many(
        [f"SB_RAM40_4K{edge}" for edge in ("", "NR", "NW", "NRNW")],
        Primitive("block", ("RCLK", "RCLKN", "WCLK", "WCLKN")),
    ),
    "SB_SPRAM256KA": Primitive("block", ("CLOCK",)),
    "SB_MAC16": Primitive("block", ("CLK",)),
    "SB_GB": clock_cell("GLOBAL_BUFFER_OUTPUT"),
    "SB_GB_IO": clock_cell("GLOBAL_BUFFER_OUTPUT"),
    **many(
        [f"SB_PLL40_{kind}" for kind in ("CORE", "PAD", "2_PAD", "2F_CORE", "2F_PAD")],
        clock_cell("PLLOUT", clocks=("REFERENCECLK",)),
    ),
    "SB_HFOSC": clock_cell("CLKHF"),
    "SB_LFOSC": clock_cell("CLKLF"),
    **many(("SB_IO", "SB_IO_I3C", "SB_IO_OD", "SB_RGBA_DRV"), PAD),
}
LIBRARY = CellLibrary(
    "ice40",
    PRIMITIVES,
    weights={
        "luts": {"SB_LUT4": 1},
        "ffs": {f"SB_DFF{kind}": 1 for kind in ("", "E", "SR", "R", "SS", "S", "ESR", "ER", "ESS", "ES")},
        "brams": {"SB_RAM40_4K": 1},
        "dsps": {"SB_MAC16": 1},
    },
    # input 3 is the one that a carry can reach
    buffer=Buffer("SB_LUT4", "I3", "O", {"LUT_INIT": f"{0xFF00:016b}"}, ("I0", "I1", "I2")),
    carry_inputs=("I3",),
)


def pll_at_pad(device: str) -> bool:
    """Whether the one PLL of ``device`` sits at the clock pin: it takes the pad, no buffer before it."""
    return device.startswith("iCE40UP")


def ice40_pll(request: PllRequest) -> Instance:
    """Return the PLL that ``request`` asks for."""
    s = request.settings
    edges = (17e6, 26e6, 44e6, 66e6, 101e6)  # the loop filter for each range of the phase detector (icepll)
    kind, reference = ("CORE", "i_REFERENCECLK") if request.pad is None else ("PAD", "io_PACKAGEPIN")
    source = {reference: request.pin if request.pad is None else request.pad}
    return Instance(
        f"SB_PLL40_{kind}",
        **source,
        p_FEEDBACK_PATH="SIMPLE",
        p_PLLOUT_SELECT="GENCLK",
        p_DIVR=Const(s.input_div - 1, 4),
        p_DIVF=Const(s.multiplier - 1, 7),
        p_DIVQ=Const(round(log2(s.output_div)), 3),
        p_FILTER_RANGE=Const(1 + sum(s.phase_hz >= edge for edge in edges), 3),
        o_PLLOUTGLOBAL=request.clock,
        o_LOCK=request.locked,
        i_RESETB=Const(1),
        i_BYPASS=Const(0),
    )


def options(device: str) -> list[str]:
    """Return yosys's options for the kind of ``device``, beside those that Amaranth gives."""
    kinds = {"UP": "u", "LP": "lp", "HX": "hx"}  # after "iCE40"
    return ["-abc9", "-device", kinds[device[5:7]]]


def accelerator(device: str, top: str) -> str:
    """Return yosys's command for the accelerator alone."""
    return " ".join(("synth_ice40", *options(device), "-top", top))


def with_logic_cells(netlist: Path, usage: Usage) -> Usage:
    """Return ``usage`` with the logic cells that ``netlist`` takes at least."""
    return replace(usage, detail=usage.detail | {"luts_at_least": count_logic_cells(netlist)})


NEXTPNR = Nextpnr(
    tools=("yosys", "nextpnr-ice40", "icepack"),
    products=(f"{TOP}.json", f"{TOP}.asc", f"{TOP}.bin"),
    options=options,
    # a logic cell holds LUT and flip-flop, so nextpnr counts both as one
    bels={"luts": {"ICESTORM_LC": 1}, "brams": {"ICESTORM_RAM": 1}, "dsps": {"ICESTORM_DSP": 1}},
)
ICE40 = FamilyFlow(
    devices_title="Lattice iCE40",
    devices=DEVICES,
    bitstream=f"{TOP}.bin",
    clock=ClockSource(LIMITS, ice40_pll, at_pad=pll_at_pad, wait_seconds=RESET_SECONDS),
    netlists=Netlists(LIBRARY, refine=with_logic_cells, far=0.80),
    choose=NEXTPNR.choose,
    parts=PartSynthesis(
        "synth_ice40 -abc9 -device u -top {top}",
        accelerator=accelerator,
        models="ice40",
        definitions=("ICE40_U", "NO_ICE40_DEFAULT_ASSIGNMENTS"),
    ),
)
