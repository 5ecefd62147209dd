"""The IP block in a LiteX design: endpoints of the SoC's own clock, and a bus where there are registers.

    python litex_wrapper.py     writes litex_wrapper.v, the wrapper alone, beside this file

In a SoC: ``self.submodules.network = network = Network(platform)``, then ``network.sink`` and ``network.source`` go to
DMAs or any other stream, and ``self.bus.add_slave("network", network.bus, SoCRegion(size=0x1000, cached=False))``.
Use and change this file under any terms.
"""

import json
from pathlib import Path

from litex.gen import LiteXModule
from litex.soc.interconnect import axi, stream
from migen import ClockSignal, Instance, ResetSignal, Signal
from migen.fhdl import verilog

FOLDER = Path(__file__).resolve().parent
BLOCK = json.loads((FOLDER / "ip.json").read_text())


class Network(LiteXModule):
    """``sink``: frames; ``source``: results; ``frame_error``: a frame was dropped; ``bus``: AXI4-Lite, or None."""

    def __init__(self, platform=None):
        widths = {port["name"]: port["width"] for port in BLOCK["ports"]}
        self.sink = stream.Endpoint([("data", widths["s_axis_tdata"])])
        self.source = stream.Endpoint([("data", widths["m_axis_tdata"])])
        self.frame_error = Signal()
        self.bus = None
        lines = dict(
            i_aclk=ClockSignal("sys"),
            i_aresetn=~ResetSignal("sys"),
            i_s_axis_tdata=self.sink.data,
            i_s_axis_tvalid=self.sink.valid,
            o_s_axis_tready=self.sink.ready,
            i_s_axis_tlast=self.sink.last,
            o_m_axis_tdata=self.source.data,
            o_m_axis_tvalid=self.source.valid,
            i_m_axis_tready=self.source.ready,
            o_m_axis_tlast=self.source.last,
            o_frame_error=self.frame_error,
        )
        if "core_clk" in widths:  # make this domain in your SoC's clock generator
            lines["i_core_clk"] = ClockSignal("network")
        if "s_axi_awaddr" in widths:
            self.bus = bus = axi.AXILiteInterface(data_width=32, address_width=widths["s_axi_awaddr"])
            for channel, to_block in (("aw", True), ("w", True), ("b", False), ("ar", True), ("r", False)):
                endpoint = getattr(bus, channel)
                fields = {"aw": ("addr", "prot"), "w": ("data", "strb"), "b": ("resp",)}
                for field in fields.get(channel, ("addr", "prot") if channel == "ar" else ("data", "resp")):
                    lines[f"{'i' if to_block else 'o'}_s_axi_{channel}{field}"] = getattr(endpoint, field)
                lines[f"{'i' if to_block else 'o'}_s_axi_{channel}valid"] = endpoint.valid
                lines[f"{'o' if to_block else 'i'}_s_axi_{channel}ready"] = endpoint.ready
        self.specials += Instance(BLOCK["name"], **lines)
        if platform is not None:
            platform.add_source(str(FOLDER / f"{BLOCK['name']}.v"))


def main():
    network = Network()
    pins = {network.frame_error}
    endpoints = [network.sink, network.source]
    if network.bus is not None:
        endpoints += [network.bus.aw, network.bus.w, network.bus.b, network.bus.ar, network.bus.r]
    for endpoint in endpoints:
        pins.update(endpoint.flatten())
    text = str(verilog.convert(network, pins, name="litex_wrapper"))
    (FOLDER / "litex_wrapper.v").write_text(text)


if __name__ == "__main__":
    main()
