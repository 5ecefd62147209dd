"""A build as ``docs/figures/builds.json`` has it: the command that makes it, and what came out."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Annotated, Any, Self

import msgspec

from s2nn_hw.errors import UserError, quoted
from s2nn_hw.hw.flow.build_record import Asked, BuildRecord
from s2nn_hw.records import Amount, Number, Positive, convert

# it goes into tables of Markdown: no line ends, bars or backticks
Line = Annotated[str, msgspec.Meta(pattern=r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029|`]*$", max_length=200)]


@dataclass(frozen=True)
class Entry:
    """The part of a build's entry in the file that is written otherwise than in its record."""

    used: dict[str, Number]
    kinds: dict[str, Line]


@dataclass(frozen=True)
class RecordedClock:
    """The clock that was wanted, what the design reaches (None if it was not placed), what it runs at."""

    wanted_mhz: Positive
    reached_mhz: Positive | None
    clock_mhz: Positive | None


@dataclass(frozen=True)
class Counted:
    """How much of a ``kind`` of resource was ``used``."""

    kind: Line
    used: Number


@dataclass(frozen=True)
class Resources:
    """What a build takes of its device."""

    luts: Counted
    ffs: Counted
    brams: Counted
    dsps: Counted

    @classmethod
    def of(cls, kinds: Mapping[str, str], used: Mapping[str, float]) -> Self:
        """Return what was ``used``, of ``kinds``, both by resource."""
        return cls(**{name: Counted(kinds[name], count) for name, count in used.items()})

    def by_name(self) -> dict[str, Counted]:
        """Return them by resource."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


@dataclass(frozen=True)
class RecordedBuild:
    """A build.

    command    that makes it
    commit     of the sources, with ``+`` where files differed
    generator  the beginning of the digest of the package's sources
    network, board, title   names, and the board's title
    clock, resources
    counted    by what resources were counted
    bitstream  whether there was one
    tools      versions by name
    seconds    of each stage
    """

    command: Line
    commit: Annotated[str, msgspec.Meta(pattern=r"^([0-9a-f]{4,64}\+?)?$")]
    generator: Line
    network: Line
    board: Line
    title: Line
    clock: RecordedClock
    resources: Resources
    counted: Line
    bitstream: bool
    tools: Mapping[str, Line]
    seconds: Mapping[str, Amount]

    @classmethod
    def of(cls, build: BuildRecord, commit: str) -> Self:
        """Return what is recorded of ``build``, made of the sources of ``commit``."""
        clock = build.clock
        return cls(
            command=command(build),
            commit=commit,
            generator=build.generator or "",
            network=build.network.name or "",
            board=build.board.name or "",
            title=build.board.title or "",
            clock=RecordedClock(clock.wanted_mhz, clock.reached_mhz, clock.clock_mhz),
            resources=Resources(**{name: Counted(row.kind, row.used) for name, row in build.resources.items()}),
            counted=build.resources_source,
            bitstream=bool(build.bitstream),
            tools=build.tools,
            seconds={name: round(value, 1) for name, value in (build.seconds or {}).items()},
        )

    @classmethod
    def from_json(cls, data: Any, where: str) -> Self:
        """Return the build of :meth:`to_json`; :class:`UserError`, from ``where`` on, names the bad field."""
        counts = convert(data, Entry, where)
        spare = set(data) - {field.name for field in fields(cls)} - {"used", "kinds"} | {"resources"} & set(data)
        if spare:
            raise UserError(f"{where} has the unknown field {quoted(min(spare))}")
        rows = {
            name: {"kind": counts.kinds[name], "used": n} for name, n in counts.used.items() if name in counts.kinds
        }
        return convert(data | {"resources": rows}, cls, where, plain=True)

    def to_json(self) -> dict[str, Any]:
        """Return the entry of the file."""
        counts = self.resources.by_name()
        return {
            "command": self.command,
            "commit": self.commit,
            "generator": self.generator,
            "network": self.network,
            "board": self.board,
            "title": self.title,
            "clock": asdict(self.clock),
            "used": {name: row.used for name, row in counts.items()},
            "kinds": {name: row.kind for name, row in counts.items()},
            "counted": self.counted,
            "bitstream": self.bitstream,
            "tools": self.tools,
            "seconds": self.seconds,
        }


def command(build: BuildRecord) -> str:
    """Return the command that makes ``build``."""
    asked = build.options or Asked()
    words = [f"MODEL={build.network.name}", f"BOARD={build.board.name}"]
    words += [f"FREQ={asked.freq_mhz:g}"] if asked.freq_mhz else []
    words += [f"SEED={asked.seed}"] if asked.seed not in (None, 1) else []
    words += ["SELFTEST=1"] if build.self_test else []
    return "make bitstream " + " ".join(words)
