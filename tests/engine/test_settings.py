from dataclasses import FrozenInstanceError
from fractions import Fraction

import pytest

from engine.errors import ConfigError
from engine.settings import (
    ColorizeSettings,
    EnhanceSettings,
    InputSettings,
    InterpolateSettings,
    OutputSettings,
    RuntimeSettings,
    Settings,
    exact_rate,
)


@pytest.mark.parametrize(
    ("text", "rate", "factor"),
    [
        ("48", Fraction(48), None),
        ("60000/1001", Fraction(60000, 1001), None),
        ("23.976", Fraction(24000, 1001), None),
        ("29.97", Fraction(30000, 1001), None),
        ("119.88", Fraction(120000, 1001), None),
        ("12.5", Fraction(25, 2), None),
        ("16", Fraction(16), None),
        ("0.001", Fraction(1, 1000), None),
        ("2x", None, Fraction(2)),
        ("2.5X", None, Fraction(5, 2)),
        ("none", None, None),
    ],
)
def test_rates_are_read_exactly(text: str, rate: Fraction | None, factor: Fraction | None) -> None:
    settings = InterpolateSettings.parse(text)
    assert (settings.rate, settings.factor) == (rate, factor)


@pytest.mark.parametrize("text", ["fast", "", "x", "0", "-24", "1/0", "0x", "4001", "nan", "inf"])
def test_rates_that_make_no_sense_are_refused_in_one_line(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        InterpolateSettings.parse(text)
    assert "wanted" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_exact_rates_stay_what_they_are() -> None:
    for rate in (Fraction(24000, 1001), Fraction(25), Fraction(50, 3), Fraction(18)):
        assert exact_rate(rate) == rate


@pytest.mark.parametrize(
    "make",
    [
        lambda: EnhanceSettings(strength=1.1),
        lambda: EnhanceSettings(upscale=5),
        lambda: EnhanceSettings(tile=8),
        lambda: InterpolateSettings(rate=Fraction(48), factor=Fraction(2)),
        lambda: ColorizeSettings(mode="yes"),
        lambda: ColorizeSettings(saturation=-1),
        lambda: InputSettings(deinterlace="maybe"),
        lambda: InputSettings(rate=Fraction(0)),
        lambda: OutputSettings(codec="h266"),
        lambda: OutputSettings(quality=101),
        lambda: OutputSettings(bit_depth=9),
        lambda: OutputSettings(compare="above"),
        lambda: OutputSettings(encoder_threads=0),
        lambda: RuntimeSettings(backend="gpu"),
        lambda: RuntimeSettings(streams_per_stage=3),
        lambda: RuntimeSettings(streams="one", streams_per_stage=2),
        lambda: RuntimeSettings(threads=-1),
        lambda: RuntimeSettings(queue_frames=0),
    ],
)
def test_values_out_of_range_are_refused_when_made(make: object) -> None:
    with pytest.raises(ConfigError, match="got"):
        make()  # type: ignore[operator]


def test_unknown_settings_do_not_exist_and_known_ones_do_not_change() -> None:
    with pytest.raises(TypeError):
        EnhanceSettings(strenght=0.5)  # type: ignore[call-arg]
    with pytest.raises(FrozenInstanceError):
        Settings().enhance = EnhanceSettings()  # type: ignore[misc]
