"""Damaged files of every kind that a command reads, drawn from a seed: each is refused in one line, or right.

    python -m tests.support.damaged [COUNT [SEED]]

Kinds: .s2nn, .npy, labels, plans, recipes, checkpoints. What is accepted must be what the document allows: networks
are read again by ``outsider``, arrays by numpy with pickles off, plans and recipes must say what was read of them,
checkpoints and labels hold just what was wanted. Counted are tracebacks, files that took over a second, and files
that were accepted, or refused, against the document.
"""

import json
import math
import struct
import sys
import tempfile
import time
import tomllib
from collections import Counter
from pathlib import Path

import numpy as np

from s2nn_hw.circuit.choices import Plan
from s2nn_hw.errors import UserError
from s2nn_hw.files import read_npy
from s2nn_hw.network.labels import checked_labels
from s2nn_hw.network.layer import Layer
from s2nn_hw.network.network import Network
from s2nn_hw.network.store import load, save
from s2nn_hw.network.synapses import Dense, MaxPool, Or
from s2nn_hw.plan.defaults import default_plan
from s2nn_hw.plan.plan import load_plan
from s2nn_hw.quantize.checkpoint import read_checkpoint
from s2nn_hw.quantize.recipe import as_dict, from_dict, load_recipe
from tests.support import outsider
from tests.support.graphs import build, convolution, dense, identity, joined, pooled
from tests.support.networks import random_network

ODD = (
    0,
    1,
    -1,
    2,
    3,
    64,
    1 << 20,
    1 << 31,
    1 << 63,
    -(1 << 63),
    10**40,
    0.5,
    2.0,
    1e300,
    math.nan,
    math.inf,
    True,
    False,
    None,
    "",
    "x",
    "input",
    "a" * 5000,
    "\ud800",
    "\x1b[2J",
    "[/b]",
    "é",
    [],
    [1],
    [[]],
    {},
    {"a": 1},
    "\x00",
    "../x",
)
LIMIT_SECONDS = 1.0
LONGEST_MESSAGE = 1200


class Wrong(Exception):
    """A file was accepted, or refused, against its document."""


def deep(depth):
    value = 1
    for _ in range(depth):
        value = [value] if depth % 2 else {"a": value}
    return value


def spots(value, path=()):
    """Yield the paths of all values in nested objects and lists."""
    yield path
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, below in inside:
        yield from spots(below, (*path, key))


def changed(value, rng):
    """Return a copy of nested ``value`` with one change at a random place: replaced, dropped, doubled, renamed."""
    value = json.loads(json.dumps(value))
    places = [path for path in spots(value) if path]
    path = places[rng.integers(len(places))]
    parent = value
    for key in path[:-1]:
        parent = parent[key]
    what = rng.choice(["odd", "odd", "near", "near", "drop", "double", "add", "rename", "other", "deep"])
    last = path[-1]
    here = parent[last]
    if what == "near" and type(here) is int:
        parent[last] = here + int(rng.choice([-1, 1, 7, -here]))
    elif what == "drop":
        del parent[last]
    elif what == "double" and isinstance(here, list) and here:
        here.append(here[int(rng.integers(len(here)))])
    elif what == "add" and isinstance(here, dict):
        here[str(rng.choice(["dilation", "synapse", "synapses", "inputs", "bits", "neuron", "extra"]))] = pick(ODD, rng)
    elif what == "rename" and isinstance(parent, dict):
        parent[str(last) + "x"] = parent.pop(last)
    elif what == "other":
        other = value
        for key in places[rng.integers(len(places))]:
            other = other[key]
        parent[last] = json.loads(json.dumps(other))
    elif what == "deep":
        parent[last] = deep(int(rng.choice([5, 40, 900])))
    else:
        parent[last] = pick(ODD, rng)
    return value


def pick(values, rng):
    return values[int(rng.integers(len(values)))]


def bent(data, rng):
    """Return bytes ``data`` with a few damages: flipped bits, other bytes, cut, doubled, more behind."""
    data = bytearray(data)
    for _ in range(int(rng.choice([1, 1, 1, 2, 5]))):
        at = int(rng.integers(len(data))) if len(data) else 0
        span = int(rng.choice([1, 2, 8, 64]))
        what = rng.choice(["bit", "bit", "bit", "byte", "cut", "drop", "double", "behind", "number", "text"])
        if what == "bit" and data:
            data[at] ^= 1 << int(rng.integers(8))
        elif what == "byte" and data:
            data[at] = int(rng.integers(256))
        elif what == "cut":
            del data[at:]
        elif what == "drop":
            del data[at : at + span]
        elif what == "double":
            data[at:at] = data[at : at + span]
        elif what == "behind":
            data += rng.integers(0, 256, span).astype(np.uint8).tobytes()
        elif what == "number":
            data[at:at] = str(pick([9, 99, 10**8, 10**30], rng)).encode()
        else:
            data[at:at] = pick(
                [
                    b"[" * 3000,
                    b"{",
                    b'"',
                    b"\\ud800",
                    b"NaN",
                    b"9" * 5000,
                    b"a." * 4000,
                    b"\x00",
                    b"\xff",
                    b"\n",
                    b"''' ",
                    b"'O'",
                ],
                rng,
            )
    return bytes(data)


def twice(text, rng):
    """Return JSON ``text`` with one key written twice."""
    at = [k for k in range(len(text)) if text[k] == "{"]
    where = pick(at, rng)
    key = text[where + 1 :].lstrip()
    name = key[: key.find('"', 1) + 1] if key.startswith('"') else '"a": 1, "a"'
    return f"{text[: where + 1]}{name}: {json.dumps(pick(ODD[:12], rng))}, {text[where + 1 :]}"


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
        self.files = []
        for number, network in enumerate(made):
            path = folder / f"{number}.s2nn"
            save(network, path)
            data = path.read_bytes()
            text, tensors = outsider.container(data)
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
            return outsider.pack(twice(json.dumps(header), rng), tensors)
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
        return outsider.pack(json.dumps(header), tensors)

    def change_tensor(self, tensors, rng):
        name = pick(sorted(tensors), rng)
        table = tensors[name]
        what = rng.choice(["value", "type", "shape", "drop", "name", "cut"])
        if what == "value" and table.size:
            info = np.iinfo(table.dtype)
            table.reshape(-1)[rng.integers(table.size)] = pick([0, 1, 4, info.min, info.max], rng)
        elif what == "type":
            tensors[name] = table.astype(pick([np.int8, np.int32, np.float32], rng))
        elif what == "shape":
            tensors[name] = table.reshape(pick([(-1,), (1, *table.shape), (*table.shape, 1)], rng))
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
        except outsider.Refused as error:
            other = error
        try:
            network = load(path)
        except UserError:
            if not isinstance(other, outsider.Refused):
                raise Wrong("a valid network was refused") from None
            raise
        if isinstance(other, outsider.Refused):
            raise Wrong(f"a network was accepted against the document: {other}")
        images = np.random.default_rng(1).integers(0, 256, (2, *network.input.shape), np.uint8)
        if (outsider.scores(other, images)[0] != network.forward(images).scores.numpy()).any():
            raise Wrong("a network has two meanings")


class Arrays:
    """``.npy`` files of images."""

    what = "images"

    def __init__(self, folder):
        rng = np.random.default_rng(1)
        self.files = []
        for number, array in enumerate(self.arrays(rng)):
            path = folder / f"{type(self).__name__}{number}.npy"
            np.save(path, array, allow_pickle=True)
            self.files.append(path.read_bytes())

    def arrays(self, rng):
        pixels = rng.integers(0, 256, (5, 4, 4), np.uint8)
        return [
            pixels,
            np.asfortranarray(pixels[:, :2, :3]),
            rng.random((4, 3)),
            np.zeros((0, 3), np.uint8),
            np.array([{}, {}], object),
            np.array(["a", "b"]),
            np.zeros(3, [("a", "u1"), ("b", "f4")]),
        ]

    def draw(self, rng):
        data = pick(self.files, rng)
        if rng.random() < 0.3:
            return bent(data, rng)
        end = 10 + int.from_bytes(data[8:10], "little")
        head = data[10:end]
        if rng.random() < 0.5:
            words = [b"'descr'", b"'shape'", b"False", b"(", b")", b"{", b"|u1", b"'", b",", b"1", b"5"]
            others = [
                b"('|u1',)",
                b"True",
                b"None",
                b"-1",
                b"9999999999999",
                b"'<U3'",
                b"'O'",
                b"[",
                b"__import__('os')",
                b"(" * 200,
                b"-" * 5000,
                b"u1",
                b"'<i3'",
                b"'V8'",
                b"1e5",
                b"",
            ]
            head = head.replace(pick(words, rng), pick(others, rng), 1)
        else:
            head = bent(head, rng)
        return data[:8] + struct.pack("<H", len(head) % 65536) + head + data[end:]

    def accepted(self, path):
        array = read_npy(path, what=self.what)
        with open(path, "rb") as file:
            wanted = np.load(file, allow_pickle=False)
            behind = file.read()
        if (
            behind
            or array.shape != wanted.shape
            or array.dtype != wanted.dtype
            or (np.array(array).tobytes() != wanted.tobytes())
        ):
            raise Wrong("an array is not what numpy reads, or more lies behind it")
        return array


class Labels(Arrays):
    """``.npy`` files of six labels below 8."""

    what = "labels"

    def arrays(self, rng):
        return [
            np.arange(6),
            np.arange(1, 7),
            np.arange(3, 9),
            np.array([0, 1, np.nan, 2, 3, 4]),
            np.array(list("abcdef")),
            np.arange(6) - 1,
            np.zeros((6, 1), int),
            np.arange(6, dtype=np.uint8),
            np.arange(6) > 2,
            np.arange(5),
            np.array([0, 1, 2, 3, 4, 2**63], np.uint64),
        ]

    def draw(self, rng):
        return pick(self.files, rng) if rng.random() < 0.3 else super().draw(rng)

    def accepted(self, path):
        array = super().accepted(path)
        labels = checked_labels(array, 6, 8, f"labels {path}")
        if array.dtype.kind not in "iu" or labels.tolist() != array.tolist() or not {*labels.tolist()} <= {*range(8)}:
            raise Wrong("labels that are no classes were accepted")


class Plans:
    """Plans in JSON."""

    def __init__(self, folder):
        self.network = build((6, 6, 2), 2, [convolution(4, 3, padding=1), joined(MaxPool(2)), dense(6), dense(3)])
        plan = Plan(
            default_plan(self.network, "xc7").layers,
            {"network": "graph", "board": "ulx3s", "clock_mhz": 50.0, "estimate": {"luts": 3}},
        )
        self.plan = plan.to_json()

    def draw(self, rng):
        what = rng.random()
        if what < 0.2:
            return bent(json.dumps(self.plan).encode(), rng)
        if what < 0.3:
            return twice(json.dumps(self.plan), rng).encode()
        return json.dumps(changed(self.plan, rng)).encode()

    def accepted(self, path):
        plan, said = load_plan(path, self.network).to_json(), outsider.strict_json(path.read_text(), "plan")
        layers = [full | entry for full, entry in zip(plan["layers"], said["layers"], strict=True)]
        if json.dumps(plan, sort_keys=True) != json.dumps(said | {"layers": layers}, sort_keys=True):
            raise Wrong("a plan says something that was not read")


class Recipes:
    """Training recipes in TOML."""

    TEXT = """name = "tiny"
[data]
set = "mnist"
pixel_bits = 2
[[layers]]
kind = "conv"
channels = 4
kernel = 3
bits = 3
pool = 2
[[layers]]
neurons = 12
bits = 4
fan_in = 6
[readout]
bits = 3
average = 1
[training]
epochs = 2
learning_rate = 1e-3
[weights]
flatten = "channel-row-column"
input_scale = 1.0
input_mean = [0.5]
"""
    ODD = (
        "0",
        "-1",
        "7",
        "1e999",
        "nan",
        "9" * 5000,
        "true",
        '""',
        '"x"',
        "[]",
        "[1]",
        "[" * 400,
        "1979-05-27",
        "{a = 1}",
        '"\\u001b[2J"',
        "65536",
        "65537",
        "100000",
        "'input'",
        "[0.1, nan]",
        "0x10",
        '["input", "conv1"]',
    )

    KEYS = ("stride", "padding", "groups", "window", "seed", "shortcut", "x y", "neurons")

    def __init__(self, folder):
        pass

    def draw(self, rng):
        if rng.random() < 0.3:
            return bent(self.TEXT.encode(), rng)
        lines = self.TEXT.splitlines()
        for _ in range(int(rng.choice([1, 1, 2]))):
            at = int(rng.integers(len(lines)))
            what = rng.choice(["value", "value", "value", "drop", "double", "rename", "add", "long"])
            if what == "value" and "=" in lines[at]:
                lines[at] = f"{lines[at].split('=')[0]}= {pick(self.ODD, rng)}"
            elif what == "drop" and len(lines) > 1:
                del lines[at]
            elif what == "double":
                lines.insert(at, lines[int(rng.integers(len(lines)))])
            elif what == "rename":
                lines[at] = "x" + lines[at]
            elif what == "add":
                lines.insert(at, f"{pick(self.KEYS, rng)} = {pick(self.ODD, rng)}")
            else:
                lines.insert(
                    at,
                    pick(
                        [
                            "a." * 3000 + "b = 1",
                            "[" + "a." * 3000 + "b]",
                            "x = " + "{a = " * 300,
                            "# " + "x" * 70_000,
                            "'a' . " * 900 + "b = 1",
                        ],
                        rng,
                    ),
                )
        return "\n".join(lines).encode()

    def accepted(self, path):
        recipe, said = load_recipe(path), tomllib.loads(path.read_text())
        if from_dict(as_dict(recipe)) != recipe or not self.within(said, as_dict(recipe)):
            raise Wrong("a recipe says something that was not read")

    def within(self, said, read):
        if isinstance(said, dict):
            return all(key in read and self.within(value, read[key]) for key, value in said.items() if value != {})
        if isinstance(said, list) and isinstance(read, list | tuple):
            return len(said) == len(read) and all(map(self.within, said, read))
        return said == read


class Checkpoints:
    """Weights in safetensors, with and without a recipe beside them."""

    def __init__(self, folder):
        import torch
        from safetensors.torch import save as pack

        from s2nn_hw.quantize.checkpoint import KEY
        from s2nn_hw.quantize.model import build as make

        self.recipe = from_dict(
            {
                "name": "tiny",
                "data": {"set": "magic", "pixel_bits": 2},
                "layers": [{"neurons": 5, "bits": 3}],
                "readout": {"bits": 3},
                "training": {"epochs": 1, "fake_quantise": False},
            }
        )
        state = make(self.recipe).state_dict()
        note = {KEY: json.dumps({"version": 1, "recipe": as_dict(self.recipe), "test": {"accuracy": 0.5}})}
        floats = {name: t for name, t in state.items() if t.is_floating_point()}
        half = {name: t.to(torch.float16) for name, t in floats.items()}
        eighth = {name: t.to(torch.float8_e4m3fn) for name, t in floats.items()}
        named = {f"module.{name}": t for name, t in state.items()}
        self.files = [pack(t, metadata=m) for t in (state, floats, half, eighth, named) for m in (note, None)]
        self.wanted = {name: tuple(t.shape) for name, t in floats.items()}

    def draw(self, rng):
        data = pick(self.files, rng)
        if rng.random() < 0.4:
            return bent(data, rng)
        length = int.from_bytes(data[:8], "little")
        header = json.loads(data[8 : 8 + length])
        if rng.random() < 0.4 and "__metadata__" in header:
            note = json.loads(header["__metadata__"]["s2nn-checkpoint"])
            header["__metadata__"]["s2nn-checkpoint"] = json.dumps(changed(note, rng))
        elif rng.random() < 0.3:
            entry = header[pick(sorted(set(header) - {"__metadata__"}), rng)]
            entry["dtype"] = pick(["F8_E4M3", "F8_E5M2", "I32", "BOOL", "F4", "C64", "BF16", "F16", "U8"], rng)
        else:
            header = changed(header, rng)
        text = json.dumps(header).encode()
        return struct.pack("<Q", len(text)) + text + data[8 + length :]

    def accepted(self, path):
        recipe = None if path.stat().st_size % 2 else self.recipe
        checkpoint = read_checkpoint(path, recipe)
        state = checkpoint.model.state_dict()
        if recipe is not None and any(tuple(state[name].shape) != shape for name, shape in self.wanted.items()):
            raise Wrong("a checkpoint has other tensors than the recipe")
        if not all(tensor.isfinite().all() for tensor in state.values()):
            raise Wrong("a checkpoint with values that are not finite was accepted")


KINDS = {
    "s2nn": Networks,
    "npy": Arrays,
    "labels": Labels,
    "plan.json": Plans,
    "toml": Recipes,
    "safetensors": Checkpoints,
}


def judge(kind, path, counts):
    """Read the file at ``path`` as ``kind`` does and count what came of it; return what is wrong, or None."""
    start, problem = time.perf_counter(), None
    try:
        kind.accepted(path)
        counts["accepted"] += 1
    except UserError as error:
        counts["refused"] += 1
        text = str(error)
        if "\n" in text or len(text) > LONGEST_MESSAGE:
            problem = f"a message of {len(text)} characters or several lines: {text[:100]!r}"
    except Exception as error:  # what is looked for
        problem = f"{type(error).__name__}: {str(error)[:200]}"
        counts["wrong" if isinstance(error, Wrong) else "tracebacks"] += 1
    spent = time.perf_counter() - start
    counts["slowest"] = max(counts["slowest"], spent)
    counts["slow"] += spent > LIMIT_SECONDS
    return problem


def run(count, seed, folder):
    """Draw ``count`` files; return ``{kind: counts}`` and a list of what is wrong."""
    kinds = {name: make(folder) for name, make in KINDS.items()}
    counts, problems = {name: Counter() for name in kinds}, []
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        name = list(kinds)[number % len(kinds)]
        path = folder / f"damaged.{name}"
        path.write_bytes(kinds[name].draw(rng))
        problem = judge(kinds[name], path, counts[name])
        if problem:
            problems.append(f"{name} {seed}/{number}: {problem}")
    return counts, problems


def main(count=5000, seed=1):
    with tempfile.TemporaryDirectory() as folder:
        counts, problems = run(count, seed, Path(folder))
    for name, found in counts.items():
        print(
            f"{name:12} accepted {found['accepted']:5}  refused {found['refused']:5}  tracebacks "
            f"{found['tracebacks']}  against the document {found['wrong']}  over 1 s {found['slow']}  "
            f"slowest {found['slowest']:.2f} s"
        )
    print(*problems[:40], sep="\n")
    slow = sum(found["slow"] for found in counts.values())
    print(f"{count} damaged files, seed {seed}: {len(problems)} problems, {slow} over 1 s")
    return 1 if problems or slow else 0


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
