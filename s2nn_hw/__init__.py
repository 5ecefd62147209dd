"""FPGA hardware generator for single-step spiking neural networks: integer network, circuits, reports."""

__version__ = "0.4.0"
