"""Finding and reading pictures, held against what was written."""

import cv2
import numpy as np
import pytest
from fixtures.pictures import cut_short, noise, write_picture
from PIL import Image

from swimdiff.datasets.pictures.reading import find_pictures, read_picture, read_picture_size
from swimdiff.errors import LayoutError, RasterError


def test_pictures_are_found_at_any_depth_and_hidden_ones_are_not(tmp_path):
    for name in ('b.PNG', 'a.tif', 'x/y/c.jpeg', '.h/d.jpg', '._a.jpg', 'x/e.txt', '.f.png'):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / 'x' / 'round').symlink_to(tmp_path)  # a circle ends
    found = {folder: names for folder, names in find_pictures(tmp_path) if names}
    assert found == {'': ['a.tif', 'b.PNG'], 'x/y': ['c.jpeg']}


@pytest.mark.parametrize('suffix', ['.png', '.jpg', '.tif'])
def test_size_and_pixels_are_those_of_pillow(tmp_path, suffix):
    pixels = noise(30, 50, 1)
    path = write_picture(tmp_path / f'a{suffix}', pixels)
    assert read_picture_size(path) == (30, 50)
    read = read_picture(path)
    with Image.open(path) as picture:
        assert np.array_equal(read, np.asarray(picture))
    assert read.dtype == np.uint8 and read.flags.writeable
    assert suffix == '.jpg' or np.array_equal(read, pixels)


def test_grey_palette_alpha_and_bilevel_become_rgb(tmp_path):
    pixels = noise(20, 20, 2)
    grey = write_picture(tmp_path / 'grey.png', pixels[..., 0])
    assert np.array_equal(read_picture(grey), np.repeat(pixels[..., :1], 3, axis=2))

    alpha = write_picture(tmp_path / 'alpha.png', np.dstack([pixels, pixels[..., 0]]))
    assert np.array_equal(read_picture(alpha), pixels)

    numbers = np.arange(400, dtype=np.uint8).reshape(20, 20) % 7
    palette = Image.fromarray(numbers)
    palette.putpalette(pixels.reshape(-1).tolist()[: 3 * 256])
    palette.save(tmp_path / 'palette.png', transparency=3)
    assert np.array_equal(
        read_picture(tmp_path / 'palette.png'),
        pixels.reshape(-1, 3)[numbers.ravel()].reshape(20, 20, 3),
    )

    write_picture(tmp_path / 'bits.png', pixels[..., 0] > 127)
    expected = np.where(pixels[..., :1] > 127, 255, 0).repeat(3, axis=2)
    assert np.array_equal(read_picture(tmp_path / 'bits.png'), expected)


@pytest.mark.parametrize('suffix', ['.png', '.tif'])
@pytest.mark.parametrize('channels', [1, 3])
def test_sixteen_bits_are_refused_and_not_cut_off(tmp_path, suffix, channels):
    pixels = noise(20, 20, 3)[..., :channels].astype(np.uint16) * 200
    path = tmp_path / f'deep{suffix}'
    assert cv2.imwrite(str(path), pixels)
    for read in (read_picture_size, read_picture):
        with pytest.raises(RasterError, match=r'deep.* of 16 bits .uint16.*Convert it to 8'):
            read(path)


def test_floats_are_refused(tmp_path):
    write_picture(tmp_path / 'f.tif', np.ones((9, 9), np.float32))
    with pytest.raises(RasterError, match=r'32 bits .float32'):
        read_picture_size(tmp_path / 'f.tif')


@pytest.mark.parametrize('suffix', ['.png', '.jpg', '.tif'])
def test_a_file_cut_short_is_an_error_and_never_grey(tmp_path, suffix):
    path = cut_short(write_picture(tmp_path / f'a{suffix}', noise(64, 64, 4)))
    with pytest.raises(RasterError, match=r'a\..* \(\d+ bytes\) cannot be read'):
        read_picture(path)


def test_empty_foreign_and_missing_files(tmp_path):
    (tmp_path / 'zero.jpg').touch()
    (tmp_path / 'text.png').write_text('no picture')
    for name in ('zero.jpg', 'text.png'):
        with pytest.raises(RasterError, match=rf'{name} .*cannot be read.*copy it again or delete'):
            read_picture_size(tmp_path / name)
    with pytest.raises(LayoutError, match=r'gone.png is missing'):
        read_picture(tmp_path / 'gone.png')


def test_a_picture_beyond_the_limit_of_pillow_names_the_way_out(tmp_path, monkeypatch):
    path = write_picture(tmp_path / 'large.png', noise(40, 40, 5))
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', 700)
    with pytest.raises(RasterError, match=r'large.png is larger .* at most 1400 pixels.*Cut it'):
        read_picture_size(path)


def zero_block(path, start, length):
    """What a broken copy leaves: the size is right, a block of it is not."""
    data = bytearray(path.read_bytes())
    data[start : start + length] = bytes(length)
    path.write_bytes(data)
    return path


def pixels_by_pillow(path):
    try:
        with Image.open(path) as picture:
            return np.asarray(picture)
    except (OSError, SyntaxError):
        return None


def test_png_files_with_a_zeroed_block_are_refused(tmp_path):
    """Some of them Pillow alone decodes to other pixels without a word."""
    pixels = noise(64, 64, 5) // 64
    whole = write_picture(tmp_path / 'a.png', pixels).read_bytes()
    silent = 0
    for start in range(100, len(whole) - 200, 60):
        path = tmp_path / f'{start}.png'
        path.write_bytes(whole)
        silent += pixels_by_pillow(zero_block(path, start, 40)) is not None
        assert read_picture_size(path) == (64, 64)
        with pytest.raises(RasterError, match=r'\.png \(\d+ bytes\) cannot be read: '):
            read_picture(path)
    assert silent


def test_any_changed_byte_of_a_png_is_noticed(tmp_path):
    whole = write_picture(tmp_path / 'a.png', noise(16, 16, 6)).read_bytes()
    path = tmp_path / 'b.png'
    for at in range(8, len(whole) - 12, 7):  # the last 12 bytes only say that it ends
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :])
        with pytest.raises(RasterError, match='cannot be read'):
            read_picture(path)


def test_a_link_to_nothing_says_so(tmp_path):
    path = tmp_path / 'a.png'
    path.symlink_to(tmp_path / 'gone.png')
    with pytest.raises(LayoutError, match=r'a\.png is a link to .*gone\.png, which is not there'):
        read_picture_size(path)
