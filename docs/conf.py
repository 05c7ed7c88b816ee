# SPDX-License-Identifier: Apache-2.0
"""
Configure Sphinx: `make docs` builds README.md and docs/ into a site that needs no network.

The source is the checkout itself, so that a link means the same in the site and in a browser of the repository. The
README's section "Documents" is the table of contents.
"""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from docutils.nodes import Element, TextElement
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

import architecture  # noqa: E402 - found in scripts/

project = "airflow-provider-workflows"
root_doc = "README"
extensions = ["autoapi.extension", "myst_parser"]
include_patterns = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "docs/*.md", "docs/*.rst"]
# Not even looked into.
exclude_patterns = [".*", "airflow_provider_workflows", "benchmarks", "build", "dist", "scripts", "tests"]
html_theme = "furo"
html_title = project
html_copy_source = False
# A block that names no language has none.
highlight_language = "none"

# Headings are anchors, as they are in a browser of the repository; what leads nowhere is a warning, and so an error.
myst_heading_anchors = 4
nitpicky = True
# What docstrings speak of and the reference does not have: Airflow's errors, and what is not for users.
nitpick_ignore_regex = [
    ("py:exc", "Airflow.*|ApiError"),
    ("py:class", r"airflow_provider_workflows\.(api|auth|testing\.clock|testing\.requestlog)\..*"),
    ("py:meth", r"HistoryMethods\..*"),
]

# The reference is read from the source, without importing it; docs/api.rst chooses from it.
autoapi_dirs = [str(ROOT / "airflow_provider_workflows")]
autoapi_generate_api_docs = False
autoapi_options = ["members", "show-inheritance"]
autodoc_typehints = "none"
# What compat.py hands on is Airflow's, which is not installed where the site is built.
suppress_warnings = ["autoapi.python_import_resolution"]


def contents(readme: str) -> str:
    """Return the site's tree: a caption and its pages for each item of the README's section "Documents"."""
    section = readme.partition("\n## Documents\n")[2]
    trees = []
    for caption, item in re.findall(r"^- \*\*(.+?):\*\*(.+?)(?=^- |\Z)", section, re.MULTILINE | re.DOTALL):
        pages = re.findall(r"\]\(([\w/]+)\.(?:md|rst)\)", item)
        if "docs/google" in pages and (ROOT / "docs/verified.md").exists():  # written by `make verify-google`
            pages.append("docs/verified")
        trees.append("\n".join(["```{toctree}", ":hidden:", f":caption: {caption}", "", *pages, "```"]))
    return "\n\n".join(trees)


def _add_contents(_app: Sphinx, page: str, source: list[str]) -> None:
    if page == root_doc:
        source[0] += f"\n{contents(source[0])}\n"


def _find_short_name(app: Sphinx, env: BuildEnvironment, node: Element, text: TextElement) -> Element | None:
    """Resolve a name that a docstring gives as its module knows it, without the module's name."""
    if node.get("refdomain") != "py" or node.get("refspecific"):
        return None
    node["refspecific"] = True  # look for it in all modules
    return env.get_domain("py").resolve_xref(
        env, node["refdoc"], app.builder, node["reftype"], node["reftarget"], node, text
    )


def _begin_at_the_readme(app: Sphinx, error: Exception | None) -> None:
    if error is None:
        shutil.copy(Path(app.outdir) / f"{root_doc}.html", Path(app.outdir) / "index.html")


def setup(app: Sphinx) -> None:
    """Draw the architecture, and let Sphinx ask the functions above."""
    architecture.write()
    app.connect("source-read", _add_contents)
    app.connect("missing-reference", _find_short_name)
    app.connect("build-finished", _begin_at_the_readme)
