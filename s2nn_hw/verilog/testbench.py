"""What stands beside the Verilog for other tools: a bench's top module, its vectors, a VHDL declaration, lint rules."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from amaranth.hdl import Instance, Module, Signal
from amaranth.lib import wiring

from s2nn_hw.design import Design
from s2nn_hw.errors import counted
from s2nn_hw.sequence_design import SequenceDesign

BENCH = Path(__file__).parent / "bench" / "s2nn_bench.v"
BEATS_FILE, RESULTS_FILE = "vectors_beats.hex", "vectors_results.hex"


class Bench(wiring.Component):
    """The circuit of ``design``, Verilog module ``name``, in ``s2nn_bench.v``; it has no ports.

    ``frames``: vectors in the files; in cycles ``patience`` (for a result) and ``drain`` (between frames).
    """

    def __init__(self, design: Design, name: str, *, frames: int, patience: int, drain: int) -> None:
        self.design, self.name = design, name
        self.frames, self.patience, self.drain = frames, patience, drain
        super().__init__({})

    def elaborate(self, platform: Any) -> Module:
        """Build the circuit."""
        m = Module()
        fields, width = self.design.result_fields, self.design.beat_bits
        ports = {"i_payload": width, "o_payload": self.design.result_layout.size}
        names = ("clk", "rst", "i_payload", "i_valid", "i_ready", "o_payload", "o_valid", "o_ready")
        clk, rst, i_payload, i_valid, i_ready, o_payload, o_valid, o_ready = (
            Signal(ports.get(name, 1), name=name) for name in names
        )
        m.submodules.circuit = Instance(
            self.name,
            a_keep=1,
            i_clk=clk,
            i_rst=rst,
            i_i_payload=i_payload,
            i_i_valid=i_valid,
            o_i_ready=i_ready,
            o_o_payload=o_payload,
            o_o_valid=o_valid,
            i_o_ready=o_ready,
        )
        m.submodules.bench = Instance(
            "s2nn_bench",
            a_keep=1,
            p_BEAT_WIDTH=width,
            p_BEATS=self.design.beats,
            p_CLASS_WIDTH=fields.number.width,
            p_SCORES_WIDTH=fields.scores.width,
            p_CYCLES_WIDTH=fields.cycles.width,
            p_FRAMES=self.frames,
            p_PATIENCE=self.patience,
            p_DRAIN=self.drain,
            p_BEATS_FILE=BEATS_FILE,
            p_RESULTS_FILE=RESULTS_FILE,
            o_clk=clk,
            o_rst=rst,
            o_i_payload=i_payload,
            o_i_valid=i_valid,
            i_i_ready=i_ready,
            i_o_payload=o_payload,
            i_o_valid=o_valid,
            o_o_ready=o_ready,
        )
        return m


def beat_lines(beats: Iterable[int], width: int) -> str:
    """Return integers of ``width`` bits as lines that ``$readmemh`` reads."""
    return "".join(f"{beat:0{-(-width // 4)}x}\n" for beat in beats)


def pack_result(design: Design | SequenceDesign, number: int, scores: Iterable[int], cycles: int) -> int:
    """Return ``o_payload`` as an integer: class ``number``, ``scores`` (signed) and ``cycles``."""
    fields, width = design.result_fields, design.score_width
    packed = number | cycles << fields.cycles.offset
    for k, score in enumerate(scores):
        packed |= (score & (1 << width) - 1) << fields.scores.offset + k * width
    return packed


def header(design: Design | SequenceDesign, name: str, tool: str) -> str:
    """Return the comment at the head of the Verilog: what it is, its ports, and that anybody may use it."""
    network, fields = design.network, design.result_fields
    width = design.beat_bits
    sequences = network.input.sequences
    lines = (
        f"{name}: network {network.name}, SHA-256 {network.digest}",
        f"written by {tool}; use and change this file, which is the tool's output, under any terms",
        "",
        "clk        rising edge",
        "rst        synchronous, active high; not needed after power-up",
        f"i_payload  {counted(width, 'bit')}: {counted(design.pixels_per_beat, 'pixel')} of "
        f"{counted(network.input.bits, 'bit')}{', signed' * network.input.signed}, the first lowest; "
        f"{counted(design.beats, 'beat')} a frame",
        *(
            [f"           bit {width - 1}, in a frame's last beat: the frame is the last of its sequence"]
            if sequences
            else []
        ),
        "i_valid    a beat is offered; it passes in a cycle in which i_ready is high, too",
        "i_ready",
        f"o_payload  {design.result_layout.size} bits: class from bit 0 on, "
        f"{counted(len(network.classes), 'signed score')} of "
        f"{counted(design.score_width, 'bit')} from bit {fields.scores.offset} on,",
        f"           cycles from bit {fields.cycles.offset} on",
        f"o_valid    a result is offered, one a {'sequence' if sequences else 'frame'}, in order; it passes in a cycle "
        "in which o_ready is high, too",
        "o_ready",
        "",
        "interface.json says the rest.",
    )
    return "".join(f"// {line}".rstrip() + "\n" for line in lines) + "\n"


def vhdl_package(design: Design | SequenceDesign, name: str) -> str:
    """Return a VHDL package ``NAME_component`` that declares the Verilog module for use in VHDL."""
    width = design.beat_bits
    ports = (
        ("clk", "in", 0),
        ("rst", "in", 0),
        ("i_payload", "in", width),
        ("i_valid", "in", 0),
        ("i_ready", "out", 0),
        ("o_payload", "out", design.result_layout.size),
        ("o_valid", "out", 0),
        ("o_ready", "in", 0),
    )
    declared = ";\n".join(
        f"      {port} : {way} std_logic" + (f"_vector({width - 1} downto 0)" if width else "")
        for port, way, width in ports
    )
    return (
        f"-- The Verilog module {name} for VHDL: use work.{name}_component.all;\n"
        f"library ieee;\nuse ieee.std_logic_1164.all;\n\npackage {name}_component is\n  component {name} is\n"
        f"    port (\n{declared}\n    );\n  end component;\nend package;\n"
    )


LINT = (
    ("PROCASSINIT", "registers have their reset value from the start: FPGAs load it, and no reset is needed"),
    (
        "UNUSEDSIGNAL",
        "what this network's shapes leave unread: bits of a bus, outputs of a module used in several "
        "places, and `seen` and `seen_count`, which simulators read",
    ),
    ("DECLFILENAME", "the modules of the circuit stand in one file"),
)


def lint_rules(name: str, meant: Iterable[tuple[str, str]] = LINT) -> str:
    """Return ``NAME.vlt``: what ``verilator -Wall`` would say although it is ``meant``, each with why."""
    rules = "\n".join(f'// {why}\nlint_off -rule {rule} -file "*{name}.v"' for rule, why in meant)
    return f"`verilator_config\n{rules}\n"
