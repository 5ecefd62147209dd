"""The ports of an IP block as a list, each with what it is."""

from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Shape as Bits
from amaranth.lib.wiring import In

from s2nn_hw.ip.block import Block

MEANINGS = {
    "aclk": "clock of all ports, rising edge",
    "aresetn": "reset, active low, synchronous to aclk; one cycle is enough, and none is needed after power-up",
    "core_clk": "clock of the circuit inside, of any frequency and phase",
    "s_axis_tdata": "a transfer of a frame",
    "s_axis_tvalid": "a transfer is offered",
    "s_axis_tready": "it is taken",
    "s_axis_tlast": "it is the last of a frame",
    "m_axis_tdata": "a transfer of a result",
    "m_axis_tvalid": "a transfer is offered",
    "m_axis_tready": "it is taken",
    "m_axis_tlast": "it is the last of a result",
    "frame_error": "high for a cycle for each frame that is dropped because of its tlast",
}


@dataclass(frozen=True)
class Port:
    """A port: ``width`` bits, ``vector`` where it is declared as one, ``flow`` In or Out, what it ``means``."""

    name: str
    width: int
    flow: Any
    means: str

    @property
    def vector(self) -> bool:
        """Whether it is more than a bit."""
        return self.width > 1

    def to_json(self) -> dict[str, Any]:
        """Return it JSON-able."""
        way = "in" if self.flow is In else "out"
        return {"name": self.name, "direction": way, "width": self.width, "description": self.means}


def ports(block: Block) -> list[Port]:
    """Return the ports of ``block``, as they are declared."""
    return [
        Port(name, Bits.cast(member.shape).width, member.flow, MEANINGS.get(name, "AXI4-Lite"))
        for (name,), member, _ in block.signature.flatten(block)
    ]
