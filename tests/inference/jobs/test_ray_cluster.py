"""A Ray cluster of two nodes on this machine, one of which is lost in the middle."""

import json
import os
import sys
import threading
import time
from pathlib import Path

import pytest

from swimdiff.errors import ConfigError, RasterError
from swimdiff.inference.jobs import Ledger, ListedScene, Outcome, SceneQueue, run_on_ray

ray = pytest.importorskip('ray', reason="needs the extra 'ray'")
from ray.cluster_utils import Cluster  # noqa: E402

pytestmark = pytest.mark.slow
SCENES = 6


class Maker:
    """Builds a runner that writes a map whole; notes each attempt and the node that made it.

    On one node it never comes to an end.
    """

    def __init__(self, folder, bad='', stuck=''):
        self.folder, self.bad, self.stuck = folder, bad, stuck

    def __call__(self):
        from ray import get_runtime_context

        if self.bad == 'build':
            raise RasterError('no such weights')
        node = get_runtime_context().get_node_id()

        def run_one(scene, replace_files):
            name = scene.out.stem
            (self.folder / f'{name}.{node[:8]}.{os.getpid()}.attempt').touch()
            time.sleep(600 if node == self.stuck else 0.2)
            if name == self.bad:
                raise RasterError(f'{name} is damaged')
            partial = scene.out.with_suffix(f'.{os.getpid()}.partial')
            partial.write_text(f'map {name}\n' * 1000)
            partial.rename(scene.out)
            return Outcome([scene.out])

        return run_one


@pytest.fixture
def cluster(monkeypatch):
    # Ray's workers are nicer than all others by default, and starve on a machine with more to do.
    monkeypatch.setenv('RAY_worker_niceness', '0')
    made = Cluster(initialize_head=True, head_node_args=dict(num_cpus=1, num_gpus=0))
    made.add_node(num_cpus=1, num_gpus=0)
    ray.init(address=made.address, log_to_driver=False)
    # Workers do not find the modules of tests.
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    yield made
    ray.shutdown()
    made.shutdown()


def _queue(folder, **options):
    scenes = []
    for number in range(SCENES):
        source = folder / f'{number}.in'
        if not source.exists():  # its time counts
            source.touch()
        scenes.append(ListedScene((str(source),), folder / f'{number}.tif'))
    return SceneQueue(scenes, {}, Ledger(folder / 'results.jsonl'), say=lambda _: None, **options)


def _entries(folder):
    lines = (folder / 'results.jsonl').read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_every_scene_is_done_once_though_a_node_is_lost(cluster, tmp_path):
    (stuck,) = (
        node['NodeID'] for node in ray.nodes() if 'node:__internal_head__' not in node['Resources']
    )

    def lose_node():
        while not list(tmp_path.glob(f'*.{stuck[:8]}.*.attempt')):
            time.sleep(0.05)
        (lost,) = (node for node in cluster.list_all_nodes() if node.node_id == stuck)
        cluster.remove_node(lost, allow_graceful=False)

    killer = threading.Thread(target=lose_node)
    killer.start()
    summary = run_on_ray(_queue(tmp_path), Maker(tmp_path, stuck=stuck), cpus=1)
    killer.join()
    assert (summary.finished, summary.failed) == (SCENES, {})
    entries = _entries(tmp_path)
    assert sorted(Path(entry['out']).stem for entry in entries) == [str(n) for n in range(SCENES)]
    for number in range(SCENES):
        assert (tmp_path / f'{number}.tif').read_text() == f'map {number}\n' * 1000
    # The scene that the lost node had was begun again on the other one.
    attempts = sorted(path.name.split('.')[:2] for path in tmp_path.glob('*.attempt'))
    (torn,) = (name for name, node in attempts if node == stuck[:8])
    assert len(attempts) == SCENES + 1
    assert sum(name == torn for name, _ in attempts) == 2
    again = run_on_ray(_queue(tmp_path), Maker(tmp_path, 'build'))
    assert (again.skipped, again.finished) == (SCENES, 0)


def test_failures_and_models_that_cannot_be_built(cluster, tmp_path):
    with pytest.raises(RasterError, match=r'^no such weights$'):
        run_on_ray(_queue(tmp_path), Maker(tmp_path, 'build'))
    summary = run_on_ray(_queue(tmp_path), Maker(tmp_path, '3'), cpus=1)
    assert (summary.finished, summary.exit_code) == (SCENES - 1, 1)
    assert list(summary.failed.values()) == ['3 is damaged']
    with pytest.raises(ConfigError, match='no node with 64 cores'):
        run_on_ray(_queue(tmp_path), Maker(tmp_path), cpus=64)
