"""The commands that give a report's figures again, as a shell takes them in the folder where the report was made."""

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from s2nn_hw.activity_record import ActivityRecord
from s2nn_hw.hw.flow.build_record import Asked, BuildRecord

File = Path | str


@dataclass(frozen=True)
class Given:
    """What ``s2nn-hw report`` was given; None where nothing was.

    path                       the network's file
    board                      its name
    plan                       the file that the plan is in, None for the default one of the board
    images, labels, readings   files
    frames                     of how many images cycles are worked out
    """

    path: File
    board: str | None = None
    plan: File | None = None
    images: File | None = None
    labels: File | None = None
    readings: File | None = None
    frames: int | None = None

    @property
    def on_board(self) -> list[Any]:
        """The options that say on what and how the network is built."""
        return [*_option("--board", self.board), *_option("--plan", self.plan)]


def commands(given: Given, *, build: BuildRecord | None = None, activity: ActivityRecord | None = None) -> list[str]:
    """Return the lines, in the order to run them; ``build``: a ``build.json``, ``activity``: an ``activity.json``."""
    common = [given.path, *given.on_board]
    pictures = _option("--images", given.images)
    judged = pictures + _option("--labels", given.labels)
    lines: list[list[Any]] = []
    if build:
        events = ["--events"] if build.link and build.link.events else []
        lines.append(["bitstream", *common, *(_asked(build.options) if build.options else []), *events, *pictures])
    if activity:
        lines.append(["activity", *common, *_option("--frames", activity.frames), *pictures])
    lines.append(["verify", *common, *judged])
    lines.append(
        [
            "report",
            *common,
            *judged,
            *_option("--frames", given.frames),
            *_option("--readings", given.readings),
            "--html",
        ]
    )
    return [shlex.join(["s2nn-hw", *map(str, line)]) for line in lines]


def _asked(options: Asked) -> list[Any]:
    """Return the options of a build that was asked for ``options``."""
    return [
        *_option("--freq", options.freq_mhz),
        *_option("--seed", options.seed),
        *_option("--baud", options.baud),
        *(["--native"] if options.native else []),
    ]


def _option(name: str, value: Any) -> list[Any]:
    """Return an option with its value, nothing without one."""
    if value is None:
        return []
    return [name, f"{value:g}" if isinstance(value, float) else value]
