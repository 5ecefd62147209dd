"""What a worker is asked and what it answers, as records that are written as JSON."""

from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from s2nn_hw.errors import UserError
from s2nn_hw.explore.objectives import CIRCUIT, RESOURCES
from s2nn_hw.records import Number, convert


@dataclass(frozen=True)
class TaskBoard:
    """What a task needs of its board: ``family``, ``baud`` of the link, ``budget`` by resource."""

    family: str
    baud: int
    budget: dict[str, float]


@dataclass(frozen=True)
class Result:
    """What a task came to; each kind says what."""

    def to_json(self) -> dict[str, Any]:
        """Return it JSON-able; :func:`read_result` reads it."""
        return asdict(self)

    def check(self, where: str) -> None:
        """Raise :class:`UserError`, from ``where`` on, for what no type says."""


@dataclass(frozen=True)
class Candidate(Result):
    """A circuit: its ``plan`` as JSON, and ``figures`` by name (:data:`s2nn_hw.explore.objectives.FIGURES`)."""

    plan: dict[str, Any]
    figures: dict[str, Number]

    def check(self, where: str) -> None:
        """See :meth:`Result.check`."""
        if set(self.figures) != set(CIRCUIT):
            raise UserError(f"{where}: field figures must have {', '.join(CIRCUIT)}")


@dataclass(frozen=True)
class Refused(Result):
    """No circuit, for the reason ``refused``."""

    refused: str


@dataclass(frozen=True)
class Synthesised(Result):
    """What synthesis ``used`` by resource, which ``source`` counted, and ``detail`` of it."""

    used: dict[str, Number]
    source: str
    detail: dict[str, Any]

    def check(self, where: str) -> None:
        """See :meth:`Result.check`."""
        if not set(RESOURCES) <= set(self.used):
            raise UserError(f"{where}: field used must have {', '.join(RESOURCES)}")


@dataclass(frozen=True)
class Failed(Result):
    """A synthesis that did not come through, for the reason ``failed``."""

    failed: str


@dataclass(frozen=True)
class Task:
    """All that decides a result, which is of one of its ``answers``.

    code:    digest of the sources that work it out
    network: digest of the network
    board:   what it is for
    images:  digest of the images, and of how many of them cycles are worked out
    """

    kind: ClassVar[str]
    answers: ClassVar[tuple[type[Result], ...]]
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
    answers = (Candidate, Refused)
    parameters: dict[str, Any]


@dataclass(frozen=True)
class SynthesisTask(Task):
    """To synthesise ``plan`` (JSON) for ``clock_mhz``."""

    kind = "synthesis"
    answers = (Synthesised, Failed)
    plan: dict[str, Any]
    clock_mhz: float


def read_result(data: dict[str, Any], task: type[Task], where: str) -> Result:
    """Return the result of :meth:`Result.to_json` of a ``task``, else :class:`UserError` from ``where`` on."""
    for kind in task.answers:
        if set(data) == set(kind.__dataclass_fields__):
            made = convert(data, kind, where)
            made.check(where)
            return made
    raise UserError(f"{where} is none of a {task.kind}")
