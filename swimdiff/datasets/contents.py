"""What a folder holds instead of a data set, for messages."""

from pathlib import Path

__all__ = ['describe_contents']

_ARCHIVES = ('.zip', '.tar', '.tar.gz', '.tgz', '.tar.bz2', '.tar.zst', '.7z', '.rar')


def describe_contents(root: Path) -> str:
    """Return what is in a folder instead of what was expected, and a hint.

    Advice to unpack an archive is given where there is nothing but archives: beside an archive
    that is unpacked already it would lead nowhere.

    Args:
        root: A folder.
    """
    entries = sorted(path.name for path in root.iterdir() if path.name != '.swimdiff')
    archives = [name for name in entries if name.lower().endswith(_ARCHIVES)]
    others = [name for name in entries if name not in archives]
    if not entries:
        return 'an empty folder'
    if not others:
        return f'only the archive {", ".join(archives)}: unpack it there first'
    names_text = ', '.join(others[:5]) + (', ...' if len(others) > 5 else '')
    count_text = f'{len(others)} {"entry" if len(others) == 1 else "entries"} ({names_text})'
    if archives:
        count_text += (
            f' beside the archive {", ".join(archives)}; name the folder that it was unpacked to, '
            'or unpack it again if these are not from it'
        )
    return count_text
