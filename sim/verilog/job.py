"""What a bench inside the simulator is told: written by the runner, read there; no more is imported on either side."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

JOB, LINK_JOB = "job.json", "link.json"


@dataclass(frozen=True)
class Job:
    """What ``bench.py`` does with its frames.

    sends:        pairs: frames up to the first number follow each other without a gap, then the circuit runs empty, and
                  the second number of results has come
    stall_in:     in so many of 256 cycles a beat is withheld
    stall_out:    in so many a result is refused
    resets:       cycles after which a disturbing reset comes, before the frames proper
    probes:       lanes of each layer that is looked into, by name
    settle:       whether registers of a cycle change one after the other
    result_bits:  of a result
    slice_ns:     time between two looks at what came
    patience:     looks without a result after which the circuit counts as stuck
    drain_ns:     time for which the circuit may work on after a sequence
    report_every: results between two reports of progress
    """

    sends: tuple[tuple[int, int], ...]
    stall_in: int
    stall_out: int
    resets: tuple[int, ...]
    probes: dict[str, int]
    settle: bool
    result_bits: int
    slice_ns: int
    patience: int
    drain_ns: int
    report_every: int

    def write(self, folder: Path) -> None:
        """Write it where the bench will run."""
        (folder / JOB).write_text(json.dumps(asdict(self)))

    @classmethod
    def read(cls) -> Self:
        """Return the one in the working folder."""
        return cls(**json.loads(Path(JOB).read_text()))


@dataclass(frozen=True)
class Phase:
    """Bytes to send: after ``clocks`` cycles of nothing, with a reset before byte number ``reset_before``, if any."""

    send: bytes
    clocks: int = 0
    reset_before: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Return it with the bytes in hexadecimal."""
        return asdict(self) | {"send": self.send.hex()}

    @classmethod
    def of(cls, *, send: str, clocks: int, reset_before: int | None) -> Self:
        """Return the phase whose :meth:`to_json` has these entries."""
        return cls(bytes.fromhex(send), clocks, reset_before)


@dataclass(frozen=True)
class LinkJob:
    """What ``link_bench.py`` sends: the ``phases``, at ``clocks`` cycles a bit."""

    clocks: int
    phases: Sequence[Phase]

    def write(self, folder: Path) -> None:
        """Write it where the bench will run."""
        data = {"clocks": self.clocks, "phases": [phase.to_json() for phase in self.phases]}
        (folder / LINK_JOB).write_text(json.dumps(data), encoding="utf-8")

    @classmethod
    def of(cls, *, clocks: int, phases: Sequence[dict[str, Any]]) -> Self:
        """Return the job whose file has these entries."""
        return cls(clocks, [Phase.of(**phase) for phase in phases])

    @classmethod
    def read(cls) -> Self:
        """Return the one in the working folder."""
        return cls.of(**json.loads(Path(LINK_JOB).read_text(encoding="utf-8")))
