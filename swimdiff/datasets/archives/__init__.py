"""The archives to pre-train on, and what a scene is in each."""

from swimdiff.datasets.archives.picture_scenes import PictureScenes
from swimdiff.datasets.archives.raster_scenes import RasterScenes
from swimdiff.datasets.archives.sample_scene import find_sample_scene
from swimdiff.datasets.archives.scene_patches import ScenePatches
from swimdiff.datasets.archives.scenes import (
    BlockScene,
    DistanceScene,
    FileScene,
    LocationScene,
    SceneDefinition,
    TileScene,
)
from swimdiff.datasets.archives.seco import SeCo
from swimdiff.datasets.archives.sen12ms import SEN12MS, SEN12MSScene
from swimdiff.datasets.archives.ssl4eo import SSL4EO

__all__ = [
    'SEN12MS',
    'SSL4EO',
    'BlockScene',
    'DistanceScene',
    'FileScene',
    'LocationScene',
    'PictureScenes',
    'RasterScenes',
    'SEN12MSScene',
    'SceneDefinition',
    'ScenePatches',
    'SeCo',
    'TileScene',
    'find_sample_scene',
]
