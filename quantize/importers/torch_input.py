"""In which shape a traced network reads what enters it.

Axes of one place put in or left out (``x[:, None]``, ``unsqueeze``, ``view``) change no order of numbers, so they do
nothing but say what an input is: features, a signal ``(channels, length)`` or an image ``(channels, rows, columns)``.
"""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from s2nn_hw.errors import UserError
from s2nn_hw.quantize.importers.operations import ENTERING, Affine, Flatten, Kind, Levels, Same, Shape
from s2nn_hw.quantize.importers.torch_modules import as_image


@dataclass
class Views:
    """``shapes``: by name, of values in which each number is one that enters, in the order of those; ``seen``: those in
    which operations read them as more than numbers, signals as images of one row."""

    shapes: dict[str, Shape]
    seen: set[Shape] = field(default_factory=set)

    def changed(self, source: str, entering: Shape, leaving: Shape) -> Kind | None:
        """Return what a change of shape of the value ``source`` is, None where it is no other view of what enters."""
        if source not in self.shapes or math.prod(entering) != math.prod(leaving):
            return None
        return Flatten() if len(leaving) == 1 < len(entering) else Same()

    def follow(self, name: str, sources: tuple[str, ...], kind: Kind, leaving: Shape) -> None:
        """Note that the value ``name`` is ``kind`` of ``sources``, and has the shape ``leaving``."""
        known = [source for source in sources if source in self.shapes]
        if len(sources) == 1 and known and _each(kind):
            self.shapes[name] = leaving
        elif not isinstance(kind, Flatten):
            self.seen |= {as_image(self.shapes[source]) for source in known}

    def image(self) -> Shape:
        """Return the shape of an input, two axes as an image of one channel or, of a signal, one row."""
        if len(self.seen) > 1:
            said = " and as ".join(map(str, sorted(self.seen)))
            raise UserError(f"what enters is read as {said}: let all that reads it see one shape")
        given = self.shapes[ENTERING]
        return self.seen.copy().pop() if self.seen else (1, *given) if len(given) == 2 else given


def _each(kind: Kind) -> bool:
    """Return whether ``kind`` does the same to each number."""
    numbers: tuple[Any, ...] = ()
    if isinstance(kind, Affine):
        numbers = (kind.factor, kind.shift)
    elif isinstance(kind, Levels):
        numbers = (kind.step, kind.shift)
    elif not isinstance(kind, Same):
        return False
    return all(np.size(n) == 1 for n in numbers)


def keeps_order(index: Any, entering: Shape, leaving: Shape) -> bool:
    """Return whether ``value[index]``, of ``leaving``, has all of ``value``, of ``entering``, in its order."""
    parts = index if isinstance(index, tuple) else (index,)
    whole = parts[0] is Ellipsis or (isinstance(parts[0], slice) and parts[0] == slice(None))
    plain = all(part is None or part is Ellipsis or isinstance(part, slice | int) for part in parts)
    return whole and plain and math.prod(entering) == math.prod(leaving)
