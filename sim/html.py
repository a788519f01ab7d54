"""What the pages share: one file that opens offline, figures inside."""

from __future__ import annotations

import base64
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

__all__ = ["image", "render_template"]


def render_template(name: str, **values: Any) -> str:
    """Fill a template of ``sim/templates``; values are escaped, a missing one is an error."""
    environment = Environment(loader=PackageLoader("sim"), autoescape=True, undefined=StrictUndefined)
    return environment.get_template(name).render(**values)


def image(name: str, svg: str) -> Markup:
    """SVG text as an image inside the page; `name` is its alternative text."""
    data = base64.b64encode(svg.encode()).decode()
    return Markup('<img alt="{}" src="data:image/svg+xml;base64,{}">').format(name.replace("_", " "), data)
