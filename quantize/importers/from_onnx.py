"""An ONNX file in, an integer network out, compared with qonnx's execution of the file on the same inputs."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.console import Console

from s2nn_hw.errors import UserError
from s2nn_hw.network.layer import Input
from s2nn_hw.quantize.exporters.notes import KEY
from s2nn_hw.quantize.importers import onnx_run
from s2nn_hw.quantize.importers.assemble import Assembled, ours
from s2nn_hw.quantize.importers.exact import Unfit
from s2nn_hw.quantize.importers.imported import Wanted, compare, import_network
from s2nn_hw.quantize.importers.inputs import decoded, encoded
from s2nn_hw.quantize.importers.noted import classes_of, note_of, scaling_of
from s2nn_hw.quantize.importers.onnx_file import read_model
from s2nn_hw.quantize.importers.onnx_graph import read_graph
from s2nn_hw.quantize.importers.onnx_operators import as_image
from s2nn_hw.quantize.importers.onnx_read import Read, read
from s2nn_hw.quantize.importers.operations import Entering, Foreign
from s2nn_hw.quantize.importers.scaling import entering_of, pads
from s2nn_hw.quantize.importers.translated import Translated

RANDOM = 500  # inputs of the comparison where none are given


def from_onnx(
    path: Path | str,
    inputs: np.ndarray | None = None,
    *,
    labels: np.ndarray | None = None,
    name: str | None = None,
    classes: tuple[str, ...] | None = None,
    bits: int = 8,
    activation_bits: int = 4,
    percentile: float = 99.9,
    input_bits: int = 8,
    input_range: tuple[float, float] | None = None,
    input_shape: tuple[int, ...] | None = None,
    split_levels: bool = False,
    ttfs: bool = False,
    console: Console | None = None,
) -> Translated:
    """Return the network in ONNX file ``path`` (also QONNX) as integers, with what it agrees in with its execution.

    inputs           floats ``(count, *shape)`` as the network takes them. Wanted where weights are floats or
                     neurons are ReLU; without them the comparison is on random integers
    labels           ``(count,)``: accuracies are measured, too
    name, classes    of the network; default: the file's name, and numbers
    input_bits       of what enters, ``input_range``: the numbers that its ends stand for (default: of ``inputs``);
                     neither where a Quant of the file says so
    input_shape      of one input, where the file leaves it open
    split_levels     spikes in place of levels that can't be of one width
    ttfs             numbers of 2 to 5 bits become times to the first spike
    bits, activation_bits, percentile    as of :func:`.from_torch.from_torch`

    :class:`UserError` says what in the file can't be read, or lists the nodes that have no form here.
    """
    path = Path(path)
    found = _read(path, input_shape)
    image = as_image(found.graph.shapes[found.graph.entering])
    given = None if inputs is None else _shaped(np.asarray(inputs), found, image)
    if given is None and labels is not None:
        raise UserError("labels are those of inputs: give both")
    entering = found.entering or _entering(found, given, input_bits, input_range, image)
    note = note_of(next((p.value for p in found.graph.owner.metadata_props if p.key == KEY), None), KEY)
    entering = replace(entering, raw=scaling_of(note, entering))
    Input(ours(image), entering.bits)
    pixels = None if given is None else encoded(given, entering)
    source = {"onnx": path.name, "opset": found.graph.opset}
    foreign = Foreign(name or name_of(path), entering, found.operations, found.output, source)
    names = tuple(classes) if classes else classes_of(note)
    wanted = Wanted(bits, activation_bits, percentile, names, split_levels, ttfs)
    made = import_network(
        foreign, pixels, wanted, respond=lambda assembled: onnx_run.responses(found, assembled), console=console
    )
    _refuse_thresholds(found, made.assembled, made.unfit)
    seen = _random(entering) if pixels is None else pixels
    tensors = {found.tensors[n] for n in made.assembled.given if n in found.tensors} | {found.scores}
    values = onnx_run.run(found.graph, decoded(seen, entering), sorted(tensors), console)
    scores = values[found.scores].reshape(len(seen), -1)
    agreement = compare(made, seen, scores, onnx_run.owner_values(found, made.assembled, values), labels)
    notes = (*found.notes, *made.notes)
    return Translated(made.network, agreement, notes, made)


def _read(path: Path, input_shape: tuple[int, ...] | None) -> Read:
    model = read_model(path, input_shape)
    try:
        return read(read_graph(model))
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def _shaped(inputs: np.ndarray, found: Read, image: tuple[int, ...]) -> np.ndarray:
    own = found.graph.shapes[found.graph.entering]
    if not len(inputs) or inputs.shape[1:] != own or inputs.dtype.kind != "f":
        raise UserError(
            f"inputs must be floats (count, {', '.join(map(str, own))}) as the network takes them, not {inputs.dtype} "
            f"{inputs.shape}"
        )
    return inputs.reshape(len(inputs), *image)


def _entering(
    found: Read, inputs: np.ndarray | None, bits: int, between: tuple[float, float] | None, image: tuple[int, ...]
) -> Entering:
    if inputs is None and between is None:
        raise UserError(
            "no Quant says what enters: give inputs, some hundred of them (--inputs X.npy), or what they lie between "
            "(--input-range LO,HI)"
        )
    seen = np.broadcast_to(np.array(between).reshape(2, *[1] * len(image)), (2, *image)) if inputs is None else inputs
    return entering_of(seen, bits, padded=pads(found.operations), between=between)


def _random(entering: Entering) -> np.ndarray:
    low, high = entering.ends
    return np.random.default_rng(0).integers(low, high + 1, (RANDOM, int(np.prod(entering.shape))), dtype=np.int32)


def _refuse_thresholds(found: Read, assembled: Assembled, unfit: tuple[Unfit, ...]) -> None:
    """Raise :class:`UserError` where thresholds of a MultiThreshold are not evenly spaced."""
    nodes = {node.name: node for node in found.graph.nodes}
    for off in unfit:
        for name, given in assembled.given.items():
            node = nodes.get(name)
            if (
                node is not None
                and node.kind == "MultiThreshold"
                and onnx_run.fired(assembled, given.name) == off.layer
            ):
                raise UserError(
                    f"{node.where}: its thresholds are not evenly spaced: {off.many:,} of {off.levels:,} can't be had "
                    "with levels of one width (spikes in place of levels have them: --split-levels)"
                )


def name_of(path: Path) -> str:
    """Return a network's name for the file ``path``."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", path.stem).strip("-._")[:64] or "network"
