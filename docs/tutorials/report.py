# %% [markdown]
# # Reading the report
#
# What a circuit costs and how quick it is, before anything is synthesised: exact cycles, estimated resources, and which layer to
# change. The same as `s2nn-hw report models/mnist-tiny.s2nn --board tang_primer_20k --html`, here as data.

# %%
from pathlib import Path

import s2nn_hw
from s2nn_hw.quantize.data import sets

network = s2nn_hw.load(Path(s2nn_hw.__file__).parents[1] / "models" / "mnist-tiny.s2nn")
images, labels = sets.samples("mnist")
report = s2nn_hw.make_report(network, images, labels, board="tang_primer_20k")
print(*sorted(report), sep=", ")

# %% [markdown]
# ## Every figure has a source
#
# Accuracy is the golden model's on the images given; the circuit has the same classes, which `verify` proves. Cycles are exact, by a
# formula for each engine. Resources are an estimate until something was synthesised, then the tool's.

# %%
for name in ("accuracy", "rate"):
    print(name, report[name])
for what, row in report["resources"].items():
    used, budget = row["used"], row["budget"]
    print(f"{what:6} {used['value']:>7,} of {budget['value']:>7,} {row['kind']:6} ({used['source']})")
print("fits:", report["fits"])

# %% [markdown]
# ## Latency and interval
#
# A frame alone takes the cycles of `latency`; frames back to back come out every `interval`. They differ from image to image, as spikes
# are what takes time.

# %%
for name in ("latency", "interval"):
    cycles = report[name]["cycles"]
    print(name, {key: cycles[key] for key in ("min", "mean", "p99", "max")}, cycles["source"])

# %% [markdown]
# ## Which layer sets the rate
#
# The slowest layer does; `limiting` names it. To make it quicker, give it more banks or lanes (`s2nn-hw plan` finds how), or make the
# layer before it spike less.

# %%
for row in report["limiting"]["rows"]:
    print(f"{row['name']:10} sets the rate of {100 * row['share']:5.1f} % of the frames")

# %% [markdown]
# ## What is not said
#
# Energy stays empty without an activity run (`s2nn-hw activity`), and is then an estimate with a band: no board was measured. What each
# field means is in [reports](../report.md) and [energy](../energy.md).
