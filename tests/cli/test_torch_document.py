"""Python blocks of docs/torch.md run as they stand, with a module and images before them."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

DOCUMENT = Path(__file__).parents[2] / "docs" / "torch.md"


def test_the_document_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    names = {
        "model": nn.Sequential(nn.Flatten(), nn.Linear(64, 12), nn.ReLU(), nn.Linear(12, 3)),
        "images": torch.rand(60, 1, 8, 8),
        "labels": np.zeros(60, int),
    }
    blocks = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        exec(compile(block, DOCUMENT.name, "exec"), names)
    assert names["found"].agreement.same_class > 50
    assert (tmp_path / "mine.s2nn").is_file()
    assert names["model"](torch.rand(3, 28, 28)).shape == (3, 10)


@pytest.mark.parametrize("path", sorted((DOCUMENT.parent / "tutorials").glob("*.py")), ids=lambda path: path.stem)
def test_tutorials_are_in_the_site(path):
    assert f"tutorials/{path.stem}\n" in (DOCUMENT.parent / "index.md").read_text()
    assert path.read_text().startswith("# %% [markdown]\n# # ")


def test_every_page_is_in_the_site():
    index = (DOCUMENT.parent / "index.md").read_text()
    assert [p.stem for p in DOCUMENT.parent.glob("*.md") if p.stem != "index" and f"\n{p.stem}\n" not in index] == []
