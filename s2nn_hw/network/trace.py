"""What every layer of a network sees of images."""

import numpy as np

from s2nn_hw.network.layer import INPUT
from s2nn_hw.network.network import Network, Output


def layer_inputs(network: Network, images: np.ndarray) -> tuple[Output, dict[str, np.ndarray]]:
    """Return ``(output, values)``: the golden output with spikes, and every tensor's values ``(frames, n)`` by name."""
    output = network.forward(images, trace="spikes")
    return output, {INPUT: network.encode(images)} | output.spikes
