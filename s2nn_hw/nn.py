"""Neurons and quantised layers for anyone's training loop, see :mod:`s2nn_hw.quantize.nn`."""

from s2nn_hw.quantize.nn import Fire, IntegrateFire, Levels, QuantConv1d, QuantConv2d, QuantLinear, Surrogate, reset

__all__ = ["Fire", "IntegrateFire", "Levels", "QuantConv1d", "QuantConv2d", "QuantLinear", "Surrogate", "reset"]
