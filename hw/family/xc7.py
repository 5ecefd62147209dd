"""Xilinx 7 series: Vivado or openXC7."""

from amaranth.hdl import ClockSignal, Const, Instance, Module, Signal

from s2nn_hw.hw.board.device import devices
from s2nn_hw.hw.board.pll import ClockSource, PllLimits, PllRequest
from s2nn_hw.hw.family.base import FamilyFlow, PartSynthesis
from s2nn_hw.hw.flow import openxc7, xilinx
from s2nn_hw.hw.flow.openxc7 import TOP
from s2nn_hw.hw.flow.work import Netlists
from s2nn_hw.hw.netlist.fanout import spread_file
from s2nn_hw.hw.netlist.output_registers import MEMORIES, absorb_file
from s2nn_hw.hw.netlist.primitives import LUT, PAD, Buffer, CellLibrary, Primitive, clock_cell, many
from s2nn_hw.hw.netlist.shorten import shorten_file

# DS180 and DS190
DEVICES = devices(
    "xc7",
    "LUT6",
    "RAMB36",
    100,
    (
        ("XC7A12T", 8_000, 16_000, 20, 40),
        ("XC7A15T", 10_400, 20_800, 25, 45),
        ("XC7A25T", 14_600, 29_200, 45, 80),
        ("XC7A35T", 20_800, 41_600, 50, 90),
        ("XC7A50T", 32_600, 65_200, 75, 120),
        ("XC7A75T", 47_200, 94_400, 105, 180),
        ("XC7A100T", 63_400, 126_800, 135, 240),
        ("XC7A200T", 134_600, 269_200, 365, 740),
        ("XC7S25", 14_600, 29_200, 45, 80),
        ("XC7S50", 32_600, 65_200, 75, 120),
        ("XC7Z007S", 14_400, 28_800, 50, 66),
        ("XC7Z010", 17_600, 35_200, 60, 80),
        ("XC7Z020", 53_200, 106_400, 140, 220),
        ("XC7K325T", 203_800, 407_600, 445, 840),
    ),
)
# Artix-7 data sheet DS181, PLL switching characteristics, speed grade -1
LIMITS = PllLimits((19e6, 450e6), (800e6, 1600e6), (6.25e6, 464e6), range(1, 57), range(2, 65), tuple(range(1, 129)))


def carry_position(port: str, index: int) -> int:
    """Return where on the chain of a CARRY4's four carries a pin is."""
    return -1 if port in ("CI", "CYINIT") else index


PRIMITIVES = {
    **many([f"LUT{n}" for n in range(1, 7)], LUT),
    "INV": LUT,
    **many([f"FD{kind}E{edge}" for kind in "RSCP" for edge in ("", "_1")], Primitive("ff", ("C",))),
    **many(("MUXF7", "MUXF8"), Primitive("mux", joins=("I0", "I1"))),
    "CARRY4": Primitive("carry", chain=("CI", "CO"), position=carry_position),
    **many(
        ("RAM32M", "RAM64M"),
        Primitive("lutram", ("WCLK",), reads=tuple((f"DO{side}", f"ADDR{side}") for side in "ABCD")),
    ),
    **many(
        [f"RAM{n}X1D" for n in (32, 64, 128)], Primitive("lutram", ("WCLK",), reads=(("SPO", "A"), ("DPO", "DPRA")))
    ),
    **many([f"RAM{n}X1S" for n in (32, 64, 128, 256)], Primitive("lutram", ("WCLK",), reads=(("O", "A"),))),
    **many(("SRL16E", "SRLC16E", "SRLC32E"), Primitive("lutram", ("CLK",), reads=(("Q", "A"),))),
    **many(("RAMB18E1", "RAMB36E1"), Primitive("block", ("CLKARDCLK", "CLKBWRCLK"))),
    "DSP48E1": Primitive("block", ("CLK",)),
    **many(("BUFG", "BUFH", "BUFR", "BUFIO", "BUFGCTRL", "BUFGCE"), clock_cell("O", clocks=("I", "I0", "I1"))),
    **many(
        ("PLLE2_ADV", "PLLE2_BASE", "MMCME2_ADV", "MMCME2_BASE"),
        clock_cell("CLKOUT", "CLKFBOUT", clocks=("CLKIN1", "CLKIN2", "CLKFBIN")),
    ),
    **many(("IBUF", "OBUF", "OBUFT", "IOBUF", "IBUFDS", "OBUFDS", "IBUFG"), PAD),
}
_FLIP_FLOPS = ("FDRE", "FDSE", "FDCE", "FDPE", "FDRE_1", "FDSE_1", "FDCE_1", "FDPE_1", "LDCE", "LDPE")
LIBRARY = CellLibrary(
    "xc7",
    PRIMITIVES,
    weights={
        "luts": {
            **{f"LUT{n}": 1 for n in range(1, 7)},
            "INV": 1,
            "RAM32X1S": 1,
            "RAM64X1S": 1,
            "RAM32X1D": 2,
            "RAM64X1D": 2,
            "RAM128X1S": 2,
            "RAM128X1D": 4,
            "RAM256X1S": 4,
            "RAM32M": 4,
            "RAM64M": 4,
            "SRL16E": 1,
            "SRLC32E": 1,
        },
        "ffs": dict.fromkeys(_FLIP_FLOPS, 1),
        "brams": {"RAMB36E1": 1, "RAMB18E1": 0.5},
        "dsps": {"DSP48E1": 1},
    },
    buffer=Buffer("LUT1", "I0", "O", {"INIT": "10"}),
    paired=("INV", "LUT1", "LUT2", "LUT3", "LUT4", "LUT5"),
    merged_inputs=6,
    wanted_levels=5,
    memories=MEMORIES,
)


def xc7_pll(request: PllRequest) -> Instance:
    """Return the PLL that ``request`` asks for."""
    s = request.settings
    feedback = Signal()
    return Instance(
        "PLLE2_ADV",
        p_BANDWIDTH="OPTIMIZED",
        p_COMPENSATION="INTERNAL",
        p_STARTUP_WAIT="FALSE",
        p_CLKIN1_PERIOD=1e9 / request.crystal_hz,
        p_DIVCLK_DIVIDE=s.input_div,
        p_CLKFBOUT_MULT=s.multiplier,
        p_CLKOUT0_DIVIDE=s.output_div,
        i_CLKIN1=request.pin,
        i_CLKINSEL=Const(1),
        i_CLKFBIN=feedback,
        o_CLKFBOUT=feedback,
        o_CLKOUT0=request.clock,
        o_LOCKED=request.locked,
        i_RST=Const(0),
        i_PWRDWN=Const(0),
    )


def drive(m: Module, clock: Signal) -> None:
    """Give ``clock`` to domain ``sync`` through a global buffer."""
    m.submodules.bufg = Instance("BUFG", i_I=clock, o_O=ClockSignal("sync"))


def accelerator(device: str, top: str) -> str:
    """Return yosys's command for the accelerator alone."""
    return f"{openxc7.SYNTHESIS} -noiopad -noclkbuf -top {top}"


XC7 = FamilyFlow(
    devices_title="Xilinx 7 series",
    devices=DEVICES,
    bitstream=f"{TOP}.bit",
    clock=ClockSource(LIMITS, xc7_pll, drive),
    # routing gained 4 % on a placement's estimate, and is what takes long (docs/boards.md)
    netlists=Netlists(LIBRARY, passes=(absorb_file, shorten_file, spread_file), far=0.95),
    choose=xilinx.choose,
    parts=PartSynthesis(
        "synth_xilinx -abc9 -nodsp -arch xc7 -top {top}", flatten=" -flatten", accelerator=accelerator, models="xilinx"
    ),
    board_synthesis=xilinx.board_synthesis,
    example="arty_a7",
    logic_hz=50_000_000,  # placed, mnist-nano was estimated at 58.7 MHz (docs/boards.md)
)
