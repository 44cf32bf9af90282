"""The drawn film as a worn print of it looks after a hundred years, with the truth beside it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

from engine.damage.model import damage_clip
from engine.damage.settings import STRENGTHS
from engine.demo.brush import Picture
from engine.demo.picture_file import write_picture
from engine.demo.scene import RATE, Scene, plan_shots

Luma = npt.NDArray[np.float32]
"""float32 (H, W), Y' of BT.601, 0 to 1."""

_CODING = {"crf": "8", "preset": "veryfast", "tune": "grain", "x264-params": "mbtree=0"}
"""Without mbtree, which makes x264's output differ between runs (see engine/media/README.md, film out, decision 4)."""

_BT601 = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class AgedFilm:
    """The film and its truth; index by index the same moments.

    path : of the aged film, grey
    references : one colour picture of each shot, as if it had survived; the number in its name is the frame
    pictures : as drawn, in colour
    luma : what a perfect restoration of the luma shows: the drawing as this print shows it, with the gate's weave and
        the print's fading and dark corners, which are the print's own look, and without grain, blur, dust, scratches
        and flicker
    aged : luma of the aged film before it was coded
    """

    path: Path
    references: tuple[Path, ...]
    pictures: Sequence[Picture]
    luma: Sequence[Luma]
    aged: Sequence[Luma]


def make_aged_film(
    path: Path, *, frames: int, width: int, height: int, seed: int, on_frame: Callable[[], None] = lambda: None
) -> AgedFilm:
    """Draw the film, age it and write it, grey, at 24 frames a second; write a colour picture of each shot beside it.

    Parameters
    ----------
    path : an .mp4 file; it and the pictures beside it are replaced
    frames : how many to draw
    width, height : even, pixels
    seed : of scene and damage
    on_frame : called for each frame drawn
    """
    scene, rng = Scene(width, height, seed), np.random.default_rng((seed, 3))
    pictures: list[Picture] = []
    truth: list[Luma] = []
    aged: list[Luma] = []
    references: list[Path] = []
    for shot in plan_shots(frames):
        drawn: list[Picture] = []
        for picture in scene.shot(shot):
            drawn.append(picture)
            on_frame()
        clean = np.stack([luma_of(picture) for picture in drawn])
        damaged = damage_clip(clean, STRENGTHS["medium"], rng)
        references.append(path.with_name(f"reference-{len(pictures) + shot.frames // 4}.png"))
        write_picture(references[-1], drawn[shot.frames // 4])
        pictures += drawn
        truth += list(damaged.target)
        aged += list(damaged.frames)
    write_grey_film(path, aged)
    return AgedFilm(path=path, references=tuple(references), pictures=pictures, luma=truth, aged=aged)


def luma_of(picture: Picture) -> Luma:
    """Return the Y' of a picture."""
    return (picture.astype(np.float32) @ _BT601) / np.float32(255)


def write_grey_film(path: Path, frames: Sequence[Luma]) -> None:
    """Write luma as H.264 without colour, so finely that the coding adds nothing to the damage."""
    height, width = frames[0].shape
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options=_CODING)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.colorspace, stream.codec_context.color_range = 6, 1
        for index, luma in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(_coded(luma), format="yuv420p")
            frame.colorspace, frame.color_range = 6, 1
            frame.pts, frame.time_base = index, 1 / RATE
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _coded(luma: Luma) -> npt.NDArray[np.uint8]:
    """Return the planes of a limited-range picture without colour, stacked as PyAV takes them."""
    height, width = luma.shape
    planes = np.full((height * 3 // 2, width), 128, np.uint8)
    planes[:height] = np.rint(np.clip(luma, 0, 1) * 219 + 16)
    return planes
