"""A second reader of ``.s2nn`` files, written from docs/format.md alone, with numpy and the standard library.

``read(data)`` returns a dictionary of what a file holds or raises :class:`.outsider_container.Refused`; ``digest`` is
that of the document. The container is ``outsider_container``, the meaning ``outsider_scores``.
"""

import hashlib
import json
import math
import re
import unicodedata

import numpy as np

from tests.support.outsider_container import SCALING, container, need, strict_json, whole
from tests.support.outsider_states import check as check_states

HEADER = ("format", "version", "name", "input", "layers", "classes", "provenance", "digest")


FURTHER = {
    "dense": (),
    "conv2d": ("stride", "padding", "groups"),
    "pooled_dense": ("pool",),
    "maxpool": ("size", "stride", "padding"),
    "orpool": ("size", "stride", "padding"),
    "or": (),
}


JOINS = ("maxpool", "orpool", "or")


NEURONS = {  # kind: settings, tables
    "fire": ((), ("thresholds",)),
    "quantized": (("steps", "code", "fraction"), ("thresholds", "starts")),
    "ttfs": (("slots", "fraction"), ("thresholds", "starts")),
    "integrate": (("steps", "leak", "fraction", "reset"), ("thresholds", "resets", "biases", "starts")),
    "readout": ((), ("bias",)),
    "leaky_readout": (("steps", "leak", "fraction"), ("bias",)),
    "sigma_delta_encoder": (("fraction",), ("thresholds", "biases")),
    "sigma_delta": (("leak", "gain", "fraction"), ("biases",)),
    "adaptive": (("leak", "gain", "fraction"), ("biases",)),
    "lif": (("leak", "fraction", "reset"), ("thresholds", "resets", "biases")),
    "low_pass": (("bits", "leak", "shift", "fraction"), ("biases",)),
    "integrator_readout": (("leak", "fraction"), ("bias",)),
    "max_readout": (("leak", "fraction"), ("bias",)),
    "last_half_readout": (("fraction",), ("bias",)),
}
READOUTS = ("readout", "leaky_readout", "integrator_readout", "max_readout", "last_half_readout")
LASTING = {  # kind: least and largest leak
    "sigma_delta_encoder": (1, 8),
    "sigma_delta": (1, 8),
    "adaptive": (1, 8),
    "lif": (0, 8),
    "low_pass": (0, 6),
    "integrator_readout": (0, 8),
    "max_readout": (0, 8),
    "last_half_readout": (1, 8),
}


def fields(entry, names):
    need(isinstance(entry, dict) and set(entry) == set(names), f"fields {names}")


def read(data):
    text, tensors = container(data)
    header = strict_json(text, "header")
    fields(header, HEADER)
    need(header["format"] == "s2nn", "format")
    need(isinstance(header["name"], str) and re.fullmatch("[A-Za-z0-9][A-Za-z0-9._-]{0,63}", header["name"]), "name")
    need(isinstance(header["input"], dict), "input")
    events, signs = "code" in header["input"], "signed" in header["input"]
    scaled = [name for name in SCALING if name[6:] in header["input"]]
    need(not (events and scaled), "events are not scaled")
    known = [name for name, there in (("code", events), ("signed", signs)) if there]
    lasting = "ticks" in header["input"]
    known += ["ticks", "frames"] if lasting else []
    fields(header["input"], ("shape", "bits", *known, *(name[6:] for name in scaled)))
    need(not signs or (header["input"]["signed"] is True and not events), "input.signed")
    shape, bits = header["input"]["shape"], header["input"]["bits"]
    need(not events or header["input"]["code"] == "steps", "input.code")
    need(isinstance(shape, list) and 1 <= len(shape) <= 3 and all(whole(n, 1, 65536) for n in shape), "input.shape")
    need(math.prod(shape) <= 65536, "input.shape")
    need(whole(bits, 2, 31) if events else whole(bits, 1, 16), "input.bits")
    ticks, frames = (header["input"].get(name, 1) for name in ("ticks", "frames"))
    need(whole(ticks, 1, 256) and whole(frames, 1, 16384) and ticks * frames <= 2**20, "sequences")
    need(isinstance(header["layers"], list) and 1 <= len(header["layers"]) <= 1024, "layers")
    net = {"header": header, "shapes": {"input": tuple(shape)}, "tables": {}, "listed": False, "room": 2**26}
    net["ticks"] = ticks * frames if lasting else 0
    net["reads"] = []
    net["planes"] = {"input": planes(bits, "steps" if events else "radix")}
    net["five"] = bool(scaled) or signs or not (events or bits in (1, 2, 4, 8))
    used, plain, four, six = set(), True, events, False
    scaling(net, header["input"], scaled, tensors, used)
    for index, entry in enumerate(header["layers"]):
        layer(net, entry, tensors, used, last=index == len(header["layers"]) - 1)
        plain &= len(entry["sources"]) == 1 and entry.get("synapse", {}).get("kind") == "dense"
        four |= entry.get("synapse", {}).get("kind") == "orpool"
        four |= entry.get("neuron", {"kind": "fire"})["kind"] not in ("fire", "readout")
        six |= entry.get("neuron", {"kind": "fire"})["kind"] == "ttfs"
    read_ones = {source for entry in header["layers"] for source in entry["sources"]}
    need(read_ones == set(net["shapes"]) - {header["layers"][-1]["name"]}, "a layer that nothing reads")
    for read in net["reads"]:
        late(net, tensors, used, *read)
    check_states(net)
    need(used == set(tensors), "a tensor is left over")
    net["unlisted"] = 7 if lasting else 6 if six else 5 if net["five"] else 4 if four else 1 if plain else 2
    wanted = max(3 if net["listed"] else 1, net["unlisted"])
    need(whole(header["version"], wanted, wanted), "version")
    classes(header["classes"], net["shapes"][header["layers"][-1]["name"]])
    need(isinstance(header["provenance"], dict), "provenance")
    printable(header["provenance"])
    need(header["digest"] == digest(header, net["tables"], net["unlisted"]), "digest")
    return net


def scaling(net, entry, scaled, tensors, used):
    if not scaled:
        return
    need(scaled[:2] == list(SCALING[:2]), "offset and step")
    shape = entry["shape"]
    for name in scaled:
        need(entry[name[6:]] == name and name in tensors, name)
        table = tensors[name]
        need(table.ndim == 1 and len(table) == len(tensors[scaled[0]]), f"{name}: length")
        need(len(table) == 1 or (len(shape) != 2 and len(table) == shape[-1]), f"{name}: length")
        need(np.isfinite(table).all(), f"{name}: finite")
        net["tables"][name] = table
        used.add(name)
    need((tensors["input.step"] > 0).all(), "step")


def classes(names, shape):
    need(isinstance(names, list) and all(isinstance(n, str) for n in names), "classes")
    need(shape == (len(names),) and len(set(names)) == len(names), "one class per neuron")
    for name in names:
        need(1 <= len(name) <= 64 and name[0] != " " != name[-1], "class name")
        need(not {unicodedata.category(c) for c in name} & {"Cc", "Cf", "Cs", "Zl", "Zp"}, "class name")


def printable(value):
    if isinstance(value, str):
        need(all(c in "\t\n" or unicodedata.category(c) != "Cc" for c in value), "control character")
    elif isinstance(value, dict | list):
        for below in [*value, *value.values()] if isinstance(value, dict) else value:
            printable(below)


def layer(net, entry, tensors, used, *, last):
    need(isinstance(entry, dict), "layer")
    many = "synapses" in entry
    synapses = entry.get("synapses") if many else [entry.get("synapse")]
    need(isinstance(synapses, list) and len(synapses) >= (2 if many else 1), "synapses")
    need(all(isinstance(s, dict) and isinstance(s.get("kind"), str) and s["kind"] in FURTHER for s in synapses), "kind")
    weighted = synapses[0]["kind"] not in JOINS
    need(all((s["kind"] not in JOINS) == weighted for s in synapses) and (weighted or not many), "mixture")
    late_ones = ("delays",) if net["ticks"] and "delays" in entry else ()
    fields(
        entry, ("name", "sources", "synapses" if many else "synapse", *late_ones, *(("neuron",) if weighted else ()))
    )
    name, sources, shapes = entry["name"], entry["sources"], net["shapes"]
    need(isinstance(name, str) and re.fullmatch("[a-z][a-z0-9_]{0,31}", name) and name not in shapes, "layer name")
    need(isinstance(sources, list) and 1 <= len(sources) <= 64, "sources")
    delays = entry.get("delays", [0] * len(sources))
    need(isinstance(delays, list) and len(delays) == len(sources), "delays")
    need(all(whole(delay, 0, 1) for delay in delays) and (not late_ones or (weighted and 1 in delays)), "delays")
    now = [source for source, delay in zip(sources, delays, strict=True) if not delay]
    need(now and all(isinstance(s, str) for s in sources) and all(s in shapes for s in now), "source")
    need("input" not in sources or (len(sources) == 1 and weighted), "readers of the input")
    came = net["planes"][now[0]]
    need(all(net["planes"][s] == came for s in now), "one kind of planes")
    if not weighted:
        need(came[1] == "radix" if synapses[0]["kind"] == "maxpool" else came[0] == 1 or came[1] == "steps", "planes")
        result = joined(net, synapses[0], [shapes[s] for s in sources])
        net["planes"][name] = came
    else:
        need(len(sources) == len(synapses), "a synapse per source")
        results = {
            weights(net, synapse, shapes[source], f"{name}.weights{k or ''}", tensors, used)
            for k, (synapse, source) in enumerate(zip(synapses, sources, strict=True))
            if not delays[k]
        }
        need(len(results) == 1, "one shape")
        result = results.pop()
        found = [(synapses[k], f"{name}.weights{k or ''}", sources[k]) for k in range(len(sources)) if delays[k]]
        net["reads"] += [(name, came, *one) for one in found]
        neuron(net, entry["neuron"], name, result[-1], tensors, used, last=last, came=came)
    need(math.prod(result) <= 2**22, "values of a layer")
    need(not last or (weighted and len(result) == 1), "readout")
    shapes[name] = result


def late(net, tensors, used, name, came, synapse, table, source):
    """A source that is delayed, when all layers are known."""
    need(source in net["planes"] and net["planes"][source] == came, "delayed source")
    result = weights(net, synapse, net["shapes"][source], table, tensors, used)
    need(result == net["shapes"][name], "one shape")


def planes(count, code):
    return (count, code if count > 1 else "radix")


def neuron(net, entry, name, size, tensors, used, *, last, came):
    need(isinstance(entry, dict) and isinstance(entry.get("kind"), str) and entry["kind"] in NEURONS, "kind of neuron")
    kind, (settings, names) = entry["kind"], NEURONS[entry["kind"]]
    fields(entry, ("kind", *settings, *names))
    need((kind in READOUTS) == last, "the last layer is the readout")
    if kind in LASTING:
        low, high = LASTING[kind]
        need(net["ticks"] and whole(entry.get("leak", low), low, high), "leak")
        need(whole(entry.get("gain", 1), 1, 2**16) and whole(entry.get("shift", 0), 0, 16), "gain or shift")
        need(whole(entry.get("bits", 1), 1, 8), "bits")
    steps = entry.get("steps", 1)
    most = 8 if entry.get("code") == "radix" else 31
    if kind == "ttfs":
        need(whole(entry["slots"], 3, 31) and entry["slots"] in (3, 7, 15, 31), "slots")
        steps = {3: 2, 7: 3, 15: 4, 31: 5}[entry["slots"]]
    need(whole(steps, 1, most) and whole(entry.get("fraction", 0), 0, 8), "steps or fraction")
    need(kind in LASTING or whole(entry.get("leak", 1), 1 if kind == "leaky_readout" else 0, 8), "leak")
    need(entry.get("code", "steps") in ("radix", "steps") and entry.get("reset", "soft") in ("soft", "hard"), "text")
    found = {}
    for field in names:
        need(entry[field] == f"{name}.{field}", "name of tensor")
        table = taken(net, tensors, used, f"{name}.{field}", np.int32)
        need(table.shape == (size,) and abs(table.astype(np.int64)).max() <= 2**30, field)
        found[field] = table.astype(np.int64)
    if kind in ("quantized", "ttfs"):
        shift = steps - 1 if entry.get("code", "radix") == "radix" else 0
        need(found["thresholds"].min() >= 1 and found["thresholds"].max() << shift <= 2**30, "thresholds")
    if kind in ("integrate", "lif"):
        need(not (found["thresholds"] % 2 ** entry["leak"]).any(), "thresholds of a leak")
        need(entry["reset"] == "hard" or not (found["resets"] % 2 ** entry["leak"]).any(), "resets of a leak")
    if kind == "lif":
        need(entry["reset"] == "hard" or found["resets"].min() >= 0, "resets that are subtracted")
    if kind == "sigma_delta_encoder":
        need(found["thresholds"].min() >= 1, "thresholds")
    if kind == "integrate":
        need(came[1] == "radix" or came[0] == steps, "steps that come")
    if kind == "leaky_readout":
        need(came == planes(steps, "steps"), "steps that come")
    if not last:
        code = "radix" if kind in ("ttfs", "low_pass") else entry.get("code", "steps")
        net["planes"][name] = planes(entry["bits"] if kind == "low_pass" else steps, code)


def taken(net, tensors, used, name, kind, *, room=True):
    need(name in tensors, f"{name} is missing")
    used.add(name)
    table = tensors[name]
    need(table.dtype == kind, f"type of {name}")
    if room:
        net["tables"][name] = table
        net["room"] -= table.nbytes
        need(net["room"] >= 0, "64 MiB of tables")
    return table


def image(shape):
    need(len(shape) > 1, "an image is wanted")
    return (*shape, 1) if len(shape) == 2 else shape


def positions(size, kernel, stride, padding):
    need(kernel <= size + 2 * padding, "window in the image")
    return (size + 2 * padding - kernel) // stride + 1


def sides(net, synapse, name, low, high):
    """Return ``name`` of rows and of columns; ``high``: the most of each."""
    value = synapse[name]
    if type(value) is int:
        need(low <= value <= min(high), name)
        return value, value
    need(isinstance(value, list) and len(value) == 2 and value[0] != value[1], name)
    need(all(whole(one, low, most) for one, most in zip(value, high, strict=True)), name)
    net["five"] = True
    return tuple(value)


def joined(net, synapse, shapes):
    fields(synapse, ("kind", *FURTHER[synapse["kind"]]))
    if synapse["kind"] == "or":
        need(len(shapes) >= 2 and len(set(shapes)) == 1, "sources of or")
        return shapes[0]
    need(len(shapes) == 1, "source of maxpool")
    size, stride = sides(net, synapse, "size", 1, (7, 7)), sides(net, synapse, "stride", 1, (64, 64))
    padding = sides(net, synapse, "padding", 0, [n // 2 for n in size])
    *axes, channels = image(shapes[0])
    return (*(positions(*one) for one in zip(axes, size, stride, padding, strict=True)), channels)


def weights(net, synapse, shape, name, tensors, used):
    kind, listed = synapse["kind"], "inputs" in synapse and synapse["kind"] == "dense"
    fields(synapse, ("kind", "bits", "weights", *FURTHER[kind], *(("inputs",) if listed else ())))
    need(whole(synapse["bits"], 1, 8) and synapse["weights"] == name, "bits or name of weights")
    table = unlisted(net, synapse, name, tensors, used) if listed else taken(net, tensors, used, name, np.int8)
    limit = 2 ** (synapse["bits"] - 1) - 1 or 1
    need(table.ndim == (4 if kind == "conv2d" else 2) and 0 not in table.shape, "axes of weights")
    need(abs(table.astype(np.int16)).max() <= limit and (synapse["bits"] > 1 or table.all()), "range of weights")
    if kind == "dense":
        need(table.shape[1] == math.prod(shape), "inputs")
        return table.shape[:1]
    rows, columns, channels = image(shape)
    if kind == "pooled_dense":
        pool = synapse["pool"]
        need(isinstance(pool, list) and len(pool) == 2 and all(whole(n, 1, 1024) for n in pool), "pool")
        need(rows % pool[0] == 0 and columns % pool[1] == 0, "cells divide the image")
        need(table.shape[1] == rows // pool[0] * (columns // pool[1]) * channels, "cells x channels")
        return table.shape[:1]
    out, high, wide, inner = table.shape
    need(max(high, wide) <= 7, "kernel")
    stride, padding = (
        sides(net, synapse, "stride", 1, (64, 64)),
        sides(net, synapse, "padding", 0, (high - 1, wide - 1)),
    )
    groups = synapse["groups"]
    need(whole(groups, 1, 65536) and out % groups == 0 and inner * groups == channels, "groups")
    return (positions(rows, high, stride[0], padding[0]), positions(columns, wide, stride[1], padding[1]), out)


def unlisted(net, synapse, name, tensors, used):
    values, columns, counts = (
        taken(net, tensors, used, name + end, kind, room=False)
        for end, kind in (("", np.int8), (".columns", np.int32), (".counts", np.int32))
    )
    need(values.ndim == columns.ndim == counts.ndim == 1 and len(counts), "lists")
    inputs = synapse["inputs"]
    need(whole(inputs, 1, 2**22), "inputs")
    net["listed"] = True
    net["room"] -= len(counts) * inputs
    need(net["room"] >= 0, "64 MiB of tables")
    need(len(counts) * inputs >= 4096 and 4 * len(values) <= len(counts) * inputs, "may not be listed")
    need(len(values) == len(columns) and counts.min() >= 0 and counts.sum(dtype=np.int64) == len(values), "counts")
    need(bool(values.all()), "a zero is listed")
    table, at = np.zeros((len(counts), inputs), np.int8), 0
    for row, count in enumerate(counts.tolist()):
        there = columns[at : at + count].astype(np.int64)
        need(not count or (there[0] >= 0 and there[-1] < inputs and bool((np.diff(there) > 0).all())), "columns")
        table[row, there] = values[at : at + count]
        at += count
    net["tables"][name] = table
    return table


def digest(header, tables, version):
    """SHA-256 of a header (listed or not) with its whole tables; ``version``: as if no table were listed."""
    kept = json.loads(json.dumps({key: header[key] for key in HEADER[:6]}))
    kept["version"] = version
    state, rest = None, [name for name in SCALING if name in tables]
    for entry in kept["layers"]:
        for synapse in entry.get("synapses", [entry.get("synapse")]):
            if synapse["kind"] == "dense":
                synapse.pop("inputs", None)
            if "weights" in synapse:
                rest.append(synapse["weights"])
        if "neuron" in entry:
            rest += [entry["neuron"][table] for table in NEURONS[entry["neuron"]["kind"]][1]]
    state = hashlib.sha256(json.dumps(kept, sort_keys=True, separators=(",", ":")).encode())
    for name in rest:
        axes = ", ".join(map(str, tables[name].shape)) + ("," if tables[name].ndim == 1 else "")
        state.update(f"{name}:{tables[name].dtype.name}:({axes}):".encode() + tables[name].tobytes())
    return state.hexdigest()
