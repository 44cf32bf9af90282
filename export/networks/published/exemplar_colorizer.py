"""The colour network of deep exemplar colorization: a U-Net whose every stage ends in an instance norm.

References
----------
Zhang et al., "Deep Exemplar-based Video Colorization", CVPR 2019, section 3.3.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

STAGES = (
    # name, inputs, channels, convolutions, dilation, halved afterwards
    ("conv2", 64, 128, 2, 1, True),
    ("conv3", 128, 256, 3, 1, True),
    ("conv4", 256, 512, 3, 1, False),
    ("conv5", 512, 512, 3, 2, False),
    ("conv6", 512, 512, 3, 2, False),
    ("conv7", 512, 512, 3, 1, False),
)
"""The stages from half size downwards; a stage that is halved is also handed across to the way up."""
RISES = (
    # name, inputs, channels, handed across, further convolutions, instance norm afterwards
    ("conv8", 512, 256, ("conv3_3", 256), (2, 3), True),
    ("conv9", 256, 128, ("conv2_2", 128), (2,), True),
    ("conv10", 128, 128, ("conv1_2", 64), (), False),
)
"""The way up; conv10's further convolution has an activation of its own."""


class ExemplarColorizer(nn.Module):
    """Make a frame's colours of what the reference lends and of the frame before."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1_1 = nn.Sequential(nn.Conv2d(7, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 64, 3, padding=1))
        self.conv1_2 = nn.Conv2d(64, 64, 3, padding=1)
        self.conv1_2norm_ss = _every_second(64)
        for name, inputs, channels, count, dilation, halved in STAGES:
            for number in range(1, count + 1):
                convolution = nn.Conv2d(inputs, channels, 3, padding=dilation, dilation=dilation)
                setattr(self, f"{name}_{number}", convolution)
                inputs = channels
            if halved:
                setattr(self, f"{name}_{count}norm_ss", _every_second(channels))
        for name, inputs, channels, (across, given), further, _ in RISES:
            larger = nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(inputs, channels, 3, padding=1))
            setattr(self, f"{name}_1", larger)
            setattr(self, f"{across}_short", nn.Conv2d(given, channels, 3, padding=1))
            for number in further:
                setattr(self, f"{name}_{number}", nn.Conv2d(channels, channels, 3, padding=1))
        self.conv10_2 = nn.Conv2d(128, 128, 3, padding=1)
        self.conv10_ab = nn.Conv2d(128, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Colour.

        Parameters
        ----------
        x : float (N, 7, H, W): the frame's L less 50; a and b brought from the reference; their similarity; L less 50,
            a and b of the frame before. H and W multiples of 8

        Returns
        -------
        float (N, 2, H, W), a and b, -128..128
        """
        x = functional.relu(self.conv1_2(functional.relu(self.conv1_1(x))))
        handed = {"conv1_2": functional.instance_norm(x)}
        x = self.conv1_2norm_ss(handed["conv1_2"])
        for name, _, _, count, _, halved in STAGES:
            for number in range(1, count + 1):
                x = functional.relu(getattr(self, f"{name}_{number}")(x))
            x = functional.instance_norm(x)
            if halved:
                handed[f"{name}_{count}"] = x
                x = getattr(self, f"{name}_{count}norm_ss")(x)
        for name, _, _, (across, _), further, norm in RISES:
            x = functional.relu(getattr(self, f"{name}_1")(x) + getattr(self, f"{across}_short")(handed[across]))
            for number in further:
                x = functional.relu(getattr(self, f"{name}_{number}")(x))
            if norm:
                x = functional.instance_norm(x)
        return self.conv10_ab(functional.leaky_relu(self.conv10_2(x), 0.2)).tanh() * 128.0


def _every_second(channels: int) -> nn.Conv2d:
    """Return a convolution that keeps every second pixel, scaled per channel."""
    return nn.Conv2d(channels, channels, 1, stride=2, bias=False, groups=channels)
