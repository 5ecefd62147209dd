"""Random networks through the circuit: golden model and cycle model against Amaranth's simulator and Verilator.

    python -m tests.soak.networks [--minutes M] [--count N] [--seed S] [--first K] [--verilator SHARE] [-o FOLDER]

Every kind of layer, joint, plan and engine that docs/format.md and docs/plan.md allow is drawn. Scores, classes and, of
two in three, cycles must be equal (the third is stalled at random on both sides); with SHARE (0 to 1) so many
also go through Verilated Verilog, spikes of every layer included. A case that differs is written to FOLDER (network,
plan, images) and the exit status is 1. The case of a number does not depend on those before it: --first goes on where
an earlier run with that seed ended, or looks at one case again.
"""

import argparse
import json
import sys
import time
import traceback
import warnings
from collections import Counter
from pathlib import Path

import numpy as np

from s2nn_hw.accelerator import Accelerator
from s2nn_hw.network.store import load, save
from s2nn_hw.sim.verilog.runner import Simulation
from s2nn_hw.sim.verilog.verify import run_checked
from tests.support.networks import random_images
from tests.support.random_plans import random_case, signature
from tests.support.streams import check_accelerator

FRAMES = 3
STALLS = (0.0, 0.0, 0.3)
PROGRESS_SECONDS = 30


def check(network, plan, number, *, verilated, folder):
    """Raise unless circuit and models agree on case ``number``; the network goes through its file first."""
    path = folder / "network.s2nn"
    save(network, path)
    network = load(path)
    images, stall = random_images(network, FRAMES, number), STALLS[number % len(STALLS)]
    check_accelerator(Accelerator(network, plan), images, stall=stall, seed=number)
    if verilated:
        simulation = Simulation(network, plan, folder=folder / "verilated")
        run_checked(simulation, images, length=FRAMES)
        run_checked(simulation, images, length=FRAMES, stall=(0.3, 0.3))


def keep(network, plan, number, folder):
    """Write case ``number``, so that it can be run again with ``s2nn-hw simulate``."""
    place = folder / f"case-{number}"
    place.mkdir(parents=True, exist_ok=True)
    save(network, place / "network.s2nn")
    plan.save(place / "plan.json")
    np.save(place / "images.npy", random_images(network, FRAMES, number))
    return place


def soak(*, seed, minutes, count, share, folder, first=0, say=print):
    """Run cases from number ``first`` on until ``minutes`` are over or ``count`` are done; return JSON-able figures."""
    folder.mkdir(parents=True, exist_ok=True)
    start = shown = time.monotonic()
    signatures, kinds, refused, different, done, verilated = set(), Counter(), Counter(), [], 0, 0

    def figures():
        return {
            "seed": seed,
            "first": first,
            "networks": done,
            "differences": different,
            "distinct_shapes": len(signatures),
            "verilated": verilated,
            "plans_refused": sum(refused.values()),
            "refusals": dict(refused.most_common(20)),
            "layers": dict(kinds.most_common()),
            "seconds": round(time.monotonic() - start, 1),
        }

    while (count is None or done < count) and (minutes is None or time.monotonic() - start < 60 * minutes):
        number = first + done
        rng = np.random.default_rng([seed, number])
        network, plan = random_case(rng, refused)
        signatures.add(signature(network, plan))
        kinds.update(
            f"{'+'.join(s.kind for s in layer.synapses)} ({choice.engine})"
            for layer, choice in zip(network.layers, plan.layers, strict=True)
        )
        chosen = bool(rng.random() < share)
        try:
            check(network, plan, number, verilated=chosen, folder=folder)
        except Exception:  # whatever goes wrong is a finding, and the soak goes on
            place = keep(network, plan, number, folder)
            different.append(number)
            say(f"case {number} differs; network, plan and images are in {place}\n{traceback.format_exc(limit=-2)}")
        done, verilated = done + 1, verilated + chosen
        if time.monotonic() - shown > PROGRESS_SECONDS:
            shown = time.monotonic()
            say(
                f"{done:,} networks, {len(signatures):,} distinct shapes, {verilated} verilated, "
                f"{len(different)} differences, {shown - start:,.0f} s"
            )
            (folder / "soak.json").write_text(json.dumps(figures(), indent=1) + "\n")
    (folder / "soak.json").write_text(json.dumps(figures(), indent=1) + "\n")
    return figures()


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, help="stop after so long (default: 10, without --count)")
    parser.add_argument("--count", type=int, help="stop after so many networks")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="default: the time")
    parser.add_argument("--first", type=int, default=0, metavar="K", help="number of the first case")
    parser.add_argument("--verilator", type=float, default=0.0, metavar="SHARE", help="of networks, 0 to 1")
    parser.add_argument("-o", "--output", type=Path, default=Path("build/soak"), metavar="FOLDER")
    options = parser.parse_args()
    minutes = 10.0 if options.minutes is options.count is None else options.minutes
    warnings.simplefilter("ignore")
    print(f"seed {options.seed}", flush=True)
    found = soak(
        seed=options.seed,
        first=options.first,
        minutes=minutes,
        count=options.count,
        share=options.verilator,
        folder=options.output,
        say=lambda text: print(text, flush=True),
    )
    print(
        f"{found['networks']:,} networks of {found['distinct_shapes']:,} distinct shapes, {found['verilated']} of "
        f"them through Verilator, {len(found['differences'])} differences; seed {found['seed']}, "
        f"{found['seconds']:,.0f} s; {options.output / 'soak.json'}"
    )
    return 1 if found["differences"] else 0


if __name__ == "__main__":
    sys.exit(main())
