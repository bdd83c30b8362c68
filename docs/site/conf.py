# SPDX-License-Identifier: Apache-2.0
"""Sphinx's settings for both languages. stage.py makes a source tree of each; build.py runs this."""
import os
import pathlib
import sys

HERE = pathlib.Path(os.environ["GLIM_SITE"])  # docs/site: this file is copied into each source tree
sys.path.insert(0, str(HERE))

import chinese_search  # noqa: E402
import docstrings  # noqa: E402

language = os.environ["GLIM_SITE_LANGUAGE"]  # "en", "zh_CN"
project, author = "glim", "glim"
chinese = language == "zh_CN"
html_title = "glim：语言模型为什么这样说" if chinese else "glim: why a language model said that"

extensions = ["myst_nb", "sphinx.ext.autodoc"]
source_suffix = {".md": "myst-nb", ".ipynb": "myst-nb"}
exclude_patterns = ["files/**"]
myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence"]
nb_execution_mode = "off"  # notebooks.py has run them for both languages
nb_merge_streams = True
default_role = "code"  # docstrings write `name`
autodoc_member_order = "bysource"
autodoc_typehints = "description"
python_use_unqualified_type_names = True
nitpicky = False

html_theme = "furo"
html_static_path = [str(HERE / "static")]
templates_path = [str(HERE / "templates")]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False
html_last_updated_fmt = None
html_context = {"other_language": "en" if chinese else "zh-CN", "other_name": "English" if chinese else "中文"}
html_theme_options = {"navigation_with_keys": False}
html_sidebars = {"**": ["sidebar/brand.html", "languages.html", "sidebar/search.html", "sidebar/scroll-start.html",
                        "sidebar/navigation.html", "sidebar/scroll-end.html"]}
pygments_style, pygments_dark_style = "friendly", "github-dark"


def setup(app):
    chinese_search.add(app)
    app.connect("autodoc-process-docstring", docstrings.as_rest)
