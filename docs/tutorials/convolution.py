# %% [markdown]
# # Your own convolutional net
#
# Convolutions, pooling and a residual addition, on handwritten digits. The module is written as any other; `from_torch` finds out
# which operations together are a layer of the circuit.

# %%
import torch
from torch import nn

import s2nn_hw
import s2nn_hw.nn as snn
from s2nn_hw.quantize.data import sets

images, labels = sets.samples("mnist")  # the 300 digits of the package; sets.load("mnist", "train") has all
x, y = torch.tensor(images).float()[:, None] / 255, torch.tensor(labels).long()
x.shape


# %%
class Net(nn.Module):
    """A stem, a block with a residual addition, an average over the image."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(snn.QuantConv2d(1, 12, 3, padding=1, bits=4), nn.BatchNorm2d(12), snn.Fire())
        self.pool = nn.MaxPool2d(2)
        self.body = nn.Sequential(snn.QuantConv2d(12, 12, 3, padding=1, bits=3), nn.BatchNorm2d(12))
        self.fire = snn.Fire()
        self.last = snn.QuantLinear(12, 10, bits=4, shared=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return scores."""
        x = self.pool(self.stem(x))
        x = self.fire(self.body(x) + x)
        return self.last(x.mean((2, 3)))


torch.manual_seed(0)
model = Net()
optimiser = torch.optim.AdamW(model.parameters(), lr=1e-2)
for _ in range(30):
    for chosen in torch.randperm(200).split(50):
        loss = nn.functional.cross_entropy(model(x[chosen]), y[chosen])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

# %% [markdown]
# ## What becomes of it

# %%
found = s2nn_hw.from_torch(model, x, labels=labels, name="residual")
for layer in found.network.layers:
    print(f"{layer.name:10} reads {', '.join(layer.sources):14} gives {found.network.shapes[layer.name]}")
print(found.agreement)
print(found.notes or "nothing was rounded anew")

# %% [markdown]
# The max pooling is one of spikes, the residual addition two tables of one layer (`body` reads `pool` twice: through its
# weights and through an identity), and the average is in the last layer's weights: it costs no adder.
#
# ## A module that has no form
#
# What the circuit can't do is named with its path, all at once.

# %%
try:
    s2nn_hw.from_torch(
        nn.Sequential(nn.Flatten(), nn.Linear(784, 32), nn.GELU(), nn.LayerNorm(32), nn.Linear(32, 10)), x
    )
except s2nn_hw.UserError as error:
    print(error)

# %% [markdown]
# ## Proof

# %%
print(s2nn_hw.verify(found.network, found.images(x[:20]), labels[:20]))
