"""The ``s2nn-hw`` command: its subcommands are in ``commands_*.py``, each importing its stage only when it runs."""

import sys

import typer

from s2nn_hw.cli import (
    commands_circuit,
    commands_exchange,
    commands_explore,
    commands_ip,
    commands_network,
    commands_results,
    commands_selftest,
)
from s2nn_hw.cli.ending import status_of
from s2nn_hw.cli.options import Version

app = typer.Typer(
    name="s2nn-hw",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Turn a trained spiking network into a verified FPGA circuit.\n\n"
    "The usual order: train, quantize, inspect, plan, verify, bitstream, activity, report, run.",
)
# in the order in which the help names them
for group in (
    commands_network,
    commands_exchange,
    commands_ip,
    commands_circuit,
    commands_results,
    commands_explore,
    commands_selftest,
):
    app.add_typer(group.commands)


@app.callback()
def base(version: Version = False) -> None:
    # a callback keeps subcommands subcommands, however few there are; the help text is the one above
    pass


def main() -> None:
    """Run the command; whatever a user can mend ends in one line and status 2 (:mod:`s2nn_hw.cli.ending`)."""
    sys.exit(status_of(app))
