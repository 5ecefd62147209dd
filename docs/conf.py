"""The documentation as a site: ``make site`` builds it into build/site; a warning is an error.

Pages are the Markdown files of this folder; tutorials are run while the site is built, each from its beginning.
"""

import re
import sys
from pathlib import Path

import typer
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from typer.cli import get_docs_for_click

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from s2nn_hw import __version__  # noqa: E402
from s2nn_hw.cli import main  # noqa: E402

project, author, release = "s2nn_hw", "the authors of s2nn_hw", __version__
copyright = "the authors of s2nn_hw"
extensions = ["myst_nb", "sphinx.ext.autodoc"]
exclude_patterns = ["figures", "conf.py"]
html_theme, html_title = "furo", f"s2nn_hw {__version__}"
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 4
nb_custom_formats = {".py": ["jupytext.reads", {"fmt": "py:percent"}]}
nb_execution_mode, nb_execution_raise_on_error, nb_execution_timeout = "force", True, 900
nb_execution_in_temp = True
nb_execution_show_tb = True
nb_merge_streams = True
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
nitpicky = False


class Commands(SphinxDirective):
    """All commands of ``s2nn-hw``, as their ``--help`` says it."""

    def run(self) -> list[nodes.Node]:
        """Return the sections."""
        command = typer.main.get_command(main.app)
        text = get_docs_for_click(obj=command, ctx=typer.Context(command), name="s2nn-hw")
        text = re.sub(r"\A#+ .*\n", "", text)
        return self.parse_text_to_nodes(text, allow_section_headings=True)


def tables_as_written(app: Sphinx, what: str, name: str, thing: object, options: object, lines: list[str]) -> None:
    """Make paragraphs of a docstring that have columns literal blocks, in place: so they stand as in the source."""
    made: list[str] = []
    for paragraph in "\n".join(lines).split("\n\n"):
        columns = any(re.search(r"\S {2,}\S", line) for line in paragraph.splitlines())
        made += ["::", "", *(f"    {line}" for line in paragraph.splitlines()), ""] if columns else [paragraph, ""]
    lines[:] = "\n".join(made).splitlines()


def setup(app: Sphinx) -> dict[str, bool]:
    """Add what is ours to Sphinx."""
    app.add_directive("commands", Commands)
    app.connect("autodoc-process-docstring", tables_as_written)
    return {"parallel_read_safe": True}
