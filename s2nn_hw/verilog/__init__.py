"""Verilog that stands alone: legal names, equal widths, a bench beside it; and what yosys writes, as records."""
