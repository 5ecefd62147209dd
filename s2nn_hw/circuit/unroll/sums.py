"""What the neurons of an unrolled layer add and do with it: layers that are one engine, weights of bits, actions."""

import numpy as np

from s2nn_hw.circuit.job import Job
from s2nn_hw.circuit.stage import Reader
from s2nn_hw.circuit.tables import cells_of, stream_table
from s2nn_hw.circuit.unroll.ladder import LadderParams
from s2nn_hw.errors import UserError
from s2nn_hw.network.layer import Layer
from s2nn_hw.network.network import Network
from s2nn_hw.network.neurons.program import Action


def chain_of(job: Job) -> tuple[Layer, ...]:
    """Return the layers that are one engine, the one that reads the sources first; all have the plan's levels."""
    choice, behind, front = job.choice, [], job.layer
    while front.name in job.inner:
        behind.append(front)
        front = job.inner[front.name]
    for one in (front, *behind[1:]) if behind else ():
        if (job.choices[one.name].levels, job.choices[one.name].lut) != (choice.levels, choice.lut):
            raise UserError(
                f"layer {one.name}: levels and lut must be those of {job.layer.name}, into which it is fused, "
                f"{choice.levels} and {choice.lut}, not {job.choices[one.name].levels} and "
                f"{job.choices[one.name].lut}"
            )
    return (front, *reversed(behind))


def weights_of(network: Network, front: Layer, readers: tuple[Reader, ...]) -> np.ndarray:
    """Return the weights of the bits of a pass, int32 ``(neurons, words, bits of a word)``."""
    planes, tables = network.read(front), []
    counts = np.array(planes.weights[::-1], np.int32)  # of the bits of a value, the lowest first
    for synapse, reader in zip(front.synapses, readers, strict=True):
        table = stream_table(synapse, reader, 1)[:, 0].astype(np.int32)  # (neurons, words, values)
        table = table[:, cells_of(network, synapse, reader).table_words()]
        tables.append((table[..., None] * counts).reshape(*table.shape[:2], -1))
    width = max(table.shape[2] for table in tables)
    return np.concatenate([np.pad(t, ((0, 0), (0, 0), (0, width - t.shape[2]))) for t in tables], axis=1)


def program_of(
    network: Network, layer: Layer, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray, LadderParams | None]:
    """Return the weights of all sums of ``layer``, what is added to them, and what its neurons do with them, or None.

    ``weights``: of a pass, see :func:`weights_of`. Of neurons that see each step's sum, planes have sums of their own.
    """
    program = layer.own_neuron.program(network.read(layer), *network.bounds(layer))
    if not (program.between or program.after or program.shift):
        return weights, program.start, None
    count = network.read(layer).count if network.stepwise(layer) else 1
    place = np.arange(weights.shape[-1]) % count
    tables = [np.where(place == count - 1 - step, weights, 0) for step in range(count)]
    offsets = np.concatenate([program.start >> program.shift, np.zeros((count - 1) * len(weights), np.int64)])
    whole = np.concatenate(tables)
    flat = whole.reshape(len(whole), -1).astype(np.int64)
    low, high = (side.sum(axis=1) + offsets for side in (flat.clip(max=0), flat.clip(min=0)))
    between: tuple[Action | None, ...] = (*program.between, None) * (count - 1)
    return (
        whole,
        offsets,
        LadderParams(
            low.reshape(count, -1),
            high.reshape(count, -1),
            program.start & ((1 << program.shift) - 1),
            program.shift,
            (*between, *program.after),
        ),
    )
