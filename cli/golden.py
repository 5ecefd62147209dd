"""What ``s2nn-hw golden`` does and says: classes and scores of the exact integer model, and how many are right."""

import json
from pathlib import Path

import numpy as np

from s2nn_hw.errors import counted
from s2nn_hw.files import checked_npz, write_npz
from s2nn_hw.network.address_events import EventFormat, Events, checked_events, output_values
from s2nn_hw.network.first_spikes import first_spikes, timed
from s2nn_hw.network.store import load
from s2nn_hw.quantize.data.images import images_for
from s2nn_hw.terminal import next_step, terminal


def classify(
    network_path: Path,
    images: Path,
    output: Path,
    *,
    labels: Path | None,
    times: Path | None,
    as_json: bool,
    spikes: Path | None = None,
) -> None:
    """Run the network in a file on ``images``; write ``class`` and ``scores`` to ``output``, say how many of each.

    ``times``: also when each neuron spikes first, an array a layer (:func:`.first_spikes`); ``spikes``: those of
    what the readout reads, as events.
    """
    checked_npz(output)
    if spikes is not None:
        checked_events(spikes)
    if times is not None:
        checked_npz(times)
    network = load(network_path)
    if times is not None:
        timed(network)
    form = EventFormat.of_output(network) if spikes is not None else None
    values, wanted, _ = images_for(network_path, images, labels)
    if times is not None:
        write_npz(times, **first_spikes(network, values))
    if spikes is not None and form is not None:
        Events(form, output_values(network, values)).write(spikes)
    result = network.forward(values)
    classes = np.asarray(result.classes)
    write_npz(output, **{"class": classes, "scores": np.asarray(result.scores)})
    counts = dict(zip(network.classes, np.bincount(classes, minlength=len(network.classes)).tolist(), strict=True))
    accuracy = None if wanted is None else float((classes == wanted).mean())
    if as_json:
        print(json.dumps({"images": len(classes), "classes": counts, "accuracy": accuracy}, ensure_ascii=False))
        return
    console = terminal()
    console.print(f"{counted(len(classes), 'image')} classified; class and scores are in {output}")
    if times is not None:
        console.print(f"when each neuron spikes first is in {times}")
    if spikes is not None:
        console.print(f"the first spikes of what the readout reads are in {spikes}")
    console.print(", ".join(f"{name}: {count:,}" for name, count in counts.items() if count))
    if accuracy is not None:
        console.print(f"accuracy {100 * accuracy:.2f} %")
    next_step("simulate", network_path, "--images", images, "-o", "simulated.npz")
