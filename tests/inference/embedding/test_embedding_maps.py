import numpy as np
import pytest
from fixtures.embeddings import make_table, open_embedder, write_scene
from osgeo import gdal

from swimdiff.errors import ConfigError, LayoutError
from swimdiff.inference.embedding import (
    CellGrid,
    Clusters,
    Components,
    EmbeddingTable,
    clusters,
    maps,
    write_cluster_maps,
    write_vector_maps,
)
from swimdiff.inference.embedding.writing import SceneEntry, TableWriter


def write_table(path, vectors, group=50):
    grid = CellGrid(600_000, 5_700_000, 10, 10, 64, 32, 20, len(vectors) // 20, 'EPSG:32633')
    entry = SceneEntry('s.tif', '', 'key', grid)
    with TableWriter(path, vectors.shape[1], False, 'EPSG:4326', {}) as writer:
        groups = 0
        for first in range(0, len(vectors), group):
            cells = np.arange(first, min(first + group, len(vectors)))
            writer.write_patches(entry, *np.divmod(cells, grid.columns), vectors[cells])
            groups += 1
        writer.end_scene(entry, groups)
    return EmbeddingTable(path)


def blobs(sizes, dims=6, seed=0):
    """Vectors in tight groups of very different lengths, and the group of each, shuffled."""
    generator = np.random.default_rng(seed)
    centres = np.linalg.qr(generator.standard_normal((dims, dims)))[0][: len(sizes)]
    groups = generator.permutation(np.repeat(np.arange(len(sizes)), sizes))
    vectors = centres[groups] + 0.05 * generator.standard_normal((len(groups), dims))
    return (vectors * generator.uniform(0.5, 50, (len(groups), 1))).astype(np.float32), groups


def test_components_are_those_of_a_singular_value_decomposition(tmp_path):
    generator = np.random.default_rng(0)
    vectors = generator.standard_normal((200, 5)) @ generator.standard_normal((5, 5)) + 1000
    vectors = vectors.astype(np.float32)
    found = Components.fit(write_table(tmp_path / 't.parquet', vectors), 3)
    centred = vectors.astype(float) - vectors.astype(float).mean(axis=0)
    _, values, axes = np.linalg.svd(centred, full_matrices=False)
    np.testing.assert_allclose(found.shares, (values**2 / (values**2).sum())[:3], rtol=1e-4)
    np.testing.assert_allclose(np.abs(found.axes @ axes[:3].T), np.eye(3), atol=1e-3)
    projected = found.project(vectors)
    np.testing.assert_allclose(np.abs(projected), np.abs(centred @ axes[:3].T), atol=0.05)
    with pytest.raises(ConfigError, match='components=6: expected 1 to 5'):
        Components.fit(EmbeddingTable(tmp_path / 't.parquet'), 6)


@pytest.mark.parametrize('sample', [50_000, 120])
def test_clusters_are_the_groups_that_are_there(tmp_path, monkeypatch, sample):
    monkeypatch.setattr(clusters, '_SAMPLE', sample)
    vectors, groups = blobs([200, 120, 60, 20])
    table = write_table(tmp_path / 't.parquet', vectors)
    found = Clusters.fit(table, 4, seed=3)
    # The largest first, so the numbers are those of the groups.
    assert found.sizes.tolist() == [200, 120, 60, 20]
    assert np.array_equal(found.assign(vectors), groups)
    assert np.array_equal(Clusters.fit(table, 4, seed=3).centres, found.centres)
    np.testing.assert_allclose(np.linalg.norm(found.centres, axis=1), 1, rtol=1e-5)
    with pytest.raises(ConfigError, match='clusters=256: expected 2 to 255'):
        Clusters.fit(table, 256)


def test_alike_vectors_leave_clusters_empty_and_say_so(tmp_path, caplog):
    table = write_table(tmp_path / 't.parquet', np.ones((40, 3), np.float32))
    found = Clusters.fit(table, 3)
    assert found.sizes.tolist() == [40, 0, 0]
    assert np.isfinite(found.centres).all()


def test_a_map_of_clusters_lies_on_the_patches(tmp_path):
    vectors, groups = blobs([200, 120, 60, 20])
    table = write_table(tmp_path / 't.parquet', vectors)
    found = Clusters.fit(table, 4)
    (path,) = write_cluster_maps(table, tmp_path / 'out/c.tif', found)
    raster = gdal.Open(str(path))
    band = raster.GetRasterBand(1)
    assert np.array_equal(
        np.frombuffer(band.ReadRaster(), np.uint8).reshape(20, 20), groups.reshape(20, 20) + 1
    )
    # A stride of 32 pixels of 10 m around the middle of patches of 64.
    assert raster.GetGeoTransform() == (600_160, 320, 0, 5_699_840, 0, -320)
    assert raster.GetSpatialRef().GetAuthorityCode(None) == '32633'
    colours = [band.GetColorTable().GetColorEntry(number) for number in range(5)]
    assert len(set(colours)) == 5
    assert band.GetNoDataValue() == 0


def test_colours_differ_for_as_many_clusters_as_a_map_holds():
    for count in (2, 20, 60, 255):
        assert len(np.unique(maps.choose_colours(count), axis=0)) == count


def test_vectors_as_bands_of_a_geotiff(tmp_path, monkeypatch):
    monkeypatch.setattr(maps, '_MOST_BYTES', 500)  # some bands at a time
    embedder = open_embedder(tmp_path)

    def cut_off(pixels):
        pixels[:, :32, :32] = 0
        return pixels

    write_scene(tmp_path / 'a.tif', change=cut_off)
    write_scene(tmp_path / 'b.tif', 1)
    both = [tmp_path / 'a.tif', tmp_path / 'b.tif']
    run, _ = make_table(embedder, both, tmp_path / 't.parquet')
    table = EmbeddingTable(run.out)
    written = write_vector_maps(table, tmp_path / 'v.tif')
    assert [path.name for path in written] == ['v_a.tif', 'v_b.tif']
    raster = gdal.Open(str(written[0]))
    planes = np.frombuffer(raster.ReadRaster(), np.float32).reshape(64, 3, 4)
    assert np.isnan(planes[:, 0, 0]).all()
    for record in table.take(range(11), ['row', 'col', 'vector']):
        assert planes[:, record['row'], record['col']].tolist() == record['vector']
    assert raster.GetGeoTransform() == (600_000, 320, 0, 5_700_000, 0, -320)
    first, _ = write_vector_maps(table, tmp_path / 'p.tif', 2)
    raster = gdal.Open(str(first))
    basis = Components.fit(table, 2)
    assert raster.RasterCount == 2
    assert f'{basis.shares[0]:.1%}' in raster.GetRasterBand(1).GetDescription()
    planes = np.frombuffer(raster.ReadRaster(), np.float32).reshape(2, 3, 4)
    record = table.take([0], ['row', 'col', 'vector'])[0]
    wanted = basis.project(np.array([record['vector']], np.float32))[0]
    np.testing.assert_array_equal(planes[:, record['row'], record['col']], wanted)


def test_a_table_without_our_metadata_gives_no_map(tmp_path):
    geopandas = pytest.importorskip('geopandas')
    write_table(tmp_path / 't.parquet', np.ones((40, 3), np.float32))
    geopandas.read_parquet(tmp_path / 't.parquet').to_parquet(tmp_path / 'again.parquet')
    with pytest.raises(LayoutError, match='written again by another program'):
        write_vector_maps(EmbeddingTable(tmp_path / 'again.parquet'), tmp_path / 'v.tif')
