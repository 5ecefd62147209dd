"""What the ``bitstream`` command does and says; its numbers come from :mod:`hw.flows`."""

from rich.console import Console

from s2nn_hw.plan import load_plan
from s2nn_hw.report.resources import estimate
from s2nn_hw.store import load

from .boards import find_board
from .flows import Options, build, table


def build_bitstream(path, board, *, output, plan=None, **options):
    """Build the network in file ``path`` for the board named ``board``, say where things are, return the build."""
    board = find_board(board)
    options = Options(**options)
    network = load(path)
    console = Console()
    chosen = load_plan(plan, network, board=board.name) if plan else None
    built = build(network, board, plan=chosen, options=options, output=output, console=console,
                  estimate=estimate(network, chosen, board.family, link=True))

    def say(text):
        console.print(text, highlight=False, markup=False, soft_wrap=True)

    if built.bitstream:
        say(f"bitstream: {built.bitstream}")
        say(f"program it, in that folder, with: {built.report['program']}")
    else:
        say("no bitstream: this machine can only synthesise for this board. Missing:")
        for item in built.missing:
            say(f"  - {item}")
        say(f"{built.folder} is ready for a machine that has them: sh run_openxc7.sh, or sh run_vivado.sh")
    return built


def show_resources(built, board):
    """Print what the build uses and reaches, for networks that can't be reported on otherwise."""
    Console().print(table(built, find_board(board)))
