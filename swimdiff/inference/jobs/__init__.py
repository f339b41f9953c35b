"""Maps of many scenes: lists, shares, a ledger of what is done, Ray."""

from swimdiff.inference.jobs.fingerprint import digest_file, hash_scene
from swimdiff.inference.jobs.ledger import Entry, Ledger
from swimdiff.inference.jobs.mapping_runs import MappingRun
from swimdiff.inference.jobs.ray_cluster import import_ray, run_on_ray
from swimdiff.inference.jobs.running import Outcome, RunOne, SceneQueue, Summary, run_scenes
from swimdiff.inference.jobs.scene_list import INPUT_COLUMNS, ListedScene, read_scene_list

__all__ = [
    'INPUT_COLUMNS',
    'Entry',
    'Ledger',
    'ListedScene',
    'MappingRun',
    'Outcome',
    'RunOne',
    'SceneQueue',
    'Summary',
    'digest_file',
    'hash_scene',
    'import_ray',
    'read_scene_list',
    'run_on_ray',
    'run_scenes',
]
