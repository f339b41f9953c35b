"""The index of a folder of scenes: opened, grouped, cut into windows and judged, in parallel."""

import os
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
from mmengine.logging import print_log

from swimdiff.datasets.geo import same_system
from swimdiff.datasets.index import PatchIndex, Strings
from swimdiff.datasets.rasters.choice import Opener, drop_links, drop_unused
from swimdiff.datasets.rasters.files import RasterTree, find_scenes
from swimdiff.datasets.rasters.opening import SceneRasters
from swimdiff.datasets.rasters.places import Place, group_scenes, lay_grid
from swimdiff.datasets.rasters.reading import close_files, opened
from swimdiff.datasets.rasters.windows import Sizes, Windows, arranged, fit_windows
from swimdiff.errors import DataError, LayoutError, RasterError, readable
from swimdiff.progress import track

__all__ = ['build_index']

#: Opening files waits for the disk, most of all for one behind a network.
_THREADS = 16
#: Scenes that a message names.
_NAMED = 5


def build_index(
    tree: RasterTree,
    bands: Sequence[str],
    pixels: tuple[str, str],
    sizes: Sizes,
    date: Callable[[str], str],
) -> PatchIndex:
    """Index a folder of scenes.

    Args:
        tree: The folder.
        bands: Bands that a scene must have.
        pixels: Type of the pixels that it must have, and the path of a scene of that type.
        sizes: Sizes of windows.
        date: Date of a scene by its path.

    Raises:
        LayoutError: No window can be cut.
    """
    root, options = tree.root, tree.options
    visited_folders: list[str] = []
    stamp, start_time = os.stat(root).st_mtime_ns, time.time_ns()
    distinct_scenes, notes = drop_links(root, list(find_scenes(tree, visited_folders)))
    opener = Opener(tree, bands, *pixels)
    with ThreadPoolExecutor(_THREADS) as pool:
        jobs = pool.map(opener.open, distinct_scenes)
        results = list(track(jobs, len(distinct_scenes), f'Opening the scenes of {root}'))
    scenes, left_out, unused_notes = drop_unused(opener, zip(distinct_scenes, results, strict=True))
    asked_count = len(scenes) + len(left_out)
    notes += unused_notes
    if not scenes:
        raise LayoutError(left_out[0] if left_out else f'{root} holds no scene any more.')
    scenes = _one_spelling(scenes)
    scenes.sort(key=lambda scene: (date(scene.path), scene.path))
    if options.min_clear and not any(scene.mask for scene in scenes):
        raise LayoutError(
            f'min_clear={options.min_clear}, but none of the {len(scenes)} scenes of {root} has a '
            f'cloud mask as {options.clouds} describes it. Describe where it is, or leave out '
            'min_clear.'
        )
    places, members = _places(tree, scenes, sizes)
    windows, errors = _windows(tree, scenes, places, members, sizes)
    left_out += errors
    cell = sizes.patch if options.windows == 'grid' else sizes.stride
    arrangement = arranged(windows, places, sizes, cell)
    _report(tree, scenes, places, windows, len(arrangement.names))
    notes += _uneven(root, scenes, windows)
    notes += _fruitless(tree, scenes, windows, cell)
    if not len(arrangement.names):
        if errors:
            raise RasterError(errors[0])
        raise LayoutError(_nothing(root, scenes, windows, cell))
    systems: list[str] = []
    # Those of scenes that are left out as well: they may be repaired.
    files = {file for scene in distinct_scenes for file in scene.bands.values() or [scene.path]}
    files |= {scene.mask.file for scene in scenes if scene.mask}
    watched_paths, times = _watched(root, stamp, visited_folders, sorted(files))
    # What changed while it was being read is not what was read: it never counts as unchanged.
    times[times > start_time] = -1
    return PatchIndex(
        locations=arrangement.names,
        paths=Strings.of(scenes[number].path for number in arrangement.columns['scene'].tolist()),
        first=arrangement.first,
        centres=arrangement.centres,
        columns=arrangement.columns,
        watched=watched_paths,
        times=times,
        about=dict(
            left_out=left_out,
            asked=asked_count,
            asked_for='scenes',
            notes=notes,
            scenes=[dict(s.json(), system=_number(s.system, systems)) for s in scenes],
            places=[[p.name, _number(p.system, systems), *p[2:]] for p in places],
            systems=systems,
        ),
    )


def _one_spelling(scenes: Iterable[SceneRasters]) -> list[SceneRasters]:
    """The scenes with one text for each coordinate system, however their files write it."""
    texts: list[str] = []
    spellings: dict[str, str] = {}
    for text in {scene.system: None for scene in scenes}:
        spellings[text] = next((other for other in texts if same_system(other, text)), text)
        texts.append(text)
    return [replace(scene, system=spellings[scene.system]) for scene in scenes]


def _number(system: str, systems: list[str]) -> int:
    """Number of a coordinate system in a list that grows; systems are few."""
    if system not in systems:
        systems.append(system)
    return systems.index(system)


def _places(
    tree: RasterTree, scenes: list[SceneRasters], sizes: Sizes
) -> tuple[list[Place], list[list[int]]]:
    """Return the places by name, and the scenes of each."""
    groups = []
    for members in group_scenes(scenes, tree.options.same_place):
        path = scenes[members[0]].path
        groups.append((tree.root.absolute().name if path == '.' else path, members))
    groups.sort()
    places = [
        lay_grid(name, [scenes[i] for i in members], sizes.pixel_metres, sizes.step, sizes.patch)
        for name, members in groups
    ]
    return places, [members for _, members in groups]


def _windows(
    tree: RasterTree,
    scenes: Sequence[SceneRasters],
    places: Sequence[Place],
    members: Sequence[Sequence[int]],
    sizes: Sizes,
) -> tuple[list[tuple[int, int, Windows]], list[str]]:
    """Windows of each place and scene, and messages on scenes that cannot be read."""
    work = [(place, scene) for place, group in enumerate(members) for scene in group]

    def fit(job: tuple[int, int]) -> Windows | str:
        place, scene = job
        try:
            return fit_windows(tree, scenes[scene], places[place], sizes)
        except DataError as error:
            return str(error)
        finally:
            close_files()

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(track(pool.map(fit, work), len(work), f'Judging the windows of {tree.root}'))
    errors = [result for result in results if isinstance(result, str)]
    windows = [
        (*job, result)
        for job, result in zip(work, results, strict=True)
        if not isinstance(result, str)
    ]
    return windows, errors


def _report(
    tree: RasterTree,
    scenes: Sequence[SceneRasters],
    places: Sequence[Place],
    windows: Sequence[tuple[int, int, Windows]],
    locations: int,
) -> None:
    root, options = tree.root, tree.options
    all_windows = [result for _, _, result in windows]
    seen_count, empty_count = sum(w.seen for w in all_windows), sum(w.empty for w in all_windows)
    cloudy_count = sum(w.cloudy for w in all_windows)
    fit_count = sum(len(w.rows) for w in all_windows)
    text = (
        f'{root}: {len(scenes)} scenes at {len(places)} places, {fit_count} patches of {locations} '
        f'windows; of {seen_count} patches {empty_count} have less than {options.min_valid:.0%} '
        'data'
    )
    if options.min_clear:
        without = sum(scene.mask is None for scene in scenes)
        text += (
            f', {cloudy_count} are clear to less than {options.min_clear:.0%} ({without} scenes '
            'without a cloud mask are taken as clear)'
        )
    print_log(readable(text), logger='current')


def _uneven(
    root: Path, scenes: Sequence[SceneRasters], windows: Sequence[tuple[int, int, Windows]]
) -> list[str]:
    """Return a note on the windows that are lost because a band covers less than others."""
    lost_counts = {
        number: windows_of_scene.short
        for _, number, windows_of_scene in windows
        if windows_of_scene.short
    }
    if not lost_counts:
        return []
    scene_texts = []
    for number in list(lost_counts)[:_NAMED]:
        scene = scenes[number]
        gaps = {
            name: float(np.abs(np.subtract(scene.widest, band.extent)).max() / band.dx)
            for name, band in scene.bands.items()
        }
        name = max(gaps, key=lambda band: gaps[band] * scene.bands[band].dx)
        scene_texts.append(
            f'{root / scene.bands[name].file} (ends {gaps[name]:.0f} of its pixels early, '
            f'{lost_counts[number]} windows)'
        )
    more = f' and {len(lost_counts) - _NAMED} more' if len(lost_counts) > _NAMED else ''
    return [
        f'{len(lost_counts)} of {len(scenes)} scenes have bands that do not cover the same ground; '
        f'only windows that all bands cover are used, {sum(lost_counts.values())} are lost: '
        f'{", ".join(scene_texts)}{more}. If that is not meant, get these files again.'
    ]


def _fruitless(
    tree: RasterTree,
    scenes: Sequence[SceneRasters],
    windows: Sequence[tuple[int, int, Windows]],
    cell: int,
) -> list[str]:
    """Return a note on the scenes that give no patch."""
    root, options = tree.root, tree.options
    scene_texts = []
    for _, number, windows_of_scene in windows:
        if len(windows_of_scene.rows):
            continue
        reason = f'no window of {cell} pixels fits into it'
        if windows_of_scene.seen:
            count = windows_of_scene.seen
            reason = f'less than {options.min_valid:.0%} data in all of its {count} windows'
            if windows_of_scene.cloudy:
                reason += f', or less than {options.min_clear:.0%} clear'
        scene_texts.append(f'{root / scenes[number].path} ({reason})')
    if not scene_texts:
        return []
    more = f' and {len(scene_texts) - _NAMED} more' if len(scene_texts) > _NAMED else ''
    which = ', '.join(scene_texts[:_NAMED])
    return [f'{len(scene_texts)} of {len(scenes)} scenes give no patch: {which}{more}']


def _nothing(
    root: Path,
    scenes: Sequence[SceneRasters],
    windows: Sequence[tuple[int, int, Windows]],
    cell: int,
) -> str:
    """Why not one window is left."""
    seen_count = sum(result.seen for _, _, result in windows)
    if seen_count:
        empty_count = sum(result.empty for _, _, result in windows)
        return (
            f'None of the {seen_count} windows of {root} is fit: {empty_count} have too little '
            f'data, {seen_count - empty_count} too much cloud. Lower min_valid or min_clear, or '
            'set zeros_are_nodata=False where zero is a value.'
        )
    sizes = [max((band.width, band.height) for band in scene.bands.values()) for scene in scenes]
    width, height = max(sizes)
    return (
        f'No window of {cell} pixels fits into any of the {len(scenes)} scenes of {root}; the '
        f'largest has {width} x {height} pixels. Lower patch (or patch_metres, stride).'
    )


def _watched(
    root: Path, stamp: int, folders: Sequence[str], files: Sequence[str]
) -> tuple[Strings, np.ndarray]:
    """Everything whose time shows a change, the root first."""
    sources = [
        os.path.relpath(source, root)
        for file in files
        if file.lower().endswith('.vrt')
        for source in _sources(str(root / file))
    ]
    inner = {os.path.dirname(file) for file in files}
    names = sorted({*folders, *inner, *files, *sources} - {''})
    names = ['', *(name for name in names if (root / name).exists())]
    times = [stamp, *(os.stat(root / name).st_mtime_ns for name in names[1:])]
    return Strings.of(names), np.array(times, np.int64)


def _sources(path: str) -> list[str]:
    """Files that a virtual raster is made of."""
    try:
        return opened(path).GetFileList() or []
    except DataError:  # left out, and said so
        return []
