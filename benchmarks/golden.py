"""Images per second of the golden model, against the figure to reach and a float network of the same shape."""

from types import ModuleType

import numpy as np

from benchmarks.frame import Row, Setting, best_seconds
from s2nn_hw.network.network import Network

TITLE = "golden model, exact integers"
TARGET = 20_000
CORES = 2


def run(setting: Setting) -> list[Row]:
    """Return the rows."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(CORES)
    try:
        network, images = setting.network, setting.images
        network.forward(images[:500])
        exact = len(images) / best_seconds(lambda: network.forward(images))
        traced = len(images) / best_seconds(lambda: network.forward(images, trace=True))
        floats = (
            _float_rate(network, images, torch) if all(layer.synapses[0].flattens for layer in network.layers) else None
        )
    finally:
        torch.set_num_threads(before)
    return [
        Row("class and scores", exact, "images/s", TARGET, "figure to reach, two cores", "higher", binding=True),
        Row("class and scores", exact, "images/s", floats, "PyTorch float32, same shape", "higher"),
        Row("with every layer's trace", traced, "images/s", TARGET, "the same", "higher"),
    ]


def _float_rate(network: Network, images: np.ndarray, torch: ModuleType) -> float:
    """Return images/s of the PyTorch float32 network of the same shape."""
    layers = []
    for layer in network.layers:
        layers += [torch.nn.Linear(layer.synapses[0].weights.shape[1], layer.synapses[0].neurons), torch.nn.ReLU()]
    peer = torch.nn.Sequential(*layers[:-1])
    pixels = torch.tensor(network.encode(images), dtype=torch.float32)

    def forward() -> None:
        with torch.inference_mode():
            for part in pixels.split(2048):
                peer(part)

    forward()
    return len(images) / best_seconds(forward)
