"""Draw the picture of the method for docs/concepts, once for light and once for dark pages.

Run again after a change: python docs/images/draw_overview.py
"""

from pathlib import Path

#: Colours by theme: text, lines, boxes of trained parts, of averaged parts, of data; accent.
THEMES = {
    'light': dict(
        text='#1f2933', dim='#52606d', line='#7b8794', trained='#d5efe9', averaged='#eef1f4',
        data='#ffffff', loss='#ffe3d1', mate='#ff7043', other='#b8c2cc', edge='#00897b',
    ),
    'dark': dict(
        text='#e8edf2', dim='#a9b4c0', line='#8795a5', trained='#14514a', averaged='#303a48',
        data='#222a36', loss='#6b3a22', mate='#ff8a65', other='#55626f', edge='#4db6ac',
    ),
}  # fmt: skip


class Drawing:
    """Shapes of one picture, in the colours of a theme.

    Args:
        colours: Colour by role.
    """

    def __init__(self, colours: dict[str, str]) -> None:
        self.colours = colours
        self.shapes: list[str] = []

    def text(self, x: float, y: float, line: str, role: str = 'text', size: int = 15,
             anchor: str = 'middle', weight: str = '400') -> None:  # fmt: skip
        """Write a line around a point."""
        self.shapes.append(
            f'<text x="{x}" y="{y}" fill="{self.colours[role]}" font-size="{size}" '
            f'font-weight="{weight}" text-anchor="{anchor}">{line}</text>'
        )

    def box(self, x: float, y: float, width: float, height: float, lines: list[str],
            fill: str, dashed: bool = False) -> None:  # fmt: skip
        """Draw a box with centred lines; the first one is the name."""
        dash = ' stroke-dasharray="6 4"' if dashed else ''
        self.shapes.append(
            f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="8" '
            f'fill="{self.colours[fill]}" stroke="{self.colours["edge"]}" '
            f'stroke-width="1.5"{dash}/>'
        )
        top = y + height / 2 - 10 * (len(lines) - 1) + 5
        for number, line in enumerate(lines):
            role, weight = ('text', '600') if number == 0 else ('dim', '400')
            size = 15 if number == 0 else 13
            self.text(x + width / 2, top + 20 * number, line, role, size, weight=weight)

    def arrow(self, *points: tuple[float, float], dashed: bool = False) -> None:
        """Draw a line through points that ends in an arrow."""
        dash = ' stroke-dasharray="6 4"' if dashed else ''
        path = 'M' + ' L'.join(f'{x} {y}' for x, y in points)
        self.shapes.append(
            f'<path d="{path}" fill="none" stroke="{self.colours["line"]}" stroke-width="2" '
            f'marker-end="url(#arrow)"{dash}/>'
        )

    def slots(self, x: float, y: float, filled: str) -> None:
        """Draw the slots of the queue: `m` a mate of the query, any other letter another key."""
        for number, kind in enumerate(filled):
            role = 'mate' if kind == 'm' else 'other'
            self.shapes.append(
                f'<rect x="{x + 26 * number}" y="{y}" width="22" height="30" rx="3" '
                f'fill="{self.colours[role]}"/>'
            )

    def svg(self, width: int, height: int, title: str) -> str:
        """Return the picture."""
        marker = (
            '<defs><marker id="arrow" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" '
            f'markerHeight="7" orient="auto"><path d="M0 0 L10 5 L0 10 z" '
            f'fill="{self.colours["line"]}"/></marker></defs>'
        )
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
            f'font-family="system-ui, Segoe UI, Roboto, Helvetica, Arial, sans-serif">'
            f'<title>{title}</title>{marker}{"".join(self.shapes)}</svg>\n'
        )


def draw(colours: dict[str, str]) -> str:
    """Return the picture of the two branches and the queue."""
    d = Drawing(colours)
    # Diffusion branch, above.
    d.text(20, 30, 'Diffusion constraint', 'edge', 16, 'start', '700')
    d.box(20, 60, 150, 64, ['noised view', 'x_t = image + noise'], 'data')
    d.arrow((170, 92), (228, 92))
    d.box(230, 48, 210, 88, ['query encoder', 'the same weights as below'], 'trained')
    for number, height in enumerate((60, 46, 34, 22)):  # its levels
        x = 464 + 26 * number
        d.shapes.append(
            f'<rect x="{x}" y="{92 - height / 2}" width="14" height="{height}" rx="3" '
            f'fill="{colours["edge"]}"/>'
        )
    d.arrow((440, 92), (460, 92))
    d.text(530, 150, 'features, fine to coarse', 'dim', 13)
    d.arrow((566, 92), (600, 92))
    d.box(602, 60, 150, 64, ['decoder', 'sees features alone'], 'trained')
    d.arrow((752, 92), (788, 92))
    d.box(790, 60, 190, 64, ['loss L_D', 'restored - clean image'], 'loss')
    # Contrastive branch, below.
    d.text(20, 206, 'Scene-wide matching', 'edge', 16, 'start', '700')
    d.box(20, 318, 96, 64, ['image', 'of scene 7'], 'data')
    d.arrow((116, 340), (146, 340), (146, 272), (168, 272))
    d.arrow((116, 360), (146, 360), (146, 430), (168, 430))
    d.box(170, 240, 90, 64, ['view', 'query'], 'data')
    d.box(170, 398, 90, 64, ['view', 'key'], 'data')
    d.arrow((260, 272), (308, 272))
    d.arrow((260, 430), (308, 430))
    d.box(310, 228, 200, 88, ['query encoder', 'and neck, trained'], 'trained')
    d.box(310, 386, 200, 88, ['key encoder', 'and neck, moving average'], 'averaged', dashed=True)
    d.arrow((410, 316), (410, 384), dashed=True)
    d.text(420, 355, 'follows slowly', 'dim', 13, 'start')
    d.arrow((510, 272), (588, 272))
    d.text(549, 262, 'z_q', 'dim', 14)
    d.arrow((510, 430), (548, 430), (548, 300), (588, 300))
    d.text(538, 420, 'z_k', 'dim', 14, 'end')
    d.box(
        590, 240, 170, 84, ['scene matching', 'labels 1, 0, and the', 'rule for mates'], 'trained'
    )
    d.arrow((760, 282), (788, 282))
    d.box(790, 250, 190, 64, ['loss L_C', 'cross-entropy of labels'], 'loss')
    d.arrow((548, 430), (592, 430))
    d.box(594, 386, 386, 110, [], 'data')
    d.text(612, 410, 'queue of past keys with their scene ids', 'text', 14, 'start', '600')
    d.slots(612, 422, 'ooomooooomoomo')
    d.text(612, 480, 'mates (scene 7)', 'mate', 13, 'start')
    d.text(962, 480, 'keys of other scenes: negatives', 'dim', 13, 'end')
    d.arrow((675, 386), (675, 326))
    title = (
        'The query encoder serves two losses. Above: features of a noised view, decoded to the '
        'clean image. Below: a query is compared with its key and a queue of past keys, in which '
        'keys of the same scene get labels of their own.'
    )
    return d.svg(1000, 512, title)


if __name__ == '__main__':
    for theme, colours in THEMES.items():
        Path(__file__).with_name(f'overview-{theme}.svg').write_text(draw(colours))
