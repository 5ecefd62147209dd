"""Damaged files of every kind that a command reads, drawn from a seed: each is refused in one line, or right.

    python -m tests.support.damaged [COUNT [SEED]]

Kinds: .s2nn, .npy, labels, plans, recipes, checkpoints. What is accepted must be what the document allows: networks
are read again by ``outsider``, arrays by numpy with pickles off, plans and recipes must say what was read of them,
checkpoints and labels hold just what was wanted. Counted are tracebacks, files that took over a second, and files
that were accepted, or refused, against the document.
"""

import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np

from s2nn_hw.errors import UserError
from tests.support.damage import Wrong
from tests.support.damaged_arrays import Arrays, Labels
from tests.support.damaged_checkpoints import Checkpoints
from tests.support.damaged_networks import Networks
from tests.support.damaged_plans import Plans
from tests.support.damaged_recipes import Recipes

LIMIT_SECONDS = 1.0
LONGEST_MESSAGE = 1200


KINDS = {
    "s2nn": Networks,
    "npy": Arrays,
    "labels": Labels,
    "plan.json": Plans,
    "toml": Recipes,
    "safetensors": Checkpoints,
}


def judge(kind, path, counts):
    """Read the file at ``path`` as ``kind`` does and count what came of it; return what is wrong, or None."""
    start, problem = time.perf_counter(), None
    try:
        kind.accepted(path)
        counts["accepted"] += 1
    except UserError as error:
        counts["refused"] += 1
        text = str(error)
        if "\n" in text or len(text) > LONGEST_MESSAGE:
            problem = f"a message of {len(text)} characters or several lines: {text[:100]!r}"
    except Exception as error:  # what is looked for
        problem = f"{type(error).__name__}: {str(error)[:200]}"
        counts["wrong" if isinstance(error, Wrong) else "tracebacks"] += 1
    spent = time.perf_counter() - start
    counts["slowest"] = max(counts["slowest"], spent)
    counts["slow"] += spent > LIMIT_SECONDS
    return problem


def run(count, seed, folder):
    """Draw ``count`` files; return ``{kind: counts}`` and a list of what is wrong."""
    kinds = {name: make(folder) for name, make in KINDS.items()}
    counts, problems = {name: Counter() for name in kinds}, []
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        name = list(kinds)[number % len(kinds)]
        path = folder / f"damaged.{name}"
        path.write_bytes(kinds[name].draw(rng))
        problem = judge(kinds[name], path, counts[name])
        if problem:
            problems.append(f"{name} {seed}/{number}: {problem}")
    return counts, problems


def main(count=5000, seed=1):
    with tempfile.TemporaryDirectory() as folder:
        counts, problems = run(count, seed, Path(folder))
    for name, found in counts.items():
        print(
            f"{name:12} accepted {found['accepted']:5}  refused {found['refused']:5}  tracebacks "
            f"{found['tracebacks']}  against the document {found['wrong']}  over 1 s {found['slow']}  "
            f"slowest {found['slowest']:.2f} s"
        )
    print(*problems[:40], sep="\n")
    slow = sum(found["slow"] for found in counts.values())
    print(f"{count} damaged files, seed {seed}: {len(problems)} problems, {slow} over 1 s")
    return 1 if problems or slow else 0


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
