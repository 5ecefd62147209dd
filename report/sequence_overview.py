"""What a network of sequences and its circuit are, without running it: ``inspect``."""

from rich.console import Console

from s2nn_hw.report.quantities import Json
from s2nn_hw.report.show.tables import make_table
from s2nn_hw.sequence_design import SequenceDesign

FORMAT, VERSION = "s2nn-sequence-overview", 1


def sequence_overview(design: SequenceDesign) -> Json:
    """Return the JSON-able description of ``design``: input, layers with their neurons, states, lanes and cycles."""
    network, entering = design.network, design.network.input
    return {
        "format": FORMAT,
        "version": VERSION,
        "name": network.name,
        "digest": network.digest,
        "classes": list(network.classes),
        "input": {
            "values": entering.size,
            "bits": entering.bits,
            "ticks_per_frame": entering.ticks,
            "most_frames": entering.frames,
        },
        "memory_bits": sum(s.weights.size * s.bits for layer in network.layers for s in layer.synapses),
        "score_bits": design.score_width,
        "layers": [
            {
                "name": p.name,
                "kind": p.neuron.kind,
                "sources": [f"{s.name} (t-1)" if s.delay else s.name for s in p.sources],
                "neurons": p.neuron.size,
                "lanes": p.lanes,
                "groups": p.groups,
                "weights": sum(int(s.weights.size) for s in p.layer.synapses),
                "weight_bits": p.bits,
                "register_bits": {name: register.width for name, register in p.registers.items()},
                "cycles_of_a_tick": f"{p.groups} x (ones + {p.group_cycles}) + 3",
            }
            for p in design.stages
        ],
        "plan": design.plan.to_json(),
    }


def print_sequence_overview(data: Json, console: Console) -> None:
    """Print what :func:`sequence_overview` returned."""
    entering = data["input"]
    rows = [
        (
            row["name"],
            row["kind"],
            ", ".join(row["sources"]),
            row["neurons"],
            f"{row['lanes']} x {row['groups']}",
            f"{row['weights']:,}",
            ", ".join(f"{name} {bits}" for name, bits in row["register_bits"].items()),
        )
        for row in data["layers"]
    ]
    titles = ("layer", "kind", "reads", "neurons", "lanes x groups", "weights", "registers")
    console.print(make_table(f"{data['name']}: {len(data['classes'])} classes", titles, rows))
    console.print(
        f"sequences of up to {entering['most_frames']:,} frames of {entering['values']:,} values of {entering['bits']} "
        f"bits, {entering['ticks_per_frame']} ticks each; {data['memory_bits']:,} bits of weights; scores of "
        f"{data['score_bits']} bits; SHA-256 {data['digest']}",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
