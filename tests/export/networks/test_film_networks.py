"""The built-in networks: sizes in and out, what a fresh one does, what strength and states mean."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="networks need the export extra: pip install 'farshore[export]'")

from export.networks.film_colorize import FilmColorize  # noqa: E402
from export.networks.film_interpolate import FilmInterpolate  # noqa: E402
from export.networks.film_restore import FilmRestore, depth_from_space, gain_of_neighbours  # noqa: E402
from export.networks.motion import warp  # noqa: E402


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def _awake(network):
    """Give the layers that start at zero some weight, so that there is something to see."""
    with torch.no_grad():
        for weight in network.parameters():
            if not weight.any():
                weight.normal_(0, 0.05)
    return network.eval()


def _window(height: int, width: int, count: int = 1):
    return torch.rand(count, 5, height, width), torch.rand(count, 10, height // 2, width // 2)


@pytest.mark.parametrize(("height", "width"), [(16, 48), (80, 112)])
@pytest.mark.parametrize("scale", [1, 2])
def test_restore_keeps_odd_multiples_and_scales(height: int, width: int, scale: int) -> None:
    luma, chroma = FilmRestore(scale=scale).eval()(*_window(height, width), torch.ones(1))
    assert luma.shape == (1, 1, scale * height, scale * width)
    assert chroma.shape == (1, 2, scale * height // 2, scale * width // 2)


def test_a_fresh_restorer_is_the_identity() -> None:
    luma, chroma = _window(32, 48)
    luma_out, chroma_out = FilmRestore().eval()(luma, chroma, torch.ones(1))
    assert torch.equal(luma_out[:, 0], luma[:, 2])
    assert torch.equal(chroma_out, chroma[:, 4:6])


def test_strength_zero_is_the_identity_whatever_the_weights() -> None:
    network = _awake(FilmRestore())
    luma, chroma = _window(32, 48)
    luma_out, chroma_out = network(luma, chroma, torch.zeros(1))
    assert torch.equal(luma_out[:, 0], luma[:, 2])
    assert torch.equal(chroma_out, chroma[:, 4:6])
    assert not torch.equal(network(luma, chroma, torch.ones(1))[0], luma_out)


def test_restore_refuses_a_scale_it_has_no_head_for() -> None:
    with pytest.raises(ValueError, match="scale: got 3"):
        FilmRestore(scale=3)


def test_frames_of_a_batch_are_restored_alone() -> None:
    network = _awake(FilmRestore())
    luma, chroma = _window(32, 32, count=2)
    strength = torch.tensor([0.3, 1.0])
    both = network(luma, chroma, strength)[0]
    alone = network(luma[1:], chroma[1:], strength[1:])[0]
    torch.testing.assert_close(both[1:], alone, atol=1e-5, rtol=1e-5)


def test_the_gain_of_neighbours_is_that_of_a_flickering_frame() -> None:
    scene = 0.4 + 0.5 * torch.rand(1, 1, 64, 96)
    now = scene * 0.9
    gain = gain_of_neighbours(torch.cat([scene, scene, now, scene, scene], 1), 2)
    assert gain.shape == (1, 1, 4, 6)
    # Four of five frames are a ninth brighter; the constant that keeps black from dividing by zero takes a little.
    torch.testing.assert_close(gain, torch.full_like(gain, 0.8 / 9), atol=0.006, rtol=0)


def test_what_is_not_the_same_thing_does_not_count_as_flicker() -> None:
    frames = torch.full((1, 5, 64, 64), 0.3)
    frames[:, [0, 1, 3, 4], 16:32, 16:32] = 0.9
    assert gain_of_neighbours(frames, 2).abs().max() < 0.02


@pytest.mark.parametrize("side", [2, 4])
def test_depth_from_space_orders_by_place_then_by_plane(side: int) -> None:
    planes = torch.rand(2, 3, 4 * side, 3 * side)
    deep = depth_from_space(planes, side)
    assert deep.shape == (2, 3 * side * side, 4, 3)
    for row in range(side):
        for column in range(side):
            place = 3 * (row * side + column)
            torch.testing.assert_close(deep[:, place : place + 3], planes[:, :, row::side, column::side])


def _told(height: int, width: int, *, apart: float, still: float):
    """Return motion and evidence: 4 pixels to the left and right on a line, 1 and 2 up by the frames around."""
    motion = torch.zeros(1, 8, height // 4, width // 4)
    motion[:, 0], motion[:, 2], motion[:, 5], motion[:, 7] = -4.0, 4.0, -1.0, -2.0
    evidence = torch.zeros(1, 6, height // 4, width // 4)
    evidence[:, 0], evidence[:, 1], evidence[:, 4:] = apart, still, 0.9
    return motion, evidence


@pytest.mark.parametrize(("height", "width"), [(32, 48), (160, 224)])
def test_a_fresh_interpolator_follows_the_motion_and_weighs_by_time(height: int, width: int) -> None:
    told = _told(height, width, apart=0.01, still=0.1)
    flow, mask = FilmInterpolate().eval()(*torch.rand(2, 1, 1, height, width), torch.tensor([0.25]), *told)
    assert flow.shape == (1, 4, height // 4, width // 4)
    assert mask.shape == (1, 1, height // 4, width // 4)
    torch.testing.assert_close(mask, torch.full_like(mask, 0.75))
    bend = -(1.0 + 2.0) * 0.9 / (0.9 + 0.9 + 0.2)  # both sides are believed alike
    torch.testing.assert_close(flow[0, :, 4, 6], torch.tensor([-4.0, bend, 4.0, bend]), atol=0.03, rtol=0)


def test_a_fresh_interpolator_stands_still_where_nothing_speaks_for_motion() -> None:
    told = _told(32, 48, apart=0.05, still=0.02)
    flow, _ = FilmInterpolate().eval()(*torch.rand(2, 1, 1, 32, 48), torch.tensor([0.5]), *told)
    assert flow.abs().max() < 0.02


def test_warp_samples_where_the_flow_points() -> None:
    picture = torch.arange(8.0).repeat(6, 1)[None, None]
    flow = torch.zeros(1, 2, 6, 8)
    flow[:, 0] = 2.5
    moved = warp(picture, flow)
    torch.testing.assert_close(moved[0, 0, :, :5], picture[0, 0, :, :5] + 2.5)
    torch.testing.assert_close(moved[0, 0, :, 6:], torch.full((6, 2), 7.0))
    sharp = warp(picture, flow, "bicubic")
    torch.testing.assert_close(sharp[0, 0, :, 1:4], picture[0, 0, :, 1:4] + 2.5)


def _references(count: int, tokens: int = 12):
    return torch.rand(count, 64, tokens), torch.rand(count, 2, tokens), torch.ones(count, tokens)


def _no_past(luma):
    return torch.zeros_like(luma), torch.zeros(luma.shape[0], 2, *luma.shape[2:])


@pytest.mark.parametrize(("height", "width"), [(64, 96), (128, 160)])
def test_colorize_gives_everything_at_its_size(height: int, width: int) -> None:
    luma = torch.rand(1, 1, height, width)
    ab, confidence, features, next_luma, next_ab = FilmColorize().eval()(luma, *_references(1), *_no_past(luma))
    assert ab.shape == (1, 2, height, width)
    assert confidence.shape == (1, 1, height, width)
    assert features.shape == (1, 64, height // 8, width // 8)
    assert torch.equal(next_luma, luma)
    assert torch.equal(next_ab, ab)


def test_an_invalid_reference_is_no_reference() -> None:
    network = _awake(FilmColorize())
    luma = torch.rand(1, 1, 64, 96)
    tokens, colours, _ = _references(1)
    none = network(luma, tokens * 0, colours * 0, torch.zeros(1, 12), *_no_past(luma))
    one_token = network(luma, torch.zeros(1, 64, 1), torch.zeros(1, 2, 1), torch.zeros(1, 1), *_no_past(luma))
    torch.testing.assert_close(none[0], one_token[0])
    assert not none[1].any()


def test_invalid_tokens_among_valid_ones_change_nothing() -> None:
    network = _awake(FilmColorize())
    luma = torch.rand(1, 1, 64, 96)
    tokens, colours, valid = _references(1)
    plain = network(luma, tokens, colours, valid, *_no_past(luma))
    more = network(
        luma,
        torch.cat([tokens, torch.rand(1, 64, 5)], 2),
        torch.cat([colours, torch.rand(1, 2, 5)], 2),
        torch.cat([valid, torch.zeros(1, 5)], 1),
        *_no_past(luma),
    )
    torch.testing.assert_close(plain[0], more[0], atol=1e-5, rtol=1e-4)


def test_zero_states_mean_no_previous_frame_and_others_hold_colour() -> None:
    network = _awake(FilmColorize())
    luma = torch.rand(1, 1, 64, 96)
    fresh = network(luma, *_references(1), *_no_past(luma))[0]
    ghost = network(luma, *_references(1), torch.zeros_like(luma), torch.full((1, 2, 64, 96), 0.4))[0]
    held = network(luma, *_references(1), luma, torch.full((1, 2, 64, 96), 0.4))[0]
    torch.manual_seed(0)
    assert (ghost - fresh).abs().mean() < (held - fresh).abs().mean()


def test_a_fresh_colorizer_gives_neutral_colour() -> None:
    luma = torch.rand(1, 1, 64, 96)
    network = FilmColorize().eval()
    assert not network(luma, torch.zeros(1, 64, 1), torch.zeros(1, 2, 1), torch.zeros(1, 1), *_no_past(luma))[0].any()


def test_a_finished_colorizer_computes_the_same_without_normalization() -> None:
    network = _awake(FilmColorize()).train()
    for _ in range(3):
        network.encode(torch.rand(2, 1, 64, 96))  # so that means and deviations are no longer zero and one
    network.eval()
    luma = torch.rand(1, 1, 64, 96)
    given = (luma, *_references(1), *_no_past(luma))
    before = network(*given)
    finished = network.finished()
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in finished.modules())
    assert any(isinstance(module, torch.nn.BatchNorm2d) for module in network.modules())
    for one, other in zip(before, finished(*given), strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-3)


def test_colour_alone_is_what_the_whole_network_gives_without_references_and_past() -> None:
    network = _awake(FilmColorize()).eval()
    luma = torch.rand(1, 1, 64, 96)
    whole = network(luma, torch.zeros(1, 64, 1), torch.zeros(1, 2, 1), torch.zeros(1, 1), *_no_past(luma))[0]
    half = network.automatic_colour(luma)[2]
    doubled = torch.nn.functional.interpolate(half, scale_factor=2.0, mode="bilinear", align_corners=False)
    torch.testing.assert_close(whole, doubled)
