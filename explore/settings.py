"""All that decides the trials of an exploration; kept in its database and told in ``front.json``."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class ImageSet:
    """The images: their ``source``, ``digest`` and ``count``; cycles are worked out of the first ``frames``."""

    source: str
    digest: str
    count: int
    frames: int


@dataclass(frozen=True)
class Source:
    """What is explored: the ``kind`` of file, ``name`` and ``digest`` of what is in it.

    ``calibration_images``: on so many a network is rounded anew, None for a recipe. ``events``: they enter, not pixels;
    ``planes``: of tensors behind the input; both None where there are no events and one plane.
    """

    kind: str
    name: str
    digest: str
    calibration_images: int | None = None
    events: bool | None = None
    planes: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return it JSON-able, without what it has not."""
        return {name: value for name, value in asdict(self).items() if value is not None}


@dataclass(frozen=True)
class Settings:
    """What an exploration is of.

    version:    of the database's content
    tool:       the package's version
    source:     what is explored
    board:      its name
    objectives: names of figures, in their order
    budget:     limits by name of the figure
    space:      :meth:`s2nn_hw.explore.space.Space.to_json`
    images:     what accuracy and cycles are of
    seed:       the same gives the same trials
    population: trials of a generation
    """

    version: int
    tool: str
    source: Source
    board: str
    objectives: list[str]
    budget: dict[str, float]
    space: dict[str, list[Any]]
    images: ImageSet
    seed: int
    population: int

    def to_json(self) -> dict[str, Any]:
        """Return it JSON-able."""
        return asdict(self) | {"source": self.source.to_json()}
