"""Registers taken into the block RAM in front of them: models of the cells against plain arrays, clock by clock."""

import json
import subprocess
from itertools import accumulate
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest
from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

from s2nn_hw import emit
from s2nn_hw.hw.board.boards import find_board
from s2nn_hw.hw.family import library_of
from s2nn_hw.hw.flow.accelerator_netlist import NetlistFlow
from s2nn_hw.hw.netlist.flat import FlatNetlist
from s2nn_hw.hw.netlist.levels import starts
from s2nn_hw.hw.netlist.output_registers import MEMORIES, absorb_file
from s2nn_hw.sim.netlist.counting import compile_bench
from s2nn_hw.sim.netlist.netlist import Netlist, Probed
from s2nn_hw.verilog.convert import to_verilog

BEATS = 600
# width, depth, read ports, written, clock enable of the registers
SHAPES = [
    (36, 400, 1, False, False),
    (36, 400, 1, False, True),
    (18, 900, 2, False, True),
    (72, 512, 1, True, True),
    (36, 512, 1, True, False),
    (9, 2000, 1, True, True),
]


class Beat(NamedTuple):
    """Something of each field of a beat: addresses to read and to write at, data, enables."""

    first: Any
    second: Any
    write_at: Any
    data: Any
    read: Any
    keep: Any
    write: Any


WIDTHS = Beat(first=12, second=12, write_at=12, data=72, read=2, keep=2, write=1)
OFFSETS = Beat(*accumulate(WIDTHS[:-1], initial=0))
BITS = sum(WIDTHS)


class Registered(wiring.Component):
    """Memories in block RAM with a register behind each read port; a beat has addresses, data and enables."""

    def __init__(self) -> None:
        self.width = sum(width * ports for width, _, ports, _, _ in SHAPES)
        super().__init__({"i": In(stream.Signature(BITS)), "o": Out(stream.Signature(self.width))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.memories = inner = Module()
        beat = Beat(*(self.i.payload[at : at + bits] for at, bits in zip(OFFSETS, WIDTHS, strict=True)))
        outputs = []
        m.d.comb += self.i.ready.eq(1)
        m.d.sync += self.o.valid.eq(self.i.valid)
        for number, (width, depth, ports, written, enabled) in enumerate(SHAPES):
            ram = memory.Memory(shape=width, depth=depth, init=contents(number), attrs={"ram_style": "block"})
            inner.submodules[f"ram{number}"] = ram
            if written:
                port = ram.write_port()
                m.d.comb += [
                    port.addr.eq(beat.write_at),
                    port.data.eq(beat.data),
                    port.en.eq(beat.write & self.i.valid),
                ]
            for side in range(ports):
                reader, raw = ram.read_port(), Signal(width, name=f"raw{number}_{side}", reset_less=True)
                at = beat.second if side else beat.first
                m.d.comb += [reader.addr.eq(at), reader.en.eq(beat.read[side] & self.i.valid)]
                with m.If(beat.keep[side] & self.i.valid if enabled else 1):
                    m.d.sync += raw.eq(reader.data)
                outputs.append(raw)
        m.d.comb += self.o.payload.eq(Cat(*outputs))
        return m


def contents(number: int) -> Any:
    width, depth, *_ = SHAPES[number]
    random = np.random.default_rng(number)
    return [int.from_bytes(random.bytes(9), "little") & 2**width - 1 for _ in range(depth)]


def make_beats() -> list[Beat]:
    """Return BEATS beats of numbers; addresses fit every depth that is no power of two, too."""
    random = np.random.default_rng(5)
    beats = []
    for _ in range(BEATS):
        beat = Beat(*(int.from_bytes(random.bytes(9), "little") & 2**bits - 1 for bits in WIDTHS))
        beats.append(beat._replace(first=beat.first % 400, second=beat.second % 400, write_at=beat.write_at % 400))
    return beats


def packed(beat: Beat) -> int:
    return sum(value << at for value, at in zip(beat, OFFSETS, strict=True))


def expected(beats: list[Beat]) -> Any:
    """Return the outputs after each of ``beats``: what is read goes to a latch, and from there to the register."""
    rams = [contents(number) for number in range(len(SHAPES))]
    latches: dict[Any, Any] = {}
    registers: dict[Any, Any] = {}
    for beat in beats:
        total, offset = 0, 0
        for number, (width, _, ports, written, enabled) in enumerate(SHAPES):
            for side in range(ports):
                key = number, side
                if not enabled or beat.keep >> side & 1:
                    registers[key] = latches.get(key, 0)
                if beat.read >> side & 1:
                    latches[key] = rams[number][beat.second if side else beat.first]
                total |= registers.get(key, 0) << offset
                offset += width
            if written and beat.write:
                rams[number][beat.write_at] = beat.data & 2**width - 1
        yield total


@pytest.fixture(scope="module")
def absorbed(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return ``(folder, flow, component, record)`` after synthesis and the pass."""
    folder = tmp_path_factory.mktemp("outreg")
    flow, component = NetlistFlow(find_board("arty_a7")), Registered()
    flow.synthesise(to_verilog(component, emit.TOP), folder, tick=lambda _: None)
    (folder / "before.json").write_bytes((folder / "netlist.json").read_bytes())
    return folder, flow, component, absorb_file(folder / "netlist.json", library_of("xc7"))


def test_every_port_of_a_synthesised_design_is_absorbed(absorbed: Any) -> None:
    folder, _, _, record = absorbed
    assert (record.ports, record.left) == (sum(ports for _, _, ports, _, _ in SHAPES), ())
    assert record.registers == sum(width * ports for width, _, ports, _, _ in SHAPES)
    before, after = (FlatNetlist.read(folder / name, library_of("xc7")) for name in ("before.json", "netlist.json"))
    assert len(before.cells) - len(after.cells) == record.registers
    memories = [cell for cell in after.cells.values() if cell.type in MEMORIES]
    assert {(cell.type, cell.parameters["RAM_MODE"]) for cell in memories} == {
        (kind, mode) for kind in MEMORIES for mode in ("SDP", "TDP")
    } - {("RAMB36E1", "TDP")}
    names = {
        after.name(net).partition("[")[0]
        for net in starts(after)
        if after.type(after.drivers[net][0][0]) in MEMORIES and after.loads.get(net)
    }
    assert all("raw" in name or name == "o_payload" for name in names), names
    assert set(after.loads) <= set(after.drivers)
    assert absorb_file(folder / "netlist.json", library_of("xc7")).ports == 0


@pytest.mark.parametrize("name", ["before.json", "netlist.json"])
def test_memories_with_their_registers_give_the_same_each_clock(absorbed: Any, name: str) -> None:
    source, flow, component, _ = absorbed
    folder = source / name.partition(".")[0]
    folder.mkdir()
    netlist = Netlist(json.loads((source / name).read_text()), "xc7")
    flow.write_verilog(json.loads((source / name).read_text()), folder, "named.v", tick=lambda _: None)
    assert "RAMB36E1" in (folder / "named.v").read_text()
    flow.write_verilog(Probed(netlist).to_json(), folder, "counted.v", tick=lambda _: None)
    design: Any = SimpleNamespace(
        pixels_per_beat=1,
        network=SimpleNamespace(input=SimpleNamespace(bits=BITS)),
        result_layout=SimpleNamespace(size=component.width),
    )
    program = compile_bench(folder / "counted.v", design, "xc7", flow.models(), folder)
    beats = make_beats()
    (folder / "frames").write_text("".join(f"{packed(beat):x}\n" for beat in beats))
    subprocess.run(
        [
            program,
            folder / "counts",
            str(BEATS),
            "10",
            "1",
            "1",
            f"+frames={folder / 'frames'}",
            f"+results={folder / 'results'}",
        ],
        check=True,
        timeout=60,
    )
    came = [int(line, 16) for line in (folder / "results").read_text().split()]
    assert came == list(expected(beats))
