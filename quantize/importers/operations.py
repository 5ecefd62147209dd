"""What readers of foreign networks find in them: operations on values, arrays and settings alone, in torch's order.

A value is ``(features,)`` or an image ``(channels, rows, columns)``, without the axis of the batch; a signal
``(channels, length)`` is an image of one row. Real numbers throughout, as the owner's program computes them. Which
operations together are a layer of ours, :mod:`.assemble` finds out.

    Weighted        ``y = sum over inputs of W x + b``
    Affine          ``y = factor x + shift`` of each channel: batch norms, scales, added constants
    Pool            largest, mean or sum of a window
    Flatten         an image to features, channel by channel
    Sum             of two or more values
    Relu            ``y = min(max(x, 0), peak)``
    Spike           ``y = high`` where ``x >= threshold`` (strict: ``>``), else ``low``
    Levels          ``y = step clip(round(x / step + shift), low, high)``
    IntegrateFire   ``m <- (1 - 2^-leak) m + gain x``;  ``s = 1[m >= threshold]``, which resets m; y the spikes
    Same            ``y = x`` as far as we are concerned: dropout, identities, what comes after the scores
"""

from dataclasses import dataclass, field

import numpy as np

from s2nn_hw.network.scaling import Scaling

Shape = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Weighted:
    """A dense layer, ``weights`` ``(out, in)``, or a convolution, ``(out, in / groups, kernel rows, kernel columns)``.

    ``bias``: ``(out,)``. ``bits``: where ``weights`` are integers of so many bits in units of ``scale``, ``(out,)`` or
    ``(1,)``; else both are None and weights are floats that the quantizer rounds.
    """

    weights: np.ndarray
    bias: np.ndarray | None = None
    bits: int | None = None
    scale: np.ndarray | None = None
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    groups: int = 1


@dataclass(frozen=True, eq=False)
class Affine:
    """``factor`` and ``shift``: one number, or ``(channels,)``, of an image as of features."""

    factor: np.ndarray
    shift: np.ndarray


@dataclass(frozen=True)
class Pool:
    """``kind``: "max", "mean" or "sum" over ``kernel`` rows and columns, ``stride`` apart; None: of the whole image."""

    kind: str
    kernel: tuple[int, int] | None = None
    stride: tuple[int, int] | None = None
    padding: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class Flatten:
    """An image to features, in the order channel, row, column."""


@dataclass(frozen=True)
class Sum:
    """The sum of all sources."""


@dataclass(frozen=True)
class Relu:
    """``peak``: None without an upper end."""

    peak: float | None = None


@dataclass(frozen=True, eq=False)
class Spike:
    """One step: ``threshold`` a number or ``(channels,)``; ``strict``: at the threshold itself there is no spike."""

    threshold: np.ndarray = field(default_factory=lambda: np.ones(1))
    strict: bool = False
    low: float = 0.0
    high: float = 1.0


@dataclass(frozen=True, eq=False)
class Levels:
    """Uniform levels ``low .. high`` (integers) times ``step``, a number or ``(channels,)``.

    ``rounding``: "nearest" (ties to even, as programs do), "half up", "floor" or "ceil"; ``shift``: added before it, in
    steps. ``offset``: added to the result.
    """

    step: np.ndarray
    low: int
    high: int
    rounding: str = "nearest"
    shift: np.ndarray = field(default_factory=lambda: np.zeros(1))
    offset: float = 0.0


@dataclass(frozen=True, eq=False)
class IntegrateFire:
    """``steps`` steps of a sample.

    leak        k of ``2^-k``, 0 for none
    gain        of what enters
    threshold   one for all neurons
    reset       "soft": ``taken`` is subtracted from m behind a spike; "hard": m becomes 0
    taken       None: the threshold
    strict      a spike only above the threshold
    start       of m, in units of the threshold
    fraction    bits of the integer tables below a weight; None: the least with which they are exact, if there are such
    """

    steps: int
    leak: int = 0
    gain: float = 1.0
    threshold: float = 1.0
    reset: str = "soft"
    taken: float | None = None
    strict: bool = False
    start: float = 0.0
    fraction: int | None = None


@dataclass(frozen=True)
class Same:
    """Passed on."""


Kind = Weighted | Affine | Pool | Flatten | Sum | Relu | Spike | Levels | IntegrateFire | Same


@dataclass(frozen=True, eq=False)
class Operation:
    """One operation of a foreign network.

    name      unique; of the value that it gives
    where     what an error calls it: path and class of a module, name and type of a node
    sources   names of values, :data:`ENTERING` that of the network's input
    what      see the module
    """

    name: str
    where: str
    sources: tuple[str, ...]
    what: Kind


ENTERING = "input"


@dataclass(frozen=True, eq=False)
class Entering:
    """What enters: ``shape`` in the order of torch; q of ``bits`` bits stands for ``step q + offset``.

    ``step``, ``offset``: one number or ``(channels,)``. ``signed``: q is ``-2^(bits-1) .. 2^(bits-1) - 1``.
    ``events``: q is 0 or 1 in each of ``bits`` steps, as ``(count, steps, *shape)``. ``raw``: how raw values become q,
    where a file of ours has noted it.
    """

    shape: Shape
    bits: int
    step: np.ndarray
    offset: np.ndarray
    signed: bool = False
    limits: tuple[int, int] | None = None
    events: bool = False
    raw: Scaling | None = None

    @property
    def plain(self) -> bool:
        """Whether a number is its q: integers, or events."""
        return self.events or bool(np.all(self.step == 1) and np.all(self.offset == 0))

    @property
    def whole(self) -> tuple[int, int]:
        """The smallest and the largest that the bits can say."""
        half = 1 << (self.bits - 1)
        return (0, 1) if self.events else (-half, half - 1) if self.signed else (0, 2 * half - 1)

    @property
    def ends(self) -> tuple[int, int]:
        """The smallest and the largest q: ``limits``, if there are any, else all that the bits can say."""
        return self.whole if self.events else self.limits or self.whole

    @property
    def narrow(self) -> bool:
        """Whether the owner lets in less than the bits can say."""
        return self.ends != self.whole


@dataclass(frozen=True, eq=False)
class Foreign:
    """A network of another program: what enters, the operations in the order in which they run, the last giving scores.

    ``output``: the name of the value with the scores. ``source``: JSON-able, what was read; into the provenance.
    """

    name: str
    entering: Entering
    operations: tuple[Operation, ...]
    output: str
    source: dict[str, object] = field(default_factory=dict)
