"""A second reader of ``.s2nn`` files, written from docs/format.md alone, with numpy and the standard library.

``read(data)`` returns a dictionary of what a file holds or raises :class:`Refused`; ``scores(net, images)`` is its
meaning, in plain loops over positions; ``pack`` and ``digest`` are the way back.
"""

import hashlib
import json
import math
import re
import struct
import unicodedata

import numpy as np

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
    "integrate": (("steps", "leak", "fraction", "reset"), ("thresholds", "resets", "biases", "starts")),
    "readout": ((), ("bias",)),
    "leaky_readout": (("steps", "leak", "fraction"), ("bias",)),
}


class Refused(Exception):
    """The file breaks a rule of the document."""


def need(condition, rule):
    if not condition:
        raise Refused(rule)


def whole(value, low, high):
    return type(value) is int and low <= value <= high


def strict_json(text, what):
    def once(pairs):
        need(len({name for name, _ in pairs}) == len(pairs), f"{what}: a key twice")
        return dict(pairs)

    def integer(digits):
        need(len(digits) < 25 and abs(int(digits)) < 2**63, f"{what}: integer too large")
        return int(digits)

    def number(digits):
        need(math.isfinite(float(digits)), f"{what}: number not finite")
        return float(digits)

    def constant(name):
        raise Refused(f"{what}: {name}")

    try:
        value = json.loads(text, object_pairs_hook=once, parse_int=integer, parse_float=number, parse_constant=constant)
    except (ValueError, RecursionError) as error:
        raise Refused(f"{what}: {type(error).__name__}") from None
    level = [value]
    for depth in range(34):
        need(depth <= 32 or not level, f"{what}: too deep")
        for item in level:
            half = isinstance(item, str) and any(0xD800 <= ord(c) < 0xE000 for c in item)
            need(not half, f"{what}: half a character")
        level = [
            below
            for item in level
            if isinstance(item, dict | list)
            for below in ([*item, *item.values()] if isinstance(item, dict) else item)
        ]
    return value


def container(data):
    need(10 <= len(data) <= 2**27, "size")
    (length,) = struct.unpack("<Q", data[:8])
    need(length <= 2**20 and 8 + length <= len(data) and data[8:9] == b"{", "header's length")
    try:
        text = data[8 : 8 + length].decode("utf-8")
    except UnicodeDecodeError:
        raise Refused("header is no UTF-8") from None
    entries = strict_json(text, "container")
    metadata = entries.pop("__metadata__", None)
    need(isinstance(metadata, dict) and set(metadata) == {"s2nn"} and isinstance(metadata["s2nn"], str), "metadata")
    tensors, spans = {}, []
    for name, entry in entries.items():
        need(isinstance(entry, dict) and set(entry) == {"dtype", "shape", "data_offsets"}, "tensor entry")
        need(entry["dtype"] in ("I8", "I32"), "dtype")
        for field in ("shape", "data_offsets"):
            need(isinstance(entry[field], list) and all(whole(n, 0, 2**40) for n in entry[field]), field)
        need(len(entry["data_offsets"]) == 2, "data_offsets")
        begin, end = entry["data_offsets"]
        kind = np.dtype({"I8": "<i1", "I32": "<i4"}[entry["dtype"]])
        need(end - begin == kind.itemsize * math.prod(entry["shape"]) and 8 + length + end <= len(data), "extent")
        spans.append((begin, end))
        tensors[name] = np.frombuffer(data, kind, math.prod(entry["shape"]), 8 + length + begin).reshape(entry["shape"])
    at = 0
    for begin, end in sorted(spans):
        need(begin == at, "gap")
        at = end
    need(8 + length + at == len(data), "rest of the file")
    return metadata["s2nn"], tensors


def fields(entry, names):
    need(isinstance(entry, dict) and set(entry) == set(names), f"fields {names}")


def read(data):
    text, tensors = container(data)
    header = strict_json(text, "header")
    fields(header, HEADER)
    need(header["format"] == "s2nn", "format")
    need(isinstance(header["name"], str) and re.fullmatch("[A-Za-z0-9][A-Za-z0-9._-]{0,63}", header["name"]), "name")
    need(isinstance(header["input"], dict), "input")
    events = "code" in header["input"]
    fields(header["input"], ("shape", "bits", "code") if events else ("shape", "bits"))
    shape, bits = header["input"]["shape"], header["input"]["bits"]
    need(not events or header["input"]["code"] == "steps", "input.code")
    need(isinstance(shape, list) and 1 <= len(shape) <= 3 and all(whole(n, 1, 65536) for n in shape), "input.shape")
    need(math.prod(shape) <= 65536, "input.shape")
    need(whole(bits, 2, 31) if events else whole(bits, 1, 8) and bits in (1, 2, 4, 8), "input.bits")
    need(isinstance(header["layers"], list) and 1 <= len(header["layers"]) <= 1024, "layers")
    net = {"header": header, "shapes": {"input": tuple(shape)}, "tables": {}, "listed": False, "room": 2**26}
    net["planes"] = {"input": planes(bits, "steps" if events else "radix")}
    used, plain, four = set(), True, events
    for index, entry in enumerate(header["layers"]):
        layer(net, entry, tensors, used, last=index == len(header["layers"]) - 1)
        plain &= len(entry["sources"]) == 1 and entry.get("synapse", {}).get("kind") == "dense"
        four |= entry.get("synapse", {}).get("kind") == "orpool"
        four |= entry.get("neuron", {"kind": "fire"})["kind"] not in ("fire", "readout")
    need(used == set(tensors), "a tensor is left over")
    read_ones = {source for entry in header["layers"] for source in entry["sources"]}
    need(read_ones == set(net["shapes"]) - {header["layers"][-1]["name"]}, "a layer that nothing reads")
    wanted = 4 if four else 3 if net["listed"] else 1 if plain else 2
    need(whole(header["version"], wanted, wanted), "version")
    classes(header["classes"], net["shapes"][header["layers"][-1]["name"]])
    need(isinstance(header["provenance"], dict), "provenance")
    printable(header["provenance"])
    net["unlisted"] = 4 if four else 1 if plain else 2
    need(header["digest"] == digest(header, net["tables"], net["unlisted"]), "digest")
    return net


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
    fields(entry, ("name", "sources", "synapses" if many else "synapse", *(("neuron",) if weighted else ())))
    name, sources, shapes = entry["name"], entry["sources"], net["shapes"]
    need(isinstance(name, str) and re.fullmatch("[a-z][a-z0-9_]{0,31}", name) and name not in shapes, "layer name")
    need(isinstance(sources, list) and 1 <= len(sources) <= 64, "sources")
    need(all(isinstance(s, str) and s in shapes for s in sources), "source")
    need("input" not in sources or (len(sources) == 1 and weighted), "readers of the input")
    came = net["planes"][sources[0]]
    need(all(net["planes"][s] == came for s in sources), "one kind of planes")
    if not weighted:
        need(came[1] == "radix" if synapses[0]["kind"] == "maxpool" else came[0] == 1 or came[1] == "steps", "planes")
        result = joined(synapses[0], [shapes[s] for s in sources])
        net["planes"][name] = came
    else:
        need(len(sources) == len(synapses), "a synapse per source")
        results = {
            weights(net, synapse, shapes[source], f"{name}.weights{k or ''}", tensors, used)
            for k, (synapse, source) in enumerate(zip(synapses, sources, strict=True))
        }
        need(len(results) == 1, "one shape")
        result = results.pop()
        neuron(net, entry["neuron"], name, result[-1], tensors, used, last=last, came=came)
    need(math.prod(result) <= 2**22, "values of a layer")
    need(not last or (weighted and len(result) == 1), "readout")
    shapes[name] = result


def planes(count, code):
    return (count, code if count > 1 else "radix")


def neuron(net, entry, name, size, tensors, used, *, last, came):
    need(isinstance(entry, dict) and isinstance(entry.get("kind"), str) and entry["kind"] in NEURONS, "kind of neuron")
    kind, (settings, names) = entry["kind"], NEURONS[entry["kind"]]
    fields(entry, ("kind", *settings, *names))
    need((kind in ("readout", "leaky_readout")) == last, "the last layer is the readout")
    steps = entry.get("steps", 1)
    most = 8 if entry.get("code") == "radix" else 31
    need(whole(steps, 1, most) and whole(entry.get("fraction", 0), 0, 8), "steps or fraction")
    need(whole(entry.get("leak", 1), 1 if kind == "leaky_readout" else 0, 8), "leak")
    need(entry.get("code", "steps") in ("radix", "steps") and entry.get("reset", "soft") in ("soft", "hard"), "text")
    found = {}
    for field in names:
        need(entry[field] == f"{name}.{field}", "name of tensor")
        table = taken(net, tensors, used, f"{name}.{field}", np.int32)
        need(table.shape == (size,) and abs(table.astype(np.int64)).max() <= 2**30, field)
        found[field] = table.astype(np.int64)
    if kind == "quantized":
        shift = steps - 1 if entry["code"] == "radix" else 0
        need(found["thresholds"].min() >= 1 and found["thresholds"].max() << shift <= 2**30, "thresholds")
    if kind == "integrate":
        need(not (found["thresholds"] % 2 ** entry["leak"]).any(), "thresholds of a leak")
        need(entry["reset"] == "hard" or not (found["resets"] % 2 ** entry["leak"]).any(), "resets of a leak")
        need(came[1] == "radix" or came[0] == steps, "steps that come")
    if kind == "leaky_readout":
        need(came == planes(steps, "steps"), "steps that come")
    if not last:
        net["planes"][name] = planes(steps, entry.get("code", "steps"))


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


def joined(synapse, shapes):
    fields(synapse, ("kind", *FURTHER[synapse["kind"]]))
    if synapse["kind"] == "or":
        need(len(shapes) >= 2 and len(set(shapes)) == 1, "sources of or")
        return shapes[0]
    need(len(shapes) == 1, "source of maxpool")
    need(whole(synapse["size"], 1, 7) and whole(synapse["stride"], 1, 64), "maxpool")
    need(whole(synapse["padding"], 0, synapse["size"] // 2), "padding of maxpool")
    rows, columns, channels = image(shapes[0])
    return (*(positions(n, synapse["size"], synapse["stride"], synapse["padding"]) for n in (rows, columns)), channels)


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
    need(max(high, wide) <= 7 and whole(synapse["stride"], 1, 64), "kernel or stride")
    need(whole(synapse["padding"], 0, min(high, wide) - 1), "padding")
    groups = synapse["groups"]
    need(whole(groups, 1, 65536) and out % groups == 0 and inner * groups == channels, "groups")
    return (
        positions(rows, high, synapse["stride"], synapse["padding"]),
        positions(columns, wide, synapse["stride"], synapse["padding"]),
        out,
    )


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
    state, rest = None, []
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


def pack(text, tensors):
    """Return the bytes of a container with the header ``text`` and ``tensors`` by name."""
    entries, content = {"__metadata__": {"s2nn": text}}, b""
    for name, table in tensors.items():
        kind = {"int8": "I8", "int32": "I32"}.get(table.dtype.name, "F32")
        entries[name] = {
            "dtype": kind,
            "shape": list(table.shape),
            "data_offsets": [len(content), len(content) + table.nbytes],
        }
        content += np.ascontiguousarray(table).tobytes()
    head = json.dumps(entries).encode()
    return struct.pack("<Q", len(head)) + head + content


def scores(net, images):
    """Return the scores, int64 ``(count, classes)``, of uint8 ``images`` ``(count, *shape)``, and the classes.

    A tensor is a list of its planes, the first first. Events are ``(count, steps, *shape)``.
    """
    shapes, tables = net["shapes"], net["tables"]
    count, code = net["planes"]["input"]
    if "code" in net["header"]["input"]:
        values = {"input": [images[:, t].astype(np.int64) for t in range(count)]}
    else:
        values = {"input": bits_of(images.astype(np.int64) >> (8 - count), count)}
    for entry in net["header"]["layers"]:
        sources = [values[name] for name in entry["sources"]]
        many = [entry["synapse"]] if "synapse" in entry else entry["synapses"]
        if "neuron" not in entry:
            code = net["planes"][entry["sources"][0]][1]
            if many[0]["kind"] == "maxpool":
                number = pool(many[0], [numbers(x, code) for x in sources], shapes[entry["name"]])
                values[entry["name"]] = bits_of(number, len(sources[0]))
            else:
                steps = zip(*sources, strict=True)
                values[entry["name"]] = [pool(many[0], list(now), shapes[entry["name"]]) for now in steps]
            continue
        code = net["planes"][entry["sources"][0]][1]
        stepwise = entry["neuron"]["kind"] in ("integrate", "leaky_readout") and code == "steps"
        seen = [x if stepwise else [numbers(x, code)] for x in sources]
        totals = [
            sum(
                accumulated(s, tables[s["weights"]].astype(np.int64), x, shapes[entry["name"]])
                for s, x in zip(many, now, strict=True)
            )
            for now in zip(*seen, strict=True)
        ]
        mine = {key: tables[f"{entry['name']}.{key}"].astype(np.int64) for key in NEURONS[entry["neuron"]["kind"]][1]}
        result = values[entry["name"]] = left(entry["neuron"], mine, totals)
    return result, np.array([row.index(max(row)) for row in result.tolist()])


def numbers(x, code):
    return sum(plane << (len(x) - 1 - p) if code == "radix" else plane for p, plane in enumerate(x))


def bits_of(number, count):
    return [number >> (count - 1 - p) & 1 for p in range(count)]


def left(entry, tables, totals):
    """What leaves neurons: planes, or the scores."""
    kind, steps, fraction = entry["kind"], entry.get("steps", 1), entry.get("fraction", 0)
    if kind == "fire":
        return [(totals[0] >= tables["thresholds"]).astype(np.int64)]
    if kind == "readout":
        return totals[0] + tables["bias"]
    if kind == "quantized":
        most = 2**steps - 1 if entry["code"] == "radix" else steps
        level = (((totals[0] << fraction) + tables["starts"]) // tables["thresholds"]).clip(0, most)
        return (
            bits_of(level, steps) if entry["code"] == "radix" else [(level > t).astype(np.int64) for t in range(steps)]
        )
    membrane, spikes, leak = 0 * totals[0] + tables.get("starts", 0), [], entry["leak"]
    for t in range(steps):
        bias = tables["bias" if kind == "leaky_readout" else "biases"]
        membrane = (
            membrane - (membrane >> leak if leak else 0) + (totals[t if len(totals) > 1 else 0] << fraction) + bias
        )
        if kind == "leaky_readout":
            continue
        spike = membrane >= tables["thresholds"]
        after = tables["resets"] if entry["reset"] == "hard" else membrane - tables["resets"]
        membrane = np.where(spike, after, membrane)
        spikes.append(spike.astype(np.int64))
    return membrane if kind == "leaky_readout" else spikes


def pool(synapse, sources, shape):
    if synapse["kind"] == "or":
        return (sum(sources) > 0).astype(np.int64)
    size, stride, padding = (synapse[key] for key in ("size", "stride", "padding"))
    around = np.pad(sources[0], ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    result = np.zeros((len(around), *shape), np.int64)
    for row in range(shape[0]):
        for column in range(shape[1]):
            window = around[:, row * stride : row * stride + size, column * stride : column * stride + size]
            result[:, row, column] = window.max(axis=(1, 2))
    return result


def accumulated(synapse, table, x, shape):
    if synapse["kind"] == "dense":
        return x.reshape(len(x), -1) @ table.T
    x = x if x.ndim == 4 else x[..., None]
    if synapse["kind"] == "pooled_dense":
        high, wide = synapse["pool"]
        rows, columns = x.shape[1] // high, x.shape[2] // wide
        cells = [
            x[:, r * high : (r + 1) * high, c * wide : (c + 1) * wide].sum(axis=(1, 2))
            for r in range(rows)
            for c in range(columns)
        ]
        return np.concatenate(cells, axis=1) @ table.T
    stride, padding, groups = (synapse[key] for key in ("stride", "padding", "groups"))
    around = np.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    out, high, wide, inner = table.shape
    result = np.zeros((len(x), *shape), np.int64)
    for row in range(shape[0]):
        for column in range(shape[1]):
            window = around[:, row * stride : row * stride + high, column * stride : column * stride + wide]
            for group in range(groups):
                mine = slice(group * out // groups, (group + 1) * out // groups)
                seen = window[..., group * inner : (group + 1) * inner]
                result[:, row, column, mine] = np.einsum("bijn,mijn->bm", seen, table[mine])
    return result
