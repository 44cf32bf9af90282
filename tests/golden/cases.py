"""Golden cases: what each published network computes, measured on its authors' own code.

A folder here is one network: ``params.json`` names and shapes every tensor of the published checkpoint, ``case.json``
says how the outputs were made, ``cases.npz`` holds inputs and outputs (thinned out where they are large), and
``fixed.npz`` tensors that are constants of the architecture. No trained weights: every tensor is drawn from a
generator seeded by its own name, so a network that names, shapes and uses its parameters as the authors' does gets
these outputs to within the tolerance.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

FOLDER = Path(__file__).parent
WEIGHTS = FOLDER / "weights"
"""Two real published checkpoints, with their licences."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One stored result beside what was found: the largest difference, and that difference over its tolerance."""

    network: str
    case: str
    result: str
    error: float
    share: float
    atol: float

    def __str__(self) -> str:
        where = f"{self.network} / {self.case} / {self.result}"
        return f"{where}: off by {self.error:.2e}, {self.share:.1%} of the tolerance (atol {self.atol:.0e})"


class GoldenNetwork:
    """The golden cases of one network.

    Parameters
    ----------
    name : the folder
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.folder = FOLDER / name
        self.facts: dict[str, Any] = json.loads((self.folder / "case.json").read_text())

    @cached_property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Every tensor of the published checkpoint, in its order."""
        return {key: tuple(entry["shape"]) for key, entry in self._params.items()}

    @property
    def case_names(self) -> list[str]:
        """The cases, in the order of the file."""
        return list(dict.fromkeys(path.split("/")[0] for path in self._arrays))

    def weights(self) -> Iterator[tuple[str, Array]]:
        """Draw the weights, one tensor at a time: the largest networks fill a gigabyte."""
        fixed = self.folder / "fixed.npz"
        constants = dict(np.load(fixed)) if fixed.exists() else {}
        for key, entry in self._params.items():
            yield key, constants[key] if key in constants else _seeded_tensor(key, **entry)

    def inputs(self, case: str) -> dict[str, Array]:
        """Return the inputs of a case by name; floating ones as float32."""
        found = self._side(case, "in")
        for name, recipe in self.facts.get("cases", {}).get(case, {}).get("inputs", {}).items():
            if "recipe" in recipe:
                found[name] = _block_noise(recipe)
        return {name: value.astype(np.float32) if value.dtype.kind == "f" else value for name, value in found.items()}

    def outputs(self, case: str) -> dict[str, Array]:
        """Return the stored outputs of a case, thinned out as they are."""
        return self._side(case, "out")

    def compare(self, case: str, found: Mapping[str, Array], *, atol: float | None = None) -> list[Comparison]:
        """Compare whole outputs with what is stored of them.

        Parameters
        ----------
        case : its name
        found : outputs by name, whole; at least one must be stored
        atol : instead of the tolerance that case.json states

        Raises
        ------
        AssertionError
            Nothing that was found is stored: a comparison of nothing must not pass.
        """
        comparisons = []
        for result, wanted in self.outputs(case).items():
            view = self._view(case, result, found)
            if view is None:
                continue
            assert view.shape == wanted.shape, f"{self.name}/{case}/{result}: {view.shape}, stored {wanted.shape}"
            absolute, relative = self._tolerance(result) if atol is None else (atol, 0.0)
            difference = np.abs(view.astype(np.float64) - wanted.astype(np.float64))
            share = float((difference / (absolute + relative * np.abs(wanted))).max())
            comparisons.append(
                Comparison(
                    network=self.name,
                    case=case,
                    result=result,
                    error=float(difference.max()),
                    share=share,
                    atol=absolute,
                )  # fmt: skip
            )
        assert comparisons, f"{self.name}/{case}: none of {sorted(found)} is stored"
        return comparisons

    @cached_property
    def _params(self) -> dict[str, dict[str, Any]]:
        return json.loads((self.folder / "params.json").read_text())

    @cached_property
    def _arrays(self) -> dict[str, Array]:
        return dict(np.load(self.folder / "cases.npz"))

    def _side(self, case: str, side: str) -> dict[str, Array]:
        prefix = f"{case}/{side}/"
        return {path.removeprefix(prefix): a for path, a in self._arrays.items() if path.startswith(prefix)}

    def _view(self, case: str, result: str, found: Mapping[str, Array]) -> Array | None:
        """Reduce what was found as the stored result was reduced; None where it was not found."""
        facts = self.facts.get("cases", {}).get(case, {})
        if result in facts.get("slices", {}) and "image" in found:
            cut = facts["slices"][result]
            return found["image"][:, :, slice(*cut["rows"]), slice(*cut["columns"])]
        if result in found:
            noted = facts.get("outputs", {}).get(result)
            stride = noted.get("stride") if isinstance(noted, dict) else None
            return found[result][tuple(slice(None, None, step) for step in stride)] if stride else found[result]
        for ending, statistic in (("_mean", np.mean), ("_std", np.std)):
            whole = found.get("image" if result.startswith("channel_") else result.removesuffix(ending))
            if result.endswith(ending) and whole is not None:
                axes = tuple(axis for axis in range(whole.ndim) if axis != 1)
                return statistic(whole.astype(np.float64), axis=axes)
        return None

    def _tolerance(self, result: str) -> tuple[float, float]:
        """Return (absolute, relative) for a result, as case.json suggests."""
        stated = self.facts["tolerance"]
        if "suggest_atol" in stated:
            return stated["suggest_atol"], stated["suggest_rtol"]
        base = result.removesuffix("_mean").removesuffix("_std")
        for names, limits in stated["suggest"].items():
            if names == "all" or base in names.split(", "):
                return limits["atol"], limits["rtol"]
        raise AssertionError(f"{self.name}: case.json states no tolerance for {result!r}")


def _seeded_tensor(key: str, *, shape: list[int], mean: float, std: float, dtype: str = "float32") -> Array:
    """Return ``mean + std * N(0, 1)`` seeded by the key; integers are constant."""
    if dtype.startswith("int"):
        return np.full(shape, int(mean), dtype=dtype)
    seed = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "little")
    draw = np.random.Generator(np.random.PCG64(seed)).standard_normal(shape, dtype=np.float32)
    return (np.float32(mean) + np.float32(std) * draw).astype(dtype, copy=False)


def _block_noise(recipe: Mapping[str, Any]) -> Array:
    """Draw the coarse and fine noise that stands for an input too large to be stored, and check its hash."""
    batch, channels, height, width = recipe["shape"]
    block, low, high = recipe["block"], np.float32(recipe["low"]), np.float32(recipe["high"])
    generator = np.random.Generator(np.random.PCG64(recipe["seed"]))
    coarse = generator.random((batch, channels, height // block, width // block), dtype=np.float32)
    fine = generator.random((batch, channels, height, width), dtype=np.float32)
    coarse = coarse.repeat(block, axis=2).repeat(block, axis=3)
    noise = low + np.float32(high - low) * (np.float32(0.75) * coarse + np.float32(0.25) * fine)
    assert hashlib.sha256(noise.tobytes()).hexdigest() == recipe["sha256_of_float32_bytes"]
    return noise
