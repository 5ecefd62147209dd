# %% [markdown]
# # The circuit in your own design
#
# A block with AXI4-Stream in and out, for Vivado, LiteX or anything else. The folder that comes needs neither Python nor this project.

# %%
import json
import shutil
import subprocess
import sys
from pathlib import Path

import s2nn_hw

models = Path(s2nn_hw.__file__).parents[1] / "models"
command = [
    sys.executable,
    "-m",
    "s2nn_hw",
    "ip",
    str(models / "mnist-tiny.s2nn"),
    "-o",
    "digits",
    "--name",
    "digits",
    "--axi-lite",
]
print(subprocess.run(command, capture_output=True, text=True, check=True, cwd=".").stdout)
print(*sorted(path.name for path in Path("digits").iterdir()), sep="\n")

# %% [markdown]
# ## The data sheet
#
# `README.md` and `datasheet.html` have ports, bytes and registers; `ip.json` says the same to programs.

# %%
about = json.loads(Path("digits/ip.json").read_text())
print(*about, sep=", ")

# %% [markdown]
# ## Its bench
#
# Plain Verilog with vectors: random stalls on both sides, every result compared, PASS or FAIL.

# %%
if shutil.which("iverilog"):
    done = subprocess.run(["make", "-s", "-C", "digits", "icarus"], capture_output=True, text=True, check=True)
    print(done.stdout.strip().splitlines()[-1])

# %% [markdown]
# ## Into Vivado
#
#     vivado -mode batch -source digits/package_ip.tcl
#
# packages the block for the catalogue; then it is dragged into a block design like any other, `s_axis` to a DMA's stream, `m_axis` back.
# This script was not run in Vivado by this project ([the IP block](../ip.md) says what was tried with which tool).
#
# ## Into LiteX
#
# `litex_wrapper.py` is a `LiteXModule` with `sink` and `source`:

# %%
print(Path("digits/litex_wrapper.py").read_text())
