"""Board records, PLL settings, and the reset that waits for the PLL."""

import importlib
import pkgutil
import warnings
from types import SimpleNamespace

import amaranth_boards
import pytest
from amaranth.build import Platform
from amaranth.hdl import Fragment, Module, ResetSignal, Signal
from amaranth.lib import wiring
from amaranth.lib.io import SimulationPort
from amaranth.lib.wiring import In, Out
from amaranth.sim import Simulator

from s2nn_hw.errors import UserError
from s2nn_hw.hw.board.board import check_budget
from s2nn_hw.hw.board.boards import BOARDS, DEFAULT_BOARD, find_board
from s2nn_hw.hw.board.clocking import RESET_CLOCKS, BoardTop, Clocking, pll_settings, system_clock
from s2nn_hw.hw.board.devices import DEVICES, find_device
from s2nn_hw.hw.board.leds import ROLES
from s2nn_hw.hw.board.pll import TOLERANCE
from s2nn_hw.hw.family import FLOWS
from s2nn_hw.hw.flow.openxc7 import chipdb_names, family_folder, part_name


class Loop(wiring.Component):
    """A design of one register: ``tx`` is ``rx`` a clock later."""

    rx: In(1, init=1)
    tx: Out(1, init=1)

    def elaborate(self, platform):
        m = Module()
        m.d.sync += self.tx.eq(self.rx)
        return m


@pytest.mark.parametrize("board", BOARDS.values(), ids=list(BOARDS))
def test_record_matches_platform(board):
    platform = board.create_platform()
    assert platform.default_clk_frequency == board.crystal_hz
    device = find_device(platform)
    assert (device.name, device.family, device.budget) == (board.device, board.family, board.budget)
    assert {sub.name for sub in platform.lookup(*board.uart).ios} >= {"rx", "tx"}
    clock_hz, _ = system_clock(board)
    assert abs(clock_hz - board.clock_hz) <= TOLERANCE * board.clock_hz
    assert clock_hz >= 4 * board.baud


HX8K = "amaranth_boards.ice40_hx8k_b_evn:ICE40HX8KBEVNPlatform"


@pytest.mark.parametrize("name", ["ulx3s", "icebreaker", "tang_primer_20k", "arty_a7", HX8K])
@pytest.mark.parametrize("mhz", [None, 24])
def test_plan_has_single_bit_ports_and_uart_pins(name, mhz):
    board = find_board(name)
    _, settings = system_clock(board, mhz and mhz * 1_000_000)
    platform = board.create_platform()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plan = platform.build(BoardTop(Loop(), board, settings), do_build=False, emit_src=False)
    ports = [port for port, _, _ in platform.iter_port_constraints_bits()]
    assert not [port for port in ports if "[" in port]
    assert {"uart_0__rx__io", "uart_0__tx__io"} <= set(ports)
    text = plan.files["top.v" if board.family == "xc7" else "top.il"]
    primitive = {
        "LFE5U-85F": "EHXPLLL",
        "iCE40UP5K": "SB_PLL40_PAD",
        "iCE40HX8K": "SB_PLL40_CORE",
        "GW2A-18C": "rPLL",
        "XC7A35T": "PLLE2_ADV",
    }[board.device]
    assert (primitive in text) == (settings is not None)


class Lights(Loop):
    """The same with three signals for LEDs."""

    leds: Out(3)


@pytest.mark.parametrize(
    ("name", "leds"),
    [
        ("ulx3s", ["led 0", "led 1", "led 2"]),
        ("arty_a7", ["led 0", "led 1", "led 2"]),
        ("tang_nano_9k", ["led 0", "led 1", "led 2"]),
        ("icebreaker", ["led_g 0", "led_r 0"]),  # its leds 0 and 1 are the same two
        ("tang_primer_20k", []),
        ("amaranth_boards.icesugar:ICESugarPlatform", ["led_g 0", "led_r 0", "led 2"]),
        ("amaranth_boards.icesugar_nano:ICESugarNanoPlatform", ["led 0"]),
        ("amaranth_boards.colorlight_5a75b_r7_0:Colorlight_5A75B_R70Platform", []),  # its LED is the serial port's pin
        ("amaranth_boards.ecpix5:ECPIX545Platform", ["rgb_led 0 g", "rgb_led 0 r", "rgb_led 0 b"]),
    ],
)
def test_leds_of_boards(name, leds):
    board = find_board(name)
    platform, top = board.create_platform(), BoardTop(Lights(), board, system_clock(board)[1])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        platform.build(top, do_build=False, emit_src=False)
    assert list(top.leds.items()) == list(zip(ROLES, leds, strict=False))
    ports = {port for port, _, _ in platform.iter_port_constraints_bits()}
    wanted = {f"{'_'.join(led.split()[:2])}__{'__'.join([*led.split()[2:], 'io'])}" for led in leds}
    assert {port for port in ports if "led" in port} == wanted


def test_default_board_is_known_and_others_are_listed():
    assert find_board(DEFAULT_BOARD).title == "ULX3S (85F)"
    with pytest.raises(
        UserError,
        match=r"^board 'zx81' is unknown; known boards: ulx3s, .*icebreaker, .*arty_a7_100; "
        r"or name a platform class of Amaranth, such as \S+$",
    ):
        find_board("zx81")


@pytest.mark.parametrize(
    ("name", "family", "device", "crystal_mhz", "clock_mhz"),
    [
        ("versa_ecp5:VersaECP5Platform", "ecp5", "LFE5UM-45F", 100, 100),
        ("ecp5_5g_evn:ECP55GEVNPlatform", "ecp5", "LFE5UM5G-85F", 12, 100),
        ("supercon19badge:Supercon19BadgePlatform", "ecp5", "LFE5U-45F", 8, 8),  # too slow a crystal for the PLL
        ("icestick:ICEStickPlatform", "ice40", "iCE40HX1K", 12, 48),
        ("cmod_a7:CmodA7_35Platform", "xc7", "XC7A35T", 12, 12),
        ("ebaz4205:EBAZ4205Platform", "xc7", "XC7Z010", 33.333, 100),
        ("tang_primer_20k:TangPrimer20kDockPlatform", "gowin", "GW2A-18C", 27, 81),
    ],
)
def test_board_by_its_class(name, family, device, crystal_mhz, clock_mhz):
    board = find_board(f"amaranth_boards.{name}")
    assert (board.name, board.family, board.device) == (f"amaranth_boards.{name}", family, device)
    assert (board.crystal_hz, board.clock_hz) == (crystal_mhz * 1e6, clock_mhz * 1e6)
    assert board.budget == DEVICES[device.upper()].budget
    clock_hz, _ = system_clock(board)
    assert abs(clock_hz - board.clock_hz) <= TOLERANCE * board.clock_hz


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("amaranth_boards.zx81:Z", r"module 'amaranth_boards.zx81' can't be imported \(No module named"),
        (":Z", "module '' can't be imported"),
        ("os:path", "'path' is no platform class of Amaranth in module os"),
        ("amaranth_boards.ulx3s:_ULX3SPlatform", "can't be made: .*abstract"),
        ("amaranth_boards.orangecrab_r0_2:OrangeCrabR0_2_25FPlatform", r"has no serial port \(resource uart 0 with rx"),
        ("amaranth_boards.de10_lite:DE10LitePlatform", "device 10M50DA is not in the table of devices"),
    ],
)
def test_class_that_is_no_board_for_us(name, message):
    with pytest.raises(UserError, match=f"^board '{name}'.*{message}"):
        find_board(name)


def test_board_without_a_crystal(monkeypatch):
    cls = find_board("ulx3s_25").create_platform().__class__
    monkeypatch.setattr(cls, "default_clk", "OSCG")
    with pytest.raises(UserError, match=r"has no crystal: its default clock is OSCG, which is no pin"):
        find_board("amaranth_boards.ulx3s:ULX3S_25F_Platform")


def test_every_class_of_amaranth_boards_is_a_board_or_refused_in_one_line():
    good, refusals = [], []
    for module in pkgutil.iter_modules(amaranth_boards.__path__):
        found = [] if module.ispkg else vars(importlib.import_module(f"amaranth_boards.{module.name}")).values()
        for cls in found:
            if isinstance(cls, type) and issubclass(cls, Platform) and cls.__module__.endswith(module.name):
                try:
                    good.append(system_clock(find_board(f"{cls.__module__}:{cls.__qualname__}"))[0])
                except UserError as error:
                    refusals.append(str(error))
    assert not [text for text in refusals if "\n" in text]
    assert len(good) >= 39
    assert min(good) >= 4_000_000


@pytest.mark.parametrize(
    ("device", "package", "speed", "part", "names"),
    [
        ("xc7a35ti", "csg324", "1L", "xc7a35tcsg324-1", ("xc7a35tcsg324", "xc7a35t", "artix7")),
        ("XC7Z007S", "CLG400", "1", "xc7z007sclg400-1", ("xc7z007sclg400", "xc7z007s", "zynq7")),
        ("xc7k325t", "ffg900", "2", "xc7k325tffg900-2", ("xc7k325tffg900", "xc7k325t", "kintex7")),
        ("xc7s50", "csga324", "1", "xc7s50csga324-1", ("xc7s50csga324", "xc7s50", "spartan7")),
    ],
)
def test_names_of_a_part_in_the_databases(device, package, speed, part, names):
    platform = SimpleNamespace(device=device, package=package, speed=speed)
    assert part_name(platform) == part
    assert find_device(platform).name == names[1].upper()
    assert chipdb_names(part) == (f"{part}.bin", f"{names[0]}.bin", f"{names[1]}.bin")
    assert family_folder(part) == names[2]


@pytest.mark.parametrize(
    ("family", "crystal_mhz", "wanted_mhz"),
    [
        ("ecp5", 25, 80),
        ("ecp5", 25, 100),
        ("ecp5", 25, 63.7),
        ("ecp5", 25, 3.125),
        ("ecp5", 25, 400),
        ("ice40", 12, 24),
        ("ice40", 12, 18),
        ("xc7", 100, 80),
        ("xc7", 100, 133),
        ("gowin", 27, 81),
        ("gowin", 27, 24),
        ("gowin", 27, 67.5),
        ("gowin", 50, 5),
    ],
)
def test_pll_settings_stay_inside_the_limits(family, crystal_mhz, wanted_mhz):
    limits, wanted = FLOWS[family].clock.limits, wanted_mhz * 1e6
    s = pll_settings(family, crystal_mhz * 1e6, wanted)
    divided = 1 if limits.divided_feedback else s.output_div
    assert s.output_hz == pytest.approx(crystal_mhz * 1e6 / s.input_div * s.multiplier / divided)
    assert s.vco_hz == pytest.approx(s.output_hz * s.output_div)
    assert abs(s.output_hz - wanted) <= TOLERANCE * wanted
    assert limits.phase_hz[0] <= crystal_mhz * 1e6 / s.input_div <= limits.phase_hz[1]
    assert limits.vco_hz[0] <= s.vco_hz <= limits.vco_hz[1]
    assert s.input_div in limits.input_div
    assert s.multiplier in limits.multiplier
    assert s.output_div in limits.output_div


def test_pll_frequencies_that_can_not_be_made():
    with pytest.raises(UserError, match=r"401 MHz is outside what the ecp5 PLL makes, 3\.125 to 400 MHz"):
        pll_settings("ecp5", 25e6, 401e6)
    with pytest.raises(UserError, match=r"390 MHz can't be made from the 25 MHz crystal within 0\.5%; the nearest is"):
        pll_settings("ecp5", 25e6, 390e6)
    with pytest.raises(UserError, match="1 MHz is outside"):
        system_clock(find_board("ulx3s"), 1_000_000)


class _FakePlatform:
    """A crystal pin and a reset button, simulated: enough for :class:`Clocking` without a PLL."""

    default_clk, default_rst = "clk", "rst"

    def __init__(self, clk, rst):
        self.pins = {"clk": clk, "rst": rst}

    def request(self, name, dir):
        return self.pins[name]

    def get_io_buffer(self, buffer):
        m = Module()
        m.d.comb += buffer.i.eq(buffer.port.i)
        return m


def test_reset_waits_for_configuration_and_button():
    clk, rst = SimulationPort("i", 1), SimulationPort("i", 1)
    m, reset = Module(), Signal()
    m.submodules.clocking = Clocking(find_board("ulx3s"))
    m.d.comb += reset.eq(ResetSignal("sync"))
    seen = []

    async def drive(ctx):
        for level in (0, 1, 0):
            ctx.set(rst.i, level)
            for _ in range(RESET_CLOCKS + 10):
                ctx.set(clk.i, 1)
                await ctx.delay(1e-8)
                ctx.set(clk.i, 0)
                await ctx.delay(1e-8)
                seen.append(ctx.get(reset))

    sim = Simulator(Fragment.get(m, _FakePlatform(clk, rst)))
    sim.add_testbench(drive)
    sim.run()
    third = len(seen) // 3
    assert RESET_CLOCKS < sum(seen[:third]) < RESET_CLOCKS + 6  # from configuration
    assert seen[third - 1] == 0
    assert seen[2 * third - 1] == 1  # the button is held
    assert seen[-1] == 0


def test_budget_refuses_with_numbers_side_by_side():
    board = find_board("arty_a7")
    check_budget({"luts": 20_800, "ffs": 41_600, "brams": 49.5, "dsps": 0}, board)
    check_budget({"luts": None}, board)
    with pytest.raises(
        UserError,
        match=r"does not fit Arty A7-35T \(XC7A35T\), by estimate: LUT6 25,000 of 20,800 "
        r"\(too many\), RAMB36 12 of 50;",
    ):
        check_budget({"luts": 25_000, "brams": 11.5}, board)
