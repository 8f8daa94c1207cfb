"""Image files as rows: a drawn or photographed digit in the form of the images that a model was
trained on.

MNIST was made from scans of single digits: the ink was scaled to fit 20 x 20 pixels with its shape
kept, which antialiasing turned grey, and put into 28 x 28 pixels so that its centre of mass is in
the middle. Here the same is done to what a person draws or photographs, after the background is
removed.

Reference:
    LeCun, Bottou, Bengio and Haffner, "Gradient-Based Learning Applied to Document Recognition"
    (1998), section III.A. Serra, "Image Analysis and Mathematical Morphology" (1982), chapter XII:
    the ground as a closing of the image.
"""

from __future__ import annotations

import io
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from polytome.errors import ArgumentError, DataError, FileError, MissingExtraError
from polytome.tables.readers.opening import InputFile

if TYPE_CHECKING:
    from PIL.Image import Image

Picture = NDArray[np.float32]

__all__ = ["IMAGE_SUFFIXES", "training_form"]

IMAGE_SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".webp")
"""What the names of image files end with."""

_FORMATS = ("BMP", "GIF", "JPEG", "PNG", "WEBP")
_MOST_BYTES = 64 << 20
_MOST_PIXELS = 80_000_000  # below the number at which Pillow itself warns
_MANY_PIXELS = f"has more than {_MOST_PIXELS // 1_000_000} million pixels; save it smaller"
_MOST_SCANNED = 1_000_000_000  # pixels times scans: a progressive JPEG has ten or so, each of them over all pixels
_LEAST_SCAN = 10_000_000  # pixels as which a scan of fewer counts
_MOST_NARROW = 400  # longer side by shorter one
_WORKING_SIDE = 400  # pixels: strokes stay several pixels wide, and noise averages out
_LEAST_CONTRAST = 0.1  # of the ground's brightness
_LEAST_SIDE = 0.03  # of the image's longer side: anything smaller is not a digit
_LEAST_STROKE = 0.1  # of the digit's longer side; four of five digits of MNIST have broader strokes
_AROUND = np.ones((3, 3), dtype=np.bool_)  # a pixel and its eight neighbours
_SMALL = 14  # images with a smaller side have no margin


class _Ink(NamedTuple):
    """How much ink there is at each pixel, from 0 to 1, and the pixels that surely are ink."""

    amount: Picture
    sure: NDArray[np.bool_]


def training_form(
    image: bytes | str | PathLike[str] | NDArray[np.uint8], shape: tuple[int, int] = (28, 28), full: float = 255
) -> NDArray[np.uint8] | NDArray[np.float64]:
    """Turn a drawn or photographed digit into the form of its training images, as MNIST was made.

    The image is turned upright as its camera noted, laid on white where it is transparent, and made
    grey. Its ground is estimated under the ink, however unevenly it is lit, and removed; it may be
    light or dark. The ink is cropped, scaled with antialiasing to fit 5/7 of each side
    (20 of 28 pixels) with its shape kept, and moved by whole pixels until its centre of mass is
    nearest to pixel `side // 2` (counted from 0), its place in MNIST, no ink being lost. Forms with
    a side below 14 are made like those of digits: the ink fills four times as many pixels each way,
    and each pixel is the mean of 4 x 4 of them.

    An image that has exactly the wanted shape and a dark background is a training image already: it
    is used as it is.

    Args:
        image: a PNG, JPEG, GIF (its first frame), BMP or WebP, as the bytes of the file or its
            path; or an array of 8-bit pixels, `(h, w)` grey, `(h, w, 3)` RGB or `(h, w, 4)` RGBA.
        shape: height and width of the training images.
        full: what full ink is in the training images: 255 for mnist, 16 for digits.

    Returns:
        `shape` pixels from 0 (ground) to `full` (ink): whole numbers as uint8 where `full` is 255,
        else float64.

    Raises:
        ArgumentError: the array, the shape or the full value cannot be used.
        DataError: the image is blank, too large or damaged.
        FileError: the file cannot be read, is too large or is not such an image.
        MissingExtraError: Pillow is not installed.

    Example:
        >>> drawing = np.full((200, 150), 255, dtype=np.uint8)  # white paper
        >>> drawing[40:120, 60:80] = 0  # an upright black stroke, 80 pixels by 20
        >>> form = training_form(drawing)
        >>> form.shape, form[13, 10:18].tolist()
        ((28, 28), [0, 0, 255, 255, 255, 255, 255, 0])
    """
    _check_form(shape, full)
    grey, name = _grey(image)
    if grey.shape == tuple(shape) and np.median(_border(grey)) < 0.5:
        if not grey.any():
            raise _blank(name)
        form = grey
    else:
        form = _normalised(_thickened(_ink(grey, name)), shape)
    return np.rint(form * 255).astype(np.uint8) if full == 255 else form.astype(np.float64) * full


def _check_form(shape: tuple[int, int], full: float) -> None:
    """Refuse a form that no image can have."""
    if len(shape) != 2 or not all(isinstance(side, int | np.integer) and 1 <= side <= 4096 for side in shape):
        raise ArgumentError(f"shape={shape!r}: needs a height and a width, whole numbers from 1 to 4096")
    if not 0 < full < np.inf:
        raise ArgumentError(f"full={full!r}: needs a positive number, the value of full ink")


def _blank(name: str) -> DataError:
    return DataError(f"{name}: is blank: no ink stands out from its background; write larger or darker")


def _grey(image: Any) -> tuple[Picture, str]:
    """Brightness of the pixels from 0 to 1, of a reasonable size, and what to call the image in
    messages."""
    pillow = _import_pillow()
    if isinstance(image, np.ndarray):
        name = "image"
        if image.dtype != np.uint8 or not (image.ndim == 2 or (image.ndim == 3 and image.shape[2] in (3, 4))):
            raise ArgumentError(
                f"image: is an array of {image.dtype} and shape {image.shape}; needs uint8 and (h, w), (h, w, 3) or "
                "(h, w, 4)"
            )
        if image.size == 0:
            raise DataError("image: has no pixels")
        opened = pillow.fromarray(image)
    elif isinstance(image, bytes | bytearray | memoryview):
        name, opened = "image", _decoded(bytes(image), "image", DataError)
    elif isinstance(image, str | PathLike):
        name = str(image)
        opened = _decoded(_contents(Path(image)), name, FileError)
    else:
        raise ArgumentError(f"image: is a {type(image).__name__}; needs the bytes of a file, a path or an array")
    return _brightness(opened), name


def _import_pillow() -> Any:
    """Import `PIL.Image`, or say what installs it."""
    try:
        from PIL import Image
    except ImportError as error:
        raise MissingExtraError('images need Pillow: pip install "polytome[cli]"') from error
    return Image


def _contents(path: Path) -> bytes:
    """The bytes of a file of bounded size."""
    with InputFile(path).packed() as stream:
        return stream.read(_MOST_BYTES + 1)


def _decoded(contents: bytes, name: str, refusal: type[DataError] | type[FileError]) -> Image:
    """The first picture of a file, decoded and upright; its size is checked before a pixel is
    decoded."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    if len(contents) > _MOST_BYTES:
        raise refusal(f"{name}: has more than {_MOST_BYTES >> 20} MiB; save it smaller")
    try:
        image = Image.open(io.BytesIO(contents), formats=_FORMATS)
        too_much = _too_much(image, contents)
        if too_much is None:
            image.load()
            return ImageOps.exif_transpose(image)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        too_much = _MANY_PIXELS
    except UnidentifiedImageError as error:
        raise refusal(f"{name}: is not a PNG, JPEG, GIF, BMP or WebP image, or its head is damaged") from error
    except MemoryError:
        raise
    except Exception as error:  # whatever error a damaged file causes in a decoder
        raise refusal(f"{name}: the image is damaged or cut short ({error}); save or download it again") from error
    raise refusal(f"{name}: {too_much}")


def _too_much(image: Image, contents: bytes) -> str | None:
    """Why a file would be too much work to decode, whatever its size; None if it is not."""
    pixels = image.width * image.height
    if pixels > _MOST_PIXELS:
        return _MANY_PIXELS
    if max(image.size) > _MOST_NARROW * min(image.size):
        return f"is {image.width:,} x {image.height:,} pixels, too narrow to show anything; crop it again"
    # Within a scan each byte 255 is followed by 0 or a sign to start again, so that these two begin
    # a scan.
    scans = contents.count(b"\xff\xda") if image.format in ("JPEG", "MPO") else 1
    if scans > 1 and scans * max(pixels, _LEAST_SCAN) > _MOST_SCANNED:
        return f"is a JPEG of {scans:,} scans; save it as a baseline JPEG, or as PNG"
    return None


def _brightness(image: Image) -> Picture:
    """Brightness from 0 (black) to 1 (white), on white where transparent; large images are averaged
    down."""
    from PIL import Image

    deep = image.mode in ("I", "F") or image.mode.startswith("I;16")
    if deep:  # 16 bits in a file
        image = Image.fromarray(np.asarray(image, dtype=np.float32) / 65535)
    elif image.has_transparency_data:
        overlay = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", overlay.size, "white"), overlay).convert("L")
    else:
        image = image.convert("L")
    if max(image.size) > _WORKING_SIDE:
        smaller = _WORKING_SIDE / max(image.size)
        size = (max(1, round(image.width * smaller)), max(1, round(image.height * smaller)))
        image = image.resize(size, Image.Resampling.BOX)
    values = np.asarray(image, dtype=np.float32)
    return values if deep else values / np.float32(255)


def _border(picture: NDArray[Any]) -> NDArray[Any]:
    """The outermost pixels."""
    return np.concatenate([picture[0], picture[-1], picture[1:-1, 0], picture[1:-1, -1]])


def _ink(grey: Picture, name: str) -> _Ink:
    """How much darker than its background each pixel is, as a share of the darkest ink; light ink
    is inverted first.

    The background under the ink is what a closing leaves: the lightest pixel in any window that is
    wider than a stroke. It follows shadows, and dividing by it makes a stroke in the shadow as dark
    as one in the light.
    """
    if _is_light_on_dark(grey):
        grey = 1 - grey
    grey = (grey / np.maximum(_slope(grey), 1 / 255)).astype(np.float32)
    window = max(3, max(grey.shape) // 3)
    smooth = ndimage.gaussian_filter(grey, max(grey.shape) / 400, mode="nearest")
    ground = np.maximum(ndimage.grey_closing(smooth, (window, window), mode="nearest"), 1 / 255)
    amount = 1 - grey / ground
    typical = np.median(amount)
    spread = 1.4826 * np.median(np.abs(amount - typical))  # a standard deviation, as most pixels are ground
    darkest = np.max(1 - smooth / ground)
    floor = typical + 3 * spread
    if darkest < max(_LEAST_CONTRAST, typical + 6 * spread):
        raise _blank(name)
    sure = _main_parts(amount > (floor + darkest) / 2)
    if max(_extent(sure)) < _LEAST_SIDE * max(grey.shape):  # noise, or dust
        raise _blank(name)
    deep = np.quantile(amount[sure], 0.75)
    return _Ink(np.clip((amount - floor) / (deep - floor), 0, 1).astype(np.float32), sure)


def _is_light_on_dark(grey: Picture) -> bool:
    """Whether the background is dark: what stands out from its surroundings is then lighter than
    they are."""
    level = grey - _slope(grey)
    surroundings = ndimage.uniform_filter(level, max(grey.shape) // 2 + 1, mode="nearest")
    return bool(np.sum((level - surroundings) ** 3, dtype=np.float64) > 0)


def _slope(grey: Picture) -> Picture:
    """How brightness changes across the background: the quadratic fitted to the border, without the
    ink there."""
    rows, columns = (np.linspace(-1, 1, side, dtype=np.float32) for side in grey.shape)
    y, x = np.broadcast_arrays(rows[:, None], columns[None, :])
    terms = np.stack([np.ones_like(x), x, y, x * y, x**2, y**2], axis=-1)
    border, at = _border(grey), _border(terms)
    near = np.ones(len(border), dtype=np.bool_)
    for _ in range(2):  # the second time without outliers
        factors = np.linalg.lstsq(at[near], border[near])[0]
        off = np.abs(border - at @ factors)
        near = off <= 3 * np.median(off) + 1 / 255
    slope: Picture = terms @ factors
    return slope


def _main_parts(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The connected parts of a mask that make up the digit.

    Parts with less than a twentieth of the largest one's pixels are specks. Unless the largest one
    touches the border too, those that do are shadows and other things at the side.
    """
    labels, count = ndimage.label(mask, _AROUND)
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    sizes[0] = 0
    main = sizes >= max(1, sizes.max() / 20)
    at_border = np.unique(_border(labels))
    if sizes.argmax() not in at_border:
        main[at_border] = False
    parts: NDArray[np.bool_] = main[labels] & mask
    return parts


def _thickened(ink: _Ink) -> _Ink:
    """The ink with strokes of at least `_LEAST_STROKE` of the digit's longer side: a fine pen would
    leave it too faint.

    Across a long bar the mean distance to the edge is a quarter of its width.
    """
    width = 4 * (np.mean(ndimage.distance_transform_edt(ink.sure)[ink.sure]) - 0.5)
    missing = _LEAST_STROKE * max(_extent(ink.sure)) - width
    if missing <= 0:
        return ink
    within = missing / 2 + 0.5 - ndimage.distance_transform_edt(~ink.sure)
    return _Ink(np.maximum(ink.amount, np.clip(within + 0.5, 0, 1)).astype(np.float32), ink.sure | (within >= 0))


def _extent(mask: NDArray[np.bool_]) -> tuple[int, int]:
    """Height and width of the smallest box around what is true; zeros where nothing is."""
    box = ndimage.find_objects(mask.astype(np.int8))
    return (box[0][0].stop - box[0][0].start, box[0][1].stop - box[0][1].start) if box else (0, 0)


def _normalised(ink: _Ink, shape: tuple[int, int]) -> Picture:
    """The ink in the size and place that it has in MNIST; small images are made like those of
    digits."""
    height, width = shape
    if min(shape) >= _SMALL:
        box = (round(height * 5 / 7), round(width * 5 / 7))
        return _placed(_scaled(ink, box), shape)
    finer = (4 * height, 4 * width)
    form = _placed(_scaled(ink, finer), finer)
    blocks: Picture = form.reshape(height, 4, width, 4).mean(axis=(1, 3))
    return blocks


def _scaled(ink: _Ink, box: tuple[int, int]) -> Picture:
    """The ink alone, cropped and scaled to fit a box with its shape kept."""
    from PIL import Image

    crop = ndimage.find_objects(ink.sure.astype(np.int8))[0]
    height, width = _extent(ink.sure)
    scale = min(box[0] / height, box[1] / width)
    near = ndimage.binary_dilation(ink.sure, _AROUND, iterations=max(1, round(1 / scale)))
    alone = Image.fromarray(np.where(near, ink.amount, np.float32(0))[crop])
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.clip(np.asarray(alone.resize(size, Image.Resampling.BICUBIC), dtype=np.float32), 0, 1)


def _placed(digit: Picture, shape: tuple[int, int]) -> Picture:
    """The digit in an empty image, moved by whole pixels until its centre of mass is nearest to
    pixel `side // 2`."""
    form = np.zeros(shape, dtype=np.float32)
    centre = ndimage.center_of_mass(digit)
    top, left = (
        int(np.clip(round(shape[axis] // 2 - centre[axis]), 0, shape[axis] - digit.shape[axis])) for axis in (0, 1)
    )
    form[top : top + digit.shape[0], left : left + digit.shape[1]] = digit
    return form
