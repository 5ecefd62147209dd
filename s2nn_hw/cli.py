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
