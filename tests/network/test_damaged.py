"""Damaged files, a small number here; ``make damaged`` draws 5,000: refused in one line, or read as documented."""

from tests.support.damaged import run


def test_damaged_files_are_refused_in_one_line(tmp_path):
    counts, problems = run(420, 20_000, tmp_path)
    assert not problems
    assert all(found["accepted"] and found["refused"] for found in counts.values())
    assert max(found["slowest"] for found in counts.values()) < 20  # against hanging; the aim is a second
