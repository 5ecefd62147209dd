"""Seconds until ``import s2nn_hw``, ``--help`` and the first network are there, each in a new Python."""

import resource
import subprocess
import sys
import time

from benchmarks.frame import Row, Setting

TITLE = "start, a new Python each"
TARGET = 0.5
REPEATS = 5


def run(setting: Setting) -> list[Row]:
    """Return the rows; processor time is lengthened less than the clock's by other work on the machine."""
    loads = f"import s2nn_hw; s2nn_hw.load({str(setting.path.resolve())!r})"
    front, shown = _seconds("-c", "import s2nn_hw"), _seconds("-m", "s2nn_hw", "--help")
    return [
        Row("Python alone", _seconds("-c", "pass")[0], "s"),
        Row("import s2nn_hw", front[0], "s", TARGET, "figure to reach", binding=True),
        Row("s2nn-hw --help", shown[0], "s", TARGET, "figure to reach", binding=True),
        Row("import s2nn_hw, by the clock", front[1], "s", TARGET, "the same"),
        Row("s2nn-hw --help, by the clock", shown[1], "s", TARGET, "the same"),
        Row("import and load", _seconds("-c", loads)[0], "s"),
    ]


def _seconds(*words: str) -> tuple[float, float]:
    """Return the least time of the processor and of the clock, in s, of :data:`REPEATS` runs of Python."""
    spent, passed = [], []
    for _ in range(REPEATS):
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run([sys.executable, *words], capture_output=True, check=True)
        passed.append(time.perf_counter() - start)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return round(min(spent), 3), round(min(passed), 3)
