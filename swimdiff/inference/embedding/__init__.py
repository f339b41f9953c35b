"""Vectors of the patches of rasters: computed, kept in tables, searched, grouped, mapped."""

from swimdiff.inference.embedding.cells import CellGrid
from swimdiff.inference.embedding.clusters import Clusters
from swimdiff.inference.embedding.components import Components
from swimdiff.inference.embedding.embedder import Embedder
from swimdiff.inference.embedding.maps import write_cluster_maps, write_vector_maps
from swimdiff.inference.embedding.neighbours import PatchPictures, write_geojson, write_sheet
from swimdiff.inference.embedding.picture_query import embed_picture
from swimdiff.inference.embedding.places import find_overlapping, find_patch
from swimdiff.inference.embedding.reading import PatchReader, read_batches
from swimdiff.inference.embedding.run import EmbeddingOptions, EmbeddingRun, Outcome
from swimdiff.inference.embedding.scenes import SceneFiles, list_scenes
from swimdiff.inference.embedding.search import Match, search_vectors
from swimdiff.inference.embedding.table import EmbeddingTable

__all__ = [
    'CellGrid',
    'Clusters',
    'Components',
    'Embedder',
    'EmbeddingOptions',
    'EmbeddingRun',
    'EmbeddingTable',
    'Match',
    'Outcome',
    'PatchPictures',
    'PatchReader',
    'SceneFiles',
    'embed_picture',
    'find_overlapping',
    'find_patch',
    'list_scenes',
    'read_batches',
    'search_vectors',
    'write_cluster_maps',
    'write_geojson',
    'write_sheet',
    'write_vector_maps',
]
