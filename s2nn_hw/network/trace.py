"""What every layer of a network sees of images."""

from s2nn_hw.network.layer import INPUT


def layer_inputs(network, images):
    """Return ``(output, values)``: the golden output with spikes, and every tensor's values ``(frames, n)`` by name."""
    output = network.forward(images, trace="spikes")
    return output, {INPUT: network.encode(images)} | {name: s.numpy() for name, s in output.spikes.items()}
