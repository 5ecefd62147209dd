"""Saving and loading ``.s2nn`` files: a safetensors container, checked before it is believed.

Nothing is unpickled, everything is bounded, what ``docs/format.md`` does not name is refused, and the digest is
recomputed from what was read.
"""

import json
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from s2nn_hw.errors import UserError, listed, quoted
from s2nn_hw.files import is_pickle, read_bytes, write_bytes
from s2nn_hw.network.layer import INPUT, Input, Layer
from s2nn_hw.network.network import Network
from s2nn_hw.network.neurons import NEURONS
from s2nn_hw.network.neurons.neuron import Neuron
from s2nn_hw.network.planes import RADIX, STEPS
from s2nn_hw.network.scaling import TABLES, Scaling
from s2nn_hw.network.shapes import MAX_VALUES
from s2nn_hw.network.synapse import Synapse
from s2nn_hw.network.synapses import Conv2d, Dense, MaxPool, Or, OrPool, PooledDense
from s2nn_hw.texts import parse_json

SPARSE_SHARE = 1 / 4  # of weights that are not zero, at most, in a table that lists them
SPARSE_SIZE = 1 << 12  # weights, at least
KEY = "s2nn"
FORMAT = "s2nn"
MAX_FILE_BYTES = 1 << 27
MAX_HEADER_BYTES = 1 << 20
MAX_TABLE_BYTES = 1 << 26  # of all tables, those that list what is not zero counted whole
DTYPES = ("I8", "I32")
SCALING = tuple(f"{INPUT}.{name}" for name in TABLES)  # tensors of F64, and no others are
FIELDS = ("format", "version", "name", "input", "layers", "classes", "provenance", "digest")
# kind in the file: class, and the fields that it has besides kind, weights and bits
SYNAPSES: dict[str, tuple[type[Synapse], tuple[str, ...]]] = {
    "dense": (Dense, ()),
    "conv2d": (Conv2d, ("stride", "padding", "groups")),
    "pooled_dense": (PooledDense, ("pool",)),
    "maxpool": (MaxPool, ("size", "stride", "padding")),
    "orpool": (OrPool, ("size", "stride", "padding")),
    "or": (Or, ()),
}
VERSIONS = (1, 2, 3, 4, 5, 6, 7)
LENGTHS = ("ticks", "frames")  # of an input of sequences
PAIRS = ("size", "stride", "padding")  # one number, or those of rows and columns where they differ


def save(network: Network, path: Path | str) -> None:
    """Write ``network`` to ``path`` (``.s2nn``), atomically; the same network gives the same bytes.

    :class:`UserError` where :func:`load` would refuse the file.
    """
    from safetensors.numpy import save as pack

    path = Path(path)
    if path.suffix != ".s2nn":
        raise UserError(f"output {path} must end in .s2nn")
    header, tables = _listed(network.describe(), network.tensors())
    header |= {"provenance": network.provenance, "digest": network.digest}
    data = pack(tables, metadata={KEY: json.dumps(header)})
    try:
        parse(data)
    except UserError as error:
        raise UserError(f"output {path}: {error}") from None
    write_bytes(path, data)


def load(path: Path | str) -> Network:
    """Return the :class:`Network` in ``path``; :class:`UserError` names the file and the field that is wrong."""
    data = read_bytes(path, what="network", limit=MAX_FILE_BYTES)
    try:
        return parse(data)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def parse(data: bytes) -> Network:
    """Return the :class:`Network` in ``data``, the bytes of a ``.s2nn`` file; errors as of :func:`load`."""
    if is_pickle(data):
        raise UserError(
            "this is a pickle or torch.save file, not a .s2nn (safetensors) file; "
            "convert a checkpoint with `s2nn-hw quantize`"
        )
    text, tables = _unpacked(data)
    header = parse_json(text, "header")
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise UserError("header field 'format' must be 's2nn'")
    _only(header, FIELDS, "")
    version = _field(header, "version", int, "")
    if version not in VERSIONS:
        raise UserError(f"format version {quoted(version)} is unknown; this tool reads version 1, 2, 3, 4, 5, 6 and 7")
    reader = _Reader(tables)
    network = reader.network(header)
    _agrees(header, network, reader.lists)
    if header.get("digest") != network.digest:
        raise UserError("header field 'digest' does not match the contents: the file was altered")
    return network


def _unpacked(data: bytes) -> tuple[str, dict[str, np.ndarray]]:
    """Return the text of the header and the tensors by name of container ``data``."""
    from safetensors import SafetensorError
    from safetensors.numpy import load as unpack

    length = int.from_bytes(data[:8], "little")
    broken = "not a readable safetensors container, truncated or altered"
    if len(data) < 10 or length > len(data) - 8 or data[8:9] != b"{":
        raise UserError(f"{broken} (its header is not there)")
    if length > MAX_HEADER_BYTES:
        raise UserError(f"the container's header has {length:,} bytes, more than the limit of {MAX_HEADER_BYTES:,}")
    container = parse_json(data[8 : 8 + length], f"{broken}: its header")
    metadata = container.pop("__metadata__", {})
    if not isinstance(metadata, dict) or KEY not in metadata:
        raise UserError("safetensors, but without the 's2nn' header; convert a checkpoint with `s2nn-hw quantize`")
    if set(metadata) != {KEY}:
        raise UserError(f"the container's metadata must have the entry 's2nn' alone, not {listed(metadata)}")
    for name, entry in container.items():
        if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
            raise UserError(f"tensor {quoted(name)} must have dtype, shape and data_offsets, no more and no less")
        if entry["dtype"] not in (("F64",) if name in SCALING else DTYPES):
            wanted = "F64" if name in SCALING else "I8 or I32"
            raise UserError(f"tensor {quoted(name)} must be {wanted}, not {quoted(entry['dtype'])}")
        for field in ("shape", "data_offsets"):
            if not isinstance(entry[field], list) or not all(type(n) is int for n in entry[field]):
                raise UserError(f"tensor {quoted(name)}: {field} must be integers, not {quoted(entry[field])}")
    try:
        return metadata[KEY], unpack(data)
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{broken} ({' '.join(str(error).split())[:200]})") from None


def _agrees(header: dict[str, Any], network: Network, lists: set[str]) -> None:
    """Raise :class:`UserError` unless ``header`` is what would be written for ``network`` with the ``lists`` of it."""
    wanted = network.describe()
    version = max(3 if lists else 1, wanted["version"])
    if header["version"] != version:
        raise UserError(f"header field 'version' must be {version} for these layers, not {header['version']}")
    came = json.loads(json.dumps({key: header[key] for key in wanted})) | {"version": wanted["version"]}
    for entry in came["layers"]:
        for synapse in entry.get("synapses", [entry.get("synapse")]):
            if synapse.get("weights") in lists:
                del synapse["inputs"]
    if json.dumps(came, sort_keys=True) != json.dumps(wanted, sort_keys=True):
        raise UserError("the header does not say what its layers mean, see docs/format.md")


def _listed(header: dict[str, Any], tables: Mapping[str, np.ndarray]) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
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
            tables |= {
                f"{key}.columns": columns.astype(np.int32),
                f"{key}.counts": np.bincount(rows, minlength=len(whole)).astype(np.int32),
            }
            synapse["inputs"] = whole.shape[1]
            header["version"] = max(3, header["version"])
    return header, tables


def _only(entry: Mapping[str, Any], known: Sequence[str], where: str) -> None:
    """Raise :class:`UserError` where the object ``entry`` has other fields than ``known``."""
    spare = sorted(set(entry) - set(known))
    if spare:
        raise UserError(f"header field {quoted(where + spare[0])} is unknown; known here: {', '.join(known)}")


def _field(mapping: Any, name: str, kind: type, where: str) -> Any:
    value = mapping.get(name) if isinstance(mapping, dict) else None
    if not isinstance(value, kind) or isinstance(value, bool):
        wanted = {dict: "an object", list: "a list", str: "a text", int: "an integer"}[kind]
        raise UserError(f"header field '{where}{name}' must be {wanted}, not {quoted(value)}")
    return value


def _lengths(entry: Mapping[str, Any]) -> tuple[int, int]:
    """Return ticks of a frame and frames of a sequence as the input's ``entry`` says, 0 of both where it doesn't."""
    if not any(name in entry for name in LENGTHS):
        return 0, 0
    ticks, frames = (_field(entry, name, int, "input.") for name in LENGTHS)
    if not ticks and not frames:
        raise UserError("header fields 'input.ticks' and 'input.frames' must be left out where there are no sequences")
    return ticks, frames


def _setting(entry: Mapping[str, Any], name: str, where: str) -> Any:
    """Return the number, or the numbers of rows and columns, that field ``name`` of a synapse's ``entry`` has."""
    if name not in PAIRS or not isinstance(entry.get(name), list):
        return _field(entry, name, list if name == "pool" else int, where)
    value = entry[name]
    if len(value) == 2 and value[0] == value[1]:
        raise UserError(f"header field '{where}{name}' must be an integer where both are the same, not {quoted(value)}")
    return value


class _Reader:
    """Networks from headers: ``tables`` by name, those ``used``, the ``lists`` among them, and ``room`` for more;
    whether frames come as ``sequences``."""

    def __init__(self, tables: Mapping[str, np.ndarray]) -> None:
        self.tables, self.room = tables, MAX_TABLE_BYTES
        self.used: set[str] = set()
        self.lists: set[str] = set()
        self.sequences = False

    def network(self, header: dict[str, Any]) -> Network:
        """Return the network that ``header`` describes."""
        source = _field(header, "input", dict, "")
        _only(source, ("shape", "bits", "code", "signed", *LENGTHS, *TABLES), "input.")
        code = _field(source, "code", str, "input.") if "code" in source else RADIX
        if "code" in source and code == RADIX:
            raise UserError(f"header field 'input.code' must be {STEPS!r}, or be left out, not {quoted(code)}")
        if source.get("signed", True) is not True:
            raise UserError(f"header field 'input.signed' must be true, or be left out, not {quoted(source['signed'])}")
        shape, bits = tuple(_field(source, "shape", list, "input.")), _field(source, "bits", int, "input.")
        inputs = Input(shape, bits, code, "signed" in source, self.scaling(source), *_lengths(source))
        self.sequences = inputs.sequences
        layers = [self.layer(entry, f"layers[{k}].") for k, entry in enumerate(_field(header, "layers", list, ""))]
        spare = sorted(set(self.tables) - self.used)
        if spare:
            raise UserError(f"tensor {quoted(spare[0])} is not named by any layer")
        classes = _field(header, "classes", list, "")
        if not all(isinstance(c, str) for c in classes):
            raise UserError("header field 'classes' must be a list of texts")
        provenance = _field(header, "provenance", dict, "")
        _printable(provenance)
        return Network(_field(header, "name", str, ""), inputs, tuple(layers), tuple(classes), provenance)

    def scaling(self, entry: dict[str, Any]) -> Scaling | None:
        """Return how raw values become the pixels of the input ``entry``, None where it doesn't say."""
        given = [name for name in TABLES if name in entry]
        if not given:
            return None
        for name in ("offset", "step", *given):
            self.named(entry, name, f"{INPUT}.{name}", "input.")
        return Scaling(**{name: self.table(f"{INPUT}.{name}") for name in given})

    def layer(self, entry: Any, where: str) -> Layer:
        """Return the layer of ``entry``, found at ``where`` in the header."""
        name = _field(entry, "name", str, where)
        synapse, delays = ("synapses" if "synapses" in entry else "synapse"), ("delays",) if self.sequences else ()
        _only(entry, ("name", "sources", synapse, *delays, "neuron"), where)
        sources = _field(entry, "sources", list, where)
        if not sources or not all(isinstance(s, str) for s in sources):
            raise UserError(f"layer {quoted(name)}: 'sources' must be a list of names, not {quoted(sources)}")
        if "synapses" in entry:
            synapses = _field(entry, "synapses", list, where)
            if len(synapses) < 2:
                raise UserError(f"layer {quoted(name)}: 'synapses' is for two or more, 'synapse' for one")
        else:
            synapses = [_field(entry, "synapse", dict, where)]
        try:
            made = tuple(
                self.synapse(s, f"{name}.weights{k or ''}", f"{where}synapse.") for k, s in enumerate(synapses)
            )
            cells = (
                self.neuron(_field(entry, "neuron", dict, where), name, where + "neuron.")
                if ("neuron" in entry)
                else None
            )
        except UserError as error:
            raise UserError(f"layer {quoted(name)[1:-1]}: {error}") from None
        lags = tuple(_field(entry, "delays", list, where)) if "delays" in entry else ()
        return Layer(name, made, cells, tuple(sources), lags)

    def synapse(self, entry: dict[str, Any], weights: str, where: str) -> Synapse:
        """Return the synapse of ``entry``, whose table is called ``weights``."""
        kind = _field(entry, "kind", str, where)
        if kind not in SYNAPSES:
            raise UserError(f"synapse kind {quoted(kind)} is unknown; known: {', '.join(SYNAPSES)}")
        make, numbers = SYNAPSES[kind]
        lists = kind == "dense" and "inputs" in entry
        weighted = ("bits", "weights") if make.accumulates else ()
        _only(entry, ("kind", *weighted, *numbers, *(("inputs",) if lists else ())), where)
        settings = {n: _setting(entry, n, where) for n in numbers}
        if weighted:
            settings["bits"] = _field(entry, "bits", int, where)
            self.named(entry, "weights", weights, where)
            settings["weights"] = (
                self.whole(_field(entry, "inputs", int, where), weights) if lists else (self.table(weights))
            )
        return make(**settings)

    def neuron(self, entry: dict[str, Any], layer: str, where: str) -> Neuron:
        """Return the neurons of ``entry``, whose tables are called after ``layer``."""
        kind = _field(entry, "kind", str, where)
        if kind not in NEURONS:
            raise UserError(f"neuron kind {quoted(kind)} is unknown; known: {', '.join(NEURONS)}")
        make = NEURONS[kind]
        _only(entry, ("kind", *make.settings, *make.tables), where)
        settings = {name: _field(entry, name, of, where) for name, of in make.settings.items()}
        for field in make.tables:
            self.named(entry, field, f"{layer}.{field}", where)
        return make(*(self.table(f"{layer}.{field}") for field in make.tables), **settings)

    def named(self, entry: dict[str, Any], field: str, wanted: str, where: str) -> None:
        """Raise :class:`UserError` unless ``field`` of ``entry`` names tensor ``wanted``."""
        came = _field(entry, field, str, where)
        if came != wanted:
            raise UserError(f"header field '{where}{field}' must name tensor {quoted(wanted)}, not {quoted(came)}")

    def table(self, name: str, kind: type | None = None) -> np.ndarray:
        """Return tensor ``name``; ``kind``: a list of such numbers, which takes no room of its own."""
        if name not in self.tables:
            raise UserError(f"tensor '{name}', named by this layer, is missing")
        self.used.add(name)
        table = self.tables[name]
        if kind is None:
            self.take(table.nbytes)
        elif table.dtype != kind or table.ndim != 1:
            raise UserError(f"tensor '{name}' must be a list of {np.dtype(kind)}, not {table.dtype} {table.shape}")
        return table

    def take(self, count: int) -> None:
        """Take ``count`` bytes of the room that is left; :class:`UserError` if there are fewer."""
        self.room -= count
        if self.room < 0:
            raise UserError(f"the tables have more than {MAX_TABLE_BYTES:,} bytes in all, listed ones counted whole")

    def whole(self, inputs: int, key: str) -> np.ndarray:
        """Return the whole table, int8 ``(neurons, inputs)``, of the weights listed in tensor ``key``."""
        values, columns, counts = (
            self.table(key + end, kind) for end, kind in (("", np.int8), (".columns", np.int32), (".counts", np.int32))
        )
        self.lists.add(key)
        if not 1 <= inputs <= MAX_VALUES or not len(counts):
            raise UserError(f"a table of {len(counts):,} x {inputs:,} weights is too large or has none")
        size = len(counts) * inputs
        self.take(size)
        if size < SPARSE_SIZE or len(values) > SPARSE_SHARE * size:
            raise UserError(f"a table of {size:,} weights of which {len(values):,} are not zero must not be listed")
        if len(values) != len(columns) or (counts < 0).any() or counts.sum(dtype=np.int64) != len(values):
            raise UserError(f"tensors '{key}', '.columns' and '.counts' do not agree on the number of weights")
        if len(columns) and not 0 <= columns.min() <= columns.max() < inputs:
            raise UserError(f"tensor '{key}.columns' must lie in 0 .. {inputs - 1}")
        place = np.repeat(np.arange(len(counts)), counts) * inputs + columns
        if (np.diff(place) <= 0).any():
            raise UserError(f"tensor '{key}.columns' must rise within each row, no column twice")
        if not values.all():
            raise UserError(f"tensor '{key}' lists weights that are 0")
        whole = np.zeros(size, np.int8)
        whole[place] = values
        return whole.reshape(len(counts), inputs)


def _printable(provenance: dict[str, Any]) -> None:
    """Raise :class:`UserError` where a text of ``provenance`` has control characters but tab and line feed."""
    level: list[Any] = [provenance]
    while level:
        item = level.pop()
        if isinstance(item, dict):
            level += [*item, *item.values()]
        elif isinstance(item, list | tuple):
            level += item
        elif (
            isinstance(item, str)
            and not item.isprintable()
            and any(unicodedata.category(c) == "Cc" for c in item if c not in "\t\n")
        ):
            raise UserError(f"header field 'provenance' has control characters in {quoted(item)}")
