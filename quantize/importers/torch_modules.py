"""Modules of torch as operations; what the traced network calls as functions is in :mod:`.torch_functions`."""

from collections.abc import Callable
from typing import Any

import numpy as np
from torch import Tensor, nn

from s2nn_hw.errors import UserError
from s2nn_hw.quantize.importers.operations import Affine, Flatten, Kind, Pool, Relu, Same, Shape, Weighted

KNOWN = (
    "Linear, Conv1d, Conv2d, BatchNorm1d, BatchNorm2d, MaxPool, AvgPool, AdaptiveAvgPool, ReLU, ReLU6, Hardtanh(0, x), "
    "Flatten, Dropout, Identity, residual additions"
)
PASSED = (nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.AlphaDropout)
LAST = (nn.Softmax, nn.LogSoftmax)
Read = Callable[[Any, Shape, Shape], list[Kind]]


def operations(module: nn.Module, entering: Shape, leaving: Shape) -> list[Kind]:
    """Return what ``module`` does to a value of shape ``entering``, one after the other; ``leaving``: what comes out.

    :class:`UserError` says what it can't be, and what to do.
    """
    for kinds, read in READERS:
        if isinstance(module, kinds):
            return read(module, entering, leaving)
    raise UserError("no form here")


def array(tensor: Tensor) -> np.ndarray:
    """Return ``tensor`` as float64."""
    return tensor.detach().cpu().double().numpy()


def pair(number: Any, axes: int, outer: int) -> tuple[int, int]:
    """Return ``number``, of ``axes`` axes, for rows and columns; of a signal, which has one row, rows get ``outer``."""
    numbers = tuple(number) if isinstance(number, tuple | list) else (number,) * axes
    return (outer, int(numbers[0])) if axes == 1 else (int(numbers[0]), int(numbers[1]))


def _linear(module: nn.Linear, entering: Shape, leaving: Shape) -> list[Kind]:
    if len(entering) != 1:
        raise UserError(f"a dense layer over the last axis of {entering} has no form here: flatten before it")
    return [Weighted(array(module.weight), None if module.bias is None else array(module.bias))]


def _convolution(module: nn.Conv1d | nn.Conv2d, entering: Shape, leaving: Shape) -> list[Kind]:
    axes = 1 if isinstance(module, nn.Conv1d) else 2
    bias = None if module.bias is None else array(module.bias)
    return [convolution(array(module.weight), bias, module, axes)]


def convolution(weights: np.ndarray, bias: np.ndarray | None, module: Any, axes: int) -> Weighted:
    """Return the convolution with ``weights`` and the settings of ``module``; holes of a dilation become zeros."""
    if module.padding_mode != "zeros" and module.padding not in (0, (0,), (0, 0)):
        raise UserError(f"padding must be with zeros, not {module.padding_mode!r}")
    weights = weights[:, :, None, :] if axes == 1 else weights
    dilation = pair(module.dilation, axes, 1)
    kernel = tuple((k - 1) * d + 1 for k, d in zip(weights.shape[2:], dilation, strict=True))
    if kernel != weights.shape[2:]:
        spread = np.zeros((*weights.shape[:2], *kernel))
        spread[:, :, :: dilation[0], :: dilation[1]] = weights
        weights = spread
    if module.padding == "same":
        if any(k % 2 == 0 for k in kernel):
            raise UserError("padding 'same' of an even kernel differs from side to side: say the padding in numbers")
        padding = (kernel[0] // 2, kernel[1] // 2)
    else:
        padding = (0, 0) if module.padding == "valid" else pair(module.padding, axes, 0)
    return Weighted(weights, bias, stride=pair(module.stride, axes, 1), padding=padding, groups=module.groups)


def _batch_norm(module: Any, entering: Shape, leaving: Shape) -> list[Kind]:
    if module.running_mean is None or module.running_var is None:
        raise UserError("a batch norm wants running statistics: make it with track_running_stats, and train it so")
    factor = 1 / np.sqrt(array(module.running_var) + module.eps)
    shift = np.zeros_like(factor)
    if module.affine:
        factor, shift = factor * array(module.weight), array(module.bias)
    return [Affine(factor, shift - factor * array(module.running_mean))]


def _pool(kind: str) -> Read:
    def read(module: Any, entering: Shape, leaving: Shape) -> list[Kind]:
        axes = len(leaving) - 1
        kernel = pair(module.kernel_size, axes, 1)
        stride = pair(module.kernel_size if module.stride is None else module.stride, axes, 1)
        if pair(getattr(module, "dilation", 1), axes, 1) != (1, 1):
            raise UserError("pooling must not be dilated")
        if getattr(module, "divisor_override", None):
            raise UserError("a mean must divide by its window: no divisor_override")
        pool = Pool(kind, kernel, stride, pair(module.padding, axes, 0))
        check_size(pool, entering, leaving)
        return [pool]

    return read


def check_size(pool: Pool, entering: Shape, leaving: Shape) -> None:
    """Raise :class:`UserError` where ``pool`` of ``entering`` does not give ``leaving``, as with ``ceil_mode``."""
    assert pool.kernel is not None
    assert pool.stride is not None
    rows = zip(as_image(entering)[1:], pool.kernel, pool.stride, pool.padding, strict=True)
    if tuple((n + 2 * p - k) // s + 1 for n, k, s, p in rows) != tuple(as_image(leaving)[1:]):
        raise UserError("pooling must leave windows out that do not fit: no ceil_mode")


def as_image(shape: Shape) -> Shape:
    """Return ``shape`` with a row, where it is a signal's ``(channels, length)``."""
    return (shape[0], 1, shape[1]) if len(shape) == 2 else shape


def _adaptive(kind: str) -> Read:
    return lambda module, entering, leaving: [cells(kind, entering, leaving)]


def cells(kind: str, entering: Shape, leaving: Shape) -> Pool:
    """Return the pool of cells side by side that makes ``leaving`` of ``entering``."""
    before, after = as_image(entering)[1:], as_image(leaving)[1:]
    if any(n % m for n, m in zip(before, after, strict=True)):
        raise UserError(f"cells must divide the image: {before} into {after} does not")
    kernel = (before[0] // after[0], before[1] // after[1])
    return Pool(kind, kernel, kernel)


def _relu(module: Any, entering: Shape, leaving: Shape) -> list[Kind]:
    return [Relu()]


def _relu6(module: nn.ReLU6, entering: Shape, leaving: Shape) -> list[Kind]:
    return [Relu(6.0)]


def _hardtanh(module: nn.Hardtanh, entering: Shape, leaving: Shape) -> list[Kind]:
    if module.min_val != 0:
        raise UserError(f"a clamp must begin at 0, not at {module.min_val:g}")
    return [Relu(float(module.max_val))]


def _flatten(module: nn.Flatten, entering: Shape, leaving: Shape) -> list[Kind]:
    return [reshaped(entering, leaving)]


def reshaped(entering: Shape, leaving: Shape) -> Kind:
    """Return what a change of shape is: nothing, or that of an image to features."""
    if entering == leaving:
        return Same()
    if len(leaving) == 1:
        return Flatten()
    if as_image(entering) == as_image(leaving):
        return Same()
    raise UserError(f"a change of shape from {entering} to {leaving} has no form here: only flattening has")


def _same(module: nn.Module, entering: Shape, leaving: Shape) -> list[Kind]:
    return [Same()]


READERS: tuple[tuple[tuple[type[nn.Module], ...], Read], ...] = (
    ((nn.Linear,), _linear),
    ((nn.Conv1d, nn.Conv2d), _convolution),
    ((nn.BatchNorm1d, nn.BatchNorm2d), _batch_norm),
    ((nn.MaxPool1d, nn.MaxPool2d), _pool("max")),
    ((nn.AvgPool1d, nn.AvgPool2d), _pool("mean")),
    ((nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d), _adaptive("mean")),
    ((nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d), _adaptive("max")),
    ((nn.ReLU6,), _relu6),
    ((nn.ReLU,), _relu),
    ((nn.Hardtanh,), _hardtanh),
    ((nn.Flatten, nn.Unflatten), _flatten),
    ((*PASSED, *LAST), _same),
)
