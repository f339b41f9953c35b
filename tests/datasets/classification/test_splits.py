import json
import logging
from collections import Counter

import pytest

from swimdiff.datasets.classification.splits import (
    draw_split,
    get_split,
    read_names,
    stratified_subset,
)
from swimdiff.errors import ConfigError, LayoutError

STRATA = {f'{label}_{i}': label for label, n in (('a', 70), ('b', 25), ('c', 5)) for i in range(n)}


@pytest.mark.parametrize('count', [0, 1, 10, 33, 99, 100])
def test_subset_is_exact_and_proportional(count):
    drawn = stratified_subset(STRATA, count, seed=3)
    assert len(drawn) == len(set(drawn)) == count
    assert set(drawn) <= set(STRATA)
    per_label = Counter(STRATA[name] for name in drawn)
    for label, share in (('a', 0.70), ('b', 0.25), ('c', 0.05)):
        assert abs(per_label[label] - share * count) < 1


def test_subset_depends_on_the_seed_only():
    backwards = dict(reversed(list(STRATA.items())))
    assert stratified_subset(STRATA, 20, 1) == stratified_subset(backwards, 20, 1)
    assert stratified_subset(STRATA, 20, 1) != stratified_subset(STRATA, 20, 2)


def test_rare_strata_are_drawn_as_often_as_their_share():
    rare = {f'r{i}': f'only{i}' for i in range(50)} | {f'n{i}': 'many' for i in range(50)}
    drawn = [name for seed in range(200) for name in stratified_subset(rare, 10, seed)]
    share = sum(name.startswith('r') for name in drawn) / len(drawn)
    assert abs(share - 0.5) < 0.03


def test_more_than_there_are():
    with pytest.raises(ConfigError, match='there are 100'):
        stratified_subset(STRATA, 101, 0)


def test_drawn_split_is_stratified_and_disjoint(tmp_path):
    split = draw_split('toy', STRATA, tmp_path)
    assert {part: len(names) for part, names in split.parts.items()} == dict(
        train=60, val=20, test=20
    )
    everything = [name for names in split.parts.values() for name in names]
    assert sorted(everything) == sorted(STRATA)
    assert Counter(STRATA[name] for name in split.parts['test']) == dict(a=14, b=5, c=1)


def test_split_is_written_once_and_then_read(tmp_path):
    calls = []

    def strata():
        calls.append(1)
        return STRATA

    first = get_split('toy', None, strata, tmp_path / 'splits')
    again = get_split('toy', None, strata, tmp_path / 'splits')
    assert len(calls) == 1
    assert first.parts == again.parts
    assert first.tag == again.tag == f'toy_60-20-20_seed0@{first.sha256[:8]}'
    record = json.loads((tmp_path / 'splits/toy_60-20-20_seed0/split.json').read_text())
    assert record['sha256'] == first.sha256
    assert record['counts'] == dict(train=60, val=20, test=20)


def test_a_split_that_another_process_is_writing_is_no_list_of_the_user(tmp_path):
    (tmp_path / '.toy_60-20-20_seed0.host-1.partial').mkdir()
    (tmp_path / '.toy_60-20-20_seed0.host-1.partial' / 'train.txt').write_text('a_1')
    split = get_split('toy', tmp_path, lambda: STRATA, tmp_path / 'unused')
    assert split.parts == draw_split('toy', STRATA, tmp_path).parts
    assert split.folder == tmp_path / 'toy_60-20-20_seed0'


def test_hash_sees_which_part_a_sample_is_in(tmp_path):
    split = get_split('toy', None, lambda: STRATA, tmp_path)
    for part in ('val', 'test'):
        names = list(split.parts[part])
        (tmp_path / f'{part}.txt').write_text('\n'.join(names))
    swapped = tmp_path / 'swapped'
    swapped.mkdir()
    for part, source in (('train', 'train'), ('val', 'test'), ('test', 'val')):
        (swapped / f'{part}.txt').write_text('\n'.join(split.parts[source]))
    other = get_split('toy', swapped, lambda: STRATA, tmp_path)
    assert other.name == 'swapped'
    assert other.sha256 != split.sha256


def test_changed_lists_are_refused(tmp_path):
    get_split('toy', None, lambda: STRATA, tmp_path)
    path = tmp_path / 'toy_60-20-20_seed0' / 'val.txt'
    path.write_text('\n'.join(path.read_text().split()[1:]))
    with pytest.raises(LayoutError, match='was changed'):
        get_split('toy', None, lambda: STRATA, tmp_path)


def test_unwritable_folder_still_gives_the_split(tmp_path, caplog):
    blocked = tmp_path / 'file'
    blocked.write_text('')
    logger = logging.getLogger('mmengine')
    logger.addHandler(caplog.handler)
    split = get_split('toy', None, lambda: STRATA, blocked / 'splits')
    logger.removeHandler(caplog.handler)
    assert split.parts == draw_split('toy', STRATA, tmp_path).parts


@pytest.mark.parametrize(
    ('files', 'message'),
    [
        ({'train.txt': 'a_1\na_1\n'}, "names 'a_1' more than once"),
        ({'train.txt': 'a_1\n', 'test.txt': 'a_1\n'}, "in train and in test, for example 'a_1'"),
        ({'readme.md': 'x'}, 'has no train.txt'),
        ({'train.txt': '\n'}, 'is empty'),
        ({'train.txt': 'a_1', 'my-train.csv': 'a_2'}, '2 lists for train'),
    ],
)
def test_bad_lists(tmp_path, files, message):
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(LayoutError, match=message):
        get_split('toy', tmp_path, lambda: STRATA, tmp_path)


def test_counts_of_the_users_lists(tmp_path):
    (tmp_path / 'eurosat-train.txt').write_text('a_1.jpg\na_2.jpg\n')
    split = get_split('toy', tmp_path, dict, tmp_path, clean=lambda name: name[:-4])
    assert split.names('train') == ('a_1', 'a_2')
    with pytest.raises(LayoutError, match='train has 2 samples, expected 16200'):
        get_split('toy', tmp_path, dict, tmp_path, counts=dict(train=16200))
    with pytest.raises(ConfigError, match="split='val'"):
        split.names('val')


def test_first_column_of_a_csv(tmp_path):
    (tmp_path / 'list.csv').write_text('p_1,\np_2,x\n\n')
    assert read_names(tmp_path / 'list.csv') == ['p_1', 'p_2']
