"""Pages: what a template is given is escaped, what it lacks is an error, pictures come back."""

import base64
import io

import jinja2
import numpy as np
import pytest
from PIL import Image

from swimdiff.pages import embed_picture, render_template


def fill(folder, text, **values):
    (folder / 't.html.jinja').write_text(text)
    return render_template(folder, 't.html.jinja', **values)


def test_text_is_escaped_and_html_of_another_template_is_not(tmp_path):
    part = fill(tmp_path, '<b title="{{ name }}">{{ name }}</b>', name='"><script>')
    assert part == '<b title="&#34;&gt;&lt;script&gt;">&#34;&gt;&lt;script&gt;</b>'
    (tmp_path / 'whole.html.jinja').write_text('{{ part }}{{ text }}')
    whole = render_template(tmp_path, 'whole.html.jinja', part=part, text=str(part)[:2])
    assert whole == f'{part}&lt;b'


def test_a_value_that_is_not_given_is_an_error(tmp_path):
    with pytest.raises(jinja2.UndefinedError, match='titel'):
        fill(tmp_path, '{{ titel }}', title='x')


def test_a_page_loads_nothing_and_runs_no_script_unless_it_says_so(tmp_path):
    frame = "{% extends 'base.html.jinja' %}"
    page = fill(tmp_path, f'{frame}{{% block title %}}A{{% endblock %}}')
    assert page.startswith('<!doctype html>') and page.rstrip().endswith('</html>')
    assert '<title>A</title>' in page and 'prefers-color-scheme: dark' in page
    (policy,) = [line for line in page.splitlines() if 'default-src' in line]
    assert "default-src 'none'" in policy and 'script-src' not in policy


@pytest.mark.parametrize(('channels', 'kind'), [(1, 'jpeg'), (3, 'jpeg'), (4, 'png')])
def test_pictures_come_back_from_their_address(channels, kind):
    pixels = np.full((20, 30, channels), 200, np.uint8)
    head, _, content = embed_picture(Image.fromarray(pixels.squeeze())).partition(';base64,')
    assert head == f'data:image/{kind}'
    found = np.asarray(Image.open(io.BytesIO(base64.b64decode(content))), int)
    assert np.abs(found - pixels.squeeze()).max() <= 1
