"""The second reader's container: strict JSON, tensors by name, and the way back."""

import json
import math
import struct

import numpy as np

SCALING = ("input.offset", "input.step", "input.missing")


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
        need(entry["dtype"] == "F64" if name in SCALING else entry["dtype"] in ("I8", "I32"), "dtype")
        for field in ("shape", "data_offsets"):
            need(isinstance(entry[field], list) and all(whole(n, 0, 2**40) for n in entry[field]), field)
        need(len(entry["data_offsets"]) == 2, "data_offsets")
        begin, end = entry["data_offsets"]
        kind = np.dtype({"I8": "<i1", "I32": "<i4", "F64": "<f8"}[entry["dtype"]])
        need(end - begin == kind.itemsize * math.prod(entry["shape"]) and 8 + length + end <= len(data), "extent")
        spans.append((begin, end))
        tensors[name] = np.frombuffer(data, kind, math.prod(entry["shape"]), 8 + length + begin).reshape(entry["shape"])
    at = 0
    for begin, end in sorted(spans):
        need(begin == at, "gap")
        at = end
    need(8 + length + at == len(data), "rest of the file")
    return metadata["s2nn"], tensors


def pack(text, tensors):
    """Return the bytes of a container with the header ``text`` and ``tensors`` by name."""
    entries, content = {"__metadata__": {"s2nn": text}}, b""
    for name, table in tensors.items():
        kind = {"int8": "I8", "int32": "I32", "float64": "F64"}.get(table.dtype.name, "F32")
        entries[name] = {
            "dtype": kind,
            "shape": list(table.shape),
            "data_offsets": [len(content), len(content) + table.nbytes],
        }
        content += np.ascontiguousarray(table).tobytes()
    head = json.dumps(entries).encode()
    return struct.pack("<Q", len(head)) + head + content
