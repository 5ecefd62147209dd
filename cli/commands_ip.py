"""The command that makes a block for other people's designs."""

from pathlib import Path
from typing import Annotated

import typer

from s2nn_hw.cli.options import NetworkFile, PlanFile

commands = typer.Typer()


@commands.command(
    epilog="Example: s2nn-hw ip models/mnist-tiny.s2nn -o build/mnist-ip --axi-lite --input-bytes 4 --core-clock 150"
)
def ip(
    network: NetworkFile,
    output: Annotated[
        Path,
        typer.Option("-o", "--output", metavar="DIR", help="Folder for the files; one of an earlier run is replaced."),
    ],
    plan: PlanFile = None,
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="Of the block; else the network's.")
    ] = None,
    axi_lite: Annotated[
        bool, typer.Option("--axi-lite", help="Registers: identity, status, counters, restart.")
    ] = False,
    clock: Annotated[float, typer.Option("--clock", metavar="MHZ", help="Of the bus, for the constraints.")] = 100.0,
    core_clock: Annotated[
        float | None, typer.Option("--core-clock", metavar="MHZ", help="A clock of the circuit's own, any phase.")
    ] = None,
    input_bytes: Annotated[
        int | None, typer.Option("--input-bytes", metavar="N", help="Of s_axis_tdata; else one beat of the circuit.")
    ] = None,
    output_bytes: Annotated[
        int | None,
        typer.Option(
            "--output-bytes", metavar="N", help="Of m_axis_tdata; else 4, or a result a cycle where frames are."
        ),
    ] = None,
    result: Annotated[
        str, typer.Option("--result", metavar="PART[,PART..]", help="Of class, cycles, scores.")
    ] = "class,cycles,scores",
    family: Annotated[
        str, typer.Option("--family", metavar="F", help="Of the estimate: xc7, ecp5, ice40, gowin.")
    ] = "xc7",
) -> None:
    """Write an IP block with AXI4-Stream: Verilog, bench, packaging, constraints, data sheet."""
    from s2nn_hw.ip.shape import Options
    from s2nn_hw.ip.write import write
    from s2nn_hw.network.store import load
    from s2nn_hw.plan.plan import load_plan
    from s2nn_hw.terminal import working
    from s2nn_hw.verilog.identifiers import plain

    loaded = load(network)
    options = Options(
        name=plain(loaded.name) if name is None else name,
        clock_mhz=clock,
        core_mhz=core_clock,
        input_bytes=input_bytes,
        output_bytes=output_bytes,
        content=tuple(part.strip() for part in result.split(",")),
        axi_lite=axi_lite,
        family=family,
    )
    with working(f"making {options.name}"):
        block = write(loaded, output, options, load_plan(plan, loaded) if plan else None)
    shape = block.shape
    typer.echo(
        f"{loaded.name}: {options.name}.v and what belongs to it are in {output}; a frame is {shape.transfers:,} x "
        f"{shape.input_bytes:,} bytes, a result {shape.result_transfers:,} x {shape.output_bytes:,}"
    )
    typer.echo(f"its data sheet is {output / 'README.md'}; check it with: make -C {output} icarus")
