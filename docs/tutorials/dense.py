# %% [markdown]
# # Your own dense net in ten minutes
#
# An ordinary `nn.Module` with spikes between its layers, trained in an ordinary loop on Fashion-MNIST, becomes Verilog that has
# been proved against it. You need the installation of the README, and nothing but Python.
#
# ## Images
#
# The data set where it is there (or can be downloaded), else the 300 images that come with the package: enough to see all the steps.

# %%
import torch
from torch import nn

import s2nn_hw
import s2nn_hw.nn as snn
from s2nn_hw.quantize.data import sets

try:
    (x, y), (x_test, y_test) = sets.load("fashion-mnist", "train"), sets.load("fashion-mnist", "test")
except s2nn_hw.UserError as reason:
    print(f"{reason}\n\nso the images of the package are used")
    x, y = sets.samples("fashion-mnist")
    x, y, x_test, y_test = x[:200], y[:200], x[200:], y[200:]
x, x_test = (torch.tensor(images).float() / 255 for images in (x, x_test))
y, y_test = (torch.tensor(labels).long() for labels in (y, y_test))
x.shape, x_test.shape

# %% [markdown]
# ## The network
#
# Weights of 4 bits and spikes from the first step of training on, so nothing is lost afterwards. Batch norms are torch's own: the
# circuit has none, they become thresholds. The last layer has one scale for all classes.

# %%
torch.manual_seed(0)
model = nn.Sequential(
    nn.Flatten(),
    snn.QuantLinear(784, 128, bits=4),
    nn.BatchNorm1d(128),
    snn.Fire(),
    snn.QuantLinear(128, 10, bits=4, shared=True),
)
optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
for _ in range(2 if len(x) > 1000 else 40):
    for chosen in torch.randperm(len(x)).split(100):
        loss = nn.functional.cross_entropy(model(x[chosen]), y[chosen])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

# %% [markdown]
# ## From the module to proved Verilog
#
# `from_torch` traces the module and says how far the integers are the module's: all hidden spikes and classes.

# %%
found = s2nn_hw.from_torch(model, x_test, labels=y_test, name="mine")
print(found.agreement)

# %% [markdown]
# The circuit, and the first test images through it in a simulator: every spike, score, class and cycle is compared with the
# golden model.

# %%
s2nn_hw.write_verilog(found.network, "mine")
proof = s2nn_hw.verify(found.network, found.images(x_test[:50]), y_test[:50].numpy())
print(proof)

# %% [markdown]
# `mine` has `accelerator.v`, its interface as JSON, test vectors and a bench for any simulator.
#
# ## Onto a board
#
# A plan is the circuit's parallelism: here as fast as fits on a ULX3S.

# %%
plan = s2nn_hw.make_plan(found.network, "ulx3s", found.images(x_test[:20]))
print(plan.note["estimate"])
found.save("mine.s2nn")

# %% [markdown]
# From here the commands take over:
#
#     s2nn-hw bitstream mine.s2nn --board ulx3s
#     s2nn-hw report mine.s2nn --board ulx3s --html
