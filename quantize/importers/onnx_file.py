"""An ONNX file read as data: every size is looked at before anything is made of it, nothing outside its folder is read.

What comes out holds all its tensors, takes one input of a known shape, in batches of one, and gives one output.
"""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from s2nn_hw.errors import UserError, listed, quoted
from s2nn_hw.files import read_bytes
from s2nn_hw.network.layer import MAX_NEURONS

MAX_FILE = 1 << 29  # bytes, of the file and of all that lies beside it
MAX_NODES = 4096
MAX_AXES = 8
OLDEST_IR, OLDEST_OPSET = 3, 7
STANDARD = ("", "ai.onnx")
QONNX = "qonnx.custom_op.general"
QONNX_NAMES = (QONNX, "onnx.brevitas", "finn.custom_op.general")
KNOWN = (
    "Conv, Gemm, MatMul, BatchNormalization, Add, Sub, Mul and Div by constants, Add of two values, Relu, Clip from 0, "
    "MaxPool, AveragePool, GlobalAveragePool, ReduceMean, Flatten, Reshape, Squeeze, Dropout, Identity, Cast, Softmax "
    "and ArgMax at the end, Quant, BipolarQuant, MultiThreshold, QuantizeLinear with DequantizeLinear"
)
NUMBERS = (
    *("alpha", "beta", "epsilon", "min", "max", "out_scale", "out_bias", "axis", "group", "keepdims", "ceil_mode"),
    *("count_include_pad", "transA", "transB", "training_mode", "signed", "narrow", "start", "end", "storage_order"),
)
LISTS = ("kernel_shape", "strides", "pads", "dilations", "axes", "perm")
TEXTS = ("auto_pad", "rounding_mode", "data_layout", "out_dtype")
EXTRA = "pip install 's2nn-hw[import]'"


def library() -> Any:
    """Return the package onnx; :class:`UserError` without it."""
    try:
        import onnx
    except ImportError:
        raise UserError(f"ONNX files are read with the packages onnx and qonnx: {EXTRA}") from None
    return onnx


def read_model(path: Path, input_shape: tuple[int, ...] | None = None) -> Any:
    """Return the ``onnx.ModelProto`` in file ``path``, checked; ``input_shape``: of one input, where it leaves it open.

    :class:`UserError` says what in it can't be read.
    """
    onnx = library()
    from google.protobuf.message import DecodeError

    model = onnx.ModelProto()
    try:
        model.ParseFromString(read_bytes(path, what="network", limit=MAX_FILE))
    except (DecodeError, RuntimeError) as error:
        raise UserError(f"{path} is not an ONNX file, or not all of it ({_line(error)})") from None
    try:
        _texts(model)
        _versions(model, onnx)
        _nodes(model)
        _tensors(model, path.resolve().parent, onnx)
        _ends(model, input_shape)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    return model


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:120]


def _texts(model: Any) -> None:
    """Check that all names in the graph are texts; protobuf gives bytes where they are no UTF-8."""
    graph = model.graph
    names = [graph.name, *(value.name for value in (*graph.initializer, *graph.input, *graph.output))]
    for node in graph.node:
        names += [node.name, node.op_type, node.domain, *node.input, *node.output, *(a.name for a in node.attribute)]
    strange = next((name for name in names if not isinstance(name, str)), None)
    if strange is not None:
        raise UserError(f"name {quoted(strange)} is not UTF-8 text")


def _versions(model: Any, onnx: Any) -> None:
    if not model.HasField("graph") or not model.graph.node:
        raise UserError("there is no network in it: is it an ONNX file?")
    if not OLDEST_IR <= model.ir_version <= onnx.IR_VERSION:
        raise UserError(
            f"IR version {model.ir_version} is unknown ({OLDEST_IR} to {onnx.IR_VERSION} are read): export it "
            "for an older one, or take a newer onnx package"
        )
    opsets = {entry.domain: entry.version for entry in model.opset_import}
    version, newest = next((opsets[name] for name in STANDARD if name in opsets), 0), onnx.defs.onnx_opset_version()
    if not OLDEST_OPSET <= version <= newest:
        raise UserError(
            f"opset {version or 'is not said, so it'} is unknown ({OLDEST_OPSET} to {newest} are read): export it with "
            "one of those"
        )


def _nodes(model: Any) -> None:
    """Check domains and kinds of attributes; QONNX's nodes get one domain, whatever their exporter called it."""
    graph = model.graph
    if len(graph.node) > MAX_NODES:
        raise UserError(f"it has {len(graph.node):,} nodes; at most {MAX_NODES:,} are read")
    if graph.sparse_initializer:
        raise UserError("sparse initializers are not read: export dense ones")
    kinds = _attribute_kinds()
    for node in graph.node:
        where = called(node)
        if node.domain in QONNX_NAMES:
            node.domain = QONNX
        elif node.domain not in STANDARD:
            raise UserError(
                f"{where}: operators of domain {quoted(node.domain)} are not known; ONNX's own and QONNX's are "
                "(export without custom functions)"
            )
        if any(attribute.type in kinds for attribute in node.attribute):
            raise UserError(f"{where}: nodes with networks inside (If, Loop, Scan) or sparse tensors are not read")
        if any(attribute.ref_attr_name for attribute in node.attribute):
            raise UserError(f"{where}: its attributes are those of a function: export without functions")
        strange = next((a.name for a in node.attribute if not _fits(a)), None)
        if strange is not None:
            raise UserError(f"{where}: attribute {quoted(strange)} is of another type than ONNX says")
    if len(model.opset_import) and not any(e.domain == QONNX for e in model.opset_import):
        entry = model.opset_import.add()
        entry.domain, entry.version = QONNX, 1


def _fits(attribute: Any) -> bool:
    """Return whether ``attribute`` has the type that one of its name has, where the name is known here."""
    kinds = type(attribute)
    wanted = {NUMBERS: (kinds.INT, kinds.FLOAT), LISTS: (kinds.INTS,), TEXTS: (kinds.STRING,)}
    return all(attribute.type in types for names, types in wanted.items() if attribute.name in names)


def _attribute_kinds() -> set[int]:
    from onnx import AttributeProto as A

    return {A.GRAPH, A.GRAPHS, A.SPARSE_TENSOR, A.SPARSE_TENSORS, A.TYPE_PROTO, A.TYPE_PROTOS}


def called(node: Any) -> str:
    """Return what an error calls ``node``."""
    return f"node {quoted(node.name or (node.output[0] if node.output else ''))} ({quoted(node.op_type)[1:-1]})"


def _all_tensors(model: Any) -> Iterator[Any]:
    yield from model.graph.initializer
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors


def _tensors(model: Any, folder: Path, onnx: Any) -> None:
    """Check the size that each tensor has against what it says, and bring in those that lie beside the file."""
    left = MAX_FILE
    for tensor in _all_tensors(model):
        try:
            left -= _tensor(tensor, folder, left, onnx.TensorProto)
        except UserError as error:
            raise UserError(f"tensor {quoted(tensor.name)}: {error}") from None


def _tensor(tensor: Any, folder: Path, left: int, kinds: Any) -> int:
    """Return the bytes of ``tensor``, of which at most ``left`` are brought in from files in ``folder``."""
    size = _item_bits(kinds).get(tensor.data_type)
    if size is None:
        raise UserError(f"type {_kind(tensor.data_type, kinds)} is not read: numbers are wanted")
    if len(tensor.dims) > MAX_AXES or any(n < 0 for n in tensor.dims):
        raise UserError(f"shape {quoted(list(tensor.dims))} is none")
    count = math.prod(tensor.dims)
    wanted = (count * size + 7) // 8
    if wanted > left:
        raise UserError(f"shape {quoted(list(tensor.dims))} is too large")
    if tensor.data_location == kinds.EXTERNAL:
        tensor.raw_data = _external(tensor, folder, wanted)
        tensor.ClearField("external_data")
        tensor.ClearField("data_location")
    elif tensor.HasField("raw_data"):
        if len(tensor.raw_data) != wanted:
            raise UserError(f"{wanted:,} bytes wanted for {quoted(list(tensor.dims))}, {len(tensor.raw_data):,} came")
    else:
        fields = (tensor.float_data, tensor.int32_data, tensor.int64_data, tensor.double_data, tensor.uint64_data)
        held = sum(map(len, fields))
        packed = (count * size + 7) // 8 if size < 8 else count
        if held != packed:
            raise UserError(f"{count:,} numbers wanted for {quoted(list(tensor.dims))}, {held:,} came")
    return wanted


def _item_bits(kinds: Any) -> dict[int, int]:
    return {
        kinds.FLOAT: 32,
        kinds.DOUBLE: 64,
        kinds.FLOAT16: 16,
        kinds.BFLOAT16: 16,
        kinds.INT4: 4,
        kinds.UINT4: 4,
        kinds.INT8: 8,
        kinds.UINT8: 8,
        kinds.INT16: 16,
        kinds.UINT16: 16,
        kinds.INT32: 32,
        kinds.UINT32: 32,
        kinds.INT64: 64,
        kinds.UINT64: 64,
        kinds.BOOL: 8,
    }


def _kind(number: int, kinds: Any) -> str:
    names = {value: name for name, value in kinds.DataType.items()}
    return names.get(number, str(number))


def _external(tensor: Any, folder: Path, wanted: int) -> bytes:
    """Return the ``wanted`` bytes of a tensor that lies in a file in ``folder``."""
    said = {entry.key: entry.value for entry in tensor.external_data}
    place = said.get("location", "")
    if not place or "\\" in place or "\0" in place or Path(place).is_absolute() or ".." in Path(place).parts:
        raise UserError(f"its data must lie in the folder of the file, not at {quoted(place)}")
    path = folder / place
    try:
        inside = path.resolve(strict=True).is_relative_to(folder)
    except (OSError, RuntimeError):
        raise UserError(f"its data file {quoted(place)} is not beside the network's file") from None
    if not inside or not path.is_file():
        raise UserError(f"its data must be a file in the folder of the network's, not {quoted(place)}")
    try:
        offset, length = int(said.get("offset", 0)), int(said.get("length", wanted))
    except ValueError:
        raise UserError("offset and length of its data must be integers") from None
    size = path.stat().st_size
    if offset < 0 or length != wanted or offset + wanted > size:
        raise UserError(f"{wanted:,} bytes are wanted of {quoted(place)} from {offset:,} on; it has {size:,}")
    with open(path, "rb") as file:
        file.seek(offset)
        return file.read(wanted)


def _ends(model: Any, input_shape: tuple[int, ...] | None) -> None:
    """Check that one tensor enters and one leaves; give what enters its shape, with a batch of one."""
    graph = model.graph
    own = {tensor.name for tensor in graph.initializer}
    entering = [value for value in graph.input if value.name not in own]
    if len(entering) != 1:
        raise UserError(f"one input is wanted, not {len(entering)}: {listed(value.name for value in entering)}")
    if len(graph.output) != 1:
        raise UserError(f"one output, the scores, is wanted, not {listed(value.name for value in graph.output)}")
    known = [value for value in graph.input if value.name not in own]
    del graph.input[:]
    graph.input.extend(known)
    del graph.value_info[:]
    graph.output[0].type.tensor_type.ClearField("shape")
    _set_shape(graph.input[0], input_shape)


def _set_shape(value: Any, input_shape: tuple[int, ...] | None) -> None:
    from onnx import TensorProto

    kind = value.type.tensor_type
    if kind.elem_type not in (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16):
        raise UserError(f"input {quoted(value.name)} must be floats, not {_kind(kind.elem_type, TensorProto)}")
    open_ = [dim.dim_param or "?" for dim in kind.shape.dim[1:] if not dim.HasField("dim_value") or dim.dim_value < 1]
    if input_shape is None:
        if not kind.HasField("shape") or len(kind.shape.dim) < 2 or open_:
            raise UserError(
                f"the shape of input {quoted(value.name)} is open ({listed(open_) or 'no axis is said'}): say that of "
                "one input, without the batch, such as --input-shape 1,28,28"
            )
        input_shape = tuple(dim.dim_value for dim in kind.shape.dim[1:])
    elif kind.HasField("shape"):
        own = tuple(dim.dim_value for dim in kind.shape.dim[1:])
        if len(own) != len(input_shape) or any(n and n != m for n, m in zip(own, input_shape, strict=True)):
            raise UserError(f"--input-shape {input_shape} does not fit the file's {own} (0: open)")
    if len(input_shape) > 3 or math.prod(input_shape) > MAX_NEURONS:
        raise UserError(
            f"an input of shape {quoted(input_shape)} is too large: up to {MAX_NEURONS:,} numbers are taken"
        )
    kind.ClearField("shape")
    for number in (1, *input_shape):
        kind.shape.dim.add().dim_value = number


def set_batch(model: Any, count: int) -> Any:
    """Return a copy of ``model`` that takes ``count`` inputs at a time, where it took batches of one."""
    from onnx import numpy_helper

    made = type(model)()
    made.CopyFrom(model)
    graph = made.graph
    graph.input[0].type.tensor_type.shape.dim[0].dim_value = count
    graph.output[0].type.tensor_type.ClearField("shape")
    constants = {tensor.name: tensor for tensor in graph.initializer}
    constants |= {
        n.output[0]: n.attribute[0].t for n in graph.node if n.op_type == "Constant" and n.output and n.attribute
    }
    for number, node in enumerate(graph.node):
        if node.op_type == "Reshape" and len(node.input) > 1 and node.input[1] in constants:
            shape = numpy_helper.to_array(constants[node.input[1]])
            if shape.ndim == 1 and shape.size > 1 and shape[0] == 1:
                shape = np.array([count, *shape[1:]], np.int64)
                name = f"{node.output[0]}.{number}.shape"
                graph.initializer.append(numpy_helper.from_array(shape, name))
                node.input[1] = name
    return made
