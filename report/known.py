"""What is known of a circuit beside its network and plan, when a report is made of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from s2nn_hw.activity_record import ActivityRecord
from s2nn_hw.family.board import BoardFacts
from s2nn_hw.hw.facts import LinkFacts
from s2nn_hw.hw.flow.build_record import BuildRecord, running_mhz
from s2nn_hw.report.energy.readings import Readings


@dataclass(frozen=True)
class Known:
    """What is known; None where nothing is.

    board       it is for
    link        bytes and frames/s of the host link (:func:`s2nn_hw.hw.facts.link_facts`)
    build       its ``build.json``, and ``folder``: that one's name
    clock_mhz   instead of the build's or the board's
    activity    an ``activity.json``
    readings    of a meter
    checked     content of the file of ``s2nn-hw verify``, which may be of anything
    source      where the images are from
    data_set    its title, None for the network's word
    created     time stamp
    reproduce   the commands for the report (:func:`s2nn_hw.report.reproduce.commands`)
    """

    board: BoardFacts | None = None
    link: LinkFacts | None = None
    build: BuildRecord | None = None
    folder: str | None = None
    clock_mhz: float | None = None
    activity: ActivityRecord | None = None
    readings: Readings | None = None
    checked: Any = None
    source: str | None = None
    data_set: str | None = None
    created: str = ""
    reproduce: Sequence[str] = ()

    @property
    def events(self) -> bool:
        """Whether it is built with a link that takes events."""
        return self.build is not None and self.build.link is not None and self.build.link.events

    @property
    def wanted_mhz(self) -> float | None:
        """The clock that is wanted: of the build, else the board's, else what was asked for."""
        if self.build:
            return self.build.clock.wanted_mhz
        return self.board.clock_mhz if self.board else self.clock_mhz

    @property
    def reached_mhz(self) -> float | None:
        """The clock that the circuit could run at, as the build found."""
        return self.build.clock.reached_mhz if self.build else None

    @property
    def used_mhz(self) -> float | None:
        """The clock that it runs at."""
        if self.wanted_mhz is None:
            return None
        return self.clock_mhz or (running_mhz(self.build) if self.build else self.wanted_mhz)
