"""Images per second of the golden model, against the figure to reach and a float network of the same shape."""

import numpy as np

from benchmarks.frame import Row, Setting, best_seconds
from s2nn_hw.network.network import Network

TITLE = "golden model, exact integers"
TARGET = 20_000
CORES = 2


def run(setting: Setting) -> list[Row]:
    """Return the rows; numpy's matrix products take the cores that there are, or ``OMP_NUM_THREADS`` of them."""
    network, images = setting.network, setting.images
    network.forward(images[:500])
    exact = len(images) / best_seconds(lambda: network.forward(images))
    traced = len(images) / best_seconds(lambda: network.forward(images, trace=True))
    flat = all(layer.synapses[0].flattens for layer in network.layers)
    floats = _float_rate(network, images) if flat else None
    return [
        Row("class and scores", exact, "images/s", TARGET, "figure to reach, two cores", "higher", binding=True),
        Row("class and scores", exact, "images/s", floats, "PyTorch float32, same shape, two cores", "higher"),
        Row("with every layer's trace", traced, "images/s", TARGET, "the same", "higher"),
    ]


def _float_rate(network: Network, images: np.ndarray) -> float:
    """Return images/s of the PyTorch float32 network of the same shape."""
    import torch

    layers = []
    for layer in network.layers:
        layers += [torch.nn.Linear(layer.synapses[0].weights.shape[1], layer.synapses[0].neurons), torch.nn.ReLU()]
    peer = torch.nn.Sequential(*layers[:-1])
    pixels = torch.tensor(network.encode(images), dtype=torch.float32)

    def forward() -> None:
        with torch.inference_mode():
            for part in pixels.split(2048):
                peer(part)

    before = torch.get_num_threads()
    torch.set_num_threads(CORES)
    try:
        forward()
        return len(images) / best_seconds(forward)
    finally:
        torch.set_num_threads(before)
