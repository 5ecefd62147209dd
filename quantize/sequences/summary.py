"""The way to integers: the tables that training has rounded, their network, and what it measures."""

import dataclasses

import numpy as np
import torch
from rich.console import Console

from s2nn_hw import __version__
from s2nn_hw.errors import UserError, counted
from s2nn_hw.network.layer import INPUT, Layer
from s2nn_hw.network.network import Network
from s2nn_hw.network.over_time import forward_sequences
from s2nn_hw.network.sequences import Sequences
from s2nn_hw.network.states import widths
from s2nn_hw.quantize.data import sequence_sets, source
from s2nn_hw.quantize.recipe import source_of
from s2nn_hw.quantize.sequences.checkpoint import SequenceCheckpoint
from s2nn_hw.quantize.sequences.figures import Accuracy, RowsFigures, SequenceFigures
from s2nn_hw.quantize.sequences.held import Held
from s2nn_hw.quantize.sequences.layers import Tables, integers
from s2nn_hw.quantize.sequences.measure import activity, evaluate
from s2nn_hw.quantize.sequences.model import SequenceNetwork
from s2nn_hw.quantize.sequences.spec import LIF
from s2nn_hw.quantize.settings import Recipe

EXACT_BITS = 25  # of a number in two's complement that float32 holds whatever it is


def quantize(checkpoint: SequenceCheckpoint, console: Console | None = None) -> tuple[Network, SequenceFigures]:
    """Return the integer network with provenance, and its figures.

    Accuracy is that of the golden model on the test, or on the shipped sample where the data set is neither present nor
    to be had, and on the part for validation where the recipe has one.
    """
    recipe, model = checkpoint.recipe, checkpoint.model
    bare = convert(model, recipe)
    whole, test = _tests(recipe, console)
    figures = measure(model, bare, whole, test, recipe)
    if recipe.data.validation and source.sequences_present(recipe.data, "train"):
        held = source.sequences(recipe.data)[1]
        assert held is not None  # the recipe has such a part
        figures = dataclasses.replace(figures, validation=_accuracy(model, bare, held.shortened(bare.input.frames)))
    provenance = {"tool": f"s2nn-hw {__version__}", **source_of(recipe), "measured": figures.measured()}
    made = dataclasses.replace(bare, provenance=provenance)
    return made, figures


def convert(model: SequenceNetwork, recipe: Recipe) -> Network:
    """Return the integer network of ``model``, without provenance: its rounded tables as they are."""
    frames = recipe.sequence.frames
    assert frames is not None  # training says it
    with torch.no_grad():
        tables = [_tables(*rows.tables()) for rows in model.rows]
    return integers(model.spec, recipe, tables, frames)


def _tables(weight: torch.Tensor, own: torch.Tensor | None, bias: torch.Tensor) -> Tables:
    if bias.abs().max() > 1 << 30:
        raise UserError("a bias is too large for its table; lower key 'training.learning_rate'")
    first, second = (
        np.zeros((1, 1), np.int8) if table is None else table.cpu().numpy().astype(np.int8) for table in (weight, own)
    )
    return first, second, bias.cpu().numpy().astype(np.int32)


def _tests(recipe: Recipe, console: Console | None) -> tuple[Sequences, str]:
    data = recipe.data
    try:
        return source.sequences_of(data, "test"), source.title(data)
    except UserError as error:
        if data.set is None:
            raise
        sample = sequence_sets.samples(data.set)
        if console is not None:
            console.print(f"{error}\nusing the {len(sample)} sample sequences instead")
        return sample, source.title(data)


def _accuracy(model: SequenceNetwork, network: Network, sequences: Sequences) -> Accuracy:
    rates = _rates(model, sequences)
    found = forward_sequences(network, sequences.frames, sequences.offsets)
    right = float((found.classes == sequences.labels).mean())
    return Accuracy(len(sequences), rates, round(right, 6))


def _rates(model: SequenceNetwork, sequences: Sequences) -> float | None:
    if any(layer.kind == LIF for layer in model.spec.layers):
        return None
    return round(evaluate(model, Held.of(sequences, int(sequences.lengths.max())), ticks=False)[0], 6)


def measure(model: SequenceNetwork, network: Network, whole: Sequences, title: str, recipe: Recipe) -> SequenceFigures:
    """Return the figures on the sequences ``whole``, whose set is called ``title``."""
    sequences = whole.shortened(network.input.frames)
    found = _accuracy(model, network, sequences)
    accuracy, ones = evaluate(model, Held.of(sequences, network.input.frames))
    if round(accuracy, 6) != found.accuracy_integer:
        raise AssertionError("the trained integers are not those of the network")
    done = activity(model.spec, ones, float(sequences.lengths.mean()))
    rows = [_row(network, layer) for layer in network.layers]
    return SequenceFigures(
        name=network.name,
        digest=network.digest,
        data_set=title,
        sequences=len(sequences),
        cut=int((whole.lengths > network.input.frames).sum()),
        accuracy_rates=found.accuracy_rates,
        accuracy_integer=found.accuracy_integer,
        validation=None,
        input_bits=network.input.bits,
        ticks=network.input.ticks,
        frames=round(float(sequences.lengths.mean()), 3),
        input_ones=round(ones[INPUT], 3),
        events=round(sum(done.spikes), 3),
        spikes=done.spikes,
        spike_rates=done.spike_rates,
        synaptic_operations=done.synaptic_operations,
        memory_bits=sum(row.memory_bits for row in rows),
        layers=tuple(rows),
        warnings=tuple(_warnings(network, found)),
    )


def _row(network: Network, layer: Layer) -> RowsFigures:
    neuron = layer.own_neuron
    weights = np.concatenate([synapse.weights for synapse in layer.synapses], axis=1)
    biases = getattr(neuron, "biases" if "biases" in neuron.tables else "bias")
    states = {name: int(bits.max()) for name, bits in widths(network.state_bounds(layer)).items()}
    return RowsFigures(
        name=layer.name,
        kind=neuron.kind,
        inputs=weights.shape[1],
        neurons=len(weights),
        bits=layer.synapses[0].bits,
        weight_range=(int(weights.min()), int(weights.max())),
        sparsity=round(float((weights == 0).mean()), 5),
        bias_range=(int(biases.min()), int(biases.max())),
        memory_bits=sum(synapse.weights.size * synapse.bits for synapse in layer.synapses),
        state_bits=states,
    )


def _warnings(network: Network, found: Accuracy) -> list[str]:
    said = []
    for layer in network.layers:
        for name, bits in widths(network.state_bounds(layer)).items():
            if bits.max() > EXACT_BITS:
                said.append(
                    f"layer {layer.name}: {name} can reach {bits.max()} bits, and training had {EXACT_BITS} exact ones"
                )
    if found.accuracy_rates is not None and found.accuracy_rates - found.accuracy_integer > 0.05:
        said.append(
            f"integers lose {100 * (found.accuracy_rates - found.accuracy_integer):.2f} points against the rates that "
            "were trained; key 'sequence.exact_from' below 1 trains the integers"
        )
    return said


def show(report: SequenceFigures, console: Console) -> None:
    """Print ``report`` as a table and lines of accuracies and events."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    ticks = counted(report.ticks, "tick")
    table = Table(
        title=f"{report.name}: integer network, {report.input_bits}-bit pixels, {ticks} a frame",
        box=SIMPLE_HEAD,
        padding=0,
        show_edge=False,
        caption="states: bits of the widest neuron; spikes: of all neurons in a sequence, and their share",
    )
    for name in ("layer", "synapses", "bits", "weights", "zeros", "bias", "states", "spikes", "rate"):
        table.add_column(name, justify="left" if name in ("layer", "states") else "right", no_wrap=True)
    for number, row in enumerate(report.layers):
        fires = number < len(report.spikes)
        table.add_row(
            row.name,
            f"{row.inputs}x{row.neurons}",
            str(row.bits),
            _range(row.weight_range),
            f"{100 * row.sparsity:.1f}%",
            _range(row.bias_range),
            " ".join(f"{name} {bits}" for name, bits in row.state_bits.items()),
            f"{report.spikes[number]:,.0f}" if fires else "",
            f"{100 * report.spike_rates[number]:.1f}%" if fires else "",
        )
    console.print(table)
    test = Accuracy(report.sequences, report.accuracy_rates, report.accuracy_integer)
    console.print(_accuracies(test, report.data_set))
    if report.cut:
        console.print(f"{report.cut:,} of these are longer than the network takes, and were cut to their first frames")
    if report.validation:
        console.print(_accuracies(report.validation, "the part for validation"))
    console.print(
        f"{report.events:,.0f} events a sequence of {report.frames:.1f} frames, "
        f"{report.synaptic_operations:,.0f} synaptic operations"
    )


def _accuracies(found: Accuracy, title: str) -> str:
    rates = "" if found.accuracy_rates is None else f"rates {100 * found.accuracy_rates:.2f} %, "
    return f"accuracy on {found.sequences:,} sequences of {title}: {rates}integers {100 * found.accuracy_integer:.2f} %"


def _range(pair: tuple[int, int]) -> str:
    return f"{pair[0]}..{pair[1]}"
