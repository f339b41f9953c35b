"""Published archives: where they are, fetching them, unpacking them into a reader's layout."""

from swimdiff.downloads.datasets import Plan, describe_size, download_dataset, plan_download
from swimdiff.downloads.fetching import FetchOptions
from swimdiff.downloads.table import (
    PUBLISHED,
    RemoteArchive,
    RemoteDataset,
    RemoteFile,
    get_dataset,
)

__all__ = [
    'PUBLISHED',
    'FetchOptions',
    'Plan',
    'RemoteArchive',
    'RemoteDataset',
    'RemoteFile',
    'describe_size',
    'download_dataset',
    'get_dataset',
    'plan_download',
]
