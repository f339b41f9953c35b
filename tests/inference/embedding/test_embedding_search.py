import json

import geopandas
import numpy as np
import pytest
import shapely
from fixtures.embeddings import make_table, open_embedder, write_scene

from swimdiff.errors import ConfigError, DatasetNotFoundError, LayoutError
from swimdiff.inference.embedding import (
    CellGrid,
    EmbeddingTable,
    Match,
    find_overlapping,
    find_patch,
    search_vectors,
    write_geojson,
)
from swimdiff.inference.embedding import writing as writing_module
from swimdiff.inference.embedding.writing import SceneEntry, TableWriter


def write_table(path, vectors, columns=10, date='20240101', crs='EPSG:4326', group=7, **more):
    """A table of given vectors on a grid, in row groups of few rows."""
    grid = CellGrid(600_000, 5_700_000, 10, 10, 64, 64, 100, columns, 'EPSG:32633')
    grid = CellGrid(**{**vars(grid), **more})
    entry = SceneEntry(f'{date}.tif', date, 'key', grid, len(vectors))
    with TableWriter(path, vectors.shape[1], False, crs, {}) as writer:
        groups = 0
        for first in range(0, len(vectors), group):
            cells = np.arange(first, min(first + group, len(vectors)))
            writer.write_patches(entry, *np.divmod(cells, columns), vectors[cells])
            groups += 1
        writer.end_scene(entry, groups)
    return EmbeddingTable(path)


@pytest.fixture
def vectors():
    return np.random.default_rng(0).standard_normal((100, 8)).astype(np.float32)


def test_search_equals_a_search_in_memory(tmp_path, vectors):
    vectors[[5, 60]] = vectors[20]  # equal scores: the earlier row first
    table = write_table(tmp_path / 't.parquet', vectors)
    assert table.num_groups == 15
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    queries = np.stack([vectors[20] * 3, np.ones(8), -vectors[3]])
    for count in (1, 5, 30, 200):
        hidden = [7, 6, 99]
        found = search_vectors(table, queries, count, hidden)
        for query, matches in zip(queries, found, strict=True):
            scores = unit @ (query / np.linalg.norm(query)).astype(np.float32)
            order = [row for row in np.argsort(-scores, kind='stable') if row not in hidden]
            assert [match.row for match in matches] == order[:count]
            np.testing.assert_allclose(
                [match.score for match in matches], scores[order[:count]], atol=1e-6
            )
    assert [match.row for match in search_vectors(table, queries[0], 3)[0]] == [5, 20, 60]


def test_vectors_of_another_network_are_refused(tmp_path, vectors):
    table = write_table(tmp_path / 't.parquet', vectors)
    with pytest.raises(ConfigError, match=r'9 numbers.*Expected 8 numbers'):
        search_vectors(table, np.ones(9))
    with pytest.raises(ConfigError, match='length 0'):
        search_vectors(table, np.zeros(8))
    with pytest.raises(ConfigError, match='n=0'):
        search_vectors(table, np.ones(8), 0)


def test_what_is_no_table_is_said(tmp_path, vectors):
    with pytest.raises(DatasetNotFoundError, match=r'tools/embed\.py has written'):
        EmbeddingTable(tmp_path / 'none.parquet')
    (tmp_path / 'cut.parquet').write_bytes(b'PAR1 and little more')
    with pytest.raises(LayoutError, match='damaged or only partly copied'):
        EmbeddingTable(tmp_path / 'cut.parquet')
    frame = geopandas.GeoDataFrame(dict(a=[1]), geometry=[shapely.Point(0, 0)], crs=4326)
    frame.to_parquet(tmp_path / 'other.parquet')
    with pytest.raises(LayoutError, match='Expected a column `vector`'):
        EmbeddingTable(tmp_path / 'other.parquet')


@pytest.mark.parametrize('system', ['EPSG:4326', 'EPSG:32633'])
def test_a_place_names_the_patch_around_it(tmp_path, vectors, system):
    table = write_table(tmp_path / 't.parquet', vectors, crs=system)
    frame = geopandas.read_parquet(tmp_path / 't.parquet').to_crs(4326)
    for row in (0, 37, 99):
        middle = frame.geometry.iloc[row].centroid
        assert find_patch(table, middle.x, middle.y) == row
    with pytest.raises(ConfigError, match=r'No patch .* latitude 51\.38.* to 51\.44'):
        find_patch(table, 0, 0)
    with pytest.raises(ConfigError, match='expected a longitude'):
        find_patch(table, 51, 190)


def test_dates_and_overlaps_of_a_place(tmp_path):
    embedder = open_embedder(tmp_path)
    scenes = [tmp_path / f's_{day}.tif' for day in ('20240101', '20240601')]
    for number, scene in enumerate(scenes):
        write_scene(scene, number)
    run, _ = make_table(embedder, scenes, tmp_path / 't.parquet', stride=16)
    table = EmbeddingTable(run.out)
    frame = geopandas.read_parquet(run.out)
    index = 2 * 7 + 3  # of the first date: row 2, column 3 of 5 x 7
    middle = frame.geometry.iloc[index].centroid
    # The last date by default, of patches that overlap the one in the middle.
    assert find_patch(table, middle.x, middle.y) == 35 + index
    assert find_patch(table, middle.x, middle.y, '2024-01-01') == index
    with pytest.raises(ConfigError, match='2024-01-01, 2024-06-01; none is of 2020-01-01'):
        find_patch(table, middle.x, middle.y, '2020-01-01')
    overlapping = set(find_overlapping(table, index))
    wanted = {
        date * 35 + row * 7 + column for date in (0, 1) for row in (1, 2, 3) for column in (2, 3, 4)
    }
    assert overlapping == wanted


def test_a_table_written_again_by_geopandas_is_searched(tmp_path, vectors):
    write_table(tmp_path / 't.parquet', vectors)
    frame = geopandas.read_parquet(tmp_path / 't.parquet')
    frame.iloc[10:].to_parquet(tmp_path / 'part.parquet')
    table = EmbeddingTable(tmp_path / 'part.parquet')
    assert (table.dims, len(table)) == (8, 90)
    middle = frame.geometry.iloc[50].centroid
    row = find_patch(table, middle.x, middle.y)
    assert row == 40
    assert search_vectors(table, vectors[50], 1)[0][0].row == 40


def test_a_patch_across_the_date_line_is_found_from_both_sides(tmp_path, vectors):
    grid = dict(west=790_000, north=2_000_000, dx=1000, dy=1000, system='EPSG:32660')
    table = write_table(tmp_path / 't.parquet', vectors[:1], 1, **grid)
    bounds = geopandas.read_parquet(tmp_path / 't.parquet').total_bounds
    low, high = bounds[0], bounds[2]
    assert high - low < 1
    assert low < 180 < high or low < -180 < high
    lat = bounds[[1, 3]].mean()
    assert find_patch(table, 179.95, lat) == find_patch(table, -179.95, lat) == 0


def test_geojson_has_ranks_scores_and_the_ground(tmp_path, vectors):
    table = write_table(tmp_path / 't.parquet', vectors, crs='EPSG:32633')
    write_geojson(table, [Match(4, 0.5), Match(2, 0.25)], tmp_path / 'f.geojson', query=9)
    frame = geopandas.read_file(tmp_path / 'f.geojson')
    assert frame['rank'].tolist() == [0, 1, 2]
    assert frame['score'].tolist() == [1.0, 0.5, 0.25]
    assert frame['table_row'].tolist() == [9, 4, 2]
    wanted = geopandas.read_parquet(tmp_path / 't.parquet').to_crs(4326).geometry.iloc[[9, 4, 2]]
    assert (
        frame.geometry.reset_index(drop=True)
        .geom_equals_exact(wanted.reset_index(drop=True), 1e-9)
        .all()
    )
    properties = json.loads((tmp_path / 'f.geojson').read_text())['features'][1]['properties']
    assert (properties['file'], properties['date']) == ('20240101.tif', '2024-01-01')


def test_row_groups_bound_the_memory(monkeypatch):
    assert writing_module.rows_of_group(512) == 16_384
    assert writing_module.rows_of_group(10**9) == 1
