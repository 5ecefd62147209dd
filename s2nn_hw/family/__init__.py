"""Device families as pure data; the table of all that can be built for."""

from s2nn_hw.family.ecp5 import ECP5
from s2nn_hw.family.gowin import GOWIN
from s2nn_hw.family.ice40 import ICE40
from s2nn_hw.family.xc7 import XC7

FAMILIES = {"xc7": XC7, "ecp5": ECP5, "ice40": ICE40, "gowin": GOWIN}
GENERAL = "xc7"  # what circuits are made for where no board is named
