"""The division into parts: a hand-worked case, and what must hold for any."""

import hashlib
import random
from collections import Counter

import pytest

from swimdiff.datasets.pictures.parts import check_part, divide_pictures
from swimdiff.errors import ConfigError

SHARES = dict(pretrain=0.5, train=0.3, val=0.05, test=0.15)
NAMES = [f'{label}/{i:03d}.jpg' for label, n in (('Grass', 40), ('Sea', 7)) for i in range(n)]


def test_hand_worked():
    # sha256 of '1:Sea/a.jpg', b, c, d begin with these bytes.
    heads = [hashlib.sha256(f'1:Sea/{x}.jpg'.encode()).hexdigest()[:4] for x in 'abcd']
    assert heads == ['9436', '300d', 'd971', 'e241']
    parts = divide_pictures([f'Sea/{x}.jpg' for x in 'abcd'], dict(train=0.5, test=0.5), seed=1)
    assert parts == {'test': ('Sea/a.jpg', 'Sea/b.jpg'), 'train': ('Sea/c.jpg', 'Sea/d.jpg')}


def test_ten_pictures_by_hand():
    # In the order of the names of the parts: cuts at 5, 6.5, 9.5 and 10, halves upwards.
    parts = divide_pictures([f'Sea/{i}.jpg' for i in range(10)], SHARES)
    assert {part: len(names) for part, names in parts.items()} == dict(
        pretrain=5, test=2, train=3, val=0
    )


def test_disjoint_complete_and_stratified():
    parts = divide_pictures(NAMES, SHARES)
    assert Counter(name for names in parts.values() for name in names) == Counter(NAMES)
    for part, names in parts.items():
        assert list(names) == sorted(names)
        for label, count in (('Grass', 40), ('Sea', 7)):
            own = sum(name.startswith(label) for name in names)
            assert abs(own - SHARES[part] * count) < 1


def test_the_order_of_listing_of_shares_and_the_root_do_not_matter():
    parts = divide_pictures(NAMES, SHARES, seed=5)
    shuffled = random.Random(0).sample(NAMES, len(NAMES))
    turned = dict(reversed(SHARES.items()))
    assert divide_pictures(shuffled, turned, seed=5) == parts
    above = divide_pictures([f'RSSCN7/{name}' for name in shuffled], SHARES, seed=5)
    assert {part: tuple(f'RSSCN7/{n}' for n in names) for part, names in parts.items()} == above


def test_seed_and_class_decide_the_order():
    assert divide_pictures(NAMES, SHARES, 0) != divide_pictures(NAMES, SHARES, 1)
    names = [f'{label}/{i:03d}.jpg' for label in ('Grass', 'Sea') for i in range(40)]
    parts = divide_pictures(names, SHARES)
    grass, sea = ({n[-7:] for n in parts['test'] if n.startswith(x)} for x in ('Grass', 'Sea'))
    assert grass != sea


@pytest.mark.parametrize(
    ('part', 'shares', 'message'),
    [
        ('train', None, r"part='train': expected shares="),
        ('probe', SHARES, r"part='probe': expected one of pretrain, train, val, test"),
        (None, dict(train=0.5), r'a sum of 0\.5\. Name what is left'),
        (None, dict(train=1.5, test=-0.5), 'above 0'),
        (None, {}, 'found a sum of 0'),
    ],
)
def test_what_is_no_division_is_refused(part, shares, message):
    with pytest.raises(ConfigError, match=message):
        check_part(part, shares)
