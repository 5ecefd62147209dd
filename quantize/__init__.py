"""From PyTorch to integers: neuron, layers, data sets, training, quantizer."""
