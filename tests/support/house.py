"""The house as its imports show it: rooms, modules, and which reads which."""

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "s2nn_hw"
LINKED = tuple(sorted(path.name for path in PACKAGE.iterdir() if path.is_symlink()))
BASE = "base"  # the files that every room may read
ABOVE = ("design", "accelerator", "emit")  # files beside the rooms that are read by some of them alone


def sources():
    """Return the files of the house, tests apart, sorted."""
    folders = [PACKAGE, *(ROOT / name for name in LINKED), ROOT / "benchmarks"]
    found = [path for folder in folders for path in folder.rglob("*.py") if not path.name.startswith("test_")]
    # some Pythons follow the links of s2nn_hw/ to the rooms at the top, some do not
    return sorted({path for path in found if path.relative_to(ROOT).parts[:2] not in {("s2nn_hw", n) for n in LINKED}})


def module_of(path):
    """Return the import name of a file of the house."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    parts = ("s2nn_hw", *parts) if parts[0] in LINKED else parts
    return ".".join(parts).removesuffix(".__init__")


@cache
def modules():
    """Return ``{module: its file}``."""
    return {module_of(path): path for path in sources()}


def room_of(module):
    """Return the room of ``module``: a folder of the package, a file beside them, ``base``, ``cli``, ``benchmarks``."""
    parts = module.split(".")
    if parts[0] != "s2nn_hw":
        return parts[0]
    if len(parts) == 1 or parts[1] == "__main__":
        return BASE if len(parts) == 1 else "cli"
    if parts[1] in ABOVE or (PACKAGE / parts[1]).is_dir():
        return parts[1]
    return BASE


@cache
def imports():
    """Return ``{module: modules that it reads}``, those inside functions too."""
    return {module: _read(path) for module, path in modules().items()}


def _read(path):
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [name if name in modules() else node.module for name in names]
        found.update(name for name in names if name in modules())
    return found - {module_of(path)}


def arrows():
    """Return ``{room: rooms that it reads}``."""
    found = {}
    for module, read in imports().items():
        found.setdefault(room_of(module), set()).update(room_of(other) for other in read)
    return {room: read - {room} for room, read in found.items()}


def circles():
    """Return the groups of modules that read each other, each sorted."""
    number, low, stack, found = {}, {}, [], []

    def visit(module):
        number[module] = low[module] = len(number)
        stack.append(module)
        for other in imports()[module]:
            if other not in number:
                visit(other)
                low[module] = min(low[module], low[other])
            elif other in stack:
                low[module] = min(low[module], number[other])
        if low[module] == number[module]:
            group = stack[stack.index(module) :]
            del stack[stack.index(module) :]
            if len(group) > 1:
                found.append(sorted(group))

    for module in imports():
        if module not in number:
            visit(module)
    return found
