"""What ``s2nn-hw import`` and ``s2nn-hw export`` do: which format by the file's suffix, what is said and written."""

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from s2nn_hw.errors import UserError, quoted
from s2nn_hw.files import checked_place, read_images, read_npy, write_json
from s2nn_hw.terminal import Terminal, next_step, terminal

if TYPE_CHECKING:
    from s2nn_hw.network.sequences import Sequences
    from s2nn_hw.quantize.importers.nir_neurons import NirOptions
    from s2nn_hw.quantize.importers.translated import Translated


@dataclass(frozen=True)
class OverSteps:
    """What the command line says of neurons with a state, which NIR leaves open; see
    :class:`s2nn_hw.quantize.importers.nir_neurons.NirOptions`."""

    steps: int | None = None
    reset: str | None = None
    dt: float | None = None
    leak: str | None = None
    events: bool = False
    at_threshold: bool = False
    fraction: int | None = None
    frames: int | None = None


@dataclass(frozen=True)
class Wanted:
    """What the command line says of an import, texts as they came; formats take what they have a use for."""

    output: Path
    inputs: Path | None = None
    labels: Path | None = None
    bits: int = 8
    levels: int = 4
    percentile: float = 99.9
    input_bits: int | None = None
    input_range: str | None = None
    input_shape: str | None = None
    split: bool = False
    ttfs: bool = False
    classes: str | None = None
    over_steps: OverSteps | None = None
    as_json: bool = False


def import_file(source: Path, wanted: Wanted) -> None:
    """Read ``source``, a network of another program; say what became of it and write ``wanted.output``."""
    if wanted.output.suffix != ".s2nn":
        raise UserError(f"output {wanted.output} must end in .s2nn")
    for path in (wanted.output, wanted.output.with_suffix(".json")):
        checked_place(path)
        if path.is_dir():
            raise UserError(f"output {path} is a folder, not a file")
    console = terminal(tables=True, stderr=wanted.as_json)
    found = _imported(source, wanted, console)
    found.save(wanted.output)
    entries = _entries(found)
    write_json(wanted.output.with_suffix(".json"), entries)
    if wanted.as_json:
        print(json.dumps(entries, indent=2))
        return
    _show(found, console)
    console.print(f"network {wanted.output}, figures {wanted.output.with_suffix('.json')}")
    next_step("inspect", wanted.output)


def _imported(source: Path, wanted: Wanted, console: Terminal) -> "Translated":
    """Return what the reader of the format of ``source`` makes of it."""
    if source.suffix == ".nir":
        from s2nn_hw.quantize.importers.from_nir import from_nir
        from s2nn_hw.quantize.importers.imported import Wanted as Made

        options = nir_options(wanted)
        inputs, labels = given_sequences(wanted, options.frames is not None)
        made = Made(wanted.bits, wanted.levels, wanted.percentile, names(wanted.classes), ttfs=wanted.ttfs)
        return from_nir(source, inputs, options, labels=labels, wanted=made, console=console)
    if source.suffix == ".onnx":
        from s2nn_hw.quantize.importers.from_onnx import from_onnx

        inputs, labels = given_inputs(wanted)
        return from_onnx(
            source,
            inputs,
            labels=labels,
            classes=names(wanted.classes),
            bits=wanted.bits,
            activation_bits=wanted.levels,
            percentile=wanted.percentile,
            input_bits=wanted.input_bits or 8,
            input_range=ends(wanted.input_range),
            input_shape=shape(wanted.input_shape),
            split_levels=wanted.split,
            ttfs=wanted.ttfs,
            console=console,
        )
    raise UserError(f"{source}: a file of a known format is wanted (.onnx, .nir), not {quoted(source.suffix)}")


def export_file(source: Path, output: Path) -> None:
    """Write the network in file ``source`` as ``output``, in the format of its suffix."""
    from s2nn_hw.network.store import load

    checked_place(output)
    if output.suffix == ".nir":
        from s2nn_hw.quantize.exporters.to_nir import write_nir

        notes = write_nir(load(source), output)
    elif output.suffix == ".onnx":
        from s2nn_hw.quantize.exporters.to_onnx import write_onnx

        notes = write_onnx(load(source), output)
    else:
        raise UserError(f"output {output} must end in .onnx or .nir")
    console = terminal()
    for note in notes:
        console.print(f"note: {note}")
    console.print(f"{output} has what {source} has")


def given_inputs(wanted: Wanted) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Return the arrays of ``--inputs`` and ``--labels``, None of what was not given."""
    inputs = labels = None
    if wanted.inputs is not None:
        inputs, labels = read_images(wanted.inputs)
        if inputs.dtype.kind not in "fiub":
            raise UserError(f"inputs {wanted.inputs} must be real numbers, not {inputs.dtype}")
        inputs = inputs if inputs.dtype.kind == "f" else inputs.astype(np.float32)
    if wanted.labels is not None:
        if inputs is None:
            raise UserError("--labels are those of --inputs: give both")
        labels = np.array(read_npy(wanted.labels, what="labels"))
    if labels is not None and inputs is not None and (labels.shape != (len(inputs),) or labels.dtype.kind not in "iu"):
        raise UserError(
            f"labels must be integers, one for each of {len(inputs):,} inputs, not {labels.dtype} {labels.shape}"
        )
    return inputs, labels


def given_sequences(wanted: Wanted, wants: bool) -> "tuple[np.ndarray | Sequences | None, np.ndarray | None]":
    """Return what :func:`given_inputs` does, or the sequences in the file of ``--inputs``, if it has ``frames`` or the
    command ``wants`` them, and ``--labels``."""
    if wanted.inputs is None or not (wants or has_frames(wanted.inputs)):
        return given_inputs(wanted)
    from s2nn_hw.network.sequences import read_sequences

    recordings = read_sequences(wanted.inputs)
    return recordings, None if wanted.labels is None else np.array(read_npy(wanted.labels, what="labels"))


def has_frames(path: Path) -> bool:
    """Return whether ``path`` is a ``.npz`` file of sequences."""
    if path.suffix != ".npz" or not path.is_file() or not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return "frames.npy" in archive.namelist()


def nir_options(wanted: Wanted) -> "NirOptions":
    """Return what the command line says of a NIR file."""
    from s2nn_hw.quantize.importers.nir_neurons import NirOptions

    said = wanted.over_steps or OverSteps()
    if said.leak not in (None, "exact", "nearest"):
        raise UserError(f"--leak must be exact or nearest, not {quoted(said.leak)}")
    return NirOptions(
        said.steps,
        said.reset,
        said.dt,
        said.leak == "nearest",
        said.events,
        said.at_threshold,
        said.fraction,
        wanted.input_bits,
        ends(wanted.input_range),
        frames=said.frames,
    )


def names(text: str | None) -> tuple[str, ...] | None:
    """Return the names in ``text``, between commas."""
    return None if text is None else tuple(part.strip() for part in text.split(","))


def ends(text: str | None) -> tuple[float, float] | None:
    """Return the two numbers of ``--input-range``."""
    if text is None:
        return None
    try:
        low, high = map(float, text.split(","))
    except ValueError:
        raise UserError(f"--input-range must be two numbers with a comma, such as 0,1, not {quoted(text)}") from None
    return low, high


def shape(text: str | None) -> tuple[int, ...] | None:
    """Return the numbers of ``--input-shape``."""
    if text is None:
        return None
    parts = text.split(",")
    if not 1 <= len(parts) <= 3 or not all(part.strip().isdecimal() and 0 < int(part) <= 65536 for part in parts):
        raise UserError(
            f"--input-shape must be 1 to 3 positive integers with commas, such as 1,28,28, not {quoted(text)}"
        )
    return tuple(map(int, parts))


def _entries(found: "Translated") -> dict[str, Any]:
    return {
        "network": found.network.name,
        "digest": found.network.digest,
        "layers": [dict(zip(COLUMNS, row, strict=True)) for row in _rows(found)],
        "agreement": found.agreement.to_json(),
        "notes": list(found.notes),
    }


COLUMNS = ("layer", "reads", "synapses", "neurons", "values", "bits", "weights", "planes")


def _rows(found: "Translated") -> list[tuple[Any, ...]]:
    network = found.network
    rows = []
    for layer in network.layers:
        tables = [s for s in layer.synapses if s.accumulates]
        kinds = "+".join(s.kind for s in layer.synapses)
        neuron = layer.neuron.kind if layer.neuron else ""
        values = " x ".join(map(str, network.shapes[layer.name]))
        bits, weights = max((s.bits for s in tables), default=0), sum(s.weights.size for s in tables)
        leaves = str(network.planes[layer.name]) if layer.name in network.planes else "scores"
        sources = [f"{s} (t-1)" if lag else s for s, lag in zip(layer.sources, layer.lags, strict=True)]
        rows.append((layer.name, ", ".join(sources), kinds, neuron, values, bits or None, weights or None, leaves))
    return rows


def _show(found: "Translated", console: Terminal) -> None:
    from s2nn_hw.report.show.tables import make_table

    entering = found.network.input
    title = f"{found.network.name}: integers, {entering.bits}-bit input {' x '.join(map(str, entering.shape))}"
    rows = [tuple("" if value is None else value for value in row) for row in _rows(found)]
    console.print(make_table(title, COLUMNS, rows))
    if found.agreement.losses:
        lost = [
            (x.layer, f"{x.threshold:.4g}", f"{100 * x.cut_off:.2f} %", f"{x.activation:.4g}", f"{x.error:.4g}")
            for x in found.agreement.losses
        ]
        heads = ("layer", "threshold", "cut off", "mean activation", "mean error")
        console.print(make_table("activations against the owner's", heads, lost))
    for note in found.notes:
        console.print(f"note: {note}")
    console.print(f"compared with its owner's program: {found.agreement}")
