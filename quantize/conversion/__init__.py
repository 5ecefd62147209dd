"""A trained ReLU network into a spiking one with the same activations, as integers."""
