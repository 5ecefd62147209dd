"""What a worker is asked and what it answers, as records that are written as JSON."""

from dataclasses import asdict, dataclass
from typing import Any, ClassVar


@dataclass(frozen=True)
class TaskBoard:
    """What a task needs of its board: ``family``, ``baud`` of the link, ``budget`` by resource."""

    family: str
    baud: int
    budget: dict[str, float]


@dataclass(frozen=True)
class Task:
    """All that decides a result.

    code:    digest of the sources that work it out
    network: digest of the network
    board:   what it is for
    images:  digest of the images, and of how many of them cycles are worked out
    """

    kind: ClassVar[str]
    code: str
    network: str
    board: TaskBoard
    images: tuple[str, int]

    def to_json(self) -> dict[str, Any]:
        """Return it JSON-able, its kind first."""
        return {"kind": self.kind} | asdict(self) | {"images": list(self.images)}


@dataclass(frozen=True)
class CandidateTask(Task):
    """To work out the figures of the choice with ``parameters``, see :mod:`s2nn_hw.explore.space`."""

    kind = "candidate"
    parameters: dict[str, Any]


@dataclass(frozen=True)
class SynthesisTask(Task):
    """To synthesise ``plan`` (JSON) for ``clock_mhz``."""

    kind = "synthesis"
    plan: dict[str, Any]
    clock_mhz: float


@dataclass(frozen=True)
class Result:
    """What a task came to; each kind says what."""

    def to_json(self) -> dict[str, Any]:
        """Return it JSON-able; :func:`read_result` reads it."""
        return asdict(self)


@dataclass(frozen=True)
class Candidate(Result):
    """A circuit: its ``plan`` as JSON, and ``figures`` by name (:data:`s2nn_hw.explore.objectives.FIGURES`)."""

    plan: dict[str, Any]
    figures: dict[str, float]


@dataclass(frozen=True)
class Refused(Result):
    """No circuit, for the reason ``refused``."""

    refused: str


@dataclass(frozen=True)
class Synthesised(Result):
    """What synthesis ``used`` by resource, which ``source`` counted, and ``detail`` of it."""

    used: dict[str, float]
    source: str
    detail: dict[str, Any]


@dataclass(frozen=True)
class Failed(Result):
    """A synthesis that did not come through, for the reason ``failed``."""

    failed: str


RESULTS: tuple[type[Result], ...] = (Candidate, Refused, Synthesised, Failed)


def read_result(data: dict[str, Any]) -> Result:
    """Return the result of :meth:`Result.to_json`; ``TypeError`` if it is none."""
    for kind in RESULTS:
        if set(data) == set(kind.__dataclass_fields__):
            return kind(**data)
    raise TypeError(f"no result has the fields {', '.join(data)}")
