"""The part of a ResNet that looks at pictures: up to its last feature map, keys as in torchvision's children 0 to 7.

References
----------
He et al., "Deep Residual Learning for Image Recognition", CVPR 2016.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a short cut."""

    expansion = 1

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = _short_cut(inputs, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, inputs, H, W) to (N, width, H / stride, W / stride)."""
        kept = x if self.downsample is None else self.downsample(x)
        x = functional.relu(self.bn1(self.conv1(x)))
        return functional.relu(self.bn2(self.conv2(x)) + kept)


class Bottleneck(nn.Module):
    """A 3x3 convolution between two of 1x1, and a short cut."""

    expansion = 4

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.downsample = _short_cut(inputs, 4 * width, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, inputs, H, W) to (N, 4 · width, H / stride, W / stride)."""
        kept = x if self.downsample is None else self.downsample(x)
        x = functional.relu(self.bn1(self.conv1(x)))
        x = functional.relu(self.bn2(self.conv2(x)))
        return functional.relu(self.bn3(self.conv3(x)) + kept)


class ResnetEncoder(nn.Sequential):
    """A ResNet without its classifier.

    Parameters
    ----------
    block : `BasicBlock` or `Bottleneck`
    depths : blocks in each of the four stages
    base : channels of the first convolution
    """

    def __init__(
        self, block: type[BasicBlock] | type[Bottleneck], depths: tuple[int, int, int, int], base: int = 64
    ) -> None:
        stages: list[nn.Module] = []
        inputs = base
        channels = [base]
        for index, depth in enumerate(depths):
            width = base << index
            blocks: list[nn.Module] = []
            for number in range(depth):
                blocks.append(block(inputs, width, 2 if number == 0 and index > 0 else 1))
                inputs = width * block.expansion
            stages.append(nn.Sequential(*blocks))
            channels.append(inputs)
        first = nn.Conv2d(3, base, 7, 2, 3, bias=False)
        super().__init__(first, nn.BatchNorm2d(base), nn.ReLU(), nn.MaxPool2d(3, 2, 1), *stages)
        self.channels = tuple(channels)

    def maps(self, x: Tensor) -> list[Tensor]:
        """Return features at 1/2, 1/4, 1/8, 1/16 and 1/32 of a picture (N, 3, H, W); sizes are rounded up."""
        kept = []
        for index, layer in enumerate(self):
            x = layer(x)
            if index in (2, 4, 5, 6, 7):
                kept.append(x)
        return kept


def _short_cut(inputs: int, outputs: int, stride: int) -> nn.Module | None:
    if inputs == outputs and stride == 1:
        return None
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
