"""Which grey value of a change mask means what: decided once per data set, from all its masks.

Two codings are common: 0 and 1, where 255 is the field's value for unlabelled pixels, and black and
white, where 255 is change. One file alone does not tell them apart: of 0, 1 and 255 a threshold
makes the opposite of the mask, and a mask with 0 and 255 may be either.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from swimdiff.datasets.change.tiles import IGNORE
from swimdiff.errors import ConfigError, RasterError

__all__ = ['MaskCoding', 'MaskLook', 'decide_coding']

#: Distance from a value of the coding that still counts as it: compression leaves noise.
_NEAR, _NEAR_LOSSY = 16, 48
#: Share of pixels further away: soft edges of a mask that was resized. A picture has far more.
_FAR_SHARE = 0.05
#: The same where only one class occurs, so that there are no edges.
_FAR_SHARE_ALONE = 0.01

_ADVICE = (
    'Say in the data set what the values mean, for example '
    'mask_values=dict(unchanged=0, changed=255), or dict(unchanged=0, changed=1, ignore=255).'
)


@dataclass(frozen=True)
class MaskLook:
    """Describe which grey values a mask holds.

    Args:
        path: The file.
        counts: Number of pixels by grey value, only of those that occur.
        lossy: Whether compression may have moved values (JPEG).
        bits: Whether the file has one bit per pixel, so that its values need no coding.
    """

    path: str
    counts: Mapping[int, int]
    lossy: bool = False
    bits: bool = False

    @classmethod
    def of(cls, path: str, grey: np.ndarray, lossy: bool, bits: bool = False) -> 'MaskLook':
        """Count the values of a mask.

        Args:
            path: The file.
            grey: H x W uint8.
            lossy: Whether compression may have moved values.
            bits: Whether the file has one bit per pixel.
        """
        counts = np.bincount(grey.reshape(-1), minlength=256)
        return cls(path, {int(i): int(counts[i]) for i in np.flatnonzero(counts)}, lossy, bits)

    @property
    def values(self) -> list[int]:
        """Return the grey values that occur, sorted."""
        return sorted(self.counts)


def _as_values(name: str, given: Any) -> tuple[int, ...]:
    values = (
        tuple(given) if isinstance(given, Sequence) and not isinstance(given, str) else (given,)
    )
    if not all(isinstance(value, int) and 0 <= value <= 255 for value in values):
        raise ConfigError(
            f'mask_values: {name}={given!r}. Expected a grey value from 0 to 255, or several.'
        )
    return values


@dataclass(frozen=True)
class MaskCoding:
    """Describe which grey values mean no change, change, and unlabelled.

    Args:
        unchanged: Grey values, 0 to 255.
        changed: Grey values, 0 to 255.
        ignore: Grey values of pixels that are neither trained on nor scored.
    """

    unchanged: tuple[int, ...] = (0,)
    changed: tuple[int, ...] = (255,)
    ignore: tuple[int, ...] = ()

    @classmethod
    def from_config(cls, given: Mapping[str, Any]) -> 'MaskCoding':
        """Read the option ``mask_values`` of a data set.

        Args:
            given: ``unchanged``, ``changed`` and, if wanted, ``ignore``: a grey value each, or a
                list of several.

        Raises:
            ConfigError: A key is unknown or missing, a value is none, or is in two places.
        """
        if not {'unchanged', 'changed'} <= set(given) <= {'unchanged', 'changed', 'ignore'}:
            raise ConfigError(
                f'mask_values={dict(given)}. Expected unchanged, changed and, if wanted, ignore, '
                'for example dict(unchanged=0, changed=255).'
            )
        coding = cls(**{name: _as_values(name, value) for name, value in given.items()})
        every = [*coding.unchanged, *coding.changed, *coding.ignore]
        if len(set(every)) != len(every):
            raise ConfigError(f'mask_values={dict(given)}: a grey value is in it twice.')
        return coding

    def _distances(self) -> tuple[np.ndarray, np.ndarray]:
        """Every listed value, and the distance of each grey value from each of them."""
        listed_values = np.array([*self.unchanged, *self.changed, *self.ignore], np.int64)
        return listed_values, np.abs(np.arange(256)[:, None] - listed_values)

    def table(self) -> np.ndarray:
        """Return the class of every grey value: 256 uint8 of 0, 1 and 255.

        A value between belongs to the nearest listed one; :meth:`check` has seen that there are
        few.
        """
        classes = np.array(
            [0] * len(self.unchanged) + [1] * len(self.changed) + [IGNORE] * len(self.ignore),
            np.uint8,
        )
        # Halfway is the brighter one, as a threshold of 128 has it.
        listed_values, distances = self._distances()
        order = np.argsort(-listed_values, kind='stable')
        return classes[order][np.argmin(distances[:, order], axis=1)]

    def _near(self, lossy: bool) -> np.ndarray:
        """Whether each grey value is near enough to a listed one."""
        listed_values, distances = self._distances()
        gap = np.diff(np.sort(listed_values)).min()
        near = (_NEAR_LOSSY if lossy else _NEAR) if gap > 2 * _NEAR_LOSSY else 0
        return np.asarray(distances.min(axis=1) <= near)

    def find_misfit(self, look: MaskLook) -> str | None:
        """Return why a mask is not of this coding; None where it is.

        Args:
            look: The values of the mask.
        """
        if look.bits:
            return None
        near, table = self._near(look.lossy), self.table()
        total = sum(look.counts.values())
        far = sum(count for value, count in look.counts.items() if not near[value]) / max(total, 1)
        classes = {int(table[value]) for value in look.counts if near[value]}
        listed_values = {*self.unchanged, *self.changed, *self.ignore}
        if not look.lossy and total and not listed_values & set(look.counts):
            return 'none of the values of the coding'
        exact = self._near(lossy=False).sum() == len(listed_values)
        limit = 0.0 if exact else _FAR_SHARE if len(classes) > 1 else _FAR_SHARE_ALONE
        if far > limit:
            return f'{100 * far:.3g} % of its pixels of no value of the coding'
        return None

    def check(self, look: MaskLook) -> None:
        """Refuse a mask that is not of this coding.

        Args:
            look: The values of the mask.

        Raises:
            RasterError: Its values are not those of the coding.
        """
        reason = self.find_misfit(look)
        if reason is not None:
            raise RasterError(
                f'{look.path} holds the values {_shorten(look.values)}, {reason}. Expected a '
                f'change mask with {self}. {_hint(look)}{_ADVICE}'
            )

    def __str__(self) -> str:
        text = f'{_join(self.unchanged)} for no change, {_join(self.changed)} for change'
        return text + (f', {_join(self.ignore)} for unlabelled' if self.ignore else '')


def _shorten(values: Sequence[int]) -> str:
    numbers = list(values)
    return f'{numbers[:8]} ...' if len(numbers) > 8 else str(numbers)


def _join(values: Sequence[int]) -> str:
    return ', '.join(map(str, values))


def _hint(look: MaskLook) -> str:
    if len(look.counts) > 32:
        return 'It looks like a picture, not a mask: are two of the folders swapped (folders=...)? '
    return ''


def _is_labels(look: MaskLook) -> bool:
    """Whether a mask holds class numbers: 1, and beside it nothing but 0 and 255."""
    return not (look.lossy or look.bits) and 1 in look.counts and set(look.counts) <= {0, 1, 255}


def _is_plain(look: MaskLook) -> bool:
    """Whether a mask fits both codings: nothing but 0 and 255."""
    return look.bits or set(look.counts) <= {0, 255}


def _is_classes(look: MaskLook) -> bool:
    """Whether a mask holds numbers of more classes than two, such as 0, 1, 2 and 255."""
    return (
        not look.lossy
        and not _is_plain(look)
        and not _is_labels(look)
        and all(value < 16 or value == 255 for value in look.counts)
    )


def decide_coding(masks: Sequence[MaskLook], others: Sequence[MaskLook] = ()) -> MaskCoding:
    """Decide what the values of the masks of a data set mean.

    Args:
        masks: The masks of the split.
        others: Masks of the other splits of the same set, which testify to the coding only: by
            chance none of the masks of a split may hold a 1.

    Raises:
        RasterError: The masks are of no known coding, of two, or they are pictures.
    """
    for look in masks:
        if _is_classes(look):
            raise RasterError(
                f'{look.path} holds the values {_shorten(look.values)}. Expected a change mask: 0 '
                f'and 1 (255 for unlabelled), or 0 and 255. {_ADVICE} Several values may mean '
                'change: changed=[1, 2].'
            )
    every = [*masks, *others]
    numbered_mask = next((look for look in every if _is_labels(look)), None)
    if numbered_mask is None:
        coding = MaskCoding()
    else:
        coding = MaskCoding((0,), (1,), (IGNORE,))
        _refuse_two_codings(every, numbered_mask)
    misfits = [look for look in masks if coding.find_misfit(look) is not None]
    if misfits:
        try:
            coding.check(misfits[0])
        except RasterError as error:
            raise RasterError(f'{error} ({len(misfits)} of {len(masks)} masks are such.)') from None
    return coding


def _refuse_two_codings(masks: Sequence[MaskLook], numbered: MaskLook) -> None:
    """Refuse a set where one mask says that change is 1 and another may say that it is 255."""
    both = any(_is_labels(look) and 255 in look.counts for look in masks)
    white = next(
        (look for look in masks if not (look.bits or _is_labels(look)) and 255 in look.counts),
        None,
    )
    if white is None or (both and _is_plain(white)):
        return
    raise RasterError(
        f'{white.path} holds the values {_shorten(white.values)}, but {numbered.path} holds '
        f'{_shorten(numbered.values)}: 255 may mean change or unlabelled. Expected one coding in '
        f'all masks of a data set. {_ADVICE}'
    )
