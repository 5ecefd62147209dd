"""The house as its imports show it: rooms, modules, which reads which; ``python -m benchmarks.house`` draws it.

    python -m benchmarks.house [-o docs/figures/house.svg]

Rooms stand in rows: each may read those below it; ``tests/test_structure.py`` holds the rows and the picture to it.
"""

import argparse
import ast
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

from s2nn_hw.files import write_text

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "docs" / "figures" / "house.svg"
PACKAGE = ROOT / "s2nn_hw"
LINKED = tuple(sorted(path.name for path in PACKAGE.iterdir() if path.is_symlink()))
BASE = "base"  # the files that every room may read
ABOVE = ("design", "accelerator", "emit", "nn", "api")  # files beside the rooms that are read by some of them alone
BESIDE = {"sequence_design": "design", "sequence_accelerator": "accelerator", "emit_sequences": "emit"}  # and theirs
# every room may read those before it; what stands in one line does not read each other
ORDER = (
    (BASE,),
    ("family",),
    ("network",),
    ("circuit",),
    ("cycles",),
    ("design",),
    ("cost", "verilog"),
    ("plan",),
    ("accelerator",),
    ("emit",),
    ("ip", "quantize", "sim", "hw"),
    ("nn", "report"),
    ("explore",),
    ("api",),
    ("cli",),
    ("benchmarks",),
)
WIDTH, HEIGHT, GAP, MARGIN = 292, 44, 26, 20  # px, of a room and between rooms


def sources() -> list[Path]:
    """Return the files of the house, tests apart, sorted."""
    folders = [PACKAGE, *(ROOT / name for name in LINKED), ROOT / "benchmarks"]
    found = [path for folder in folders for path in folder.rglob("*.py") if not path.name.startswith("test_")]
    # some Pythons follow the links of s2nn_hw/ to the rooms at the top, some do not
    return sorted({path for path in found if path.relative_to(ROOT).parts[:2] not in {("s2nn_hw", n) for n in LINKED}})


def module_of(path: Path) -> str:
    """Return the import name of a file of the house."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    parts = ("s2nn_hw", *parts) if parts[0] in LINKED else parts
    return ".".join(parts).removesuffix(".__init__")


@cache
def modules() -> dict[str, Path]:
    """Return ``{module: its file}``."""
    return {module_of(path): path for path in sources()}


def room_of(module: str) -> str:
    """Return the room of ``module``: a folder of the package, a file beside them, ``base``, ``cli``, ``benchmarks``."""
    parts = module.split(".")
    if parts[0] != "s2nn_hw":
        return parts[0]
    if len(parts) == 1 or parts[1] == "__main__":
        return BASE if len(parts) == 1 else "cli"
    if parts[1] in BESIDE:
        return BESIDE[parts[1]]
    if parts[1] in ABOVE or (PACKAGE / parts[1]).is_dir():
        return parts[1]
    return BASE


@cache
def imports() -> dict[str, set[str]]:
    """Return ``{module: modules that it reads}``, those inside functions too."""
    return {module: _read(path) for module, path in modules().items()}


def _read(path: Path) -> set[str]:
    found: set[str] = set()
    if path == PACKAGE / "__init__.py":
        return found  # it names what stands in api.py, and reads it when it is asked for
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [name if name in modules() else node.module for name in names]
        found.update(name for name in names if name in modules())
    return found - {module_of(path)}


def arrows() -> dict[str, set[str]]:
    """Return ``{room: rooms that it reads}``."""
    found: dict[str, set[str]] = {}
    for module, read in imports().items():
        found.setdefault(room_of(module), set()).update(room_of(other) for other in read)
    return {room: read - {room} for room, read in found.items()}


def circles() -> list[list[str]]:
    """Return the groups of modules that read each other, each sorted."""
    number: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(module: str) -> None:
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


def purpose(room: str) -> str:
    """Return the first sentence of what ``room`` says of itself."""
    if room == BASE:
        return "errors, files, texts, terminal, compiled"
    module = "benchmarks" if room == "benchmarks" else f"s2nn_hw.{room}"
    text = ast.get_docstring(ast.parse(modules()[module].read_text())) or ""
    return text.split("\n")[0].split(":")[0].split(";")[0].rstrip(".")


def nearest() -> dict[str, set[str]]:
    """Return ``{room: rooms that it reads}`` without those that one of the others reads as well."""
    read = arrows()
    return {
        room: {other for other in found if not any(other in read[one] for one in found)} for room, found in read.items()
    }


def drawing() -> str:
    """Return the house as SVG: a box a room, lines from above to below to the :func:`nearest` rooms that it reads."""
    widest = max(map(len, ORDER))
    width = 2 * MARGIN + widest * WIDTH + (widest - 1) * GAP
    height = 2 * MARGIN + len(ORDER) * HEIGHT + (len(ORDER) - 1) * GAP
    places = {}
    for row, rooms in enumerate(reversed(ORDER)):
        left = (width - len(rooms) * WIDTH - (len(rooms) - 1) * GAP) / 2
        for column, room in enumerate(rooms):
            places[room] = left + column * (WIDTH + GAP), MARGIN + row * (HEIGHT + GAP)
    svg = ElementTree.Element(
        "svg", xmlns="http://www.w3.org/2000/svg", viewBox=f"0 0 {width} {height}", width=str(width)
    )
    ElementTree.SubElement(svg, "rect", width="100%", height="100%", fill="#ffffff")
    for room, others in sorted(nearest().items()):
        for other in sorted(others):
            _line(svg, places[room], places[other])
    for room, (x, y) in places.items():
        _box(svg, room, x, y)
    ElementTree.indent(svg)
    return ElementTree.tostring(svg, encoding="unicode") + "\n"


def _line(svg: ElementTree.Element, above: tuple[float, float], below: tuple[float, float]) -> None:
    """Draw one arrow: straight to the next row, round the boxes between to farther ones."""
    (x, y), (u, v) = above, below
    start, end = (x + WIDTH / 2, y + HEIGHT), (u + WIDTH / 2, v)
    rows = round((v - y) / (HEIGHT + GAP))
    bow = 0 if rows == 1 else (WIDTH / 2 + 12 * rows) * (1 if rows % 2 else -1)
    middle = (start[1] + end[1]) / 2
    path = f"M{start[0]:g} {start[1]:g} Q{(start[0] + end[0]) / 2 + bow:g} {middle:g} {end[0]:g} {end[1]:g}"
    ElementTree.SubElement(svg, "path", d=path, fill="none", stroke="#94a3b8")


def _box(svg: ElementTree.Element, room: str, x: float, y: float) -> None:
    box = {"x": f"{x:g}", "y": f"{y:g}", "width": str(WIDTH), "height": str(HEIGHT), "rx": "6"}
    ElementTree.SubElement(svg, "rect", box, fill="#f1f5f9", stroke="#475569")
    for text, down, size, weight in ((room, 18, 14, "bold"), (purpose(room), 35, 11, "normal")):
        style = {"font-family": "sans-serif", "font-size": str(size), "font-weight": weight, "text-anchor": "middle"}
        label = ElementTree.SubElement(svg, "text", style, x=f"{x + WIDTH / 2:g}", y=f"{y + down:g}")
        label.text = text


def main(arguments: list[str] | None = None) -> None:
    """Write the picture."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.house", description="Draw the house from its imports.")
    parser.add_argument("-o", "--output", type=Path, default=PICTURE, help="an .svg file (default: %(default)s)")
    write_text(parser.parse_args(arguments).output, drawing())


if __name__ == "__main__":
    main()
