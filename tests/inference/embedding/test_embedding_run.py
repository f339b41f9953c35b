import json
from datetime import date

import duckdb
import geopandas
import numpy as np
import pyarrow.parquet as pq
import pytest
from fixtures.embeddings import PATCH, make_table, open_embedder, write_scene
from fixtures.rasters import NORTH, WEST, noise, write
from pyproj import Transformer

from swimdiff.datasets.archives.raster_scenes import RasterScenes
from swimdiff.errors import ConfigError
from swimdiff.inference.embedding import EmbeddingTable
from swimdiff.inference.embedding.run import EmbeddingRun


@pytest.fixture
def embedder(tmp_path):
    return open_embedder(tmp_path)


def cells_of(table):
    """Rows of a table by file, row and column."""
    rows = table.take(range(len(table)), ['file', 'row', 'col', 'vector'])
    return {(r['file'], r['row'], r['col']): np.array(r['vector'], np.float32) for r in rows}


def test_a_table_holds_the_vector_and_the_ground_of_every_patch(embedder, tmp_path):
    pixels = write_scene(tmp_path / 'scene_20240305.tif')
    run, outcome = make_table(embedder, [tmp_path / 'scene_20240305.tif'], tmp_path / 'e.parquet')
    assert (outcome.done, outcome.joined, outcome.failed) == (1, True, {})
    assert not run.parts.exists()
    frame = geopandas.read_parquet(tmp_path / 'e.parquet')
    assert frame.crs == 'EPSG:4326'
    assert len(frame) == 12
    assert frame.date.tolist() == [date(2024, 3, 5)] * 12
    to_lonlat = Transformer.from_crs(32633, 4326, always_xy=True)
    for _, row in frame.iterrows():
        top, left = row.row * PATCH, row.col * PATCH
        patch = pixels[:, top : top + PATCH, left : left + PATCH]
        # A batch of another size is summed in another order; values go up to 4.
        np.testing.assert_allclose(row.vector, embedder.embed(patch), rtol=1e-4, atol=1e-4)
        corners = [
            to_lonlat.transform(WEST + (left + x) * 10, NORTH - (top + y) * 10)
            for x, y in ((0, PATCH), (PATCH, PATCH), (PATCH, 0), (0, 0), (0, PATCH))
        ]
        np.testing.assert_allclose(row.geometry.exterior.coords, corners, atol=1e-9)
        assert row.geometry.exterior.is_ccw


def test_duckdb_reads_it_as_an_independent_reader(embedder, tmp_path):
    write_scene(tmp_path / 'scene_20240305.tif')
    make_table(embedder, [tmp_path / 'scene_20240305.tif'], tmp_path / 'e.parquet', half=True)
    path = tmp_path / 'e.parquet'
    count, dims, day, west = duckdb.sql(
        f"select count(*), max(len(vector)), max(date), min(bbox.xmin) from '{path}'"
    ).fetchall()[0]
    assert (count, dims, day) == (12, 64, date(2024, 3, 5))
    table = EmbeddingTable(path)
    (first,) = duckdb.sql(f"select vector from '{path}' where row = 0 and col = 0").fetchall()[0]
    wanted = cells_of(table)[str(tmp_path / 'scene_20240305.tif'), 0, 0]
    np.testing.assert_allclose(np.array(first, float), wanted, rtol=1e-3)
    assert west == pytest.approx(geopandas.read_parquet(path).total_bounds[0], abs=1e-9)


def test_the_images_are_those_that_pretraining_reads(embedder, tmp_path):
    """Bands of several sizes, in files of their own: the same input as RasterScenes gives."""
    for band, pixel, side in (('B04', 10, 96), ('B03', 20, 48), ('B02', 60, 16)):
        write(tmp_path / f'data/s_{band}.tif', noise(side, side, seed=side), pixel=pixel)
    dataset = RasterScenes(
        str(tmp_path / 'data'),
        ('B04', 'B03', 'B02'),
        patch=48,
        stats='oscd',
        unit='reflectance x 10000',
        index_cache=None,
        pipeline=[dict(type='LoadPatch')],
    )
    images = np.stack([dataset[i]['img'].transpose(2, 0, 1) for i in range(len(dataset))])
    make_table(embedder, [tmp_path / 'data'], tmp_path / 'e.parquet', patch=48)
    found = np.stack(list(cells_of(EmbeddingTable(tmp_path / 'e.parquet')).values()))
    wanted = embedder.embed_stretched(images)
    assert len(found) == len(wanted) == 4
    # Both in the order of rows, then columns.
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)


def test_patches_without_data_are_left_out_above_the_share(embedder, tmp_path):
    def cut_off(pixels):
        pixels[:, :, :48] = 0  # all of the first column of patches, half of the second
        return pixels

    write_scene(tmp_path / 's.tif', change=cut_off)
    columns = {}
    for share in (0.4, 0.6):
        out = tmp_path / f'{share}.parquet'
        make_table(embedder, [tmp_path / 's.tif'], out, max_nodata=share)
        table = EmbeddingTable(out)
        columns[share] = {col for _, _, col in cells_of(table)}
        assert table.scenes[0].patches + table.scenes[0].skipped == 12
    assert columns == {0.4: {2, 3}, 0.6: {1, 2, 3}}
    write_scene(tmp_path / 'nothing.tif', change=lambda pixels: pixels * 0)
    _, outcome = make_table(embedder, [tmp_path / 'nothing.tif'], tmp_path / 'none.parquet')
    assert outcome.joined
    assert len(EmbeddingTable(tmp_path / 'none.parquet')) == 0


def test_a_run_goes_on_where_it_was(embedder, tmp_path, monkeypatch):
    scenes = [tmp_path / f's{number}.tif' for number in range(3)]
    for number, scene in enumerate(scenes):
        write_scene(scene, number)
    out = tmp_path / 'e.parquet'
    embed, seen = EmbeddingRun._embed, []

    def interrupted(run, scene, key):
        if len(seen) == 1:
            raise KeyboardInterrupt
        seen.append(scene.name)
        return embed(run, scene, key)

    monkeypatch.setattr(EmbeddingRun, '_embed', interrupted)
    with pytest.raises(KeyboardInterrupt):
        make_table(embedder, scenes, out)
    assert not out.exists()
    monkeypatch.setattr(EmbeddingRun, '_embed', embed)
    _, outcome = make_table(embedder, scenes, out)
    assert (outcome.done, outcome.kept) == (2, 1)
    whole = cells_of(EmbeddingTable(out))
    assert len(whole) == 36
    # A scene that changed, and one that is new: the others come from the table.
    before = out.stat().st_ino
    write_scene(scenes[1], 7)
    write_scene(tmp_path / 's3.tif', 3)
    _, outcome = make_table(embedder, [*scenes, tmp_path / 's3.tif'], out)
    assert (outcome.done, outcome.kept) == (2, 2)
    after = cells_of(EmbeddingTable(out))
    assert out.stat().st_ino != before
    for cell, vector in whole.items():
        assert np.array_equal(after[cell], vector) == (cell[0] != str(scenes[1]))
    before = out.read_bytes()
    _, outcome = make_table(embedder, [*scenes, tmp_path / 's3.tif'], out)
    assert (outcome.done, outcome.kept, outcome.joined) == (0, 4, True)
    assert out.read_bytes() == before


def test_shards_make_the_table_of_one_run(embedder, tmp_path):
    scenes = [tmp_path / f's{number}.tif' for number in range(3)]
    for number, scene in enumerate(scenes):
        write_scene(scene, number)
    run, _ = make_table(embedder, scenes, tmp_path / 'one.parquet')
    one = cells_of(EmbeddingTable(run.out))
    run.out, run.parts = tmp_path / 'many.parquet', tmp_path / 'many.parquet.parts'
    first, second = run.run((0, 2)), run.run((1, 2))
    assert (first.done, first.waiting, first.joined) == (2, 1, False)
    assert (second.done, second.waiting, second.joined) == (1, 0, True)
    many = cells_of(EmbeddingTable(run.out))
    assert list(many) == list(one)
    assert all(np.array_equal(many[cell], one[cell]) for cell in one)
    again = run.run((0, 2))
    assert (again.done, again.kept, again.joined) == (0, 2, True)


def test_a_scene_that_fails_does_not_stop_the_others(embedder, tmp_path):
    write_scene(tmp_path / 'a.tif')
    write_scene(tmp_path / 'b.tif')
    damaged = (tmp_path / 'b.tif').read_bytes()
    (tmp_path / 'b.tif').write_bytes(damaged[: len(damaged) // 2])
    write_scene(tmp_path / 'c.tif', 2, height=20)
    scenes = [tmp_path / name for name in ('a.tif', 'b.tif', 'c.tif')]
    run, outcome = make_table(embedder, scenes, tmp_path / 'e.parquet')
    assert set(outcome.failed) == {str(tmp_path / 'b.tif'), str(tmp_path / 'c.tif')}
    assert 'damaged' in outcome.failed[str(tmp_path / 'b.tif')]
    assert 'no patch of 32 fits' in outcome.failed[str(tmp_path / 'c.tif')]
    assert len(EmbeddingTable(run.out)) == 12
    (tmp_path / 'b.tif').write_bytes(damaged)
    run, outcome = make_table(embedder, scenes, tmp_path / 'e.parquet')
    assert (outcome.done, outcome.kept, len(outcome.failed)) == (1, 1, 1)
    assert len(EmbeddingTable(run.out)) == 24


def test_a_scene_without_a_band_of_the_backbone(embedder, tmp_path):
    """Its bands are those of the checkpoint: no option of the command changes them."""
    names = embedder.bands[:-1]
    path = write(tmp_path / 'a.tif', noise(64, 64)[None].repeat(len(names), 0), names=names)
    _, outcome = make_table(embedder, [path], tmp_path / 'e.parquet')
    (message,) = outcome.failed.values()
    assert f'has no {embedder.bands[-1]}; it has {", ".join(names)}. The backbone takes' in message
    assert '--file-bands' in message and 'bands=[' not in message


def test_values_of_another_unit_are_refused_unless_said(embedder, tmp_path):
    pixels = noise(64, 64, 1).astype('float32') / 10_000
    write(tmp_path / 's.tif', np.stack([pixels] * 3), names=('B04', 'B03', 'B02'))
    _, outcome = make_table(embedder, [tmp_path / 's.tif'], tmp_path / 'e.parquet')
    (message,) = outcome.failed.values()
    assert "Declare the unit of the files: --unit 'reflectance'" in message
    make_table(embedder, [tmp_path / 's.tif'], tmp_path / 'e.parquet', unit='reflectance')
    cells = cells_of(EmbeddingTable(tmp_path / 'e.parquet'))
    wanted = embedder.embed(np.stack([pixels] * 3)[:, :32, :32], unit='reflectance')
    np.testing.assert_allclose(cells[str(tmp_path / 's.tif'), 0, 0], wanted, rtol=1e-3, atol=1e-3)


def test_a_table_is_not_replaced_unasked(embedder, tmp_path):
    for name in ('a.tif', 'b.tif'):
        write_scene(tmp_path / name)
    out = tmp_path / 'e.parquet'
    both = [tmp_path / 'a.tif', tmp_path / 'b.tif']
    make_table(embedder, both, out)
    with pytest.raises(ConfigError, match=r'not asked for: .*a\.tif\. Name them too'):
        make_table(embedder, both[1:], out)
    with pytest.raises(ConfigError, match=r'stride 32.*Expected .*stride 16'):
        make_table(embedder, both, out, stride=16)
    (tmp_path / 'other.parquet').write_bytes(b'something else')
    with pytest.raises(ConfigError, match='is no table of embeddings'):
        make_table(embedder, both, tmp_path / 'other.parquet')


def test_the_geometry_may_be_that_of_the_scenes(embedder, tmp_path):
    write_scene(tmp_path / 'a.tif')
    run, _ = make_table(embedder, [tmp_path / 'a.tif'], tmp_path / 'e.parquet', system='scene')
    frame = geopandas.read_parquet(run.out)
    assert frame.crs.to_epsg() == 32633
    assert frame.total_bounds.tolist() == [WEST, NORTH - 960, WEST + 1280, NORTH]
    write_scene(tmp_path / 'b.tif', epsg=32632)
    both = [tmp_path / 'a.tif', tmp_path / 'b.tif']
    with pytest.raises(ConfigError, match=r'b\.tif is in another coordinate system'):
        make_table(embedder, both, run.out, system='scene')


def test_metadata_follow_geoparquet(embedder, tmp_path):
    write_scene(tmp_path / 'a.tif')
    run, _ = make_table(embedder, [tmp_path / 'a.tif'], tmp_path / 'e.parquet')
    file = pq.ParquetFile(run.out)
    geo = json.loads(file.metadata.metadata[b'geo'])
    column = geo['columns'][geo['primary_column']]
    assert (geo['version'], column['encoding']) == ('1.1.0', 'WKB')
    assert column['covering']['bbox']['ymax'] == ['bbox', 'ymax']
    bounds = geopandas.read_parquet(run.out).total_bounds
    np.testing.assert_allclose(column['bbox'], bounds)
    kind = file.schema_arrow.field('vector').type
    assert (kind.list_size, str(kind.value_type)) == (64, 'float')
    about = EmbeddingTable(run.out).about
    assert about['checkpoint']['bands'] == ['B04', 'B03', 'B02']
    assert about['unit'] == 'reflectance x 10000'
