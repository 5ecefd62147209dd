"""Lattice iCE40."""

from s2nn_hw.family.record import Family

ICE40 = Family(
    "Lattice iCE40",
    "LUT4",
    "EBR",
    4 * 1024,
    blocks=((1.0, 64, ((256, 16), (512, 8), (1024, 4), (2048, 2))),),
    rom_bit=1 / 16,
    lutram=None,
    lutram_ports=(),
    rom_rows=16,
    rom_mux=1.5,
    inputs=4,
    carry=1,
    double=1.0,
    reload=0.0,
    start=1.0,
    preset=1.0,
    queue=0.7,
    scan=6.5,
    fire=0.8,
    argmax=2.9,
    winner=3.0,
    pixel=1.0,
    layer=25,
    fixed=330,
    window=(97, 97, 45),
    gate=1.0,
    link=(1015, 660, 1.2, 3.3),
    name="ice40",
    apart=0.55,
    # cells and blocks are counted as placement makes them, and a slow clock leaves routing easy
    room=(0.98, 1.0, 1.0),
)
