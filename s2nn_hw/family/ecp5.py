"""Lattice ECP5."""

from s2nn_hw.family.record import Family

ECP5 = Family(
    "Lattice ECP5",
    "LUT4",
    "DP16KD",
    18 * 1024,
    blocks=((1.0, 128, ((512, 36), (1024, 18), (2048, 9), (4096, 4), (8192, 2), (16384, 1))),),
    rom_bit=1 / 16,
    lutram=(4, 3, ((16, 4),)),
    lutram_ports=(),
    rom_rows=16,
    rom_mux=0,
    inputs=4,
    carry=2,
    double=1.0,
    reload=1.0,
    start=1.0,
    preset=0.0,
    queue=0.0,
    scan=7.0,
    fire=2.0,
    argmax=3.0,
    winner=3.0,
    pixel=1.0,
    layer=25,
    fixed=300,
    window=(90, 105, 60),
    gate=1.0,
    link=(702, 298, 2.3, 3.8),
    name="ecp5",
)
