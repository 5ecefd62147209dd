"""Every trial that was told, and those of the front with what synthesis made of them."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from s2nn_hw.explore.objectives import RESOURCES
from s2nn_hw.explore.space import Choice
from s2nn_hw.explore.tasks import Failed, Synthesised
from s2nn_hw.records import Number, convert

FITS, OVER, REFUSED = "fits", "over budget", "refused"
STATES = (FITS, OVER, REFUSED)


@dataclass(frozen=True)
class VariantNote:
    """The network of a trial: its ``file``'s name, its own, and its digest; so it is in the study's database."""

    file: str
    name: str
    digest: str

    def to_json(self) -> dict[str, str]:
        """Return it JSON-able."""
        return asdict(self)


@dataclass(frozen=True)
class Told:
    """What the study's database keeps of a trial with a circuit: ``figures`` by name, its network, its plan (JSON)."""

    figures: dict[str, Number]
    variant: VariantNote
    plan: dict[str, Any]

    @classmethod
    def of(cls, data: dict[str, Any], where: str) -> "Told":
        """Return what :meth:`to_json` gave; :class:`UserError`, from ``where`` on, names the bad field."""
        return convert(data, cls, where)

    def to_json(self) -> dict[str, Any]:
        """Return it JSON-able."""
        return {"figures": self.figures, "variant": self.variant.to_json(), "plan": self.plan}


@dataclass(frozen=True)
class RefusedRow:
    """A trial that stands for no circuit, for a ``reason``."""

    trial: int
    choice: Choice
    reason: str
    state: str = REFUSED

    def to_json(self) -> dict[str, Any]:
        """Return it as ``front.json`` has it."""
        return {"trial": self.trial, "parameters": self.choice.values, "state": self.state, "reason": self.reason}


@dataclass(frozen=True)
class Row:
    """A trial with a circuit.

    trial:   its number
    choice:  its parameters
    over:    names of the limits that it exceeds
    variant: its network
    figures: by name
    plan:    as JSON
    """

    trial: int
    choice: Choice
    over: tuple[str, ...]
    variant: VariantNote
    figures: dict[str, float]
    plan: dict[str, Any]

    @property
    def state(self) -> str:
        """Whether it keeps all limits, in words."""
        return OVER if self.over else FITS

    def to_json(self) -> dict[str, Any]:
        """Return it as ``front.json`` has it, without the plan."""
        return {
            "trial": self.trial,
            "parameters": self.choice.values,
            "state": self.state,
            "over": list(self.over),
            "variant": self.variant.to_json(),
            "figures": self.figures,
        }


@dataclass(frozen=True)
class Files:
    """Names of the files of a circuit of the front, from the exploration's folder."""

    network: str
    plan: str


@dataclass(frozen=True)
class Entry:
    """A circuit of the front: its ``row``, its ``files``, what synthesis said if it was asked, the ``budget`` by
    resource."""

    row: Row
    files: Files
    synthesis: Synthesised | Failed | None
    budget: Mapping[str, float]

    @property
    def used(self) -> dict[str, float] | None:
        """What synthesis counted by resource, None if it did not."""
        return self.synthesis.used if isinstance(self.synthesis, Synthesised) else None

    @property
    def error(self) -> dict[str, float | None] | None:
        """By how much the estimates are off, by resource, None without a synthesis."""
        return errors(self.row.figures, self.used) if self.used else None

    def to_json(self) -> dict[str, Any]:
        """Return it as ``front.json`` has it."""
        row = self.row
        data: dict[str, Any] = {
            "trial": row.trial,
            "variant": row.variant.to_json(),
            "parameters": row.choice.values,
            "figures": row.figures,
            "files": asdict(self.files),
        }
        if self.synthesis is None:
            return data
        said, used = self.synthesis.to_json(), self.used
        if not used:
            return data | {"synthesis": said}
        fits = all(used[n] <= self.budget[n] for n in RESOURCES)
        return data | {"synthesis": said | {"fits": fits}, "error": self.error}


def errors(figures: Mapping[str, float], used: Mapping[str, float]) -> dict[str, float | None]:
    """Return ``{resource: estimate / synthesis - 1}`` of the estimated ``figures`` against the counts ``used``.

    None where synthesis found none and the estimate some; nothing against nothing is no error.
    """
    found: dict[str, float | None] = {}
    for name in RESOURCES:
        guess, real = figures[name], used[name]
        found[name] = round(guess / real - 1, 4) if real else None if guess else 0.0
    return found
