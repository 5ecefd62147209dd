"""What checks an IP block in any simulator: a bench's top module, and its vectors as lines for ``$readmemh``."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amaranth.hdl import Instance, Module, Signal
from amaranth.lib import wiring

from s2nn_hw.emit import Vectors
from s2nn_hw.ip.block import Block
from s2nn_hw.ip.lite import lite_ports
from s2nn_hw.ip.registers import registers
from s2nn_hw.ip.shape import LATENCY_CYCLES, Shape
from s2nn_hw.verilog.testbench import beat_lines

BENCH = Path(__file__).parent / "bench" / "s2nn_axis_bench.v"
FILES = {
    "FRAMES_FILE": "frames.hex",
    "RESULTS_FILE": "results.hex",
    "MASK_FILE": "mask.hex",
    "LATENCIES_FILE": "latencies.hex",
    "REGISTERS_FILE": "registers.hex",
}
SETTLE = 64  # cycles of either clock in which a reset is over


@dataclass(frozen=True)
class Bench:
    """The bench of ``block`` with ``vectors``."""

    block: Block
    vectors: Vectors

    @property
    def shape(self) -> Shape:
        """How frames and results lie in transfers."""
        return self.block.shape

    def files(self) -> dict[str, str]:
        """Return the texts of :data:`FILES` by name."""
        shape, cases = self.shape, self.vectors
        frames = [transfer for pixels in cases.pixels for transfer in shape.frame(pixels)]
        results = [transfer for answer in cases.answers() for transfer in shape.result(*answer)]
        ones = [-1] * len(shape.design.network.classes)
        latencies = cases.cycles + LATENCY_CYCLES + shape.slower_cycles
        constants = [row.offset << 32 | row.value for row in registers(shape) if row.value is not None]
        texts = (
            beat_lines(frames, 8 * shape.input_bytes),
            beat_lines(results, 8 * shape.output_bytes),
            beat_lines(shape.result(0xFFFFFFFF, ones, 0), 8 * shape.output_bytes),
            beat_lines(map(int, latencies), 32),
            beat_lines(constants, 64),
        )
        return dict(zip(FILES.values(), texts, strict=True))

    def top(self) -> "BenchTop":
        """Return the top module."""
        shape, options = self.shape, self.block.options
        ratio = options.clock_mhz / options.core_mhz if options.core_mhz else 1.0
        slower = max(1.0, ratio)
        worst = int(self.vectors.cycles.max()) + shape.slower_cycles + shape.transfers
        parameters = {
            "IN_WIDTH": 8 * shape.input_bytes,
            "TRANSFERS": shape.transfers,
            "OUT_WIDTH": 8 * shape.output_bytes,
            "RESULT_TRANSFERS": shape.result_transfers,
            "FRAMES": len(self.vectors.pixels),
            "PATIENCE": round(slower * (worst + self.vectors.drain + 1000)),
            "DRAIN": round((1 + ratio) * SETTLE + slower * self.vectors.drain),
            "EXACT": int(shape.exact),
            "CROSSING": int(options.core_mhz is not None),
            "LITE": int(options.axi_lite),
            "CONSTANTS": sum(row.value is not None for row in registers(shape)),
            "HALF": _half(options.clock_mhz),
            "CORE_HALF": _half(options.core_mhz or options.clock_mhz),
            **FILES,
        }
        return BenchTop(self.block, parameters)


def _half(mhz: float) -> int:
    """Return half a period, in ps."""
    return round(1e6 / (2 * mhz))


class BenchTop(wiring.Component):
    """``block``, a Verilog module of its name, in ``s2nn_axis_bench.v`` with ``parameters``; it has no ports."""

    def __init__(self, block: Block, parameters: dict[str, Any]) -> None:
        self.block, self.parameters = block, parameters
        super().__init__({})

    def elaborate(self, platform: Any) -> Module:
        """Build the circuit."""
        m = Module()
        members = {name: member for (name,), member, _ in self.block.signature.flatten(self.block)}
        signals = {name: Signal(member.shape, name=name) for name, member in members.items()}
        own = {f"{'i' if members[name].flow is wiring.In else 'o'}_{name}": line for name, line in signals.items()}
        m.submodules.circuit = Instance(self.block.options.name, a_keep=1, **own)
        # the bench has ports for everything; what the block lacks stays open
        absent = {f"s_axi_{name}": port for name, port in lite_ports().items()} | {"core_clk": wiring.In(1)}
        for name, port in absent.items():
            if name not in signals:
                members[name], signals[name] = port, Signal(port.shape, name=name)
        driven = {f"{'o' if members[name].flow is wiring.In else 'i'}_{name}": line for name, line in signals.items()}
        settings = {f"p_{name}": value for name, value in self.parameters.items()}
        m.submodules.bench = Instance("s2nn_axis_bench", a_keep=1, **settings, **driven)
        return m
