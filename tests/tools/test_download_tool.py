"""tools/download.py as a user calls it: what it unpacks is what the readers read."""

import dataclasses
import gzip
import hashlib
import os
import shutil
import tarfile
from pathlib import Path

import pytest
from fixtures import archives, bigearthnet, change, eurosat, seco
from fixtures.servers import serve
from fixtures.tools import load_tool

from swimdiff.datasets import LEVIRCD, OSCD, SEN12MS, SSL4EO, BigEarthNet, EuroSAT, SeCo
from swimdiff.downloads import PUBLISHED


@pytest.fixture(scope='module')
def tool():
    return load_tool('download.py')


def pack(folder: Path, name: str) -> bytes:
    """Pack what is in a folder by the system's own means."""
    if name.endswith('.zip'):
        return Path(shutil.make_archive(str(folder), 'zip', folder)).read_bytes()
    path = folder.with_name('packed.tar.gz')
    with tarfile.open(path, 'w:gz') as packed:
        for entry in sorted(folder.iterdir()):
            packed.add(entry, entry.name)
    return path.read_bytes()


def write_seco(made):
    seco.write_tree(made / 'all/seasonal_contrast_100k', 1, 2, ('B2', 'B3', 'B4'))
    return {'seco_100k.zip': pack(made / 'all', '.zip')}


def write_eurosat(made):
    (eurosat.write_rgb(made / 'all', 5) / '2750').rename(made / 'all/EuroSAT_RGB')
    return {'EuroSAT_RGB.zip': pack(made / 'all', '.zip')}


def write_oscd(made):
    change.write_oscd(made / 'all')
    (made / 'all' / f'{change.PREFIX}Test Labels' / 'rio').mkdir(parents=True)
    found = {}
    for folder in sorted((made / 'all').iterdir()):
        (made / folder.name).mkdir()
        folder.rename(made / folder.name / folder.name)
        found[f'{folder.name}.zip'] = pack(made / folder.name, '.zip')
    return found


def write_levir(made):
    change.write_levir(made / 'all', 1, 64)
    return {f'{path.name}.zip': pack(path, '.zip') for path in sorted((made / 'all').iterdir())}


def write_bigearthnet(made):
    root = bigearthnet.write_tree(made / 'all/BigEarthNet-v1.0', 6)
    (root / 'patches_with_cloud_and_shadow.csv').unlink()
    names = sorted(path.name for path in root.iterdir())
    lists = dict(
        train=names[:3],
        val=names[4:5],
        test=names[5:],
        patches_with_seasonal_snow=names[:1],
        patches_with_cloud_and_shadow=names[1:2],
    )
    found = {'BigEarthNet-S2-v1.0.tar.gz': pack(made / 'all', '.tar.gz')}
    for name, content in lists.items():
        found[f'{name}.csv.gz'] = gzip.compress('\n'.join(content).encode())
    return found


def write_bigearthnet_v2(made):
    patch = made / 'all/BigEarthNet-S2/S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP/patch_45'
    patch.mkdir(parents=True)
    (patch / 'patch_45_B02.tif').write_bytes(os.urandom(50_000))
    data = pack(made / 'all', '.tar.gz')
    half = len(data) // 2
    return {
        'BigEarthNet-S2.tar.gzaa': data[:half],
        'BigEarthNet-S2.tar.gzab': data[half:],
        'metadata.parquet': b'PAR1',
    }


def write_sen12ms(made):
    season = 'ROIs1158_spring'
    archives.write_sen12ms(made / 'all', ((season, 1),), (30,))
    return {f'{season}_s2.tar.gz': pack(made / 'all', '.tar.gz')}


def write_ssl4eo(made):
    archives.write_ssl4eo(made / 'all', 's2a', 1, ('B2', 'B3', 'B4'))
    return {'s2_l2a.tar.gz': pack(made / 'all', '.tar.gz')}


def read_bigearthnet(root):
    lists = str(root / 'published_splits')
    dataset = BigEarthNet(str(root), split='train', split_dir=lists)
    assert [path.parent for path in dataset.covered] == [root, root]
    return dataset


CASES = {
    'seco-100k': (write_seco, lambda root: SeCo(str(root), index_cache=None), 2, ()),
    'eurosat-rgb': (write_eurosat, lambda root: EuroSAT(str(root)), 30, ()),
    'oscd': (write_oscd, lambda root: OSCD(str(root), tile=None), 3, ()),
    'levir-cd': (write_levir, lambda root: LEVIRCD(str(root), split='val'), 1, ()),
    'bigearthnet-v1': (write_bigearthnet, read_bigearthnet, 1, ()),
    'bigearthnet-v2': (
        write_bigearthnet_v2,
        lambda root: [root / 'metadata.parquet', *root.glob('BigEarthNet-S2/*/*/*.tif')],
        2,
        (),
    ),
    'sen12ms': (
        write_sen12ms,
        lambda root: SEN12MS(str(root), index_cache=None),
        1,
        ('--only', '*spring*'),
    ),
    'ssl4eo-l2a': (write_ssl4eo, lambda root: SSL4EO(str(root), index_cache=None), 2, ()),
}


@pytest.mark.parametrize('name', CASES)
def test_what_is_unpacked_is_read(tool, name, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(os, 'fsync', lambda _: None)
    monkeypatch.setattr(os, 'sync', lambda: None)
    write, read, count, more = CASES[name]
    content = write(tmp_path / 'made')

    def known(file):
        checksum = f'md5:{hashlib.md5(content.get(file.name, b"")).hexdigest()}'
        return dataclasses.replace(file, checksum=file.checksum and checksum, size=1000)

    dataset = PUBLISHED[name]
    changed = [
        dataclasses.replace(archive, parts=tuple(known(file) for file in archive.parts))
        for archive in dataset.archives
    ]
    monkeypatch.setitem(PUBLISHED, name, dataclasses.replace(dataset, archives=tuple(changed)))
    with serve() as server:
        server.files = {f'mirror/{file}': data for file, data in content.items()}
        argv = [name, '--to', str(tmp_path / 'to'), '--mirror', f'{server.url}/mirror/', *more]
        assert tool.main([*argv, '--dry-run']) == 0
        planned = capsys.readouterr().out
        assert all(file in planned for file in content) and not server.seen
        assert not (tmp_path / 'to').exists()
        assert tool.main(argv) == 0, capsys.readouterr().err
        assert 'ready. Use it: ' in capsys.readouterr().out
        assert len(read(tmp_path / 'to')) == count
        requests = len(server.seen)
        assert tool.main([*argv, '--dry-run']) == 0
        assert 'to load' not in capsys.readouterr().out
        assert tool.main(argv) == 0 and len(server.seen) == requests


def test_list(tool, capsys):
    assert tool.main(['--list']) == 0
    told = capsys.readouterr().out
    assert all(name in told for name in PUBLISHED) and 'by hand' in told
    assert tool.main(['--list', 'oscd']) == 0
    told = capsys.readouterr().out
    assert told.count('md5:') == 3 and 'source: ' in told and 'ieee-dataport' in told


def test_errors_are_one_message(tool, tmp_path, capsys):
    assert tool.main(['secco']) == 1
    assert capsys.readouterr().err.startswith(
        'ConfigError: data set "secco": no such name. Nearest'
    )
    assert tool.main(['--list', 'secco']) == 1
    assert tool.main(['whu-cd', '--to', str(tmp_path)]) == 1
    assert 'cannot be downloaded without a person: http://gpcv' in capsys.readouterr().err
    with pytest.raises(SystemExit):
        tool.main([])
