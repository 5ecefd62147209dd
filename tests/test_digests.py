"""What a build is known by: a changed source in any folder and a changed database are another build."""

import os
import shutil
from pathlib import Path

import s2nn_hw
from hw import digests
from hw.digests import database_digest, generator_digest
from hw.openxc7 import find_databases


def test_every_source_counts_in_whatever_folder(tmp_path, monkeypatch):
    for package in (s2nn_hw, digests):
        folder = Path(package.__file__).parent
        shutil.copytree(folder, tmp_path / folder.name, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(s2nn_hw, "__file__", str(tmp_path / "s2nn_hw" / "__init__.py"))
    monkeypatch.setattr(digests, "__file__", str(tmp_path / "hw" / "digests.py"))
    seen = {generator_digest()}
    for name in ("s2nn_hw/new/deep/part.py", "hw/new/part.py", "s2nn_hw/report/charts/more.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x = 1\n")
        seen.add(generator_digest())
        (tmp_path / name).write_text("x = 2\n")
        seen.add(generator_digest())
    assert len(seen) == 7
    (tmp_path / "hw" / "notes.txt").write_text("no source")
    assert generator_digest() in seen


def test_databases_count_by_size_and_time(databases, tmp_path):
    found, _ = find_databases("xc7a35tcsg324-1", **databases)
    seen = {database_digest(found)}
    assert seen == {database_digest(found)}
    chipdb = tmp_path / "chipdb" / "xc7a35t.bin"
    os.utime(chipdb, ns=(1, 1))
    seen.add(database_digest(found))
    (tmp_path / "prjxray-db" / "artix7" / "segbits_clbll_l.db").write_text("CLBLL_L.SLICEL_X0.ALUT.INIT[00] 32_15\n")
    seen.add(database_digest(found))
    assert len(seen) == 3
