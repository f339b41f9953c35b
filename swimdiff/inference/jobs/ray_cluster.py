"""Scenes of a list on a Ray cluster: one actor per device holds the model.

Ray starts an actor again elsewhere when its worker or its node is lost, and runs again what the
lost one had. The process that called keeps the ledger: a scene has one line however often it was
tried, and as files take their places whole, a second try finds nothing torn.
"""

import contextlib
from collections import Counter, deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

from swimdiff.errors import ConfigError
from swimdiff.inference.jobs.ledger import FAILED, Entry
from swimdiff.inference.jobs.running import RunOne, SceneQueue, Summary, attempt_scene
from swimdiff.inference.jobs.scene_list import ListedScene

__all__ = ['import_ray', 'run_on_ray']

#: A scene, its hash, and whether its files may be replaced.
_Work: TypeAlias = tuple[ListedScene, str, bool]

#: Times that a scene may lose its worker: a scene that kills every worker is given up.
_LOSSES = 3


def import_ray() -> Any:
    """Return the module ``ray``.

    Raises:
        ConfigError: It is not installed.
    """
    try:
        import ray
    except ImportError as error:
        raise ConfigError(
            "--ray runs on a Ray cluster, and ray is not installed: pip install 'swimdiff[ray]'"
        ) from error
    return ray


class _Worker:
    """An actor: builds the model with its first scene and keeps it.

    Args:
        make_run_one: Builds what runs a scene; called in the actor.
    """

    def __init__(self, make_run_one: Callable[[], RunOne]) -> None:
        self._make = make_run_one
        self._run_one: RunOne | None = None

    def run(self, scene: ListedScene, found: str, replace_files: bool) -> Entry:
        if self._run_one is None:
            self._run_one = self._make()
        return attempt_scene(self._run_one, scene, found, replace_files)


def run_on_ray(
    queue: SceneQueue,
    make_run_one: Callable[[], RunOne],
    address: str | None = None,
    cpus: int = 1,
    gpus: float | None = None,
) -> Summary:
    """Run the scenes of a queue on a Ray cluster.

    Files and the ledger have to lie where all nodes see them.

    Args:
        queue: The scenes.
        make_run_one: Builds what runs a scene, in every actor; goes through pickle.
        address: Of a running cluster, ``auto`` for the one of this machine. Defaults to None, one
            on this machine for as long as it takes.
        cpus: Cores of an actor. Defaults to 1.
        gpus: GPUs of an actor. Defaults to None, one where the cluster has some.

    Returns:
        What became of the scenes.

    Raises:
        ConfigError: Ray is not installed, no cluster answers, or none of its nodes is large enough.
        Exception: The model cannot be built; as its maker raises it.
    """
    ray = import_ray()
    with _connect(ray, address):
        resources: Any = dict(num_cpus=cpus, num_gpus=_choose_gpus(ray, gpus))
        actors = _count_actors(ray, **resources)
        worker = ray.remote(max_restarts=-1, max_task_retries=_LOSSES, **resources)(_Worker)
        with contextlib.ExitStack() as claims:
            _run(ray, queue, lambda: worker.remote(make_run_one), actors, claims)
    return queue.summary


@contextlib.contextmanager
def _connect(ray: Any, address: str | None) -> Iterator[None]:
    """Join a cluster, or start one; one that was joined before is left as it is."""
    if ray.is_initialized():
        yield
        return
    try:
        ray.init(address=address or 'local', log_to_driver=True, include_dashboard=False)
    except TypeError:  # of a client's address, which takes fewer options
        ray.init(address=address)
    except (ConnectionError, ValueError, RuntimeError, ray.exceptions.RayError) as error:
        if address is None:
            raise ConfigError(
                f'--ray: no Ray cluster could be started on this machine ({error}). Leave --ray '
                'out to run the scenes in this process, or give the address of a running cluster.'
            ) from error
        raise ConfigError(
            f'--ray {address}: no Ray cluster takes us in there ({error}). Start one with `ray '
            'start --head`. Where that said that token authentication is enabled, set '
            'RAY_AUTH_MODE=token here too, with the token of its ~/.ray/auth_token. Or leave the '
            'address out for a cluster on this machine.'
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


def _choose_gpus(ray: Any, gpus: float | None) -> float:
    return float(ray.cluster_resources().get('GPU', 0) > 0) if gpus is None else gpus


def _count_actors(ray: Any, num_cpus: int, num_gpus: float) -> int:
    """Return how many actors the nodes have room for.

    Raises:
        ConfigError: None of them has.
    """
    room = 0
    for node in ray.nodes():
        if node['Alive']:
            node_resources = node['Resources']
            limits = [node_resources.get('CPU', 0) // max(num_cpus, 1)]
            if num_gpus:
                limits.append(node_resources.get('GPU', 0) // num_gpus)
            room += int(min(limits))
    if not room:
        raise ConfigError(
            f'The Ray cluster has no node with {num_cpus} cores and {num_gpus:g} GPUs for a '
            f'worker. It has {ray.cluster_resources()}. Ask for less: --ray-cpus, --ray-gpus.'
        )
    return room


def _run(
    ray: Any,
    queue: SceneQueue,
    start_actor: Callable[[], Any],
    room: int,
    claims: contextlib.ExitStack,
) -> None:
    """Keep every actor busy with one scene; let go of those that have nothing left to do.

    An actor of a lost node waits until others give their cores back, and Ray then runs its scene
    again: therefore actors end as soon as no scene is left for them.
    """
    waiting_scenes, again = _open_scenes(queue, claims), deque[_Work]()
    running_tasks: dict[Any, tuple[Any, _Work]] = {}
    losses: Counter[Path] = Counter()

    def hand_out(actor: Any) -> None:
        work = again.popleft() if again else next(waiting_scenes, None)
        if work is None:
            ray.kill(actor)
        else:
            running_tasks[actor.run.remote(*work)] = actor, work

    for _ in range(min(room, len(queue.scenes))):
        hand_out(start_actor())
    while running_tasks:
        (finished_task, *_), _ = ray.wait(list(running_tasks), num_returns=1)
        actor, work = running_tasks.pop(finished_task)
        scene, scene_hash, _ = work
        try:
            queue.record(ray.get(finished_task))
        except ray.exceptions.RayTaskError as error:
            # Errors of a scene are in its entry: here the model could not be built, and never will.
            raise error.cause from None
        except ray.exceptions.RayError as error:
            # Ray's own tries are used up, as they are within a moment where a node does not answer.
            losses[scene.out] += 1
            if losses[scene.out] < _LOSSES:
                again.append(work)
            else:
                message = f'{type(error).__name__}: {error}'
                queue.record(
                    Entry(str(scene.out), FAILED, scene_hash, scene.inputs, message=message)
                )
            ray.kill(actor)
            actor = start_actor()
        hand_out(actor)


def _open_scenes(queue: SceneQueue, claims: contextlib.ExitStack) -> Iterator[_Work]:
    """Yield scenes that are to be done, claimed until the run ends."""
    for scene in queue.scenes:
        if not claims.enter_context(queue.ledger.claim(scene)):
            queue.note_busy(scene)
            continue
        work = queue.look(scene)
        if work is not None:
            yield scene, *work
