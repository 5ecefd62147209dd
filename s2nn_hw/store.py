"""Saving and loading ``.s2nn`` files: a safetensors container, checked before it is believed.

Nothing is unpickled, the header is bounded, and the digest is recomputed from what was read.
"""

import json
from pathlib import Path

import numpy as np

from .errors import UserError
from .files import atomic_path, is_pickle, read_bytes
from .network import MAX_VALUES, Input, Layer, Network
from .neurons import Fire, Readout
from .synapses import Conv2d, Dense, MaxPool, Or, PooledDense

VERSIONS = (1, 2, 3)  # 2: more than chains of dense layers; 3: tables that list what is not zero
SPARSE_SHARE = 1 / 4  # of weights that are not zero, at most, in a table that lists them
SPARSE_SIZE = 1 << 12  # weights, at least
KEY = "s2nn"
MAX_FILE_BYTES = 1 << 28
MAX_WEIGHTS = 1 << 28  # of a table that lists what is not zero
# kind in the file: class, and the fields that it has besides weights and bits
SYNAPSES = {
    "dense": (Dense, ()),
    "conv2d": (Conv2d, ("stride", "padding", "groups")),
    "pooled_dense": (PooledDense, ("pool",)),
    "maxpool": (MaxPool, ("size", "stride", "padding")),
    "or": (Or, ()),
}
NEURONS = {"fire": Fire, "readout": Readout}


def save(network, path):
    """Write ``network`` to ``path`` (``.s2nn``), atomically; the same network gives the same bytes."""
    from safetensors.numpy import save as pack

    path = Path(path)
    if path.suffix != ".s2nn":
        raise UserError(f"output {path} must end in .s2nn")
    header, tables = _listed(network.describe(), network.tensors())
    header |= {"provenance": network.provenance, "digest": network.digest}
    data = pack(tables, metadata={KEY: json.dumps(header)})
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def load(path):
    """Return the :class:`Network` in ``path``; :class:`UserError` names the file and the field that is wrong."""
    data = read_bytes(path, what="network", limit=MAX_FILE_BYTES)
    try:
        return parse(data)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def parse(data):
    """Return the :class:`Network` in ``data``, the bytes of a ``.s2nn`` file; errors as of :func:`load`."""
    from safetensors import SafetensorError
    from safetensors.numpy import load as unpack

    if is_pickle(data):
        raise UserError("this is a pickle or torch.save file, not a .s2nn (safetensors) file; "
                        "convert a checkpoint with `s2nn-hw quantize`")
    try:
        tables = unpack(data)
        length = int.from_bytes(data[:8], "little")
        metadata = json.loads(data[8 : 8 + length]).get("__metadata__", {})
    except (SafetensorError, ValueError, KeyError) as error:
        raise UserError(f"not a readable safetensors container, truncated or altered ({error})") from None
    if KEY not in metadata:
        raise UserError("safetensors, but without the 's2nn' header; convert a checkpoint with `s2nn-hw quantize`")
    try:
        header = json.loads(metadata[KEY])
    except ValueError as error:
        raise UserError(f"header is not JSON ({error})") from None
    if not isinstance(header, dict) or header.get("format") != "s2nn":
        raise UserError("header field 'format' must be 's2nn'")
    if header.get("version") not in VERSIONS:
        raise UserError(f"format version {header.get('version')!r} is unknown; this tool reads version "
                        f"{', '.join(map(str, VERSIONS[:-1]))} and {VERSIONS[-1]}")
    network = _build(header, tables)
    if header.get("digest") != network.digest:
        raise UserError("header field 'digest' does not match the contents: the file was altered")
    return network


def _listed(header, tables):
    """Return ``header`` and ``tables`` with sparse dense tables replaced by their non-zero weights, row by row."""
    tables = dict(tables)
    for entry in header["layers"]:
        for synapse in entry.get("synapses", [entry.get("synapse")]):
            key = synapse.get("weights")
            if synapse["kind"] != "dense" or tables[key].size < SPARSE_SIZE:
                continue
            rows, columns = tables[key].nonzero()
            if len(rows) > SPARSE_SHARE * tables[key].size:
                continue
            whole = tables[key]
            tables[key] = whole[rows, columns]
            tables |= {f"{key}.columns": columns.astype(np.int32),
                       f"{key}.counts": np.bincount(rows, minlength=len(whole)).astype(np.int32)}
            synapse["inputs"] = whole.shape[1]
            header["version"] = 3
    return header, tables


def _unlisted(tables, used, entry, key, where):
    """Return the whole table, int8 ``(neurons, inputs)``, of the non-zero weights in tensor ``key``."""
    inputs = _field(entry, "inputs", int, where)
    values, columns, counts = (_table(tables, used, {"name": key + end}, "name", where)
                               for end in ("", ".columns", ".counts"))
    for array, kind, end in ((values, np.int8, ""), (columns, np.int32, ".columns"), (counts, np.int32, ".counts")):
        if array.dtype != kind or array.ndim != 1:
            raise UserError(f"tensor '{key}{end}' must be a list of {np.dtype(kind)}, not {array.dtype} {array.shape}")
    if not 1 <= inputs <= MAX_VALUES or len(counts) * inputs > MAX_WEIGHTS:
        raise UserError(f"a table of {len(counts):,} x {inputs:,} weights is too large")
    if len(values) != len(columns) or (counts < 0).any() or counts.sum(dtype=np.int64) != len(values):
        raise UserError(f"tensors '{key}', '.columns' and '.counts' do not agree on the number of weights")
    if len(columns) and not 0 <= columns.min() <= columns.max() < inputs:
        raise UserError(f"tensor '{key}.columns' must lie in 0 .. {inputs - 1}")
    whole = np.zeros((len(counts), inputs), np.int8)
    whole[np.repeat(np.arange(len(counts)), counts), columns] = values
    return whole


def _field(mapping, name, kind, where):
    value = mapping.get(name) if isinstance(mapping, dict) else None
    if not isinstance(value, kind) or isinstance(value, bool):
        wanted = {dict: "an object", list: "a list", str: "a text", int: "an integer"}[kind]
        raise UserError(f"header field '{where}{name}' must be {wanted}, not {value!r}")
    return value


def _table(tables, used, mapping, name, where):
    key = _field(mapping, name, str, where)
    if key not in tables:
        raise UserError(f"tensor '{key}', named by '{where}{name}', is missing")
    used.add(key)
    return tables[key]


def _build(header, tables):
    source, used, layers = _field(header, "input", dict, ""), set(), []
    shape = tuple(_field(source, "shape", list, "input."))
    inputs = Input(shape, _field(source, "bits", int, "input."))
    for index, entry in enumerate(_field(header, "layers", list, "")):
        where = f"layers[{index}]."
        name = _field(entry, "name", str, where)
        sources = _field(entry, "sources", list, where)
        if not sources or not all(isinstance(s, str) for s in sources):
            raise UserError(f"layer {name}: 'sources' must be a list of names, not {sources!r}")
        if "synapses" in entry:
            listed = _field(entry, "synapses", list, where)
        else:
            listed = [_field(entry, "synapse", dict, where)]
        try:
            synapses = tuple(_synapse(tables, used, s, where + "synapse.") for s in listed)
            cells = _neuron(tables, used, _field(entry, "neuron", dict, where), where) if "neuron" in entry else None
        except UserError as error:
            raise UserError(f"layer {name}: {error}") from None
        layers.append(Layer(name, synapses, cells, tuple(sources)))
    spare = set(tables) - used
    if spare:
        raise UserError(f"tensor '{min(spare)}' is not named by any layer")
    classes = _field(header, "classes", list, "")
    if not all(isinstance(c, str) for c in classes):
        raise UserError("header field 'classes' must be a list of texts")
    provenance = _field(header, "provenance", dict, "")
    return Network(_field(header, "name", str, ""), inputs, tuple(layers), tuple(classes), provenance)


def _synapse(tables, used, entry, where):
    kind = _field(entry, "kind", str, where)
    if kind not in SYNAPSES:
        raise UserError(f"synapse kind {kind!r} is unknown; known: {', '.join(SYNAPSES)}")
    make, numbers = SYNAPSES[kind]
    settings = {n: _field(entry, n, list if n == "pool" else int, where) for n in numbers}
    if kind not in ("maxpool", "or"):
        listed = kind == "dense" and "inputs" in entry
        settings["weights"] = (_unlisted(tables, used, entry, _field(entry, "weights", str, where), where) if listed
                               else _table(tables, used, entry, "weights", where))
        settings["bits"] = _field(entry, "bits", int, where)
    return make(**settings)


def _neuron(tables, used, entry, where):
    kind = _field(entry, "kind", str, where + "neuron.")
    if kind not in NEURONS:
        raise UserError(f"neuron kind {kind!r} is unknown; known: {', '.join(NEURONS)}")
    return NEURONS[kind](_table(tables, used, entry, NEURONS[kind].table_name, where + "neuron."))
