"""Pictures and tables in documents: the marked parts, the same bytes twice, marks that mean nothing."""

import subprocess
import sys
from pathlib import Path

import pytest

from s2nn_hw.errors import UserError
from s2nn_hw.report.documents import update
from s2nn_hw.report.literature import load_literature
from tests.support.reports import sample

TEXT = """# A title

<!-- figures:overview -->
old
<!-- /figures:overview -->
between
<!-- figures:mnist-mlp/timeline -->
<!-- /figures:mnist-mlp/timeline -->
<!-- figures:compare/luts-accuracy-mnist --><!-- /figures:compare/luts-accuracy-mnist -->
<!-- figures:literature -->
<!-- /figures:literature -->
the end
"""


@pytest.fixture
def document(tmp_path):
    path = tmp_path / "docs" / "page.md"
    path.parent.mkdir()
    path.write_text(TEXT)
    return path


def run(document, *reports):
    return update(
        reports or [sample(), sample(residual=True)],
        [document],
        document.parents[1] / "docs" / "figures",
        literature=load_literature(),
    )


def test_marked_parts_are_replaced_and_nothing_else(document):
    written = run(document)
    text = document.read_text()
    assert {path.name for path in written} == {
        "page.md",
        "mnist-mlp-timeline-light.svg",
        "mnist-mlp-timeline-dark.svg",
        "compare-luts-accuracy-mnist-light.svg",
        "compare-luts-accuracy-mnist-dark.svg",
    }
    assert text.startswith("# A title\n\n<!-- figures:overview -->\n| network |")
    assert text.endswith("<!-- /figures:literature -->\nthe end\n")
    assert "\nold\n" not in text
    assert "\nbetween\n" in text
    assert "| mnist-mlp | MNIST | ULX3S (85F) | 99.03 % | 12,850 LUT4 | 68 DP16KD | 80 MHz | 2.538 \u00b5s |" in text
    assert 'srcset="figures/mnist-mlp-timeline-dark.svg"' in text
    assert "Spiker+" in text
    picture = (document.parent / "figures" / "mnist-mlp-timeline-light.svg").read_text()
    assert picture.startswith("<svg")
    assert "http" not in picture.replace("http://www.w3.org/", "")


def test_a_second_run_writes_nothing(document):
    run(document)
    before = {path: path.read_bytes() for path in document.parent.rglob("*") if path.is_file()}
    assert run(document) == []
    assert before == {path: path.read_bytes() for path in document.parent.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<!-- figures:overview -->", "has no <!-- /figures:overview --> behind it"),
        ("<!-- figures:x/timeline --><!-- /figures:x/timeline -->", "is of no report given; there are mnist-mlp"),
        ("<!-- figures:mnist-mlp/x --><!-- /figures:mnist-mlp/x -->", "no such figure; there are timeline"),
    ],
)
def test_marks_that_mean_nothing_change_nothing(document, text, said):
    document.write_text("<!-- figures:overview --><!-- /figures:overview -->" + text)
    with pytest.raises(UserError, match=said):
        run(document)
    assert document.read_text().endswith(text)
    assert list(document.parent.iterdir()) == [document]


def test_two_reports_of_one_network_need_the_board(document):
    document.write_text("<!-- figures:mnist-mlp/latency --><!-- /figures:mnist-mlp/latency -->")
    with pytest.raises(UserError, match="could be of 2 reports; write NETWORK@BOARD/latency"):
        run(document, sample(), sample(board=False))
    document.write_text(document.read_text().replace("mnist-mlp/", "mnist-mlp@ulx3s/"))
    run(document, sample(), sample(board=False))
    assert (document.parent / "figures" / "mnist-mlp-ulx3s-latency-light.svg").exists()


def test_names_from_reports_are_only_text(document):
    report = sample()
    report["network"]["data_set"] = 'a|b <img src="x"> [c](d)'
    document.write_text("<!-- figures:overview -->\n<!-- /figures:overview -->")
    run(document, report)
    assert "a\\|b &lt;img src=&quot;x&quot;&gt; \\[c\\](d)" in document.read_text()


def test_bad_input_is_one_line_and_status_2(document):
    root = Path(__file__).parents[2]
    out = subprocess.run(
        [sys.executable, "-m", "s2nn_hw.report.documents", "none.json", "--in", str(document)],
        capture_output=True,
        text=True,
        cwd=root,
        check=False,
    )
    assert out.returncode == 2
    assert out.stderr == "error: report none.json does not exist\n"
