"""What a build is known by: a changed source in any folder and a changed database are another build."""

import os
import shutil
from pathlib import Path

import s2nn_hw
from s2nn_hw.hw.flow.digests import database_digest, generator_digest
from s2nn_hw.hw.flow.openxc7 import find_databases


def test_every_source_counts_in_whatever_folder(tmp_path, monkeypatch):
    folder = Path(s2nn_hw.__file__).parent
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(s2nn_hw, "__file__", str(tmp_path / "__init__.py"))
    seen = {generator_digest()}
    for name in ("new/deep/part.py", "hw/new/part.py", "circuit/more.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x = 1\n")
        seen.add(generator_digest())
        (tmp_path / name).write_text("x = 2\n")
        seen.add(generator_digest())
    assert len(seen) == 7
    (tmp_path / "hw" / "notes.txt").write_text("no source")
    (tmp_path / "report" / "more.py").write_text("x = 1\n")  # reads what others make
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
