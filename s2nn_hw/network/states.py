"""What is kept from tick to tick: where neurons may have states, and how wide those are."""

from collections.abc import Callable

import numpy as np

from s2nn_hw.errors import UserError, quoted
from s2nn_hw.network.layer import Input, Layer
from s2nn_hw.network.neurons.neuron import Bounds

MOST_BITS = 32  # of a state, in two's complement


def widths(bounds: dict[str, Bounds]) -> dict[str, np.ndarray]:
    """Return the bits, int64 ``(neurons,)``, of states in two's complement whose ``bounds`` these are."""
    return {
        name: np.array([_bits(*ends) for ends in zip(low, high, strict=True)]) for name, (low, high) in bounds.items()
    }


def _bits(low: int, high: int) -> int:
    return 1 + max(int(high).bit_length(), (~int(low)).bit_length() if low < 0 else 0)


def check_states(
    layer: Layer, entering: Input, shape: tuple[int, ...], bounds: Callable[[], dict[str, Bounds]]
) -> None:
    """Raise :class:`UserError` unless the neurons of ``layer`` can have their states.

    They want a network whose ``entering`` frames are sequences, a position alone, so a ``shape`` of one axis, and
    ``bounds`` within :data:`MOST_BITS` bits.
    """
    kind = layer.own_neuron.kind
    if not entering.sequences:
        raise UserError(
            f"layer {layer.name}: {kind} neurons last for a sequence, and the input is none; give it ticks and frames"
        )
    if len(shape) > 1:
        raise UserError(
            f"layer {layer.name}: {kind} neurons have one position, not those of an image of {quoted(list(shape))}; "
            "use dense weights"
        )
    reached = bounds()
    for name, bits in widths(reached).items():
        if bits.max() > MOST_BITS:
            where = int(bits.argmax())
            low, high = (int(side[where]) for side in reached[name])
            raise UserError(
                f"layer {layer.name}: {name} of {kind} neurons can reach {quoted(low)} .. {quoted(high)} (channel "
                f"{where}), {bits[where]} bits and not the {MOST_BITS} that there are; take smaller weights, less "
                "fraction or a shorter sequence"
            )
