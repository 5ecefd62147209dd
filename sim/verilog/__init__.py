"""The generated Verilog in a simulator, compared with the golden model."""
