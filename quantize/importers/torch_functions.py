"""Functions and methods of tensors that a traced network calls, as operations."""

import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from s2nn_hw.errors import UserError
from s2nn_hw.quantize.importers.operations import Affine, Flatten, Kind, Pool, Relu, Same, Shape
from s2nn_hw.quantize.importers.torch_modules import array, cells, check_size, pair, reshaped

Arguments = Mapping[str, Any]
Read = Callable[[Arguments, Shape, Shape], list[Kind]]


def _pool(kind: str, axes: int) -> Read:
    def read(given: Arguments, entering: Shape, leaving: Shape) -> list[Kind]:
        stride = given.get("stride")
        pool = Pool(
            kind,
            pair(given["kernel_size"], axes, 1),
            pair(given["kernel_size"] if stride is None else stride, axes, 1),
            pair(given.get("padding", 0), axes, 0),
        )
        check_size(pool, entering, leaving)
        return [pool]

    return read


def _adaptive(kind: str) -> Read:
    return lambda given, entering, leaving: [cells(kind, entering, leaving)]


def _mean(given: Arguments, entering: Shape, leaving: Shape) -> list[Kind]:
    dim = given.get("dim")
    axes = sorted(n % (len(entering) + 1) for n in (dim if isinstance(dim, tuple | list) else [dim] if dim else []))
    if len(entering) < 2 or axes != list(range(2, len(entering) + 1)):
        raise UserError(f"a mean must be over rows and columns, dim=(2, 3), not over {dim} of an image {entering}")
    pool: Kind = Pool("mean")
    return [pool] if given.get("keepdim") else [pool, Flatten()]


def _clamp(given: Arguments, entering: Shape, leaving: Shape) -> list[Kind]:
    low, high = given.get("min", given.get("min_val", -1.0)), given.get("max", given.get("max_val", 1.0))
    if type(low) not in (int, float) or low != 0:
        raise UserError(f"a clamp must begin at 0, not at {low}")
    if high is not None and type(high) not in (int, float):
        raise UserError(f"a clamp must end at a number, not at {high}")
    return [Relu(None if high is None or high == math.inf else float(high))]


def _affine(factor: Any, shift: Any, channels: int) -> list[Kind]:
    numbers = [np.ravel(array(torch.as_tensor(n))) for n in (factor, shift)]
    if any(n.size not in (1, channels) for n in numbers):
        raise UserError(f"a factor or addend must be one number, or one for each of {channels} channels")
    return [Affine(*numbers)]


def arithmetic(name: str, constant: Any, entering: Shape, *, swapped: bool) -> list[Kind]:
    """Return operation ``name`` (add, sub, mul, truediv) of a value and a ``constant``, which may come first."""
    if isinstance(constant, Tensor) and constant.numel() > 1:
        lined = (1,) * (len(entering) + 1 - constant.ndim) + tuple(constant.shape)
        if lined != (1, entering[0], *[1] * (len(entering) - 1)):
            raise UserError(f"a constant of shape {tuple(constant.shape)} is not one for each channel of {entering}")
    channels = entering[0]
    if name == "add":
        return _affine(1.0, constant, channels)
    if name == "sub":
        return _affine(-1.0, constant, channels) if swapped else _affine(1.0, -constant, channels)
    if name == "mul":
        return _affine(constant, 0.0, channels)
    if swapped:
        raise UserError("a division by what was computed has no form here")
    if not torch.as_tensor(constant).all():
        raise UserError("a division by 0 has no form here")
    return _affine(1.0 / constant, 0.0, channels)


def _dropout(given: Arguments, entering: Shape, leaving: Shape) -> list[Kind]:
    if given.get("training", True) and given.get("p", 0.5):
        raise UserError("it drops values also in evaluation mode: say training=self.training, or take nn.Dropout")
    return [Same()]


def _reshape(given: Arguments, entering: Shape, leaving: Shape) -> list[Kind]:
    return [reshaped(entering, leaving)]


def _same(given: Arguments, entering: Shape, leaving: Shape) -> list[Kind]:
    return [Same()]


ARITHMETIC: dict[Any, str] = {
    operator.add: "add",
    operator.iadd: "add",
    torch.add: "add",
    "add": "add",
    "add_": "add",
    operator.sub: "sub",
    torch.sub: "sub",
    "sub": "sub",
    operator.isub: "sub",
    operator.imul: "mul",
    operator.itruediv: "truediv",
    operator.mul: "mul",
    torch.mul: "mul",
    "mul": "mul",
    operator.truediv: "truediv",
    torch.div: "truediv",
    "div": "truediv",
}
# names of the arguments behind the value, where they matter
POOLS = ("kernel_size", "stride", "padding")
FUNCTIONS: dict[Any, tuple[tuple[str, ...], Read]] = {
    torch.relu_: ((), lambda *_: [Relu()]),
    torch.relu: ((), lambda *_: [Relu()]),
    functional.relu: ((), lambda *_: [Relu()]),
    functional.relu6: ((), lambda *_: [Relu(6.0)]),
    "relu": ((), lambda *_: [Relu()]),
    "relu_": ((), lambda *_: [Relu()]),
    torch.clamp: (("min", "max"), _clamp),
    functional.hardtanh: (("min_val", "max_val"), _clamp),
    "clamp": (("min", "max"), _clamp),
    functional.max_pool1d: (POOLS, _pool("max", 1)),
    functional.max_pool2d: (POOLS, _pool("max", 2)),
    torch.max_pool2d: (POOLS, _pool("max", 2)),
    functional.avg_pool1d: (POOLS, _pool("mean", 1)),
    functional.avg_pool2d: (POOLS, _pool("mean", 2)),
    functional.adaptive_avg_pool1d: ((), _adaptive("mean")),
    functional.adaptive_avg_pool2d: ((), _adaptive("mean")),
    functional.adaptive_max_pool2d: ((), _adaptive("max")),
    torch.mean: (("dim", "keepdim"), _mean),
    "mean": (("dim", "keepdim"), _mean),
    torch.flatten: ((), _reshape),
    torch.reshape: ((), _reshape),
    torch.squeeze: ((), _reshape),
    torch.unsqueeze: ((), _reshape),
    "flatten": ((), _reshape),
    "reshape": ((), _reshape),
    "view": ((), _reshape),
    "squeeze": ((), _reshape),
    "unsqueeze": ((), _reshape),
    "unflatten": ((), _reshape),
    functional.dropout: (("p", "training"), _dropout),
    functional.dropout2d: (("p", "training"), _dropout),
    "contiguous": ((), _same),
    "float": ((), _same),
    "to": ((), _same),
    "clone": ((), _same),
    "detach": ((), _same),
}
LAST = (functional.softmax, functional.log_softmax, torch.softmax, torch.log_softmax, "softmax", "log_softmax")


def only_shape(target: Any) -> bool:
    """Return whether calling ``target`` changes the shape of a tensor and nothing else."""
    return target in FUNCTIONS and FUNCTIONS[target][1] is _reshape


def check_known(target: Any) -> None:
    """Raise :class:`UserError` unless calling ``target`` has a form here."""
    if target not in FUNCTIONS and target not in ARITHMETIC and target not in LAST:
        raise UserError("no form here: write it with supported modules, or leave it out")


def operations(target: Any, given: list[Any], named: Arguments, entering: Shape, leaving: Shape) -> list[Kind]:
    """Return what calling ``target`` (a function, or a method's name) does to a value of shape ``entering``.

    ``given``: the arguments behind the value, ``named``: those with names; ``leaving``: the shape of what comes out.
    """
    if target in LAST:
        return [Same()]
    check_known(target)
    names, read = FUNCTIONS[target]
    return read(dict(zip(names, given, strict=False)) | dict(named), entering, leaving)
