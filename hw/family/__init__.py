"""Device families as flows: the table of all that can be built for (:mod:`s2nn_hw.hw.family.base`)."""

from s2nn_hw.errors import UserError
from s2nn_hw.family import FAMILIES
from s2nn_hw.hw.family.base import FamilyFlow
from s2nn_hw.hw.family.ecp5 import ECP5
from s2nn_hw.hw.family.gowin import GOWIN
from s2nn_hw.hw.family.ice40 import ICE40
from s2nn_hw.hw.family.xc7 import XC7
from s2nn_hw.hw.netlist.primitives import CellLibrary

FLOWS = {"ecp5": ECP5, "ice40": ICE40, "xc7": XC7, "gowin": GOWIN}


def known(family: str) -> FamilyFlow:
    """Return the flow of ``family``; :class:`UserError` if there is none."""
    if family not in FLOWS:
        raise UserError(f"device family {family!r} is unknown; known: {', '.join(FAMILIES)}")
    return FLOWS[family]


def library_of(family: str) -> CellLibrary:
    """Return the cells of ``family``; :class:`UserError` if there is no such."""
    return known(family).library
