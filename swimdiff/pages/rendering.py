"""From templates and pictures to the text of one self-contained page."""

import base64
import functools
import io
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from PIL import Image

__all__ = ['embed_picture', 'render_template']

#: Holds ``base.html.jinja`` (the frame of a page) and ``base.css`` (colours, light and dark).
_SHARED = Path(__file__).parent / 'templates'


@functools.cache
def _open_templates(folder: Path) -> Environment:
    return Environment(
        loader=FileSystemLoader([folder, _SHARED]),
        # All text of a run, a config or a file is escaped; a value that is missing is an error.
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render_template(folder: Path, name: str, /, **values: Any) -> Markup:
    """Fill a template; every text among the values is escaped.

    A whole page extends ``base.html.jinja``, which loads nothing from elsewhere and forbids the
    browser to.

    Args:
        folder: Folder of the template; shared ones are found as well.
        name: File name of the template.
        **values: Values for the template. ``Markup``, which this function returns, stays as it is.

    Returns:
        HTML.

    Raises:
        jinja2.TemplateError: The template is missing or wrong, or asks for a value that is not
            given.
    """
    return Markup(_open_templates(folder).get_template(name).render(values))


def embed_picture(image: Image.Image) -> str:
    """Return a picture as a ``data:`` address, which needs no file beside the page.

    Args:
        image: The picture; JPEG where it is opaque, PNG where it is transparent in places.
    """
    kind = 'png' if 'A' in image.getbands() else 'jpeg'
    content = io.BytesIO()
    image.save(content, format=kind, quality=88, optimize=True)
    return f'data:image/{kind};base64,{base64.b64encode(content.getvalue()).decode()}'
