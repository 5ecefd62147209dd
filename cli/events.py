"""What ``s2nn-hw events`` does and says: arrays to files of events and back."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from s2nn_hw.errors import UserError, counted
from s2nn_hw.files import checked_place, read_images, write_npy
from s2nn_hw.network.address_events import SUFFIX, EventFormat, Events, checked_events
from s2nn_hw.network.store import load
from s2nn_hw.quantize.data.images import Taker, read_frames
from s2nn_hw.terminal import terminal


@dataclass(frozen=True)
class What:
    """What the numbers of an array are.

    ``network``: images as the network in this file takes them; else values 0 .. ``slots``, whose larger ones spike
    earlier, or, with ``times``, the slots of the spikes, ``slots`` where there is none. An event file knows its own, so
    None is to be given.
    """

    network: Path | None = None
    slots: int | None = None
    times: bool = False


def convert(source: Path, output: Path, what: What) -> None:
    """Write the array in file ``source`` as events to file ``output``, or events as an array; say how many."""
    if what.network is not None and (what.times or what.slots is not None):
        raise UserError("--network says what images are: leave --slots and --times out")
    way = _to_array if source.suffix == SUFFIX else _to_events
    events = way(source, output, what)
    form, spikes = events.format, np.count_nonzero(events.values, axis=1)
    terminal().print(
        f"{counted(len(spikes), 'frame')} of {form.addresses:,} addresses in {counted(form.slots, 'slot')}: "
        f"{spikes.min()} to {spikes.max()} events, mean {spikes.mean():.1f}, in {output}",
        soft_wrap=True,
    )


def _to_array(source: Path, output: Path, what: What) -> Events:
    if output.suffix != ".npy":
        raise UserError(f"output {output} must end in .npy, as events become an array")
    if what.slots is not None:
        raise UserError(f"events {source} say how many slots there are: leave --slots out")
    checked_place(output)
    events = Events.read(source)
    if what.network is not None:
        write_npy(output, events.images(load(what.network).input))
    else:
        write_npy(output, events.times if what.times else events.values)
    return events


def _to_events(source: Path, output: Path, what: What) -> Events:
    checked_events(output)
    if what.network is not None:
        network = load(what.network)
        events = Events.of(network.input, read_frames(source, Taker.of(network))[0])
    elif what.slots is not None:
        events = _of_values(source, what.slots, times=what.times)
    else:
        raise UserError(f"give --network NAME.s2nn or --slots T beside {source}: what its values mean")
    events.write(output)
    return events


def _of_values(source: Path, slots: int, *, times: bool) -> Events:
    values = read_images(source)[0]
    if values.ndim < 2 or values.dtype.kind not in "iu" or not values.size:
        found = f"{values.dtype} of shape {values.shape}"
        raise UserError(f"{source} must be integers, (count, ...), with a value or more a frame, not {found}")
    low, high = int(values.min()), int(values.max())
    if low < 0 or high > slots:
        what = "slots" if times else "values"
        raise UserError(f"{what} in {source} must be from 0 to {slots}, not {low if low < 0 else high}")
    flat = values.reshape(len(values), -1)
    form = EventFormat(flat.shape[1], slots)
    return Events(form, (slots - flat if times else flat).astype(np.uint8))
