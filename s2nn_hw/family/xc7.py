"""Xilinx 7 series."""

from s2nn_hw.family.record import Family

XC7 = Family(
    "Xilinx 7 series",
    "LUT6",
    "RAMB36",
    36 * 1024,
    blocks=(
        (0.5, 129, ((512, 36), (1024, 18), (2048, 9), (4096, 4), (8192, 2), (16384, 1))),
        (1.0, 257, ((512, 72), (1024, 36), (2048, 18), (4096, 9), (8192, 4), (16384, 2), (32768, 1))),
    ),
    rom_bit=1 / 64,
    lutram=(8, 4, ((32, 6), (64, 3))),
    lutram_ports=((32, 2), (64, 1)),
    rom_rows=64,
    rom_mux=1,
    inputs=6,
    carry=1,
    double=0.0,
    reload=0.0,
    start=0.35,
    preset=0.0,
    queue=0.0,
    scan=6.0,
    fire=0.35,
    argmax=1.7,
    winner=2.1,
    pixel=1.0,
    layer=25,
    fixed=160,
    window=(20, 54, 25),
    gate=1.0,
    link=(542, 344, 0.4, 1.0),
    name="xc7",
    shift=3,
    output_registers=True,
    # yosys 0.70, builds of random and trained tables, weights of 1 to 3 bits: multiplexers of the slice join tables up
    # to 256 rows, further tables join those
    rom_curve=((64, 1.0), (65, 2.1), (128, 2.1), (129, 3.1), (256, 4.0), (512, 9.2)),
)
