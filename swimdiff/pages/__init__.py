"""Web pages that need nothing beside themselves: templates, pictures within the page."""

from swimdiff.pages.rendering import embed_picture, render_template

__all__ = ['embed_picture', 'render_template']
