"""Print which part of a query's label each label rule gives to mates at chosen similarities.

One query whose positive key is at cosine 0.9, in a queue of 4,096 keys, the others spread evenly
from -0.3 to 0.3. Nothing is random.

Example:
    python tools/benchmarks/label_rules.py
"""

import argparse

import torch

from swimdiff.models.selfsup.label_rules import Matches
from swimdiff.registry import LABEL_RULES

MATES = {
    'one at .9': [0.9],
    'one at -.2': [-0.2],
    'two at .9': [0.9, 0.9],
    'at .9 and .85': [0.9, 0.85],
    'four at .9': [0.9] * 4,
    'four at .6': [0.6] * 4,
    'one at .98': [0.98],
}
RULES = ('none', 'ignore', 'positive', 'scene', 'queue', 'relative', 'with_positive', 'floor')


def share_of_mates(rule: str, similarities: list[float], positive: float, length: int) -> str:
    """Return the share of the label on all mates; `-` where a rule takes them all out."""
    others = torch.linspace(-0.3, 0.3, length - len(similarities))
    d = torch.cat([torch.tensor(similarities), others])[None]
    mates = torch.zeros_like(d, dtype=torch.bool)
    mates[:, : len(similarities)] = True
    labels = LABEL_RULES.build(dict(type=rule)).assign(
        Matches(d, torch.tensor([positive]), mates, torch.ones_like(mates))
    )
    if labels.ignored is not None and labels.ignored.sum() == len(similarities):
        return '-'
    mass = 0.0 if labels.y is None else float(labels.y.sum())
    return f'{mass / (1 + mass):.2f}'


def main(argv: list[str] | None = None) -> None:
    """Print the table as Markdown."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--positive', type=float, default=0.9, help='cosine (default: %(default)s)')
    parser.add_argument('--queue', type=int, default=4096, help='keys (default: %(default)s)')
    args = parser.parse_args(argv)
    print('| mates | ' + ' | '.join(RULES) + ' |')
    print('|---' * (1 + len(RULES)) + '|')
    for title, similarities in MATES.items():
        shares = [share_of_mates(rule, similarities, args.positive, args.queue) for rule in RULES]
        print(f'| {title} | ' + ' | '.join(shares) + ' |')


if __name__ == '__main__':
    main()
