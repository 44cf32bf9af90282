"""Which GPUs an engine is for: families by name for TensorRT for RTX, else the GPU that builds it."""

from collections.abc import Sequence
from dataclasses import dataclass

from engine.backends.tensorrt.device import Gpu
from engine.backends.tensorrt.library import Library
from engine.errors import ConfigError, NoDeviceError

FAMILIES: dict[str, tuple[str, ...]] = {
    "turing": ("SM75",),
    "ampere": ("SM80", "SM86"),
    "ada": ("SM89",),
    "blackwell": ("SM120", "SM121"),
}
"""GPU families and their compute capabilities, by the names of the library's `ComputeCapability`. SM75 are RTX 20 and
GTX 16, SM80 A100, SM86 RTX 30, SM89 RTX 40, SM120 RTX 50, SM121 the Arm boxes with a GB10."""

USUAL_FAMILIES = ("ampere", "ada", "blackwell")
"""What is built for on a machine without a GPU where nothing is said: what the library itself would take. Turing's
compiler lacks operations (matrix products in float32), so that not every model can be built for it."""

CURRENT = "current"
UNLISTED = "CURRENT"
"""The library's `ComputeCapability` for whatever GPU it builds on: it may, or may not, build for one that it does not
list. Such an engine serves that GPU alone."""
JETSONS = frozenset({"jetson", "orin", "thor", "xavier"})
DATACENTRE = frozenset({"hopper", "h100", "h200", "gh200", "b200", "gb200"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Targets:
    """What an engine is for.

    compute_capabilities : such as ``SM86``, ascending; ``CURRENT`` alone where TensorRT for RTX is to try a GPU that it
        does not list; none where TensorRT builds, which always builds for the machine's own GPU
    gpu : name, compute capability and driver of the machine's own GPU, where the engine serves it alone; else empty
    """

    compute_capabilities: tuple[str, ...] = ()
    gpu: str = ""

    def __str__(self) -> str:
        if self.gpu:
            return self.gpu
        whole = [name for name, those in FAMILIES.items() if set(those) <= set(self.compute_capabilities)]
        covered = {one for name in whole for one in FAMILIES[name]}
        return ", ".join([*whole, *(one for one in self.compute_capabilities if one not in covered)])


def parse_families(text: str) -> tuple[str, ...]:
    """Return the names in a list such as ``turing,ampere``, or ``current`` alone.

    Raises
    ------
    ConfigError
        A name is unknown, or is that of a GPU that must build for itself.
    """
    names = tuple(dict.fromkeys(name.strip().lower() for name in text.split(",") if name.strip()))
    wanted = f"wanted {CURRENT}, or some of {', '.join(FAMILIES)}"
    for name in names:
        if name in JETSONS:
            raise ConfigError(
                f"--for {name}: an engine for a Jetson is built on the Jetson, by its own TensorRT; run the same "
                "farshore build there, without --for"
            )
        if name in DATACENTRE:
            raise ConfigError(
                f"--for {name}: TensorRT for RTX does not serve datacentre GPUs; run farshore build on that machine, "
                "with TensorRT and without --for"
            )
        if name != CURRENT and name not in FAMILIES:
            raise ConfigError(f"--for {name}: unknown; {wanted}")
    if not names or (CURRENT in names and len(names) > 1):
        raise ConfigError(f"--for {text!r}: {wanted}")
    return names


def lists(gpu: Gpu) -> bool:
    """Whether TensorRT for RTX lists a GPU's compute capability."""
    major, minor = gpu.compute_capability
    return any(f"SM{major}{minor}" in family for family in FAMILIES.values())


def choose_targets(library: Library, families: Sequence[str], gpu: Gpu | None) -> Targets:
    """Return what to build for.

    Parameters
    ----------
    library : that builds
    families : as `parse_families` gives them; none: this machine's GPU, and where there is none, with TensorRT for RTX,
        all families
    gpu : of this machine

    Raises
    ------
    ConfigError
        The library cannot build for these.
    NoDeviceError
        It takes a GPU, and there is none.
    """
    if library.flavour == "tensorrt":
        return _own_gpu(families, gpu)
    if CURRENT in families and gpu is None:
        raise NoDeviceError(f"--for current: no GPU in this machine; name what to build for: {', '.join(FAMILIES)}")
    if gpu is not None and (not families or CURRENT in families):
        if lists(gpu):
            return Targets(compute_capabilities=("SM{}{}".format(*gpu.compute_capability),))
        if not families:
            raise ConfigError(
                "{} (compute capability {}.{}): not listed by TensorRT for RTX; use TensorRT (--library tensorrt), or "
                "let it try: --for current".format(gpu.name, *gpu.compute_capability)
            )
        return Targets(compute_capabilities=(UNLISTED,), gpu=_told(gpu))
    chosen = families or USUAL_FAMILIES
    return Targets(
        compute_capabilities=tuple(one for name, those in FAMILIES.items() if name in chosen for one in those)
    )


def _own_gpu(families: Sequence[str], gpu: Gpu | None) -> Targets:
    others = [name for name in families if name != CURRENT]
    if others:
        raise ConfigError(
            f"--for {','.join(others)}: TensorRT builds for the GPU it runs on; leave --for out, or take TensorRT for "
            "RTX: pip install 'farshore[rtx]'"
        )
    if gpu is None:
        raise NoDeviceError(
            "TensorRT: builds on the GPU it builds for, and there is none here; TensorRT for RTX needs none: pip "
            "install 'farshore[rtx]'"
        )
    return Targets(gpu=_told(gpu))


def _told(gpu: Gpu) -> str:
    major, minor = gpu.compute_capability
    return f"{gpu.name} (compute capability {major}.{minor}, driver {gpu.driver})"
