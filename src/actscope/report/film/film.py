"""The files of a film, from the runs of a study."""

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

from actscope.analysis import frames
from actscope.analysis.contrast import Contrast, choose_contrast
from actscope.analysis.frames import StudyRuns
from actscope.analysis.run_tables import read_run_table
from actscope.artifacts.drawing import own_style
from actscope.report.film import drawing, scenes
from actscope.report.film.scenes import Array, FilmedRun
from actscope.report.settings import Film
from actscope.runtime.progress import LateProgress
from actscope.tracking import Store

# Little effort: more takes twice the time for a fifth less. Without key frames it is half as large.
EFFORT = {"lossless": True, "method": 2, "quality": 20, "kmin": 0, "kmax": 0}


def make(store: Store, seed: int | None, settings: Film, runs: StudyRuns) -> dict[str, bytes]:
    """`film.webp`, and its last picture as `film.png`.

    Raises:
        ConfigError: the study has no runs as the settings ask for.
        ReportError: no run failed as a film needs it, or a run recorded nothing.
        UnreadableRunError: a file of a run cannot be read.

    """
    contrast = choose_contrast(
        runs,
        frames.choose_seed(runs, seed),
        activation=settings.activation,
        rates=settings.rates,
        layer=settings.layer,
    )
    filmed = [
        FilmedRun.of(
            run["lr"],
            run["outcome"],
            read_run_table("history", store, runs.study, run["run_id"]),
            read_run_table("trajectory", store, runs.study, run["run_id"]),
            settings.layer,
            runs.metric,
        )
        for run in (contrast.higher, contrast.lower)
    ]
    return render(_title(runs, contrast, settings.layer), filmed)


def render(
    title: str, runs: Sequence[FilmedRun], seconds: float = scenes.SECONDS
) -> dict[str, bytes]:
    """The files of a film of two runs; the same runs always give the same bytes."""
    shown = scenes.frames(np.union1d(*(run.steps for run in runs)), seconds)
    pixels = []
    with own_style(drawing.STYLE), LateProgress("drawing the film", len(shown)) as progress:
        picture = drawing.Picture(title, runs, np.array([frame.step for frame in shown]))
        for frame in shown:
            pixels.append(picture.at(frame.step))
            progress.advance()
    holds = [frame.milliseconds for frame in shown]
    return {"film.webp": webp(pixels, holds), "film.png": png(pixels[-1])}


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


def _title(runs: StudyRuns, contrast: Contrast, layer: int) -> str:
    run = contrast.higher
    data = runs.params.loc[run["run_id"]].get("data")
    parts = [
        f"Dying units: {run['activation']}{f' on {data}' if isinstance(data, str) else ''}",
        run["variant"],
        f"seed {run['seed']}",
        f"study {runs.study}",
        f"layer {layer}" if layer > 1 else "",
    ]
    return ", ".join(part for part in parts if part)
