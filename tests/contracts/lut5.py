"""A toy family: look-up tables of five inputs, carry chains by the bit, block RAM of 2 Kbit."""

from s2nn_hw.family.record import Family

LUT5 = Family(
    title="Toy of five inputs",
    lut_kind="LUT5",
    bram_kind="RAM2K",
    block_bits=2 * 1024,
    blocks=((1.0, 40, ((128, 16), (256, 8), (512, 4))),),
    rom_bit=1 / 32,
    lutram=None,
    lutram_ports=(),
    rom_rows=32,
    rom_mux=1,
    inputs=5,
    carry=1,
    double=1.0,
    reload=0.0,
    start=1.0,
    preset=0.0,
    queue=0.5,
    scan=6.0,
    fire=0.5,
    argmax=2.0,
    winner=2.5,
    pixel=1.0,
    layer=25,
    fixed=200,
    window=(60, 80, 40),
    gate=1.0,
    link=(700, 400, 1.0, 2.0),
    name="lut5",
)
