"""Pages that need nothing beside them: no network, no script. Whatever is put into them is text, and no markup."""

from functools import cache
from importlib import resources

import jinja2
from markupsafe import Markup


def page(template: str, title: str, **values: object) -> str:
    """HTML by a template beside this module, in the style of the web page. `values`: what the template names.

    jinja2.UndefinedError if one is missing.
    """
    style = Markup(resources.files("fip").joinpath("monitor", "assets", "style.css").read_text())
    return _environment().get_template(template).render(style=style, title=title, **values)


@cache
def _environment() -> jinja2.Environment:
    loader = jinja2.FunctionLoader(lambda name: resources.files("fip").joinpath("archive", name).read_text())
    return jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, loader=loader)
