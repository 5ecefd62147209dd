"""How much parallelism each layer gets: a small record that people may read, edit and pass back."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from s2nn_hw.files import write_json

JOINED, FUSED = "or", "fused"  # engines of layers without one: ORed, and swallowed by another layer
MAX_WIDTH = 4096  # of a word


@dataclass(frozen=True)
class LayerPlan:
    """One layer; ``docs/plan.md`` says more of each field.

    ``engine``: ``event``, ``parallel``, ``ramp``, ``unrolled`` or ``fused`` (into the unrolled layer behind) where
    there are weights, ``or`` or ``fused`` (into the convolution before) for max pooling, ``or`` for an OR. ``width``:
    values a word of what the layer reads (a pixel's channels are cut into such words). ``taps``: kernel taps at once,
    each with its own port. ``banks``: rows a cycle of the event engine, a multiple of ``taps``; ``depth``: words that
    wait in each bank's queue. ``groups``: passes over each window, each for its share of the neurons. ``memory``:
    where weights lie. Of a network of sequences all layers have the engine ``recurrent``, and ``width``, a power of
    two, ``groups`` and ``memory`` count. ``buffers``: words that each source's window keeps, 0 for the default.
    Unrolled layers alone: ``levels`` of logic between registers
    (:data:`~s2nn_hw.circuit.engines.unrolled.CHAIN_LEVELS` of an adder), ``lut``: inputs of the device's look-up
    tables, 4 or 6; they take all taps at once, and have neither banks, groups nor memory.
    """

    name: str
    banks: int = 1
    width: int = 16
    depth: int = 8
    engine: str = "event"
    taps: int = 1
    groups: int = 1
    memory: str = "auto"
    buffers: tuple[int, ...] = ()
    levels: int = 1
    lut: int = 6

    @property
    def fused(self) -> bool:
        """Whether another layer's stage does the work of this one."""
        return self.engine == FUSED

    @property
    def joins(self) -> bool:
        """Whether spikes are only ORed."""
        return self.engine == JOINED


@dataclass(frozen=True)
class Plan:
    """One :class:`LayerPlan` per layer, in the network's order; ``note``: for whom it was made, and its estimates."""

    layers: tuple[LayerPlan, ...]
    note: dict[str, Any] = field(default_factory=dict, compare=False)

    def to_json(self) -> dict[str, Any]:
        """Return the plan, JSON-able."""
        layers = [asdict(layer) | {"buffers": list(layer.buffers)} for layer in self.layers]
        return {"format": "s2nn-plan", "version": 1, **self.note, "layers": layers}

    def save(self, path: Path | str) -> None:
        """Write the plan as JSON to ``path``, atomically."""
        write_json(path, self.to_json())
