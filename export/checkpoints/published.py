"""The models that published networks give, by name, and where each stands. No torch: for listing and asking.

`export/onnx/recipes.py` and `adopt.py` say how the same models are made; a test keeps the names, networks and roles
here equal to theirs.
"""

from dataclasses import dataclass

from engine.errors import ModelError
from engine.model import installed_models
from export.checkpoints.catalogue import Checkpoint, catalogue
from export.checkpoints.store import Store

_NAMES = {
    "enhance": (
        "realesr-animevideov3",
        "realesr-animevideov3-x2",
        "realesr-general-x4v3",
        "realesr-general-x4v3-x2",
        "realesr-general-wdn-x4v3",
        "realesr-general-wdn-x4v3-x2",
        "realesrgan-x2plus",
        "realesrgan-x4plus",
        "realesrgan-x4plus-anime-6b",
    ),
    "interpolate": ("rife-v4.25", "rife-v4.25-lite", "rife-v4.26", "rife-v4.6", "rife-m", "rife-v3"),
    "colorize": ("deoldify-artistic", "deoldify-stable", "deoldify-video", "exemplar"),
    "reference": ("exemplar-reference",),
    "face": ("gpen-256", "gpen-512", "gpen-1024", "gpen-2048", "gpen-colorization"),
    "detect": ("yunet",),
}
_NETWORKS = {
    "exemplar-reference": "exemplar",
    **{f"{name}-x2": name for name in ("realesr-animevideov3", "realesr-general-x4v3", "realesr-general-wdn-x4v3")},
}
"""Networks of the models that are not named like theirs."""


@dataclass(frozen=True, slots=True)
class PublishedModel:
    """A model that can be made of published weights.

    name : of the model
    network : whose weights it needs
    role : what it is for
    """

    name: str
    network: str
    role: str

    @property
    def checkpoints(self) -> tuple[Checkpoint, ...]:
        """The published files of its network; none where it has no stable home."""
        return tuple(entry for entry in catalogue() if entry.network == self.network)

    def state(self, store: Store) -> str:
        """Return "exported", "fetched" or "not fetched"."""
        if not installed_models().keys().isdisjoint({model_stem(self.name, "fp32"), model_stem(self.name, "fp16")}):
            return "exported"
        return "fetched" if self.has_weights(store) else "not fetched"

    def has_weights(self, store: Store) -> bool:
        """Whether a store has its network's weights, or every published file that they are made of."""
        files = [store.path(checkpoint) for checkpoint in self.checkpoints]
        return store.network_path(self.network).exists() or (bool(files) and all(file.exists() for file in files))


PUBLISHED = {
    name: PublishedModel(name, _NETWORKS.get(name, name), role) for role, names in _NAMES.items() for name in names
}
"""Every model that published weights give, by name."""


def find_published(name: str) -> PublishedModel:
    """Return a model by name.

    Raises
    ------
    ModelError
        There is none of that name; the message lists them.
    """
    if name not in PUBLISHED:
        raise ModelError(f"model {name!r}: is not made of published weights; those that are: {', '.join(PUBLISHED)}")
    return PUBLISHED[name]


def model_stem(name: str, precision: str) -> str:
    """Return the name under which a model is installed."""
    return name if precision == "fp32" else f"{name}-{precision}"


def cure(network: str) -> str:
    """Return the command that brings the weights of a network."""
    is_fetched = any(entry.network == network for entry in catalogue())
    return f"farshore models fetch {network}" if is_fetched else f"farshore models import FILE --name {network}"
