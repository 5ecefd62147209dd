"""The IP block: a network behind AXI4-Stream, packaged for other people's designs, with bench and data sheet."""
