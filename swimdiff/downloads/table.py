"""Where the data sets that the configs name are published: addresses, sizes, checksums.

Every address and checksum has its source beside it. None was tried from where this table was
written: a checksum that does not fit stops the download and prints both sums.
"""

import difflib
from dataclasses import dataclass

from swimdiff.errors import ConfigError

__all__ = ['PUBLISHED', 'RemoteArchive', 'RemoteDataset', 'RemoteFile', 'get_dataset']


@dataclass(frozen=True)
class RemoteFile:
    """Describe one file on a server.

    Args:
        name: Name of the file on disk, and at a mirror.
        urls: Addresses, tried in this order.
        source: Where address and checksum are written.
        checksum: ``md5:...`` or ``sha256:...``; None where none is published.
        size: Bytes, about, for planning; None where it was not found.
    """

    name: str
    urls: tuple[str, ...]
    source: str
    checksum: str | None = None
    size: int | None = None


@dataclass(frozen=True)
class RemoteArchive:
    """Describe one archive: a file, or the parts of a file that was split.

    Args:
        parts: The files, in the order in which they are joined.
        gives: Patterns of what must be in the target folder after unpacking.
        into: Folder below the target folder to unpack into.
        growth: Bytes of the unpacked files per byte of the archive, about.
    """

    parts: tuple[RemoteFile, ...]
    gives: tuple[str, ...]
    into: str = ''
    growth: float = 1.1

    @property
    def name(self) -> str:
        """Name of the archive, that of its first part."""
        return self.parts[0].name

    @property
    def size(self) -> int | None:
        """Return the bytes of all parts; None where one of them is not known."""
        sizes = [part.size for part in self.parts]
        return None if None in sizes else sum(size or 0 for size in sizes)


@dataclass(frozen=True)
class RemoteDataset:
    """Describe a published data set.

    Args:
        name: Name for the command line.
        about: What it is.
        page: Where its authors publish it, with the terms of use.
        folder: Folder that the configs look in.
        archives: The archives; empty where an account, a form or a browser is needed.
        by_hand: What to do by hand, where something is.
        use: How a config is pointed at the folder, with ``{root}``.
    """

    name: str
    about: str
    page: str
    folder: str
    use: str
    archives: tuple[RemoteArchive, ...] = ()
    by_hand: str = ''


_PRETRAIN = '--cfg-options train_dataloader.dataset.data_root={root}'
_PAIRS = 'data_root={root} in a config of configs/change_detection'


def _one(file: RemoteFile, *gives: str, into: str = '', growth: float = 1.1) -> RemoteArchive:
    return RemoteArchive((file,), gives, into, growth)


def _zenodo(
    record: int, name: str, checksum: str | None, size: int | None, source: str
) -> RemoteFile:
    url = f'https://zenodo.org/records/{record}/files/{name}?download=1'
    return RemoteFile(name, (url,), source, checksum, size)


def _seco(version: str, checksum: str, size: int) -> tuple[RemoteArchive, ...]:
    source = 'README of github.com/ServiceNow/seasonal-contrast; torchgeo datasets/seco.py'
    file = _zenodo(4728033, f'seco_{version}.zip', checksum, size, source)
    return (_one(file, f'seasonal_contrast_{version}/*/'),)


def _eurosat(kind: str, checksum: str, size: int) -> tuple[RemoteArchive, ...]:
    source = 'checksum and size as Zenodo record 7711810 states them'
    file = _zenodo(7711810, f'EuroSAT_{kind}.zip', checksum, size, source)
    return (_one(file, '*/AnnualCrop/', '*/SeaLake/'),)


def _oscd() -> tuple[RemoteArchive, ...]:
    source = 'torchgeo datasets/oscd.py (mirror; the share of the authors second)'
    mirror = 'https://huggingface.co/datasets/hkristen/oscd/resolve/main/'
    share = 'https://partage.imt.fr/index.php/s/{}/download'
    prefix = 'Onera Satellite Change Detection dataset - '
    return tuple(
        _one(
            RemoteFile(
                f'{prefix}{part}.zip',
                (mirror + f'{prefix}{part}.zip'.replace(' ', '%20'), share.format(key)),
                source,
                checksum,
            ),
            f'{prefix}{part}/*/',
        )
        for part, key, checksum in (
            ('Images', 'gKRaWgRnLMfwMGo', 'md5:c50d4a2941da64e03a47ac4dec63d915'),
            ('Train Labels', '2D6n03k58ygBSpu', 'md5:4d2965af8170c705ebad3d6ee71b6990'),
            ('Test Labels', 'gpStKn4Mpgfnr63', 'md5:8177d437793c522653c442aa4e66c617'),
        )
    )


def _levir() -> tuple[RemoteArchive, ...]:
    source = 'torchgeo datasets/levircd.py, which names this mirror'
    mirror = (
        'https://huggingface.co/datasets/satellite-image-deep-learning/LEVIR-CD/resolve/'
        '6a6bb0a5b389403d81c05e33bf08bc0b9e5f13a6/'
    )
    return tuple(
        # Each archive holds A, B and label; the reader wants them below the split.
        _one(
            RemoteFile(f'{split}.zip', (f'{mirror}{split}.zip',), source, checksum, size),
            *(f'{split}/{part}/' for part in ('A', 'B', 'label')),
            into=split,
        )
        for split, checksum, size in (
            ('train', 'md5:a638e71f480628652dea78d8544307e4', 1_721_956_862),
            ('val', 'md5:f7b857978524f9aa8c3bf7f94e3047a4', 246_152_048),
            ('test', 'md5:07d5dd89e46f5c1359e2eca746989ed9', 496_305_323),
        )
    )


def _bigearthnet_v1() -> tuple[RemoteArchive, ...]:
    source = 'torchgeo datasets/bigearthnet.py; 66 GB as bigearth.net states'
    checksum = 'md5:5a64e9ce38deb036a435a7b59494924c'
    images = _zenodo(12687186, 'BigEarthNet-S2-v1.0.tar.gz', checksum, 66_000_000_000, source)
    list_source = 'file list of Zenodo record 12687186; its checksums were not at hand'
    lists = [
        _one(
            _zenodo(12687186, f'{name}.csv.gz', None, size, list_source),
            f'{into}{name}.csv',
            into=into,
        )
        for name, size, into in (
            ('train', 1_639_745, 'published_splits/'),
            ('val', 797_678, 'published_splits/'),
            ('test', 810_561, 'published_splits/'),
            ('patches_with_seasonal_snow', None, ''),
            ('patches_with_cloud_and_shadow', None, ''),
        )
    ]
    # The lists first: they are small, and the reader needs them beside the patches.
    return (*lists, _one(images, 'BigEarthNet-v1.0/S2*/', growth=2.0))


def _bigearthnet_v2() -> tuple[RemoteArchive, ...]:
    source = 'torchgeo datasets/bigearthnet.py; a copy of Zenodo record 10891137 as tar.gz'
    mirror = (
        'https://huggingface.co/datasets/torchgeo/bigearthnet/resolve/'
        '3cf3a5910a5302d449fdb8e570e5b78de24fe07f/V2/'
    )

    def file(name: str, checksum: str, size: int | None = None) -> RemoteFile:
        return RemoteFile(name, (mirror + name,), source, f'md5:{checksum}', size)

    metadata = file('metadata.parquet', '55687065e77b6d0b0f1ff604a6e7b49c', 3_616_349)
    images = (
        file('BigEarthNet-S2.tar.gzaa', '94e8ed32065234d3ab46353d814778d1'),
        file('BigEarthNet-S2.tar.gzab', '24c223d9e36166136c13b24a27debe34'),
    )
    return (
        _one(metadata, 'metadata.parquet', growth=1.0),
        RemoteArchive(images, ('BigEarthNet-S2/*/',), growth=2.0),
    )


def _tum(share: str, name: str, checksum: str, folder: str = '') -> RemoteFile:
    url = f'https://dataserv.ub.tum.de/s/{share}/download?path=%2F{folder}&files={name}'
    source = 'public share of the library of TUM; checksum from torchgeo (sen12ms.py, ssl4eo.py)'
    return RemoteFile(name, (url,), source, f'md5:{checksum}')


def _sen12ms() -> tuple[RemoteArchive, ...]:
    return tuple(
        _one(_tum('m1474000', f'{season}_s2.tar.gz', checksum), f'{season}*/s2_*/', growth=2.5)
        for season, checksum in (
            ('ROIs1158_spring', 'd58af2c15a16f376eb3308dc9b685af2'),
            ('ROIs1868_summer', '4dbaf72ecb704a4794036fe691427ff3'),
            ('ROIs1970_fall', 'b8f117818878da86b5f5e06400eb1866'),
            ('ROIs2017_winter', '3807545661288dcca312c9c538537b63'),
        )
    )


def _ssl4eo(level: str, folder: str, checksum: str) -> tuple[RemoteArchive, ...]:
    file = _tum('m1660427.001', f's2_{level}.tar.gz', checksum, 'ssl4eo-s12')
    # torchgeo states 1.5 TB packed and 3.7 TB unpacked for the three archives together.
    return (_one(file, f'{folder}/*/', growth=2.5),)


PUBLISHED: dict[str, RemoteDataset] = {
    dataset.name: dataset
    for dataset in (
        RemoteDataset(
            'seco-100k',
            'SeCo, 100,000 Sentinel-2 patches at five dates each, uint8',
            'https://zenodo.org/records/4728033',
            'data/seco',
            _PRETRAIN,
            _seco('100k', 'md5:ebf2d5e03adc6e657f9a69a20ad863e0', 7_300_000_000),
        ),
        RemoteDataset(
            'seco-1m',
            'SeCo, a million patches',
            'https://zenodo.org/records/4728033',
            'data/seco',
            _PRETRAIN,
            _seco('1m', 'md5:187963d852d4d3ce6637743ec3a4bd9e', 36_300_000_000),
        ),
        RemoteDataset(
            'sen12ms',
            'SEN12MS, the Sentinel-2 part: 180,662 patches of 252 scenes in four archives',
            'https://mediatum.ub.tum.de/1474000',
            'data/sen12ms',
            _PRETRAIN,
            _sen12ms(),
        ),
        RemoteDataset(
            'ssl4eo-l1c',
            'SSL4EO-S12, Sentinel-2 level 1C: 251,079 places at four seasons, over 500 GB',
            'https://mediatum.ub.tum.de/1660427',
            'data/ssl4eo',
            _PRETRAIN,
            _ssl4eo('l1c', 's2c', 'b4f8b03c365e4a85780ded600b7497ab'),
        ),
        RemoteDataset(
            'ssl4eo-l2a',
            'SSL4EO-S12, Sentinel-2 level 2A',
            'https://mediatum.ub.tum.de/1660427',
            'data/ssl4eo',
            _PRETRAIN,
            _ssl4eo('l2a', 's2a', '85496cd9d6742aee03b6a1c99cee0ac1'),
        ),
        RemoteDataset(
            'eurosat-rgb',
            'EuroSAT, 27,000 labelled pictures, JPEG',
            'https://zenodo.org/records/7711810',
            'data/eurosat',
            'EUROSAT_ROOT={root} in the environment',
            _eurosat('RGB', 'md5:f46e308c4d50d4bf32fedad2d3d62f3b', 94_658_721),
        ),
        RemoteDataset(
            'eurosat-ms',
            'EuroSAT with all 13 bands, GeoTIFF',
            'https://zenodo.org/records/7711810',
            'data/eurosat_ms',
            'EUROSAT_MS_ROOT={root} in the environment',
            _eurosat('MS', 'md5:091174add3c8e680a49244acf185b9f0', 2_065_402_329),
        ),
        RemoteDataset(
            'bigearthnet-v1',
            'BigEarthNet v1, Sentinel-2: 590,326 patches with labels, and the published lists',
            'https://zenodo.org/records/12687186',
            'data/BigEarthNet-v1.0',
            'BIGEARTHNET_ROOT={root} in the environment; split_dir={root}/published_splits',
            _bigearthnet_v1(),
        ),
        RemoteDataset(
            'bigearthnet-v2',
            'BigEarthNet v2 (reBEN), Sentinel-2, with its metadata',
            'https://zenodo.org/records/10891137',
            'data/BigEarthNet-v2.0',
            'BIGEARTHNET_V2_ROOT={root} in the environment',
            _bigearthnet_v2(),
        ),
        RemoteDataset(
            'oscd',
            'OSCD, Sentinel-2 pairs of 24 cities with masks of change',
            'https://rcdaudt.github.io/oscd/',
            'data/oscd',
            _PAIRS,
            _oscd(),
            'The same files are at https://ieee-dataport.org/open-access/'
            'oscd-onera-satellite-change-detection, where a free account is needed.',
        ),
        RemoteDataset(
            'levir-cd',
            'LEVIR-CD, 637 pairs of aerial pictures with masks of changed buildings',
            'https://justchenhao.github.io/LEVIR/',
            'data/levir-cd',
            _PAIRS,
            _levir(),
            'Its authors hand it out through Google Drive and Baidu, with a browser; this mirror '
            'has the archives that torchgeo names.',
        ),
        RemoteDataset(
            'whu-cd',
            'WHU-CD, one large pair of aerial pictures, as commonly pre-cut',
            'http://gpcv.whu.edu.cn/data/building_dataset.html',
            'data/whu-cd',
            _PAIRS,
            by_hand='Get it with a browser from the page above (only whole pictures are published '
            'there; A/, B/, label/ and list/ are cut by its users).',
        ),
        RemoteDataset(
            'dsifn-cd',
            'DSIFN, 3,988 pairs of 512 pixels from six cities',
            'https://github.com/GeoZcx/A-deeply-supervised-image-fusion-network-for-change-detection-'
            'in-remote-sensing-images/tree/master/dataset',
            'data/dsifn',
            _PAIRS,
            by_hand='Its authors hand it out through Baidu, with a browser: follow the page above '
            '(no checksum is published there).',
        ),
        RemoteDataset(
            'cdd',
            'CDD, pairs of another season with masks of change (Lebedev et al., 2018)',
            'https://doi.org/10.5194/isprs-archives-XLII-2-565-2018',
            'data/cdd',
            _PAIRS,
            by_hand='Its authors hand it out through Google Drive, with a browser: the paper above '
            'has the address (no checksum is published).',
        ),
        RemoteDataset(
            's2looking',
            'S2Looking, 5,000 pairs seen from the side',
            'https://github.com/S2Looking/Dataset',
            'data/s2looking',
            _PAIRS,
            by_hand='Its authors hand it out through Google Drive and Baidu, with a browser: '
            'follow the page above.',
        ),
    )
}


def get_dataset(name: str) -> RemoteDataset:
    """Return the entry of a data set.

    Args:
        name: A name of :data:`PUBLISHED`.

    Raises:
        ConfigError: There is no such name; the message lists the nearest ones.
    """
    if name in PUBLISHED:
        return PUBLISHED[name]
    parts = [key for key in PUBLISHED if key.startswith(name.lower())]
    near = (
        parts or difflib.get_close_matches(name.lower(), PUBLISHED, cutoff=0.4) or list(PUBLISHED)
    )
    raise ConfigError(
        f'data set "{name}": no such name. Nearest: {", ".join(near)}. '
        'All of them: python tools/download.py --list'
    )
