"""Damaged ``.s2nn`` files, and whether one that was taken is what the document allows."""

import json
import struct
from dataclasses import replace

import numpy as np

from s2nn_hw.errors import UserError
from s2nn_hw.network.layer import Layer
from s2nn_hw.network.network import Network
from s2nn_hw.network.over_time import forward_sequences
from s2nn_hw.network.scaling import Scaling
from s2nn_hw.network.store import load, save
from s2nn_hw.network.synapses import Dense, MaxPool, Or
from tests.support import outsider, outsider_container, outsider_scores, outsider_sequences
from tests.support.damage import Wrong, bent, changed, pick, twice
from tests.support.graphs import build, convolution, dense, identity, joined, pooled
from tests.support.networks import random_images, random_network
from tests.support.random_sequences import random_sequence_network


def scaled(network, count):
    """Return ``network`` with an offset and a step, ``count`` each, and what stands for missing values."""
    tables = np.random.default_rng(count).uniform(0.1, 2.0, (3, count))
    return replace(network, input=replace(network.input, scaling=Scaling(*tables)))


class Networks:
    """``.s2nn`` files: bytes bent, headers changed (digest made anew, so that what lies behind it is reached)."""

    def __init__(self, folder):
        rng = np.random.default_rng(0)
        thin = (rng.random((20, 400)) < 0.05) * rng.choice([-1, 2], (20, 400))
        sparse = random_network((400, 20, 3), bits=3)
        layers = (Layer("layer0", Dense(thin.astype(np.int8), 3), sparse.layers[0].neuron), sparse.layers[1])
        made = [
            random_network((8, 6, 3), input_bits=2),
            Network("thin", sparse.input, layers, ("a", "b", "ß [/x]")),
            build(
                (4, 5, 2),
                4,
                [
                    convolution(4, 3, padding=1),
                    convolution(4, 3, padding=1, groups=2),
                    [convolution(4, 3, padding=1), identity("layer0")],
                    joined(MaxPool(2)),
                    dense(3),
                ],
            ),
            build(
                (4, 4, 1),
                2,
                [convolution(3, 1), convolution(3, 1), joined(Or(), "layer0", "layer1"), pooled(2, (2, 2))],
            ),
        ]
        made += [scaled(random_network((3, 6, 3), input_bits=5), 3), scaled(made[2], 1)]
        made += [random_sequence_network(np.random.default_rng(seed)) for seed in (1, 4, 12, 18, 19)]
        self.files = []
        for number, network in enumerate(made):
            path = folder / f"{number}.s2nn"
            save(network, path)
            data = path.read_bytes()
            text, tensors = outsider_container.container(data)
            self.files.append((data, json.loads(text), dict(tensors), outsider.read(data)))

    def draw(self, rng):
        data, header, tensors, net = self.files[rng.integers(len(self.files))]
        what = rng.choice(["bytes", "header", "header", "header", "tensors", "twice", "zeros", "container"])
        if what == "bytes":
            return bent(data, rng)
        if what == "container":
            length = int.from_bytes(data[:8], "little")
            entries = json.dumps(changed(json.loads(data[8 : 8 + length]), rng)).encode()
            return struct.pack("<Q", len(entries)) + entries + data[8 + length :]
        if what == "twice":
            return outsider_container.pack(twice(json.dumps(header), rng), tensors)
        header, tensors = json.loads(json.dumps(header)), {n: t.copy() for n, t in tensors.items()}
        if what == "header":
            header = changed(header, rng)
        elif what == "tensors":
            self.change_tensor(tensors, rng)
        else:  # forty tables of 2^28 zeros would be 10 GB
            self.zeros(header, tensors)
        try:
            tables = dict(net["tables"]) if what == "header" else tensors
            header["digest"] = outsider.digest(header, tables, net["unlisted"])
        except (KeyError, TypeError, AttributeError, ValueError, RecursionError, IndexError):
            pass  # too broken for a digest
        return outsider_container.pack(json.dumps(header), tensors)

    def change_tensor(self, tensors, rng):
        name = pick(sorted(tensors), rng)
        table = tensors[name]
        what = rng.choice(["value", "type", "shape", "drop", "name", "cut"])
        if what == "value" and table.size:
            real, place = table.dtype.kind == "f", rng.integers(table.size)
            info = np.finfo(table.dtype) if real else np.iinfo(table.dtype)
            odd = [np.nan, np.inf, -0.0, info.smallest_subnormal] if real else []
            table.reshape(-1)[place] = pick([0, 1, 4, info.min, info.max, *odd], rng)
        elif what == "type":
            with np.errstate(invalid="ignore", over="ignore"):
                tensors[name] = table.astype(pick([np.int8, np.int32, np.float32, np.float64], rng))
        elif what == "shape":
            shapes = [(-1,), (1, *table.shape), (*table.shape, 1), *([()] if table.size == 1 else [])]
            tensors[name] = table.reshape(pick(shapes, rng))
        elif what == "drop":
            del tensors[name]
        elif what == "name":
            tensors[name + pick(["x", ".columns", ""], rng) or "y"] = table
        else:
            tensors[name] = table[:-1]

    def zeros(self, header, tensors):
        header["layers"] = [
            {
                "name": f"l{k}",
                "sources": [f"l{k - 1}" if k else "input"],
                "synapse": {"kind": "dense", "bits": 2, "weights": f"l{k}.weights", "inputs": 1 << 20},
                "neuron": {"kind": "fire", "thresholds": f"l{k}.thresholds"},
            }
            for k in range(40)
        ]
        header["version"] = 3
        tensors.clear()
        for k in range(40):
            tensors |= {
                f"l{k}.weights": np.zeros(0, np.int8),
                f"l{k}.weights.columns": np.zeros(0, np.int32),
                f"l{k}.weights.counts": np.zeros(256, np.int32),
                f"l{k}.thresholds": np.zeros(256, np.int32),
            }

    def accepted(self, path):
        try:
            other = outsider.read(path.read_bytes())
        except outsider_container.Refused as error:
            other = error
        try:
            network = load(path)
        except UserError:
            if not isinstance(other, outsider_container.Refused):
                raise Wrong("a valid network was refused") from None
            raise
        if isinstance(other, outsider_container.Refused):
            raise Wrong(f"a network was accepted against the document: {other}")
        if network.input.sequences:
            return self.compare_sequences(network, other)
        images = np.random.default_rng(1).integers(0, 256, (2, *network.input.shape))
        images = images / 16 if network.input.scaling else images.astype(np.uint8)
        if (outsider_scores.scores(other, images)[0] != network.forward(images).scores).any():
            raise Wrong("a network has two meanings")
        return None

    def compare_sequences(self, network, other):
        offsets = np.array([0, 1, 1 + min(2, network.input.frames)])
        frames = random_images(network, 4)[: offsets[-1]]
        if network.input.ticks <= 8:
            scores = outsider_sequences.run(other, frames, offsets)[0]
            if (scores != forward_sequences(network, frames, offsets).scores).any():
                raise Wrong("a network of sequences has two meanings")
