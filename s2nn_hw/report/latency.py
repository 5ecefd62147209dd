"""Cycles, microseconds and frames per second: the exact cycle function over real images.

    latency     first beat of a frame taken -> its result offered, the frame alone in the circuit
    interval    one result offered -> the next, frames back to back
    bound       per layer and frame ``max(active inputs / banks, words)``, active inputs counted per bit plane
"""

import numpy as np

from ..accelerator import Design
from ..emit import layer_inputs
from ..timing import engine_alone

SEQUENCE = 100


def spread(values):
    """Return min, mean, 99th percentile (a value that occurs) and max of ``values`` as plain numbers."""
    values = np.asarray(values)
    return {
        "min": int(values.min()),
        "mean": round(float(values.mean()), 3),
        "p99": int(np.quantile(values, 0.99, method="higher")),
        "max": int(values.max()),
    }


def latency(network, plan, images, *, clock_mhz=None, link=None, sequence=SEQUENCE):
    """Return the JSON-able cycle figures of ``network`` under ``plan`` on uint8 ``images``, from the exact model.

    ``clock_mhz`` adds microseconds and frames/s; ``link``, ``{"frames_per_second": ...}`` of the host link, says what
    limits the rate. ``sequence`` frames follow each other for the interval; fewer if there are fewer images, and
    the interval is None for a single one. See ``docs/report.md`` for every field.
    """
    _, inputs = layer_inputs(network, images)
    return figures(Design(network, plan), inputs, clock_mhz=clock_mhz, link=link, sequence=sequence)


def figures(design, inputs, *, clock_mhz=None, link=None, sequence=SEQUENCE):
    """Do the work of :func:`latency` for the integer inputs of each layer (:func:`s2nn_hw.emit.layer_inputs`)."""
    timing = design.timing
    ones = timing.ones(inputs)
    count = len(ones[0])
    alone = timing.schedule(ones).cycles.reshape(-1)
    length = min(sequence, count)
    used = count // length * length
    intervals = np.diff(timing.schedule([n[:used] for n in ones], length=length).offered, axis=1)
    interval = spread(intervals) if intervals.size else None
    result = {
        "frames": count,
        "sequence": length,
        "source": "exact cycle function",
        "latency_cycles": spread(alone),
        "interval_cycles": interval,
        "layers": [
            _layer(layer, params, table, length)
            for layer, params, table in zip(design.network.layers, design.params, ones, strict=True)
        ],
    }
    return result | rates(result, clock_mhz, link)


def rates(result, clock_mhz, link=None):
    """Return the fields of :func:`latency` that need a clock; empty without one."""
    if clock_mhz is None:
        return {}
    interval = result["interval_cycles"]
    fields = {
        "clock_mhz": clock_mhz,
        "latency_us": {name: round(value / clock_mhz, 4) for name, value in result["latency_cycles"].items()},
        "circuit_frames_per_second": round(1e6 * clock_mhz / interval["mean"], 1) if interval else None,
    }
    if link and interval:
        circuit = fields["circuit_frames_per_second"]
        fields["frames_per_second"] = min(circuit, link["frames_per_second"])
        fields["limited_by"] = "link" if link["frames_per_second"] < circuit else "circuit"
    return fields


def _layer(layer, params, ones, length):
    """Return one layer's row: what enters, what it adds, how long it takes alone, against the bound."""
    active = ones.sum(axis=(1, 2, 3))
    bounds = np.maximum(active / params.banks, params.words * params.planes)
    used = len(ones) // length * length
    measured = engine_alone(params, ones[:used].reshape(-1, length, *ones.shape[1:]))
    bound = bounds[:used].reshape(-1, length)[:, 1:]  # the first frame of a sequence has no interval
    return {
        "name": layer.name,
        "inputs": params.inputs,
        "neurons": params.neurons,
        "banks": params.banks,
        "words": params.words,
        "bit_planes": params.planes,
        "active_inputs": round(float(active.mean()), 3),
        "active_share": round(float(active.mean()) / (params.inputs * params.planes), 5),
        "synaptic_operations": round(float(active.mean()) * params.neurons, 1),
        "bound_cycles": round(float(bounds.mean()), 3),
        "alone_frames": measured.size,
        "alone_interval_cycles": round(float(measured.mean()), 3) if measured.size else None,
        "alone_to_bound": round(float(measured.sum() / bound.sum()), 4) if measured.size else None,
    }
