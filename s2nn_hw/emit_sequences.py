"""What is written of a circuit of sequences: Verilog, its interface, test vectors."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from s2nn_hw.circuit.choices import Plan
from s2nn_hw.circuit.recurrent.params import RecurrentParams
from s2nn_hw.emit import TOOL, interface_head, pack_beats, random_frames, result_places
from s2nn_hw.files import output_folder, write_json, write_npz, write_text
from s2nn_hw.network.network import Network
from s2nn_hw.network.over_time import forward_sequences
from s2nn_hw.sequence_accelerator import SequenceAccelerator
from s2nn_hw.sequence_design import SequenceDesign
from s2nn_hw.verilog import testbench
from s2nn_hw.verilog.convert import to_verilog
from s2nn_hw.verilog.identifiers import check_name

LENGTHS = (1, 2, 5, 12)  # frames of the vectors' sequences, as far as they may have


def interface(design: SequenceDesign, name: str) -> dict[str, Any]:
    """Return the JSON-able description of module ``name``: ports, order, cycles and network digest."""
    network, layout = design.network, design.result_layout
    return interface_head(design, name) | {
        "input": {
            "ports": {"payload": "i_payload", "valid": "i_valid", "ready": "i_ready"},
            "width": design.beat_bits,
            "pixel_bits": network.input.bits,
            "pixel_signed": network.input.signed,
            "pixels_per_beat": design.pixels_per_beat,
            "beats_per_frame": design.beats,
            "shape": list(network.input.shape),
            "last_bit": design.beat_bits - 1,
            "ticks_per_frame": network.input.ticks,
            "most_frames": network.input.frames,
            "order": "frames of a sequence one after the other, values in order, value 0 of a beat in the low bits; "
            "places past the last value are ignored; last_bit is 1 in the last beat of a sequence's last frame, 0 in "
            "those of the others, and ignored in other beats",
        },
        "output": {
            "ports": {"payload": "o_payload", "valid": "o_valid", "ready": "o_ready"},
            "width": layout.size,
            "fields": result_places(design),
            "order": "one beat per sequence, in the order of the sequences",
            "cycles": "from the cycle in which the sequence's first beat was taken to the one in which its result is "
            "first offered",
        },
        "cycles": {
            "exact": "s2nn_hw.cycles.ticks.TickTiming.schedule; test vectors carry its result",
            "recurrent": "a tick of a layer: groups x (ones of all sources + actions + 2) + 3, unless a neighbour "
            "holds the layer up",
        },
        "stages": [_describe(stage) for stage in design.stages],
        "plan": [asdict(choice) for choice in design.plan.layers],
    }


def _describe(stage: RecurrentParams) -> dict[str, Any]:
    """Return what one layer of the circuit is made of, JSON-able."""
    return {
        "name": stage.name,
        "engine": stage.choice.engine,
        "neurons": stage.neuron.size,
        "lanes": stage.lanes,
        "groups": stage.groups,
        "actions": stage.neuron.actions,
        "sources": [
            {"name": s.name, "delay": s.delay, "values": s.size, "bits": s.planes.count, "chunk": s.width}
            for s in stage.sources
        ],
        "weight_bits": stage.bits,
        "register_bits": {name: register.width for name, register in stage.registers.items()},
    }


def sequences_of(network: Network, lengths: tuple[int, ...] = LENGTHS, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return frames and offsets of random sequences of so many frames each, or of as many as the network takes."""
    offsets = np.concatenate([[0], np.minimum(lengths, network.input.frames).cumsum()]).astype(np.int64)
    return random_frames(network, int(offsets[-1]), seed), offsets


def write(network: Network, folder: Path | str, plan: Plan, *, name: str) -> SequenceAccelerator:
    """Write ``NAME.v``, ``NAME.vlt``, ``NAME.vhd``, ``interface.json``, ``vectors.npz`` and ``vectors.json`` into
    ``folder``; the Verilog last and atomically. Vectors are sequences that are each sent when the circuit is idle."""
    check_name(name)
    with output_folder(folder) as place:
        accelerator = SequenceAccelerator(network, plan)
        design = accelerator.design
        text = testbench.header(design, name, TOOL) + to_verilog(accelerator, name)
        frames, offsets = sequences_of(network)
        pixels, output = network.encode(frames), forward_sequences(network, frames, offsets, trace=True)
        cycles = design.timing.alone(design.ones(pixels, output), output.ticks)
        write_json(place / "interface.json", interface(design, name))
        answers = {"class": output.classes, "scores": output.scores, "cycles": cycles}
        write_npz(place / "vectors.npz", frames=frames, offsets=offsets, **answers)
        listing, top = [], 1 << (design.beat_bits - 1)
        for k, (first, end) in enumerate(zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True)):
            beats = [beat for frame in pixels[first:end] for beat in pack_beats(design, frame)]
            beats[-1] |= top
            lines = testbench.beat_lines(beats, design.beat_bits).split()
            listing.append({"beats": lines, **{key: table[k].tolist() for key, table in answers.items()}})
        write_text(place / "vectors.json", json.dumps(listing, indent=1) + "\n")
        write_text(place / f"{name}.vhd", testbench.vhdl_package(design, name))
        write_text(place / f"{name}.vlt", testbench.lint_rules(name))
        write_text(place / f"{name}.v", text)
    return accelerator
