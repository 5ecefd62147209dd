"""What ``s2nn-hw golden`` does and says: classes and scores of the exact integer model, and how many are right.

Of images, or of sequences where the network's file says that frames come as such.
"""

import json
from pathlib import Path

import numpy as np

from s2nn_hw.cli.recordings import refuse_sequences, sequences_of, wanted_of
from s2nn_hw.errors import UserError, counted
from s2nn_hw.files import checked_apart, checked_npz, write_npz
from s2nn_hw.network.address_events import EventFormat, Events, checked_events, output_values
from s2nn_hw.network.first_spikes import first_spikes, timed
from s2nn_hw.network.network import Network
from s2nn_hw.network.over_time import forward_file
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
    """Run the network in a file on ``images``, or sequences; write ``class`` and ``scores`` to ``output``.

    How many of each class, and how many are right, is said.

    ``times``: also when each neuron spikes first, an array a layer (:func:`.first_spikes`); ``spikes``: those of
    what the readout reads, as events.
    """
    checked_npz(output)
    for made in (output, times, spikes):
        checked_apart(made, network_path, images, labels)
    if spikes is not None:
        checked_events(spikes)
    if times is not None:
        checked_npz(times)
        if times.resolve() == output.resolve():
            raise UserError(f"--output and --first-spikes are the same file, {output}; choose two")
    network = load(network_path)
    if network.input.sequences:
        if times is not None or spikes is not None:
            raise UserError(f"network {network.name} reads sequences: there are first spikes of single frames alone")
        _say(network, *_sequences(network, images, labels), "sequence", output, as_json=as_json)
        return
    refuse_sequences(images, network)
    if times is not None:
        timed(network)
    form = EventFormat.of_output(network) if spikes is not None else None
    values, wanted, _ = images_for(network_path, images, labels)
    if times is not None:
        write_npz(times, **first_spikes(network, values))
    if spikes is not None and form is not None:
        Events(form, output_values(network, values)).write(spikes)
    if not as_json:
        for what, path in (
            ("when each neuron spikes first is", times),
            ("the first spikes of what the readout reads are", spikes),
        ):
            if path is not None:
                terminal().print(f"{what} in {path}")
    result = network.forward(values)
    _say(network, result.classes, result.scores, wanted, "image", output, as_json=as_json)
    if not as_json:
        next_step("simulate", network_path, "--images", images, "-o", "simulated.npz")


def _sequences(network: Network, path: Path, labels: Path | None) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Return classes and scores of the sequences in file ``path``, and the classes that they should have."""
    given = sequences_of(path, network)
    wanted = wanted_of(given, network, labels)
    result = forward_file(network, given)
    return result.classes, result.scores, wanted


def _say(
    network: Network,
    classes: np.ndarray,
    scores: np.ndarray,
    wanted: np.ndarray | None,
    noun: str,
    output: Path,
    *,
    as_json: bool,
) -> None:
    """Write ``classes`` and ``scores`` to ``output``; say how many of each class, and how many are as ``wanted``."""
    write_npz(output, **{"class": classes, "scores": scores})
    counts = dict(zip(network.classes, np.bincount(classes, minlength=len(network.classes)).tolist(), strict=True))
    accuracy = None if wanted is None else float((classes == wanted).mean())
    if as_json:
        said = {f"{noun}s": len(classes), "classes": counts, "accuracy": accuracy}
        print(json.dumps(said, ensure_ascii=False))
        return
    console = terminal()
    console.print(f"{counted(len(classes), noun)} classified; class and scores are in {output}")
    console.print(", ".join(f"{name}: {count:,}" for name, count in counts.items() if count))
    if accuracy is not None:
        console.print(f"accuracy {100 * accuracy:.2f} %")
