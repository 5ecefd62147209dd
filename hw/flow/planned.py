"""Amaranth's build plan of a design: the files that the tools read, and the commands."""

import json
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amaranth.build import Platform
from amaranth.hdl import Elaboratable

from s2nn_hw.hw.flow.openxc7 import TOP
from s2nn_hw.hw.flow.toolchain import builtin_yosys

Files = dict[str, str | bytes]


@dataclass(frozen=True)
class Planned:
    """The ``files`` of a plan by name, its ``commands`` as lists of words, and the same as a shell ``script``."""

    files: Files
    commands: list[list[str]]
    script: str


def plan(platform: Platform, top: Elaboratable, **overrides: Any) -> Planned:
    """Return the plan of ``platform`` for ``top``; ``overrides``: as Amaranth takes them."""
    with warnings.catch_warnings(), builtin_yosys():
        warnings.simplefilter("ignore")  # the Yosys beside Amaranth warns about its own packaging
        made = platform.build(top, name=TOP, do_build=False, emit_src=False, **overrides)
    files = {name: text for name, text in made.files.items() if not name.endswith((".bat", ".debug.v"))}
    commands = json.loads(files.pop(f"build_{TOP}.json"))["commands"]
    return Planned(files, commands, files.pop(f"build_{TOP}.sh"))


def write(files: Files, folder: Path) -> None:
    """Write ``files`` into ``folder``; scripts can be run."""
    for name, content in files.items():
        path = folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        if name.endswith(".sh"):
            path.chmod(0o755)
