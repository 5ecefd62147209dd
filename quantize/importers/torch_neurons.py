"""Spiking neurons and quantised layers of torch libraries as operations; a library is never imported here.

A module is known by its class's name and package, so that what is not installed is not wanted.
"""

from torch import nn

from s2nn_hw.errors import UserError
from s2nn_hw.quantize.importers.operations import Kind, Shape

KNOWN = ""


def known(module: nn.Module) -> bool:
    """Return whether ``module`` is one of those that are read here."""
    return False


def operations(module: nn.Module, entering: Shape, leaving: Shape, steps: int) -> list[Kind]:
    """Return what ``module`` does in each of ``steps`` steps of a sample."""
    raise UserError("no form here")


def reset(module: nn.Module) -> None:
    """Set all states in ``module`` back to where they start from."""
