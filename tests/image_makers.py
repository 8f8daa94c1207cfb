"""Image files as people make them, for tests: an independent path from training rows back to large
pictures."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image


def encoded(pixels: np.ndarray | Image.Image, kind: str = "PNG", **options: object) -> bytes:
    """The bytes of an image file."""
    picture = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


def enlarged(small: np.ndarray, rng: np.random.Generator, longest: float = 300) -> np.ndarray:
    """Light ink on a black ground, as large as on a screen, somewhere in a larger picture;
    resampled by splines."""
    from scipy import ndimage

    factor = rng.uniform(0.6, 1) * longest / max(small.shape)
    large = np.clip(ndimage.zoom(small.astype(float), factor, order=3), 0, 255)
    margins = [tuple(rng.integers(0, longest // 4, 2)) for _ in range(2)]
    return np.rint(np.pad(large, margins)).astype(np.uint8)


def photographed(light_ink: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A photograph of dark ink on paper: an uneven light from one side, weak ink and a noisy
    sensor."""
    ink = light_ink / 255 * rng.uniform(0.6, 0.85)
    rows, columns = (np.linspace(-0.5, 0.5, side) for side in light_ink.shape)
    angle = rng.uniform(0, 2 * np.pi)
    light = 0.72 + 0.4 * (np.sin(angle) * rows[:, None] + np.cos(angle) * columns[None, :])
    return np.clip(235 * light * (1 - ink) + rng.normal(0, 5, ink.shape), 0, 255).astype(np.uint8)


def image_file(row: np.ndarray, number: int, rng: np.random.Generator) -> tuple[str, bytes]:
    """The ending and the bytes of one image: the number tells which of six ways it was made."""
    large = enlarged(row, rng)
    way = number % 6
    if way == 0:
        return ".png", encoded(large)
    if way == 1:
        return ".png", encoded(255 - large)
    if way == 2:
        return ".jpg", encoded(255 - large, "JPEG", quality=60)
    if way == 3:  # a camera held sideways: pixels turned a quarter to the left, and a note to turn them back
        exif = Image.Exif()
        exif[0x0112] = 6
        return ".jpg", encoded(np.rot90(255 - large), "JPEG", quality=90, exif=exif)
    if way == 4:
        return ".jpg", encoded(photographed(large, rng), "JPEG", quality=80)
    colours = np.stack([255 - large, 255 - large, 255 - large // 2], axis=-1)  # blue ink
    return ".webp", encoded(colours, "WEBP", quality=80)


def stroke(height: int = 200, width: int = 150) -> np.ndarray:
    """White paper with a black letter L, which is neither symmetric nor centred."""
    pixels = np.full((height, width), 255, dtype=np.uint8)
    pixels[40:140, 50:66] = 0
    pixels[124:140, 50:110] = 0
    return pixels


def with_scans(pixels: np.ndarray, count: int) -> bytes:
    """A progressive JPEG of which the last scan comes again and again."""
    plain = encoded(pixels, "JPEG", progressive=True)
    last = plain[plain.rindex(b"\xff\xda") : -2]
    return plain[:-2] + last * count + b"\xff\xd9"
