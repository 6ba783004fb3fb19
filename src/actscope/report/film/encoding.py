"""Encodes pictures as an animated WebP and as a PNG, without loss."""

import io
from collections.abc import Sequence

from PIL import Image

from actscope.report.film.timeline import Array

# Little effort: more takes twice the time for a fifth less. Without key frames it is half as large.
EFFORT = {"lossless": True, "method": 2, "quality": 20, "kmin": 0, "kmax": 0}


def webp(pictures: Sequence[Array], milliseconds: Sequence[int]) -> bytes:
    """An animation that repeats for ever, from pixels [height, width, 3] and their durations."""
    first, *others = (Image.fromarray(pixels) for pixels in pictures)
    data = io.BytesIO()
    first.save(
        data,
        "WEBP",
        save_all=True,
        append_images=others,
        duration=list(milliseconds),
        loop=0,
        **EFFORT,
    )
    return data.getvalue()


def png(pixels: Array) -> bytes:
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "PNG", optimize=True)
    return data.getvalue()
