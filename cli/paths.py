"""Fan-out and depth of a synthesised netlist as tables: ``python -m s2nn_hw.cli.paths NETLIST FAMILY``."""

import argparse
import json
import sys
from collections.abc import Sequence

from s2nn_hw.errors import UserError
from s2nn_hw.family import FAMILIES
from s2nn_hw.hw.family import library_of
from s2nn_hw.hw.netlist.paths import SHOWN, Paths, read_paths
from s2nn_hw.terminal import Terminal, terminal


def print_paths(paths: Paths, console: Terminal) -> None:
    """Print ``paths`` as tables on a :class:`~s2nn_hw.terminal.Terminal`."""
    from s2nn_hw.report.show.tables import make_table

    console.print(
        make_table(
            f"highest fan-out: {paths.highest:,} loads",
            ("net", "loads", "driver", "pins"),
            [
                (net.name, net.loads, net.driver, ", ".join(f"{count:,} {kind}" for kind, count in net.pins.items()))
                for net in paths.nets
            ],
        )
    )
    for clock in paths.clocks:
        console.print(f"clock {clock.name}: {clock.loads:,} loads, from {clock.driver or 'a port'}")
    console.print(
        make_table(
            f"deepest path: {paths.levels} levels, {paths.levels_with_multiplexers} with the slices' multiplexers",
            ("from", "to", "levels", "multiplexers", "alike"),
            [(path.start, path.end, path.levels, path.multiplexers, path.alike) for path in paths.paths],
        )
    )
    if paths.paths:
        way = " > ".join(f"{kind} {name}" for kind, name in paths.paths[0].through)
        console.print(f"on the way of the first: {way}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the words, print the tables or JSON."""
    parser = argparse.ArgumentParser(prog="python -m s2nn_hw.cli.paths", description="Fan-out and depth of a netlist.")
    parser.add_argument("netlist", help="what yosys's write_json wrote")
    parser.add_argument("family", choices=list(FAMILIES))
    parser.add_argument("--shown", type=int, default=SHOWN, help="how many nets and paths")
    parser.add_argument("--json", action="store_true", help="JSON on standard output")
    options = parser.parse_args(arguments)
    paths = read_paths(options.netlist, library_of(options.family), shown=options.shown)
    if options.json:
        print(json.dumps(paths.to_json(), indent=2))
        return
    print_paths(paths, terminal(tables=True))


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        print("error: " + " ".join(str(error).split()), file=sys.stderr)
        sys.exit(2)
