"""The IP block in an Amaranth design: a component with streams, of domain ``sync``.

    python amaranth_wrapper.py     writes amaranth_wrapper.v, the wrapper alone, beside this file

In a design: ``m.submodules.network = network = Network()``, connect ``network.i`` and ``network.o``, and give the
Verilog to the platform: ``platform.add_file(...)``. Use and change this file under any terms.
"""

import json
from pathlib import Path

from amaranth.back import verilog
from amaranth.hdl import C, ClockSignal, Instance, Module, ResetSignal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

FOLDER = Path(__file__).resolve().parent
BLOCK = json.loads((FOLDER / "ip.json").read_text())
WIDTHS = {port["name"]: port["width"] for port in BLOCK["ports"]}


def transfer(width):
    return stream.Signature(data.StructLayout({"data": width, "last": 1}))


class Network(wiring.Component):
    """``i``: frames; ``o``: results; ``frame_error``: a frame was dropped; its registers, if any, are not connected."""

    i: In(transfer(WIDTHS["s_axis_tdata"]))
    o: Out(transfer(WIDTHS["m_axis_tdata"]))
    frame_error: Out(1)

    def elaborate(self, platform):
        m = Module()
        lines = dict(
            i_aclk=ClockSignal(),
            i_aresetn=~ResetSignal(),
            i_s_axis_tdata=self.i.payload.data,
            i_s_axis_tvalid=self.i.valid,
            o_s_axis_tready=self.i.ready,
            i_s_axis_tlast=self.i.payload.last,
            o_m_axis_tdata=self.o.payload.data,
            o_m_axis_tvalid=self.o.valid,
            i_m_axis_tready=self.o.ready,
            o_m_axis_tlast=self.o.payload.last,
            o_frame_error=self.frame_error,
        )
        for name in (
            "awaddr",
            "awprot",
            "awvalid",
            "wdata",
            "wstrb",
            "wvalid",
            "bready",
            "araddr",
            "arprot",
            "arvalid",
        ):
            if f"s_axi_{name}" in WIDTHS:
                lines[f"i_s_axi_{name}"] = C(0, WIDTHS[f"s_axi_{name}"])
        if "s_axi_rready" in WIDTHS:
            lines["i_s_axi_rready"] = C(0, 1)
        if "core_clk" in WIDTHS:  # make this domain in your design
            lines["i_core_clk"] = ClockSignal("network")
        m.submodules.block = Instance(BLOCK["name"], **lines)
        return m


def main():
    (FOLDER / "amaranth_wrapper.v").write_text(verilog.convert(Network(), name="amaranth_wrapper"))


if __name__ == "__main__":
    main()
