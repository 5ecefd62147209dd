"""Gowin with tools from PyPI: the command line, and block RAM contents all the way into the bitstream."""

import random
from dataclasses import replace

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from rich.console import Console

from s2nn_hw.hw.board.boards import find_board
from s2nn_hw.hw.flow import gowin
from s2nn_hw.hw.flow.build import build
from s2nn_hw.hw.flow.designs import OtherDesign
from tests.support.networks import random_network

NETWORK = replace(random_network((2, 2)), name="rom")


class Rom(wiring.Component):
    """A table of 512 words of 36 bits in block RAM, read one after the other; ``tx`` is the parity of the word."""

    rx: In(1, init=1)
    tx: Out(1, init=1)

    def __init__(self, words):
        self.words = words
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = memory = Memory(shape=36, depth=512, init=self.words)
        port = memory.read_port()
        m.d.sync += [port.addr.eq(port.addr + self.rx), self.tx.eq(port.data.xor())]
        return m


def test_contents_of_block_ram_are_in_the_gowin_bitstream(tmp_path):
    source = random.Random(0)
    words = [source.getrandbits(36) for _ in range(512)]
    changed = [word ^ source.getrandbits(36) for word in words]
    bits = []
    for table in (words, changed):
        built = build(
            NETWORK,
            find_board("tang_nano_9k"),
            output=tmp_path,
            other=OtherDesign(lambda clock_hz, baud, table=table: Rom(table), str(sum(table))),
            console=Console(quiet=True),
        )
        assert built.record.to_json()["resources"]["brams"]["used"] == 1
        rows = built.bitstream.read_text().split()
        widest = max(map(len, rows))
        bits.append("".join(row[:-64] for row in rows if len(row) == widest))  # without the checksum of each row
    # nothing else differs: placement and routing are the same
    differ = sum(a != b for a, b in zip(*bits, strict=True))
    assert differ == sum((a ^ b).bit_count() for a, b in zip(words, changed, strict=True))


def test_place_and_route_is_told_part_chip_and_clock():
    board = find_board("tang_nano_9k")
    planned = [["yosys", "top.ys"], ["nextpnr-gowin", "--family", "x"], ["gowin_pack", "-d", "GW1N-9C", "top.pnr.json"]]
    synthesis, place, pack = gowin.commands(board.create_platform(), planned, 54.0, 7)
    assert (synthesis, pack) == (planned[0], planned[2])
    text = " ".join(place)
    assert text.startswith("nextpnr-himbaechel-gowin ")
    assert "--device GW1NR-LV9QN88PC6/I5 --vopt family=GW1N-9C --vopt cst=top.cst" in text
    assert "--freq 54 --seed 7" in text
