"""Brings chroma to half size along luma's edges on a device: the twin of `engine/stages/guided_filter.py`."""

from engine.device.operators import Operators, View, view

KERNELS = ("guide_across", "guide_down", "box_across", "box_down", "guided_chroma")


class DeviceGuidedUpsampler:
    """Scratch for one coarse and one fine size.

    Parameters
    ----------
    operators : of the stage's stream
    coarse : (height, width)
    """

    def __init__(self, operators: Operators, coarse: tuple[int, int]) -> None:
        self._operators = operators
        operators.prepare(*KERNELS)
        self._sums = view(operators.zeros(6, *coarse))
        self._fits, self._across = (view(operators.zeros(4, *coarse)) for _ in range(2))

    def write(self, luma: View, ab: View, fine_luma: View, out: View, *, gain: float, offset: float) -> None:
        """Write chroma at the fine size, times `gain` plus `offset`, in [0, 1], into `out`.

        Parameters
        ----------
        luma, ab : coarse, 1 and 2 planes
        fine_luma : 1 plane, of the size of `out`
        out : 2 planes
        """
        run, sums, fits, across = self._operators.run, self._sums, self._fits, self._across
        size = {"width": luma.width, "height": luma.height}
        grid = {"pitch": fits.pitch, "plane": fits.plane}
        pitches = {"luma_pitch": luma.pitch, "ab_pitch": ab.pitch, "ab_plane": ab.plane}
        run("guide_across", luma.area, luma=luma, ab=ab, sums=sums, **size, **grid, **pitches)
        run("guide_down", luma.area, sums=sums, fits=fits, **size, **grid)
        for kernel, source, target in (("box_across", fits, across), ("box_down", across, fits)):
            run(kernel, fits.domain, **{"in": source}, out=target, planes=fits.planes, **size, **grid)
        run(
            "guided_chroma",
            out.area,
            fits=fits,
            luma=fine_luma,
            out=out,
            fit_width=fits.width,
            fit_height=fits.height,
            **fits.strides("fit_"),
            width=out.width,
            height=out.height,
            luma_pitch=fine_luma.pitch,
            **out.strides(),
            gain=gain,
            offset=offset,
        )
