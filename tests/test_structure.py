"""The arrows between the stages, read from the imports."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ALLOWED = {
    "s2nn_hw": set(),
    "quantize": {"s2nn_hw"},
    "sim": {"s2nn_hw"},
    "hw": {"s2nn_hw"},
    "explore": {"s2nn_hw", "quantize", "hw"},
}
STAGES = set(ALLOWED)


def imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module.split(".")[0]


def modules():
    for stage in sorted(ALLOWED):
        yield from sorted((ROOT / stage).rglob("*.py"))


@pytest.mark.parametrize("path", list(modules()), ids=lambda path: str(path.relative_to(ROOT)))
def test_stages_import_one_way(path):
    stage = path.relative_to(ROOT).parts[0]
    if path == ROOT / "s2nn_hw" / "cli.py":
        return
    # benches of a stage live in sim/, so its tests may reach what they test
    allowed = STAGES if path.name.startswith("test_") else ALLOWED[stage] | {stage}
    assert STAGES & set(imports(path)) <= allowed


def test_the_command_line_imports_stages_only_inside_commands():
    tree = ast.parse((ROOT / "s2nn_hw" / "cli.py").read_text())
    top = [node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]
    names = {alias.name for node in top if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in top if isinstance(node, ast.ImportFrom)}
    assert names <= {"errno", "sys", "pathlib", "typing", "typer", "ending", "errors", "options"}


@pytest.mark.parametrize("path", list(modules()), ids=lambda path: str(path.relative_to(ROOT)))
def test_files_stay_short(path):
    assert len(path.read_text().splitlines()) <= 400
