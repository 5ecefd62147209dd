"""cocotb benches: the generated Verilog against the golden model, bits and cycles."""
