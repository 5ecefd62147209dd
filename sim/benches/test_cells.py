"""Our models of block RAMs and multipliers: memories of many shapes, synthesised, against plain arrays."""

import json
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

from s2nn_hw import emit
from s2nn_hw.hw.board.boards import find_board
from s2nn_hw.hw.flow.accelerator_netlist import NetlistFlow
from s2nn_hw.sim.netlist.counting import compile_bench
from s2nn_hw.sim.netlist.netlist import Netlist, Probed
from s2nn_hw.verilog.convert import to_verilog

BEATS = 500
ADDRESS_BITS = 8  # as many addresses are used, spread over all of a memory
# width, depth, granularity of write enables, kind of ports
SHAPES = {
    "xc7": [
        (72, 512, 9, "two"),
        (36, 512, 9, "two"),
        (18, 2048, 9, "one"),
        (9, 2048, 9, "through"),
        (1, 16384, 1, "four"),
        (40, 512, 40, "rom"),
    ],
    "ecp5": [
        (36, 512, 9, "two"),
        (18, 1024, 9, "one"),
        (9, 2048, 9, "through"),
        (2, 8192, 2, "before"),
        (40, 512, 40, "rom"),
        (36, 0, 0, "product"),
    ],  # two writers would have to agree on what a reader sees
}


class Memories(wiring.Component):
    """Memories that all see the same beats; a beat has two addresses, data, write enables and a read enable each.

    ``kind``: "one" address for reading and writing, what is read while writing being the old word ("before"), the
    new one ("through") or not looked at; "two": an address each; "four": two ports that read and write; "rom";
    "product" of halves of the data, no memory.
    """

    def __init__(self, shapes: Any) -> None:
        self.shapes = shapes
        self.width = sum(2 * width if kind == "four" else width for width, _, _, kind in shapes)
        super().__init__(
            {"i": In(stream.Signature(2 * (ADDRESS_BITS + 72 + 8 + 1))), "o": Out(stream.Signature(self.width))}
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.memories = inner = Module()  # the top module is written out before synthesis, and stays small
        beat = self.i.payload
        half = len(beat) // 2
        first, second = fields(beat[:half]), fields(beat[half:])
        outputs = []
        m.d.comb += self.i.ready.eq(1)
        m.d.sync += self.o.valid.eq(self.i.valid)
        for number, (width, depth, granularity, kind) in enumerate(self.shapes):
            if kind == "product":
                product = Signal(width)
                with m.If(self.i.valid):
                    m.d.sync += product.eq(first[1][: width // 2] * second[1][: width // 2])
                outputs.append(product)
                continue
            attributes = {"ram_style": "block", "syn_ramstyle": "block_ram"}
            ram = memory.Memory(shape=width, depth=depth, init=contents(number, width, depth), attrs=attributes)
            inner.submodules[f"ram{number}"] = ram
            for side, (at, data, enables, read) in enumerate((first, second)):
                if side and kind != "four":
                    break
                through: list[Any] = []
                if kind != "rom":
                    port = ram.write_port(granularity=granularity)
                    m.d.comb += [
                        port.addr.eq(spread(at, depth)),
                        port.data.eq(data),
                        port.en.eq(enables & self.i.valid.replicate(len(port.en))),
                    ]
                    through = [port] if kind == "through" else []
                reader = ram.read_port(transparent_for=through)
                where = second[0] if kind in ("two", "rom") else at
                quiet = kind in ("one", "four")  # what is read while writing does not matter
                reading = read & ~enables[: -(-width // granularity)].any() if quiet else read
                m.d.comb += [reader.addr.eq(spread(where, depth)), reader.en.eq(reading & self.i.valid)]
                outputs.append(reader.data)
        m.d.comb += self.o.payload.eq(Cat(*outputs))
        return m


def fields(half: Any) -> Any:
    """Return ``(address, data, write enables, read enable)`` of half a beat, a value or a number."""
    if isinstance(half, int):
        cuts = [half >> ADDRESS_BITS, half >> ADDRESS_BITS + 72, half >> ADDRESS_BITS + 80]
        return half & 2**ADDRESS_BITS - 1, cuts[0] & 2**72 - 1, cuts[1] & 255, cuts[2] & 1
    cuts = [ADDRESS_BITS, ADDRESS_BITS + 72, ADDRESS_BITS + 80]
    return half[: cuts[0]], half[cuts[0] : cuts[1]], half[cuts[1] : cuts[2]], half[cuts[2]]


def spread(address: int, depth: int) -> Any:
    """Return the word that ``address`` stands for: its low half below, its high half on top."""
    bits, low = (depth - 1).bit_length(), ADDRESS_BITS // 2
    if isinstance(address, int):
        return address & 2**low - 1 | address >> low << bits - low
    return Cat(address[:low], Signal(bits - 2 * low), address[low:])


def contents(number: int, width: int, depth: int) -> Any:
    random = np.random.default_rng(number)
    return [int.from_bytes(random.bytes(9), "little") & 2**width - 1 for _ in range(depth)]


def expected(shapes: Any, beats: Any) -> Any:
    """Return the outputs after each of ``beats``, from plain lists."""
    rams = [contents(k, width, depth) for k, (width, depth, _, _) in enumerate(shapes)]
    held = {}
    for beat in beats:
        half = ADDRESS_BITS + 72 + 8 + 1
        sides = [fields(beat & 2**half - 1), fields(beat >> half)]
        total, offset = 0, 0
        for k, (width, depth, granularity, kind) in enumerate(shapes):
            old, used = list(rams[k]) if kind == "four" else rams[k], sides if kind == "four" else sides[:1]
            if kind == "product":
                held[k, 0] = (sides[0][1] & 2 ** (width // 2) - 1) * (sides[1][1] & 2 ** (width // 2) - 1)
                used = []
            for side, (at, data, enables, read) in enumerate(used):
                word, mask = spread(at, depth), 0
                if kind != "rom":
                    for part in range(-(-width // granularity)):
                        mask |= (enables >> part & 1) * (2**granularity - 1) << part * granularity
                where = spread(sides[1][0], depth) if kind in ("two", "rom") else word
                seen = old[where]
                if kind == "through":
                    seen = old[where] & ~mask | data & mask & 2**width - 1
                if read and not (kind in ("one", "four") and mask):
                    held[k, side] = seen
                rams[k][word] = rams[k][word] & ~mask | data & mask & 2**width - 1
            for side in range(2 if kind == "four" else 1):
                total |= held.get((k, side), 0) << offset
                offset += width
        yield total


@pytest.mark.parametrize(("name", "family"), [("arty_a7", "xc7"), ("ulx3s", "ecp5")])
def test_synthesised_memories_hold_what_was_written(name: str, family: str, tmp_path: Path) -> None:
    shapes, random = SHAPES[family], np.random.default_rng(1)
    half = ADDRESS_BITS + 72 + 8 + 1
    beats = [int.from_bytes(random.bytes(24), "little") & 2 ** (2 * half) - 1 for _ in range(BEATS)]
    # two ports never write one word at once
    beats = [b ^ (1 << half if b & 255 == b >> half & 255 else 0) for b in beats]
    flow, component = NetlistFlow(find_board(name)), Memories(shapes)
    flow.synthesise(to_verilog(component, emit.TOP), tmp_path, tick=lambda _="": None)
    netlist = Netlist(json.loads((tmp_path / "netlist.json").read_text()), family)
    modes = {
        cell.parameters.get("RAM_MODE") or cell.parameters.get("WRITEMODE_A", "36 bits")
        for cell in netlist.cells
        if cell.kind.resource == "brams"
    }
    assert len(modes) >= 2, modes
    flow.write_verilog(Probed(netlist).to_json(), tmp_path, "counted.v", tick=lambda _="": None)
    design: Any = SimpleNamespace(
        pixels_per_beat=1,
        network=SimpleNamespace(input=SimpleNamespace(bits=2 * half)),
        result_layout=SimpleNamespace(size=component.width),
    )
    program = compile_bench(tmp_path / "counted.v", design, family, flow.models(), tmp_path)
    (tmp_path / "frames").write_text("".join(f"{beat:x}\n" for beat in beats))
    subprocess.run(
        [
            program,
            tmp_path / "counts",
            str(BEATS),
            "10",
            "1",
            "1",
            f"+frames={tmp_path / 'frames'}",
            f"+results={tmp_path / 'results'}",
        ],
        check=True,
        timeout=60,
    )
    came = [int(line, 16) for line in (tmp_path / "results").read_text().split()]
    assert came == list(expected(shapes, beats))
