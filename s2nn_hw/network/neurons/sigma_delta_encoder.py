"""The input of a sigma-delta network: a first-order modulator, numbers into spikes at a rate.

    ``d <- clip((a << F) + b, 0, theta)``   ``v <- v + d``   ``s = 1[v >= theta]``   ``v <- v - s theta``

    a   accumulator, the same in all ticks of a frame      F   fraction bits      b   bias      theta   threshold
    d   drive, in units of 2^-F      v   integral, 0 at a sequence's start      s   spike, at the rate d / theta

Source: the input layer of arXiv 2407.13534, with integers. A lane keeps d for a frame and v for a sequence, and adds
once a tick; ``v - theta`` in place of v makes the spike its sign.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from s2nn_hw.network.neurons.leaks import exact, hull, scaled
from s2nn_hw.network.neurons.neuron import Bounds, Neuron
from s2nn_hw.network.neurons.quantized import check_widths
from s2nn_hw.network.neurons.tables import checked_scale, checked_tables, per_channel


@dataclass(frozen=True, eq=False)
class SigmaDeltaEncoder(Neuron):
    """A spike a tick at most; tables int32 ``(neurons,)``, in units of ``2^-fraction`` weights.

    ``thresholds``: theta, 1 or more, the drive of a spike in every tick; ``biases``: b.
    """

    thresholds: np.ndarray
    biases: np.ndarray
    fraction: int = 0
    kind: ClassVar[str] = "sigma_delta_encoder"
    tables: ClassVar[tuple[str, ...]] = ("thresholds", "biases")
    settings: ClassVar[dict[str, type]] = {"fraction": int}
    stateful: ClassVar[bool] = True
    states: ClassVar[tuple[str, ...]] = ("d", "v")

    def __post_init__(self) -> None:
        checked_tables(self)
        checked_scale(self.fraction)
        check_widths(self.thresholds, 0, self.kind, self.kind)

    def start(self, shape: tuple[int, ...]) -> Any:
        """Return d and v, 0, int64 ``(batch, neurons)`` each."""
        return np.zeros(shape, np.int64), np.zeros(shape, np.int64)

    def step(self, state: Any, sums: np.ndarray) -> tuple[Any, np.ndarray]:
        """Return d and v, and spikes, uint8 ``(batch, neurons)``, of one tick with int64 ``sums`` of that shape."""
        theta = per_channel(self.thresholds, sums.shape)
        drive = np.clip((sums << self.fraction) + per_channel(self.biases, sums.shape), 0, theta)
        integral = state[1] + drive
        spikes = integral >= theta
        return (drive, np.where(spikes, integral - theta, integral)), spikes.view(np.uint8)

    def state_bounds(self, low: np.ndarray, high: np.ndarray, ticks: int) -> dict[str, Bounds]:
        """Return the range of d, from its accumulator on, and of v: 0 to ``2 theta - 1`` before the spike is taken."""
        theta = exact(self.thresholds)
        return {
            "d": hull(scaled(low, high, self.fraction, self.biases), (0 * theta, theta)),
            "v": (0 * theta, 2 * theta - 1),
        }
