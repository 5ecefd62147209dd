"""The ``s2nn-hw`` command: one function per subcommand, each importing its stage only when it runs."""

import errno
import sys
from pathlib import Path
from typing import Annotated

import typer

from .errors import UserError

app = typer.Typer(
    name="s2nn-hw",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Turn a trained single-step spiking network into a verified FPGA circuit.\n\n"
    "The usual order: train, quantize, inspect, verilog, simulate, bitstream, report, run.",
)

@app.callback()
def base():
    # a callback keeps subcommands subcommands, however few there are; the help text is the one above
    pass


NetworkFile = Annotated[Path, typer.Argument(metavar="NAME.s2nn", help="Integer network written by `quantize`.")]
Images = Annotated[Path, typer.Option("--images", metavar="X.npy", help="uint8 images (count, *input shape), 0..255.")]


@app.command()
def train(
    recipe: Annotated[Path, typer.Argument(metavar="RECIPE.toml", help="What to train; see models/*.toml.")],
    output: Annotated[Path | None, typer.Option("-o", "--output", metavar="DIR", help="Default: runs/NAME.")] = None,
    epochs: Annotated[int | None, typer.Option("--epochs", min=1, help="Instead of the recipe's.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget the epochs that an earlier run left.")] = False,
):
    """Train a network; Ctrl-C stops it, the same command goes on."""
    from quantize.commands import train_recipe

    train_recipe(recipe, output, epochs=epochs, fresh=fresh)


@app.command()
def quantize(
    checkpoint: Annotated[Path, typer.Argument(metavar="CHECKPOINT", help="safetensors file written by `train`.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="NAME.s2nn", help="Integer network to write.")],
    bits: Annotated[str | None, typer.Option("--bits", metavar="N[,N..]", help="Weight bits, 1 to 8.")] = None,
    recipe: Annotated[Path | None, typer.Option("--recipe", metavar="RECIPE.toml", help="For foreign weights.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON, not as a table.")] = False,
):
    """Fold a checkpoint into integers; figures in a table and beside the output as JSON."""
    from quantize.commands import quantize_checkpoint

    quantize_checkpoint(checkpoint, output, bits=bits, recipe=recipe, as_json=as_json)


@app.command()
def golden(
    network: NetworkFile,
    images: Images,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="OUT.npz", help="Arrays `class` and `scores`.")],
):
    """Run the exact integer model on images."""
    from .files import read_npy, write_npz
    from .store import load

    result = load(network).forward(read_npy(images))
    write_npz(output, **{"class": result.classes.numpy(), "scores": result.scores.numpy()})
    typer.echo(f"{len(result.classes)} images classified; class and scores are in {output}")


@app.command()
def bitstream(
    network: NetworkFile,
    board: Annotated[str, typer.Option("--board", "-b", metavar="BOARD", help="Known: see docs/boards.md.")] = "ulx3s",
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Where build folders go.")] = "build",
    plan: Annotated[Path | None, typer.Option("--plan", metavar="PLAN.json", help="Instead of the default.")] = None,
    freq: Annotated[float | None, typer.Option("--freq", metavar="MHZ", help="System clock; else the board's.")] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Placement seed.")] = 1,
    baud: Annotated[int | None, typer.Option("--baud", min=1, help="Host link; else the board's.")] = None,
    native: Annotated[bool, typer.Option("--native", help="Prefer yosys and nextpnr on the PATH to YoWASP's.")] = False,
    chipdb: Annotated[
        str | None, typer.Option("--chipdb", envvar="CHIPDB_DIR", help="openXC7: chip database, file or folder.")
    ] = None,
    prjxray_db: Annotated[
        str | None, typer.Option("--prjxray-db", envvar="PRJXRAY_DB_DIR", help="openXC7: folder prjxray-db.")
    ] = None,
):
    """Build a board's bitstream; status 3 if the tools here can only synthesise for it."""
    from hw.commands import build_bitstream

    status = build_bitstream(network, board, output=output, plan=plan, freq_mhz=freq, seed=seed, baud=baud,
                             native=native, chipdb=chipdb, prjxray_db=prjxray_db)
    if status:
        raise typer.Exit(status)


@app.command()
def run(
    network: Annotated[Path, typer.Option("--network", metavar="NAME.s2nn", help="What the board was built from.")],
    images: Images,
    port: Annotated[str, typer.Option("--port", metavar="DEV", help="The board's serial port.")],
    output: Annotated[Path | None, typer.Option("-o", "--output", metavar="OUT.npz", help="Arrays to write.")] = None,
    baud: Annotated[int, typer.Option("--baud", min=1, help="The rate the bitstream was built for.")] = 1_000_000,
):
    """Classify images on the board, over its serial port; the arrays are `class`, `scores` and `cycles`."""
    from hw.host import run as run_on_board

    run_on_board(network, images, port, output, baud=baud)


def fail(message):
    """Print one ``error:`` line and return the exit status for bad input."""
    typer.echo("error: " + " ".join(str(message).split()), err=True)
    return 2


def main():
    """Run the command; whatever a user can mend ends in one line and status 2."""
    try:
        status = app(standalone_mode=False)
    except typer.Exit as stop:
        status = stop.exit_code
    except UserError as error:
        status = fail(error)
    except KeyboardInterrupt:
        status = fail("interrupted; nothing half-written was left")
    except typer.Abort:
        status = fail("interrupted; nothing half-written was left")
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS):
            raise
        status = fail(f"{error.filename or 'output'} can't be written: {error.strerror}")
    except Exception as error:
        if not hasattr(error, "format_message"):  # what the option parser raises carries its own wording
            raise
        status = fail(error.format_message())
    sys.exit(status or 0)
