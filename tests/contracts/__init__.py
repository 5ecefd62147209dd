"""A neuron, an engine and a family, each added by one file of this folder and a line in its table."""
