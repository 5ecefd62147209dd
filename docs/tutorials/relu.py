# %% [markdown]
# # Converting a ReLU network
#
# A network with ReLU that somebody trained without a thought of spikes: its activations become numbers of some bits, a plane of
# spikes a bit. No training follows.

# %%
import torch
from torch import nn

import s2nn_hw
from s2nn_hw.quantize.data import sets

images, labels = sets.samples("fashion-mnist")
x, y = torch.tensor(images).float() / 255, torch.tensor(labels).long()
torch.manual_seed(0)
model = nn.Sequential(
    nn.Flatten(), nn.Linear(784, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10)
)
optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
for _ in range(30):
    for chosen in torch.randperm(200).split(50):
        loss = nn.functional.cross_entropy(model(x[chosen]), y[chosen])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

# %% [markdown]
# ## How many bits an activation needs
#
# Each bit is a plane of spikes: one more doubles the levels, and costs about one more pass over the spikes. The 100 images that
# were not trained on tell what is lost.

# %%
for bits in (1, 2, 3, 4, 6):
    found = s2nn_hw.from_torch(model, x[200:], labels=labels[200:], activation_bits=bits, name="relu")
    print(f"{bits} bits: {found.agreement}")

# %% [markdown]
# `percentile` cuts the few largest activations, so that the levels are finer for the rest; weights of 4 bits instead of 8 halve the
# memory.

# %%
found = s2nn_hw.from_torch(model, x, labels=labels, activation_bits=4, percentile=99.9, bits=4, name="relu")
print(found.agreement)
print(*found.notes, sep="\n")

# %% [markdown]
# Where a recipe trains the network, `s2nn-hw convert` has four methods, three of which train further, see [conversion](../convert.md).
#
# ## Proof

# %%
print(s2nn_hw.verify(found.network, found.images(x[:30]), labels[:30]))
