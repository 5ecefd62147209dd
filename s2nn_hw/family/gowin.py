"""Gowin GW1N and GW2A."""

from dataclasses import replace

from s2nn_hw.family.ecp5 import ECP5

# as on ECP5, but carry chains come by the bit, and a memory of 16 x 4 takes two LUTs for its write address
GOWIN = replace(
    ECP5,
    title="Gowin GW1N and GW2A",
    bram_kind="BSRAM",
    link=(758, 298, 1.4, 3.8),
    lutram=(4, 6, ((16, 4),)),
    carry=1,
    name="gowin",
)
