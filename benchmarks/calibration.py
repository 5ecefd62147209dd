"""What a toggle costs, from a current that others measured: ``python -m benchmarks.calibration``.

tinyvision-ai-inc/ice40_power gives the core current of an iCE40UP5K, 1.219 V, 12 MHz, with a 24-bit counter alone
(645 uA) and with two 8-bit counters (steps 3 and 5) and their product in LUTs beside it (996 uA, 208 logic cells).
The same circuit is synthesised here and its netlist evaluated without delays over the counters' common period.
"""

import json
import tempfile
from pathlib import Path

from amaranth.hdl import ClockDomain, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from s2nn_hw.hw.flow.toolchain import ToolFiles, find_tool, run_tool
from s2nn_hw.verilog.convert import to_verilog
from s2nn_hw.verilog.netlist import Bit, Cell, module_of

LUT, CARRY, FLIP_FLOP = "SB_LUT4", "SB_CARRY", "SB_DFF"
INPUTS = {LUT: ("I0", "I1", "I2", "I3"), CARRY: ("I0", "I1", "CI")}
OUTPUT = {LUT: "O", CARRY: "CO", FLIP_FLOP: "Q"}
DATA, TABLE = "D", "LUT_INIT"  # a flip-flop's pin, a LUT's parameter
PERIOD = 256  # cycles after which both counters are back
CURRENTS, VOLTS, MHZ = (645e-6, 996e-6), 1.219, 12
CLOCK_LOAD_PJ, GLITCH = 0.0144, 1.29  # report/coefficients.toml
NEW_FLIP_FLOPS = 16


class Measured(wiring.Component):
    """A counter of 24 bits and, if ``product``, two of 8 bits and their product.

    ``clk``: the clock.
    ``slow``: the counter's highest bit.
    ``result``: the product, 16 bits. Outputs keep synthesis from taking anything away.
    """

    def __init__(self, *, product: bool) -> None:
        self.product = product
        super().__init__({"clk": In(1), "slow": Out(1), "result": Out(16)})

    def elaborate(self, platform: object) -> Module:
        """Return the circuit."""
        m = Module()
        m.domains.sync = domain = ClockDomain("sync", reset_less=True)
        m.d.comb += domain.clk.eq(self.clk)
        slow, x, y = Signal(24), Signal(8), Signal(8)
        m.d.sync += slow.eq(slow + 1)
        m.d.comb += self.slow.eq(slow[-1])
        if self.product:
            m.d.sync += [x.eq(x + 3), y.eq(y + 5)]
            m.d.comb += self.result.eq(x * y)
        return m


def netlist(component: wiring.Component) -> list[Cell]:
    """Return the cells of ``component`` on iCE40."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "top.v").write_text(to_verilog(component, "top"))
        run_tool(
            find_tool("yosys"),
            [
                "-q",
                "-p",
                "read_verilog top.v; synth_ice40 -top top ; select -module top; write_json -selected net.json",
            ],
            ToolFiles(Path(folder), "log"),
            tick=lambda _: None,
        )
        return list(module_of(json.loads((Path(folder) / "net.json").read_text()), "top").cells.values())


def toggles(cells: list[Cell]) -> list[float]:
    """Return mean toggles per cycle of LUT and of flip-flop outputs over :data:`PERIOD` cycles, no delays."""
    state: dict[Bit, int] = {"0": 0, "1": 1, "x": 0}
    flops = [cell for cell in cells if cell.type == FLIP_FLOP]
    logic = [cell for cell in cells if cell.type in INPUTS]
    state |= {_output(cell): 0 for cell in flops}
    ordered = []
    while logic:  # each after the cells that drive it
        ready = [cell for cell in logic if all(net in state for net in _inputs(cell))]
        ordered += ready
        state |= {_output(cell): 0 for cell in ready}
        logic = [cell for cell in logic if _output(cell) not in state]
    luts = [_output(cell) for cell in ordered if cell.type == LUT]
    counts = [0, 0]
    _settle(ordered, state)
    for _ in range(PERIOD):
        before = dict(state)
        state |= {_output(cell): before[cell.bit(DATA)] for cell in flops}
        _settle(ordered, state)
        counts[0] += sum(state[net] != before[net] for net in luts)
        counts[1] += sum(state[_output(cell)] != before[_output(cell)] for cell in flops)
    return [count / PERIOD for count in counts]


def _inputs(cell: Cell) -> list[Bit]:
    return [cell.bit(port) for port in INPUTS[cell.type]]


def _output(cell: Cell) -> Bit:
    return cell.bit(OUTPUT[cell.type])


def _settle(ordered: list[Cell], state: dict[Bit, int]) -> None:
    for cell in ordered:
        values = [state[net] for net in _inputs(cell)]
        if cell.type == CARRY:
            state[_output(cell)] = int(sum(values) >= 2)
        else:
            table = int(cell.parameters[TABLE], 2)
            state[_output(cell)] = table >> sum(value << k for k, value in enumerate(values)) & 1


def main() -> None:
    """Print toggles per cycle with and without the product, and the price of one."""
    base, whole = netlist(Measured(product=False)), netlist(Measured(product=True))
    less, more = toggles(base), toggles(whole)
    luts, flops = (b - a for a, b in zip(less, more, strict=True))
    picojoules = (CURRENTS[1] - CURRENTS[0]) * VOLTS / MHZ * 1e6 - NEW_FLIP_FLOPS * CLOCK_LOAD_PJ
    print(
        f"LUTs {sum(cell.type == LUT for cell in whole)}; toggles more per cycle: LUTs {luts:.1f}, "
        f"flip-flops {flops:.1f}; {picojoules:.1f} pJ more without the clock"
    )
    for glitch in (1.0, GLITCH, 2.0):
        print(f"{glitch:.2f} toggles of a LUT per counted one: {picojoules / (glitch * luts + flops):.2f} pJ each")


if __name__ == "__main__":
    main()
