"""The house: which room reads which, no circles, short files, and nobody who asks an engine for its name."""

import ast
import re

import pytest

from benchmarks.house import ORDER, PICTURE, ROOT, arrows, circles, drawing, module_of, modules, room_of, sources
from s2nn_hw.circuit.engines import ENGINES

LEVEL = {room: level for level, rooms in enumerate(ORDER) for room in rooms}
LONGEST = 400
# where an object of these may be asked for its class: where they are made and kept
CLASSES = {"Dense", "Conv2d", "PooledDense", "MaxPool", "Or", "Fire", "Readout"} | {
    e.__name__ for e in ENGINES.values()
}
OWN = ("s2nn_hw.network.", "s2nn_hw.circuit.engines.")


def test_every_room_has_its_place():
    assert set(arrows()) == set(LEVEL)


@pytest.mark.parametrize("room", sorted(LEVEL))
def test_rooms_read_downwards(room):
    assert [other for other in arrows()[room] if LEVEL[other] >= LEVEL[room]] == []


def test_the_picture_is_new():
    assert PICTURE.read_text() == drawing(), "draw it again: make docs-house"


def test_no_modules_read_each_other():
    assert circles() == []


def test_the_command_line_reads_rooms_only_inside_commands():
    tree = ast.parse((ROOT / "cli" / "main.py").read_text())
    top = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {alias.name for node in top if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in top if isinstance(node, ast.ImportFrom)}
    own = {name for name in names if name.startswith("s2nn_hw.")}
    assert {room_of(name) for name in own} <= {"base", "cli"}
    assert names - own <= {"errno", "sys", "pathlib", "typing", "typer"}


@pytest.mark.parametrize("path", sources(), ids=module_of)
def test_files_stay_short(path):
    assert len(path.read_text().splitlines()) <= LONGEST


def test_no_room_is_a_third_of_the_house():
    lines = {}
    for module, path in modules().items():
        lines[room_of(module)] = lines.get(room_of(module), 0) + len(path.read_text().splitlines())
    assert max(lines.values()) <= 0.3 * sum(lines.values())


def test_nobody_asks_an_engine_a_neuron_or_a_synapse_for_its_class():
    found = []
    for module, path in modules().items():
        tree = ast.parse(path.read_text())
        read = {alias.name for node in ast.walk(tree) for alias in _imported(node)}
        for node in ast.walk(tree):
            asks = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "isinstance"
            if asks and not module.startswith(OWN):
                names = {part.id for part in ast.walk(node.args[1]) if isinstance(part, ast.Name)}
                found += [f"{path.relative_to(ROOT)}:{node.lineno}"] if names & read & CLASSES else []
    assert found == []


def _imported(node):
    """Return the names that ``node`` imports from where engines, neurons and synapses are kept."""
    ours = isinstance(node, ast.ImportFrom) and f"{node.module}.".startswith(OWN)
    return node.names if ours else []


def test_nobody_compares_the_names_of_engines():
    found = []
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Compare):
                words = {part.value for part in ast.walk(node) if isinstance(part, ast.Constant)}
                found += [f"{path.relative_to(ROOT)}:{node.lineno}"] if words & set(ENGINES) else []
    assert found == []


def test_every_port_has_its_line():
    wanting = []
    for module, path in modules().items():
        for circuit in [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ClassDef)]:
            lines = re.findall(r"^(``.+``|\w+):", ast.get_docstring(circuit) or "", re.MULTILINE)
            told = set(re.findall(r"\w+", " ".join(lines)))
            wanting += [f"{module}.{circuit.name}: {port}" for port in _ports(circuit) if port not in told]
    assert wanting == []


def _ports(circuit: ast.ClassDef) -> list[str]:
    """Return the names that dictionaries of ``In(...)`` and ``Out(...)`` in ``circuit`` give its ports."""
    return [
        key.value
        for table in ast.walk(circuit)
        if isinstance(table, ast.Dict)
        for key, value in zip(table.keys, table.values, strict=True)
        if isinstance(key, ast.Constant) and isinstance(value, ast.Call) and ast.unparse(value.func) in ("In", "Out")
    ]
