"""A NIR graph in, an integer network out, compared step by step with what NIR's equations give on the same inputs.

Graphs with loops, and all over sequences of frames: :mod:`.from_nir_sequences`.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from s2nn_hw.errors import UserError, quoted
from s2nn_hw.network.sequences import Sequences
from s2nn_hw.quantize.exporters.notes import KEY
from s2nn_hw.quantize.importers.from_nir_sequences import from_graph
from s2nn_hw.quantize.importers.imported import Wanted, compare, import_network
from s2nn_hw.quantize.importers.inputs import decoded, encoded
from s2nn_hw.quantize.importers.nir_file import flattened, read_nir
from s2nn_hw.quantize.importers.nir_neurons import NirOptions
from s2nn_hw.quantize.importers.nir_read import NirRead, read_graph
from s2nn_hw.quantize.importers.nir_run import run_graph
from s2nn_hw.quantize.importers.noted import classes_of, note_of, scaling_of
from s2nn_hw.quantize.importers.operations import Entering, Foreign, IntegrateFire, Spike
from s2nn_hw.quantize.importers.scaling import entering_of, pads
from s2nn_hw.quantize.importers.translated import Translated

DRAWN = 500  # inputs of the comparison where none are given
SAID = {"steps": int, "reset": str, "dt": float, "events": bool, "at": bool, "bits": int, "signed": bool}


def from_nir(
    source: Any,
    inputs: np.ndarray | Sequences | None = None,
    options: NirOptions | None = None,
    *,
    labels: np.ndarray | None = None,
    name: str | None = None,
    wanted: Wanted | None = None,
    console: Console | None = None,
) -> Translated:
    """Return NIR graph ``source``, a path or a ``nir.NIRGraph``, as an integer network, with what it agrees in.

    inputs    ``(count, *shape)`` as the graph takes them, or with ``options.events`` ``(count, steps, *shape)`` of 0
              and 1; None: drawn, which is enough where the weights are integers times a scale; or sequences of frames
    options   what the file does not say; a file of ours says it itself
    labels    ``(count,)``: accuracies are measured, too

    :class:`UserError` names the nodes that have no form here, and what is not said.
    """
    graph = read_nir(source) if isinstance(source, str | Path) else flattened(source)
    note = note_of(graph.metadata.get(KEY), KEY)
    options = options or NirOptions()
    wanted = wanted or Wanted()
    wanted = replace(wanted, classes=wanted.classes or classes_of(note))
    stem = source.stem if isinstance(source, Path) else Path(source).stem if isinstance(source, str) else "network"
    if graph.late or options.frames is not None or isinstance(inputs, Sequences):
        if inputs is not None and not isinstance(inputs, Sequences):
            raise UserError("inputs must be sequences: frames and offsets, and not single inputs")
        if isinstance(note.get("steps"), int):
            raise UserError(f"the file says that a sample has {note['steps']} steps, so that it takes no sequences")
        return from_graph(graph, inputs, options, labels=labels, name=name or note.get("name") or stem, wanted=wanted)
    options = completed(options, note)
    read = read_graph(graph, options)
    real = None if inputs is None else _shaped(np.asarray(inputs), read.shape, options)
    entering = _entering(real, read, options)
    entering = replace(entering, raw=scaling_of(note, entering))
    foreign = Foreign(
        name or note.get("name") or stem, entering, read.operations, read.output, {"nir": _provenance(options)}
    )
    given = None if real is None else encoded(real, entering)
    found = import_network(foreign, given, wanted, console=console)
    pixels = _drawn(entering) if given is None else given
    scores, values = run_graph(graph, options, read.shape, decoded(pixels, entering))
    agreement = compare(found, pixels, scores, _spikes(read, values, options), labels)
    notes = (*_assumed(options, entering, drawn=given is None), *read.notes, *found.notes)
    return Translated(found.network, agreement, notes, found)


def completed(options: NirOptions, note: dict[str, Any]) -> NirOptions:
    """Return ``options`` with what the file's own ``note`` says where they say nothing."""
    changes: dict[str, Any] = {
        key: note[key]
        for key, kind in SAID.items()
        if getattr(options, key) in (None, False) and isinstance(note.get(key), kind)
    }
    if options.between is not None or options.bits is not None:
        changes.pop("signed", None)
    if options.between is None and "bits" in changes and not (options.events or changes.get("events")):
        changes["between"] = (0.0, 2.0 ** changes["bits"] - 1)
    options = replace(options, **changes)
    if options.steps is None:
        raise UserError("NIR does not say how many steps a sample has: say --steps")
    return options


def _provenance(options: NirOptions) -> dict[str, Any]:
    return {"steps": options.count, "reset": options.reset, "dt": options.dt, "events": options.events}


def _shaped(inputs: np.ndarray, shape: tuple[int, ...], options: NirOptions) -> np.ndarray:
    """Return ``inputs`` ``(count[, steps], *shape)``, an axis of one row or channel put in where the graph has none."""
    lead = 2 if options.events else 1
    taken = {shape, tuple(n for n in shape if n > 1), shape[1:] if shape[0] == 1 else shape}
    taken |= {(shape[0], shape[2])} if len(shape) == 3 and shape[1] == 1 else set()
    if inputs.ndim <= lead or not len(inputs) or inputs.shape[lead:] not in taken:
        wanted = ", ".join(map(str, ([options.count] if options.events else []) + list(shape)))
        raise UserError(f"inputs must have shape (count, {wanted}), not {inputs.shape}")
    if inputs.dtype.kind not in "biuf":
        raise UserError(f"inputs must be numbers, not {quoted(inputs.dtype)}")
    if options.events and inputs.shape[1] != options.count:
        raise UserError(f"events must be of {options.count} steps, not {inputs.shape[1]}")
    whole = inputs.reshape(*inputs.shape[:lead], *shape)
    return whole[:, 0] if options.events and options.count == 1 else whole


def _entering(inputs: np.ndarray | None, read: NirRead, options: NirOptions) -> Entering:
    one, none = np.ones(1), np.zeros(1)
    if options.events:
        return Entering(read.shape, options.count, one, none, events=options.count > 1)
    if options.signed:
        return Entering(read.shape, options.bits or 8, one, none, signed=True)
    if inputs is None and options.between is None:
        raise UserError(
            "inputs are wanted, to see between which numbers they lie: give --inputs, or say it with --input-range"
        )
    seen = np.zeros((1, *read.shape)) if inputs is None else inputs
    return entering_of(seen, options.bits or 8, padded=pads(read.operations), between=options.between)


def _drawn(entering: Entering) -> np.ndarray:
    """Return random integers that can enter."""
    draw, count = np.random.default_rng(0), int(np.prod(entering.shape))
    if entering.events:
        return (draw.random((DRAWN, entering.bits, count)) < 0.3).astype(np.uint8)
    low, high = entering.ends
    return draw.integers(low, high + 1, (DRAWN, count)).astype(np.int32)


def _spikes(read: NirRead, values: dict[str, np.ndarray], options: NirOptions) -> dict[str, np.ndarray]:
    """Return the spikes of neurons by the names of their operations, of one step without an axis for it."""
    kinds = {operation.name: operation.what for operation in read.operations}
    found = {}
    for name, value in read.values.items():
        what = kinds.get(value)
        if isinstance(what, Spike) or (isinstance(what, IntegrateFire) and options.count == 1):
            found[value] = values[name][:, 0]
        elif isinstance(what, IntegrateFire):
            found[value] = values[name]
    return found


def _assumed(options: NirOptions, entering: Entering, *, drawn: bool) -> list[str]:
    """Return what was taken for granted, a line each."""
    many = "1 step" if options.count == 1 else f"{options.count} steps"
    enters = (
        f"events of 0 and 1 in each of {many}"
        if options.events
        else f"one input of {entering.bits} bits, the same in each of {many}"
    )
    rule = "at v_threshold and above" if options.at else "above v_threshold, as NIR's text says"
    reset = {"soft": "; soft reset", "hard": "; hard reset", None: ""}[options.reset]
    lines = [f"{enters}; spikes {rule}{reset}; membranes begin at 0"]
    return [*lines, f"compared on {DRAWN} random inputs"] if drawn else lines
