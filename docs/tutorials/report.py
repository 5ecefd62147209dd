# %% [markdown]
# # Reading the report
#
# What a circuit costs and how quick it is, before anything is synthesised: exact cycles, estimated resources, and which layer to
# change.

# %%
import s2nn_hw
from s2nn_hw.quantize.data import sets

network = s2nn_hw.load("models/mnist-tiny.s2nn")
images, labels = sets.samples("mnist")
report = s2nn_hw.make_report(network, "icebreaker", images, labels)
sorted(report)
