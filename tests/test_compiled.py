"""Compiled functions are cached, and compiled anew when a file beside theirs changes."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
OUTER = """from s2nn_hw.compiled import njit
from inner import step

@njit()
def twice(x):
    return step(step(x))
"""
INNER = """from s2nn_hw.compiled import njit

@njit(inline="always")
def step(x):
    return x + {by}
"""


def twice_one(folder, by):
    """Return what the function of one file gives, whose inlined part in another file adds ``by``."""
    (folder / "inner.py").write_text(INNER.format(by=by))
    said = subprocess.run(
        [sys.executable, "-c", "from outer import twice; print(twice(1))"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    return int(said.stdout)


def test_what_is_inlined_from_another_file_is_never_stale(tmp_path):
    (tmp_path / "outer.py").write_text(OUTER)
    assert twice_one(tmp_path, 1) == 3
    kept = sorted(tmp_path.rglob("*.nbi"))
    assert len(kept) >= 1
    assert twice_one(tmp_path, 1) == 3
    assert sorted(tmp_path.rglob("*.nbi")) == kept
    assert twice_one(tmp_path, 10) == 21
    assert len(list(tmp_path.rglob("*.nbi"))) > len(kept)
