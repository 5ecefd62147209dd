"""nextpnr for ECP5 takes a netlist whose drivers were copied."""

import json
import subprocess
from collections import Counter

from amaranth.hdl import Array, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from s2nn_hw.hw.family import library_of
from s2nn_hw.hw.flow.toolchain import find_tool
from s2nn_hw.hw.netlist.fanout import spread_file
from s2nn_hw.hw.netlist.flat import FlatNetlist
from s2nn_hw.verilog.convert import to_verilog

WIDTH, LIMIT = 160, 16


class Wide(wiring.Component):
    """A word with one enable, one reset of logic and bits chosen by a table of many inputs."""

    i: In(1)
    o: Out(1)

    def elaborate(self, platform):
        m = Module()
        count, word, enable, table = Signal(7), Signal(WIDTH), Signal(), Signal(64)
        chosen = Array(table)[count[:6]]
        m.d.sync += [count.eq(count + 1), enable.eq(count[2]), table.eq((table << 1) | self.i)]
        with m.If(count[:4] == 11):
            m.d.sync += word.eq(0)
        with m.Elif(enable):
            m.d.sync += word.eq(((word << 1) | word[-1]) ^ chosen.replicate(WIDTH))
        m.d.comb += self.o.eq(word.xor())
        return m


def test_nextpnr_places_and_routes_the_copies(tmp_path):
    (tmp_path / "design.v").write_text(to_verilog(Wide(), "wide"))
    script = "read_verilog design.v; synth_ecp5 -abc9 -top wide; write_json top.json"
    subprocess.run([find_tool("yosys").path, "-q", "-p", script], cwd=tmp_path, check=True, capture_output=True)
    result = spread_file(tmp_path / "top.json", library_of("ecp5"), limit=LIMIT, registered_ports=True)
    assert result.highest_after <= LIMIT
    assert set(result.copies) >= {"TRELLIS_FF", "LUT4", "PFUMX"}
    netlist = FlatNetlist.read(tmp_path / "top.json", library_of("ecp5"))
    kinds = Counter(cell.type for cell in netlist.cells.values())
    command = [
        find_tool("nextpnr-ecp5").path,
        "--25k",
        "--package",
        "CABGA381",
        "--json",
        "top.json",
        "--textcfg",
        "top.config",
        "--lpf-allow-unconstrained",
        "--report",
        "report.json",
        "--seed",
        "1",
        "--quiet",
    ]
    out = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert out.returncode == 0, out.stderr[-2000:]
    used = json.loads((tmp_path / "report.json").read_text())["utilization"]
    assert used["TRELLIS_FF"]["used"] == kinds["TRELLIS_FF"]
    assert used["TRELLIS_COMB"]["used"] >= kinds["LUT4"]
    assert (tmp_path / "top.config").stat().st_size
