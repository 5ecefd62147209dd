"""The folder of an IP block, whole or not at all."""

import json
from pathlib import Path

from s2nn_hw.accelerator import Accelerator
from s2nn_hw.circuit.choices import Plan
from s2nn_hw.cost.estimate import estimate
from s2nn_hw.design import Design
from s2nn_hw.emit import TOOL, Vectors, vectors
from s2nn_hw.family import GENERAL
from s2nn_hw.files import atomic_folder
from s2nn_hw.ip import constraints, fusesoc, ipxact, sheet
from s2nn_hw.ip.bench import BENCH, FILES, Bench
from s2nn_hw.ip.block import Block
from s2nn_hw.ip.shape import Options, Shape
from s2nn_hw.ip.summary import summary
from s2nn_hw.ip.waves import pictures
from s2nn_hw.network.network import Network
from s2nn_hw.plan.defaults import default_plan
from s2nn_hw.verilog.convert import to_verilog
from s2nn_hw.verilog.testbench import LINT, lint_rules

MARK = "ip.json"  # what a folder of ours has
MOST_WORK = 100_000_000  # LUTs times cycles of all frames of the bench: minutes in Icarus
GIVEN = Path(__file__).parent / "files"
COPIED = {
    "package_ip.tcl": "packages the block for Vivado: vivado -mode batch -source package_ip.tcl",
    "Makefile": "make icarus, make verilator, make lint",
    "litex_wrapper.py": "example: the block in LiteX",
    "amaranth_wrapper.py": "example: the block in Amaranth",
}
CROSSING_LINT = (
    "SYNCASYNCNET",
    "the reset of one side of a queue between two clocks also empties its other side, at once",
)


def write(network: Network, folder: Path | str, options: Options, plan: Plan | None = None) -> Block:
    """Write the IP block of ``network`` into ``folder``: Verilog, bench, packaging, data sheet; see ``docs/ip.md``.

    A folder that this wrote before is replaced; :class:`~s2nn_hw.errors.UserError` if it holds anything else, or if
    ``options`` and ``network`` don't go together. Returns the block.
    """
    name = options.name
    with atomic_folder(folder, mark=MARK) as place:
        plan = plan or default_plan(network, GENERAL)
        Shape(Design(network, plan), options)  # refuses what can't be before a circuit is made
        accelerator = Accelerator(network, plan)
        block = Block(accelerator, options)
        cases = _cases(accelerator)
        bench = Bench(block, cases)
        text = _head(block) + to_verilog(block, name)
        drawn = pictures(block.shape)
        about = summary(block, cases, text, _files(name, drawn))
        told = sheet.markdown(about, drawn)
        content = {
            f"{name}.v": text,
            f"{name}_tb.v": to_verilog(bench.top(), f"{name}_tb"),
            BENCH.name: BENCH.read_text(),
            **bench.files(),
            f"{name}.vlt": lint_rules(name, (*LINT, CROSSING_LINT) if options.core_mhz else LINT),
            f"{name}.xdc": constraints.crossing_xdc(options),
            f"{name}_ooc.xdc": "".join(f"{line}\n" for line in constraints.clock_lines(options)),
            f"{name}.sdc": constraints.sdc(options),
            "component.xml": ipxact.component(block, [(f"{name}.v", "verilogSource"), (f"{name}.xdc", "xdc")]),
            f"{name}.core": fusesoc.core(options, f"Spiking network {network.name} between AXI4-Streams"),
            "settings.tcl": _settings(block),
            **{file: (GIVEN / file).read_text() for file in COPIED},
            "README.md": told,
            "datasheet.html": sheet.page(told, name, drawn),
            **drawn,
            MARK: json.dumps(about, indent=2, ensure_ascii=False) + "\n",
        }
        for file, written in content.items():
            (place / file).write_text(written, encoding="utf-8")
    return block


def _cases(accelerator: Accelerator) -> Vectors:
    """Return the vectors, of large circuits and long frames fewer: each cycle costs an event-driven simulator the more,
    the larger the circuit is."""
    cases = vectors(accelerator)
    work = estimate(accelerator.design, GENERAL).luts * int(cases.cycles.mean())
    few = max(2, min(len(cases.pixels), MOST_WORK // max(work, 1)))
    return cases if few == len(cases.pixels) else vectors(accelerator, few)


def _files(name: str, drawn: dict[str, str]) -> dict[str, str]:
    """Return what each file of the folder is."""
    return {
        f"{name}.v": "the block, Verilog-2005, in one file",
        f"{name}_tb.v, {BENCH.name}": "the bench, and what it is made of",
        ", ".join(FILES.values()): "its vectors, for $readmemh",
        f"{name}.vlt": "what verilator -Wall would warn of although it is meant, each with the reason",
        f"{name}.xdc": "constraints of the block in a design of Vivado",
        f"{name}_ooc.xdc": "its clocks, when it is built alone",
        f"{name}.sdc": "all of both for other tools",
        "component.xml": "IP-XACT (IEEE 1685-2009)",
        f"{name}.core": "core file of FuseSoC (CAPI 2): targets lint, sim, sim_verilator",
        "settings.tcl": "what package_ip.tcl reads",
        **COPIED,
        f"README.md, datasheet.html, {', '.join(drawn)}": "this data sheet",
        MARK: "the same for programs",
    }


def _head(block: Block) -> str:
    network = block.design.network
    lines = (
        f"{block.options.name}: network {network.name}, SHA-256 {network.digest}, between AXI4-Streams",
        f"written by {TOOL}; use and change this file, which is the tool's output, under any terms",
        "README.md says what its ports mean.",
    )
    return "".join(f"// {line}\n" for line in lines) + "\n"


def _settings(block: Block) -> str:
    """Return what ``package_ip.tcl`` reads, words without special characters."""
    options = block.options
    clocks = " ".join(f"{port} {round(1e6 * mhz)}" for port, mhz in constraints.clocks(options).items())
    buses = " ".join(["s_axis", "m_axis", *(["s_axi"] if options.axi_lite else [])])
    settings = {
        "name": options.name,
        "vendor": ipxact.VENDOR,
        "library": ipxact.LIBRARY,
        "version": ipxact.VERSION,
        "part": "xc7a35tcpg236-1",
        "description": f"{{Spiking network {block.design.network.name} between AXI4-Streams}}",
        "clocks": f"{{{clocks}}}",
        "buses": f"{{{buses}}}",
    }
    return "".join(f"set {name} {value}\n" for name, value in settings.items())
