"""How many words the windows in front of joins must hold: too few and the circuit stops for ever, or loses time.

A join (a layer with several sources) waits for the source that comes last; what the others send meanwhile must lie in
their windows, or the fork that feeds both ways stops, and with it the way that is waited for. Whether a circuit stops
does not depend on the spikes; how fast it is does.

    safe    a bound from the geometry alone, at once: lag of the source behind the last one, and two rows
    sized   the least with which a sequence of real frames ends in the same cycle as with ample room
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from math import ceil

import numpy as np

from s2nn_hw.circuit.choices import Plan
from s2nn_hw.circuit.geometry import WindowParams
from s2nn_hw.circuit.lower import lower
from s2nn_hw.circuit.stage import Reader, Stage
from s2nn_hw.cycles.timing import Deadlock, Timing
from s2nn_hw.network.layer import INPUT, Layer
from s2nn_hw.network.network import Network
from s2nn_hw.network.synapse import image_shape

MARGIN_ROWS = 2

Depths = Mapping[tuple[int, int], int]  # words of windows by stage and reader


def joins(network: Network) -> list[Layer]:
    """Return the layers with several sources."""
    return [layer for layer in network.layers if len(layer.sources) > 1]


def lags(network: Network) -> dict[str, float]:
    """Return by tensor name how far it comes behind the input, in frames: kernel rows that must have come, over all.

    Of an image of one row columns count.
    """
    late = {INPUT: 0.0}
    for layer in network.layers:
        came = []
        for synapse, source in zip(layer.synapses * len(layer.sources), layer.sources, strict=False):
            shape = network.shapes[source]
            rows, columns = image_shape(shape)[:2] if len(shape) > 1 else (1, 1)
            axis, size = (0, rows) if rows > 1 else (1, columns)  # an image of one row comes column by column
            wait = 0
            if synapse.slides:
                kernel, stride, padding = synapse.kernel[axis], synapse.strides[axis], synapse.paddings[axis]
                wait = kernel - padding + stride if max(*synapse.kernel, *synapse.strides) > 1 else 0
            elif layer.accumulates:
                wait = size  # a dense layer has its sums when the whole frame is there
            came.append(late[source] + wait / size)
        late[layer.name] = max(came)
    return late


def safe_buffers(network: Network, plan: Plan) -> dict[str, tuple[int, ...]]:
    """Return ``{layer name: (words per source, ...)}`` for each join of ``network`` with which no circuit stops."""
    late = lags(network)
    buffers: dict[str, tuple[int, ...]] = {}
    if not joins(network):
        return buffers
    for stage in lower(network, plan):
        if len(stage.readers) < 2:
            continue
        last = max(late[reader.source] for reader in stage.readers)
        depths = []
        for reader in stage.readers:
            tensor, window = reader.tensor, _window(reader)
            row = tensor.columns * tensor.pixel_words
            frames = last - late[reader.source]
            depths.append(window.default_depth + ceil(frames * tensor.words) + MARGIN_ROWS * row)
        buffers[stage.name] = tuple(depths)
    return buffers


def size_buffers(
    network: Network, plan: Plan, values: Mapping[str, np.ndarray], *, length: int = 3, exact: bool = True
) -> dict[str, tuple[int, ...]]:
    """Return ``{layer name: (words per source, ...)}`` for the joins: the least that cost no cycle.

    ``values``: of every tensor by name (:func:`s2nn_hw.network.trace.layer_inputs`), at least ``length`` frames, which
    follow each other without a gap. One word less in any one of them, and their last result comes later or never. Not
    ``exact``: powers of two, since memories are, from the bound of :func:`safe_buffers` on: a large
    network takes a second or more a schedule, and this needs few of them.
    """
    stages = lower(network, plan)
    timing = Timing(stages, classes=len(network.classes), frames_under_way=len(stages) + 3)
    ones = timing.ones({name: x[:length] for name, x in values.items()})
    places = [
        (k, q)
        for k, stage in enumerate(stages)
        for q, reader in enumerate(stage.readers)
        if len(stage.readers) > 1 and reader.window
    ]
    if not places:
        return {}
    windows = {(k, q): _window(stages[k].readers[q]) for k, q in places}
    least = {place: window.least_depth for place, window in windows.items()}
    safe = safe_buffers(network, plan)
    if exact:
        depths = {place: _ample(window) for place, window in windows.items()}
    else:
        depths = {(k, q): 1 << (safe[stages[k].name][q] - 1).bit_length() for k, q in places}

    def ends(chosen: Depths) -> int | None:
        timing.stages = _with_depths(stages, chosen)
        try:
            return int(timing.schedule(ones, length=length).offered[0, -1])
        except Deadlock:
            return None

    best = ends(depths)
    while best is None:  # the bound has never been too small; if it is, room grows until it is enough
        depths = {place: 2 * words for place, words in depths.items()}
        best = ends(depths)
    for place in places:
        if exact:
            enough = partial(_as_fast, ends, depths, place, best)
            depths[place] = _least(enough, least[place], depths[place])
            continue
        while depths[place] // 2 >= least[place] and ends(depths | {place: depths[place] // 2}) == best:
            depths[place] //= 2
    return {
        stage.name: tuple(depths[k, q] for q in range(len(stage.readers)))
        for k, stage in enumerate(stages)
        if (k, 0) in depths
    }


def _as_fast(
    ends: Callable[[Depths], int | None], depths: Depths, place: tuple[int, int], best: int, words: int
) -> bool:
    """Return whether the circuit ``ends`` in cycle ``best`` with so many ``words`` at ``place``."""
    return ends({**depths, place: words}) == best


def _least(enough: Callable[[int], bool], low: int, high: int) -> int:
    """Return the least number from ``low`` to ``high`` that is ``enough``; ``high`` is."""
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle + 1, high)
    return high


def _ample(window: WindowParams) -> int:
    """Return words enough for a whole frame beside what the window needs."""
    return window.default_depth + window.frame_words


def _window(reader: Reader) -> WindowParams:
    """Return the window in front of a join, which each of its sources has."""
    if reader.window is None:
        raise ValueError(f"no window keeps words of {reader.source}")
    return reader.window


def _with_depths(stages: Sequence[Stage], depths: Depths) -> tuple[Stage, ...]:
    """Return ``stages`` with the windows' ``depths`` ``{(stage, reader): words}``."""
    changed = []
    for k, stage in enumerate(stages):
        readers = tuple(
            replace(r, window=replace(_window(r), depth=depths[k, q])) if (k, q) in depths else r
            for q, r in enumerate(stage.readers)
        )
        changed.append(replace(stage, readers=readers))
    return tuple(changed)
