"""Verilog that stands alone: legal names, equal widths, a bench beside it."""
