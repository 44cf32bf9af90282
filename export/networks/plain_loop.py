"""A plain PyTorch loop over the built-in networks: frame by frame, stage after stage, as authors' scripts run theirs.

For `farshore bench peers`. No threads beside each other, no queues, no graph optimisation; eager float32.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn
from torch.nn import functional

from engine.errors import UnsupportedModelError
from engine.model import Model
from engine.stages.given_motion import CELL, GivenMotion
from export.networks.film_colorize import FilmColorize, shipped
from export.networks.film_interpolate import FilmInterpolate
from export.networks.film_restore import FilmRestore
from export.networks.motion import upsample, warp

NETWORKS: Mapping[str, type[nn.Module]] = {
    "enhance": FilmRestore,
    "interpolate": FilmInterpolate,
    "colorize": FilmColorize,
}
"""Role → network of the built-in model that plays it."""

Picture = npt.NDArray[np.uint8]


def network_of(model: Model) -> nn.Module:
    """Return a built-in model as a PyTorch network, with the weights of its ONNX file.

    Raises
    ------
    UnsupportedModelError
        The network in this checkout is not that of the file.
    """
    network = shipped(NETWORKS[model.card.role]())
    stored = {item.name: numpy_helper.to_array(item) for item in onnx.load_from_string(model.data).graph.initializer}
    state: dict[str, Tensor] = {}
    for name, tensor in network.state_dict().items():
        array = stored.get(name)
        if array is not None and array.shape == tuple(tensor.shape):
            state[name] = torch.from_numpy(array.copy())
        elif tensor.numel() == 1:
            state[name] = tensor  # a single number, which the exporter has folded into the graph
        else:
            raise UnsupportedModelError(
                f"model {model.card.name}: its file lacks {name} {tuple(tensor.shape)}; the network in this checkout "
                "is another version; export it again"
            )
    network.load_state_dict(state)
    return network


class PlainLoop:
    """Restores, doubles and colours grey pictures with one network after the other.

    Parameters
    ----------
    models : of roles enhance, interpolate and colorize, or some of them; each is left out where it is not given
    threads : of PyTorch
    """

    def __init__(self, models: Sequence[Model], *, threads: int) -> None:
        torch.set_num_threads(threads)
        self._models = {model.card.role: model for model in models}
        self._networks = {model.card.role: network_of(model) for model in models}

    @torch.inference_mode()
    def run(self, pictures: Sequence[Picture]) -> int:
        """Run over pictures (H, W), height and width multiples of 16; return how many came out."""
        film = [torch.from_numpy(picture).float().div(255)[None, None] for picture in pictures]
        count = 0
        for _ in self._coloured(self._doubled(self._cleaned(film))):
            count += 1
        return count

    def _cleaned(self, film: Sequence[Tensor]) -> Iterator[Tensor]:
        network = self._networks.get("enhance")
        if network is None:
            yield from film
            return
        past, future = self._models["enhance"].card.window
        height, width = film[0].shape[-2:]
        neutral = torch.full((1, 2 * (past + 1 + future), height // 2, width // 2), 0.5)
        for number in range(len(film)):
            near = [film[min(max(at, 0), len(film) - 1)] for at in range(number - past, number + future + 1)]
            yield network(torch.cat(near, 1), neutral, torch.ones(1))[0].clamp(0, 1)

    def _doubled(self, film: Iterator[Tensor]) -> Iterator[Tensor]:
        network = self._networks.get("interpolate")
        if network is None:
            yield from film
            return
        given: GivenMotion | None = None
        held: list[Tensor] = []
        for picture in film:
            given = given or GivenMotion(picture.shape[-2], picture.shape[-1])
            given.append(picture[0, 0].numpy())
            held.append(picture)
            if len(held) > 2:
                yield held[0]
                yield _between(network, given, held.pop(0), held[0])
        if given is not None and len(held) > 1:
            given.finish()
            yield held[0]
            yield _between(network, given, held.pop(0), held[0])
        yield from held

    def _coloured(self, film: Iterator[Tensor]) -> Iterator[Tensor]:
        network = self._networks.get("colorize")
        if network is None:
            yield from film
            return
        model = self._models["colorize"]
        size = model.card.working_size or FilmColorize.working_size
        features = model.inputs["reference_features"].shape[1] or 1
        nothing = (torch.zeros(1, features, 1), torch.zeros(1, 2, 1), torch.zeros(1, 1))
        luma_before, ab_before = torch.zeros(1, 1, *size), torch.zeros(1, 2, *size)
        for luma in film:
            small = functional.interpolate(luma, size=size, mode="area")
            made = network(small, *nothing, luma_before, ab_before)
            luma_before, ab_before = small, made[0]
            height, width = luma.shape[-2] // 2, luma.shape[-1] // 2
            yield functional.interpolate(made[0], size=(height, width), mode="bilinear")


def _between(network: nn.Module, given: GivenMotion, first: Tensor, second: Tensor) -> Tensor:
    """Return the picture in the middle of two (1, 1, H, W)."""
    given.aim(0.5)
    flow, mask = network(
        first, second, torch.full((1,), 0.5), torch.from_numpy(given.motion), torch.from_numpy(given.evidence)
    )
    flow, mask = upsample(flow, CELL), upsample(mask, CELL)
    mixed = mask * warp(first, flow[:, :2], "bicubic") + (1 - mask) * warp(second, flow[:, 2:], "bicubic")
    return mixed.clamp(0, 1)
