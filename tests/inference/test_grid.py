"""Grids of maps: where one lies in another, other pixels, other bounds, overlap."""

import dataclasses

import numpy as np
import pytest
from osgeo import osr

from swimdiff.errors import ConfigError, RasterError
from swimdiff.inference.grid import Grid, adapt_grid, check_overlap


def _system(epsg):
    system = osr.SpatialReference()
    system.ImportFromEPSG(epsg)
    return system.ExportToWkt()


GRID = Grid(_system(32633), 600_000.0, 10.0, 5_700_000.0, 10.0, 300, 200)


def test_a_part_of_a_grid_is_found_in_it():
    part = dataclasses.replace(GRID, west=600_070.0, north=5_699_890.0, width=100, height=50)
    assert part.find_place(GRID) == (7, 11) and GRID.find_place(GRID) == (0, 0)
    # As files round: less than a thousandth of a pixel.
    assert dataclasses.replace(part, west=600_070.004).find_place(GRID) == (7, 11)
    for other in (
        dict(west=600_075.0),
        dict(dx=20.0),
        dict(dx=10.001),  # a tenth of a pixel at the far edge
        dict(west=599_990.0),
        dict(width=294),
        dict(system=_system(32632)),
    ):
        assert dataclasses.replace(part, **other).find_place(GRID) is None


def test_bounds_move_to_the_nearest_pixel_and_keep_the_lattice():
    part = adapt_grid(GRID, bounds=(600_096, 5_698_504, 600_204, 5_699_004))
    assert part.bounds == (600_100, 5_698_500, 600_200, 5_699_000)
    coarse = adapt_grid(GRID, resolution=60.0)
    assert (coarse.width, coarse.height, coarse.west, coarse.north) == (50, 33, 600_000, 5_700_000)
    with pytest.raises(ConfigError, match='at least a pixel apart'):
        adapt_grid(GRID, bounds=(600_204, 5_698_504, 600_096, 5_699_004))


def test_metres_for_a_grid_in_degrees_are_refused():
    grid = Grid(_system(4326), 13.0, 1e-4, 52.0, 1e-4, 454, 471)
    assert adapt_grid(grid, resolution=2e-4).width == 227
    with pytest.raises(ConfigError, match=r'resolution=20.*0\.0454 x 0\.0471 degrees.*0\.0001 x'):
        adapt_grid(grid, resolution=20)


@pytest.mark.parametrize('epsg', (32633, 32632, 4326))
def test_overlap_is_judged_in_any_coordinate_system(epsg):
    source, target = osr.SpatialReference(), osr.SpatialReference()
    source.ImportFromEPSG(32633), target.ImportFromEPSG(epsg)
    for system in (source, target):
        system.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
    carried = osr.CoordinateTransformation(source, target)
    unit = 1e-4 if epsg == 4326 else 10
    for metres, overlaps in ((2_500, True), (40_000, False)):
        west, north, _ = carried.TransformPoint(600_000.0 + metres, 5_700_000.0)
        other = Grid(_system(epsg), west, unit, north, unit, 100, 100)
        if overlaps:
            check_overlap(GRID, other, 'other.tif')
        else:
            with pytest.raises(RasterError, match=r'other.tif shares no ground'):
                check_overlap(GRID, other, 'other.tif')
    assert np.isfinite(GRID.bounds).all()
