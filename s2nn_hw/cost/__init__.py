"""How much it takes: LUTs, flip-flops and block RAMs before any synthesis."""
