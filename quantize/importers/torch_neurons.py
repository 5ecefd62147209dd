"""Spiking neurons and quantised layers as operations: those of ours, of SpikingJelly, snnTorch and Brevitas.

No library is imported here: a module is known by its class and package. What they compute was read in SpikingJelly 2.0,
snnTorch 1.0 and Brevitas 0.13; modules that differ from it are told by the comparison with their own values.

    SpikingJelly  ``v <- v + (x - v) / tau`` or ``v - v / tau + x``;  spike at ``v >= v_threshold``
    snnTorch      ``m <- beta m + x - s[t-1] threshold``;  spike at ``m > threshold``
"""

import math
from typing import Any

import numpy as np
from torch import nn

from s2nn_hw.errors import UserError
from s2nn_hw.network.neurons.integrate import MAX_LEAK
from s2nn_hw.network.synapses import weight_limit
from s2nn_hw.quantize.importers.operations import IntegrateFire, Kind, Levels, Same, Shape, Spike, Weighted
from s2nn_hw.quantize.importers.torch_modules import READERS, array, convolution
from s2nn_hw.quantize.importers.torch_modules import operations as plain
from s2nn_hw.quantize.nn import Fire, QuantConv1d, QuantConv2d, QuantLinear
from s2nn_hw.quantize.nn import IntegrateFire as OurIntegrateFire
from s2nn_hw.quantize.nn import Levels as OurLevels

KNOWN = (
    "s2nn_hw.nn; SpikingJelly's IFNode and LIFNode; snnTorch's Leaky; Brevitas' QuantLinear, QuantConv1d, QuantConv2d, "
    "QuantReLU and QuantIdentity"
)
MOST_BITS = 8
ROUNDINGS = {"ROUND": "nearest", "FLOOR": "floor", "CEIL": "ceil"}


def _library(module: nn.Module, name: str) -> bool:
    """Return whether ``module`` is of a class, or of one made from a class, of the package ``name``."""
    return any(kind.__module__.split(".")[0] == name for kind in type(module).__mro__)


def _named(module: nn.Module, *names: str) -> bool:
    return any(kind.__name__ in names for kind in type(module).__mro__)


def known(module: nn.Module) -> bool:
    """Return whether ``module`` is read here, or is one of torch's that a library has changed nothing of but time."""
    ours = isinstance(module, Fire | OurIntegrateFire | OurLevels | QuantLinear | QuantConv1d | QuantConv2d)
    if ours or _library(module, "snntorch"):
        return True
    if _library(module, "spikingjelly"):
        return _named(module, "BaseNode", "SimpleBaseNode", "MemoryModule") or _torch(module)
    return _library(module, "brevitas") and type(module).__name__.startswith(("Quant", "Trunc"))


def _torch(module: nn.Module) -> bool:
    return any(isinstance(module, kinds) for kinds, _ in READERS)


def stateful(module: nn.Module) -> bool:
    """Return whether ``module`` keeps a membrane from call to call."""
    return isinstance(module, OurIntegrateFire) or _library(module, "snntorch") or hasattr(module, "_memories")


def operations(module: nn.Module, entering: Shape, leaving: Shape, steps: int) -> list[Kind]:
    """Return what ``module`` does in each of ``steps`` steps of a sample.

    :class:`UserError` says what it can't be, and what to do.
    """
    if isinstance(module, Fire):
        return [Spike(np.array([module.threshold]))]
    if isinstance(module, OurIntegrateFire):
        return [IntegrateFire(steps, module.leak, 1.0, module.threshold, module.reset, start=module.start)]
    if isinstance(module, OurLevels):
        return [Levels(np.abs(array(module.width)).reshape(1), 0, 2**module.bits - 1, "half up")]
    if isinstance(module, QuantLinear | QuantConv1d | QuantConv2d):
        levels, scale = module.levels()
        return [_weighted(module, array(levels), module.bits, array(scale))]
    if _library(module, "snntorch"):
        return [_leaky(module, steps)]
    if _library(module, "spikingjelly"):
        return plain(module, entering, leaving) if _torch(module) else [_node(module, steps)]
    return _brevitas(module)


def leak_of(kept: float) -> int:
    """Return k of ``kept = 1 - 2^-k``, 0 of 1; :class:`UserError` names the nearest where there is none."""
    if kept == 1:
        return 0
    k = round(-math.log2(1 - kept)) if 0 <= kept < 1 else 0
    if not 1 <= k <= MAX_LEAK or not math.isclose(1 - 2.0**-k, kept, abs_tol=1e-9):
        k = min(max(k, 1), MAX_LEAK)
        raise UserError(
            f"the membrane keeps {kept:g} of itself from step to step, and the circuit 1 - 2^-k of it: train with "
            f"{1 - 2.0**-k:g} (tau {2**k}), or with another k from 1 to {MAX_LEAK}"
        )
    return k


def _number(module: nn.Module, name: str) -> float:
    found = np.unique(
        np.asarray(array(getattr(module, name)) if hasattr(getattr(module, name), "detach") else getattr(module, name))
    )
    if found.size != 1:
        raise UserError(f"{name} must be one number for all neurons, not {found.size} different ones")
    return float(found[0])


def _leaky(module: Any, steps: int) -> Kind:
    if type(module).__name__ != "Leaky":
        raise UserError("no form here: of snnTorch's neurons only Leaky has one")
    if module.inhibition or module.state_quant or _number(module, "graded_spikes_factor") != 1:
        raise UserError("inhibition, state_quant and graded spikes have no form here: leave them out")
    threshold, kept = _number(module, "threshold"), min(max(_number(module, "beta"), 0.0), 1.0)
    if steps == 1:
        return Spike(np.array([threshold]), strict=True)
    leak, reset = leak_of(kept), module.reset_mechanism
    if reset == "none":
        raise UserError("neurons without a reset have no form here: reset_mechanism must be subtract or zero")
    late = reset == "subtract"  # taken off a step later, behind the leak
    if late and not getattr(module, "reset_delay", True):
        raise UserError(
            "reset_delay=False with subtract has no form here where a membrane stays above the threshold: "
            "train with reset_delay, or with reset_mechanism zero"
        )
    return IntegrateFire(
        steps,
        leak,
        threshold=threshold,
        reset="soft" if reset == "subtract" else "hard",
        taken=threshold / kept if late and kept else None,
        strict=True,
    )


def _node(module: Any, steps: int) -> Kind:
    name = type(module).__name__
    if name not in ("IFNode", "LIFNode", "ParametricLIFNode", "SimpleIFNode", "SimpleLIFNode"):
        raise UserError("no form here: of SpikingJelly's neurons IFNode, LIFNode and ParametricLIFNode have one")
    gain, kept, threshold = 1.0, 1.0, float(module.v_threshold)
    if name not in ("IFNode", "SimpleIFNode"):
        tau = 1 / float(module.w.sigmoid()) if name == "ParametricLIFNode" else float(module.tau)
        kept, gain = 1 - 1 / tau, 1 / tau if module.decay_input else 1.0
    if module.v_reset not in (None, 0, 0.0):
        raise UserError(f"v_reset must be None (soft) or 0, not {module.v_reset}")
    if steps == 1:
        return Spike(np.array([threshold / gain]))
    return IntegrateFire(steps, leak_of(kept), gain, threshold, "soft" if module.v_reset is None else "hard")


def _weighted(module: Any, levels: np.ndarray, bits: int, scale: np.ndarray) -> Weighted:
    """Return the table of ``module`` with integer ``levels`` in units of ``scale``, or, of too many bits, floats."""
    while bits < MOST_BITS and np.abs(levels).max() > weight_limit(bits):
        bits += 1  # a library's -2^(bits-1) wants a bit more
    bias = None if module.bias is None else array(module.bias)
    signal = isinstance(module, nn.Conv1d)
    fits = bits <= MOST_BITS and np.abs(levels).max() <= weight_limit(bits)
    weights = levels if fits else levels * scale.reshape(-1, *[1] * (levels.ndim - 1))
    kept: tuple[int | None, np.ndarray | None] = (bits, scale.reshape(-1)) if fits else (None, None)
    if levels.ndim == 2:
        return Weighted(weights, bias, *kept)
    table = convolution(weights, bias, module, 1 if signal else 2)
    if kept[0] == 1 and not table.weights.all():
        kept = 2, kept[1]  # a bit for the holes of a dilation
    return Weighted(table.weights, bias, *kept, table.stride, table.padding, table.groups)


def _brevitas(module: Any) -> list[Kind]:
    name = type(module).__name__
    if name in ("QuantReLU", "QuantIdentity"):
        return [_levels(module.act_quant) if module.act_quant.is_quant_enabled else Same()]
    if name not in ("QuantLinear", "QuantConv1d", "QuantConv2d"):
        raise UserError(
            "no form here: of Brevitas' layers QuantLinear, QuantConv1d, QuantConv2d, QuantReLU and QuantIdentity have"
        )
    if module.bias is not None and module.bias_quant.is_quant_enabled:
        raise UserError("its bias is rounded in units of what enters: leave bias_quant out, thresholds take it exactly")
    weights = module.quant_weight()
    if np.any(array(weights.zero_point)):
        raise UserError("weights with a zero point have no form here: take a symmetric weight quantizer")
    levels = np.rint(array(weights.value) / array(weights.scale))
    table = _weighted(module, levels, int(weights.bit_width), np.ravel(array(weights.scale)))
    before, after = (
        [_levels(proxy)] if proxy.is_quant_enabled else [] for proxy in (module.input_quant, module.output_quant)
    )
    return [*before, table, *after]


def _levels(proxy: Any) -> Kind:
    bits, step = int(proxy.bit_width()), np.ravel(array(proxy.scale()))
    if np.any(array(proxy.zero_point())):
        raise UserError("an activation with a zero point has no form here: take a symmetric quantizer")
    if bits == 1 and proxy.is_signed:
        return Spike(np.zeros(1), low=-float(step[0]), high=float(step[0]))
    rounding = ROUNDINGS.get(str(proxy.rounding_mode).upper())
    if rounding is None:
        raise UserError(f"rounding {proxy.rounding_mode} has no form here: take one of {', '.join(ROUNDINGS)}")
    narrow = int(bool(proxy.is_narrow_range))
    low, high = (-(2 ** (bits - 1)) + narrow, 2 ** (bits - 1) - 1) if proxy.is_signed else (0, 2**bits - 1 - narrow)
    return Levels(step, low, high, rounding)


def reset(module: nn.Module) -> None:
    """Set all states in ``module`` back to where they start from."""
    part: Any
    for part in module.modules():
        if isinstance(part, OurIntegrateFire):
            part.membrane = None
        elif _library(part, "spikingjelly") and hasattr(part, "_memories"):
            part.reset()
        elif _library(part, "snntorch") and hasattr(part, "reset_mem"):
            part.reset_mem()


def step_by_step(module: nn.Module) -> None:
    """Make the layers in ``module`` take one step a call, as here steps are counted outside; in place."""
    part: Any
    for part in module.modules():
        if _library(part, "spikingjelly") and getattr(part, "step_mode", "s") != "s":
            part.step_mode = "s"
