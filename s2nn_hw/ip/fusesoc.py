"""The block as a core of FuseSoC (CAPI 2): targets for lint and for the bench in Icarus Verilog and Verilator."""

from typing import Any

import yaml

from s2nn_hw.ip.bench import BENCH, FILES
from s2nn_hw.ip.ipxact import LIBRARY, VENDOR, VERSION
from s2nn_hw.ip.shape import Options


def core(options: Options, description: str) -> str:
    """Return ``NAME.core``."""
    name = options.name
    hexadecimal: list[Any] = [{file: {"file_type": "user", "copyto": file}} for file in FILES.values()]
    filesets = {
        "rtl": {"files": [f"{name}.v"], "file_type": "verilogSource"},
        "lint": {"files": [f"{name}.vlt"], "file_type": "vlt"},
        "xdc": {"files": [f"{name}.xdc"], "file_type": "xdc"},
        "bench": {"files": [f"{name}_tb.v", BENCH.name, *hexadecimal], "file_type": "systemVerilogSource"},
    }
    targets = {
        "default": {"filesets": ["rtl", "tool_vivado ? (xdc)"], "toplevel": name},
        "lint": {
            "flow": "lint",
            "filesets": ["lint", "rtl"],
            "toplevel": name,
            "flow_options": {"tool": "verilator", "verilator_options": ["-Wall"]},
        },
        "sim": _sim(name, {"tool": "icarus", "iverilog_options": ["-g2012"]}),
        "sim_verilator": _sim(
            name, {"tool": "verilator", "mode": "binary", "verilator_options": ["--timing", "-CFLAGS", "-std=c++20"]}
        ),
    }
    content = {
        "name": f"{VENDOR}:{LIBRARY}:{name}:{VERSION}",
        "description": description,
        "filesets": filesets,
        "targets": targets,
    }
    return "CAPI=2:\n" + yaml.safe_dump(content, sort_keys=False, width=120)


def _sim(name: str, options: dict[str, Any]) -> dict[str, Any]:
    return {"flow": "sim", "filesets": ["rtl", "bench"], "toplevel": f"{name}_tb", "flow_options": options}
