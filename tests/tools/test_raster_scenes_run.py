"""A folder of GeoTIFFs through the true tools/train.py, by a config of one's own elsewhere."""

import math
import runpy

from fixtures.rasters import noise, write_bands
from fixtures.runs import THIN, TRAIN, WORKERS, options, scalars

from swimdiff.bands import get_stats
from swimdiff.weights.checkpoint import read_checkpoint
from swimdiff.weights.input_statistics import read_statistics


def test_two_iterations_on_a_folder_of_scenes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for date in ('20200101', '20200601'):
        bands = {name: noise(300, 600, int(date[5])) for name in ('B02', 'B03', 'B04')}
        write_bands(tmp_path / 'scenes' / f'T33UUU_{date}', bands)
    work = tmp_path / 'work'
    mine = tmp_path / 'mine.py'
    mine.write_text(
        "_base_ = 'swimdiff::swimdiff_r18_raster-scenes.py'\n"
        'train_dataloader = dict(dataset=dict(patch=200, stride=200))\n'
    )
    arguments = [str(mine), '--work-dir', str(work)]
    # A worker starts by a function that the config names.
    more = {
        **THIN,
        'train_dataloader.num_workers': 1,
        'train_cfg.max_iters': 2,
        'train_cfg.max_epochs': None,
    }
    runpy.run_path(str(TRAIN))['main'](
        [*arguments, *options(tmp_path / 'scenes', 32, views=WORKERS, **more)]
    )
    rows = scalars(work)
    # Three windows at two dates in batches of three; all in one block of the ground.
    assert len(rows) == 2 and rows[1]['scene_mates'] > 0
    assert all(math.isfinite(row['loss']) for row in rows)
    # Batches of 3 of 6 patches: the recipe of batch 64 was scaled, its queue is half of them.
    content = read_checkpoint(work / 'iter_2.pth', weights_only=False)
    assert len(content.state_dict['queue.keys']) == 3
    # The checkpoint knows what the images were stretched and standardised with.
    stats = read_statistics(content)
    table = get_stats('s2_l2a')
    assert (stats.unit, stats.name) == ('reflectance x 10000', 's2_l2a')
    assert stats.high['B04'] == table.high['B04']
    assert abs(stats.mean['B02'] - table.mean['B02']) < 1e-4
