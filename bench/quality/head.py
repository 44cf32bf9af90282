"""What stands above the figures: what was measured with what, on what."""

import platform
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from bench.quality.contender import Contender
from bench.quality.material import Material
from bench.quality.plan import Part
from engine.job import farshore_version
from engine.thread_split import available_cores

_PACKAGES = ("onnxruntime", "numpy", "opencv-python-headless", "av")


def head(material: Material, models: Mapping[Part, Sequence[Contender]]) -> dict[str, Any]:
    """Return version, commit, machine, libraries, models with their hashes, and the plan, as plain values."""
    plan = asdict(material.plan)
    return {
        "version": farshore_version(),
        "commit": commit(Path(__file__).parent),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {"processor": _processor(), "system": platform.platform(), "cores": available_cores()},
        "libraries": {name: _version(name) for name in _PACKAGES},
        "models": {
            part: [
                {
                    "label": contender.label,
                    "version": contender.model.card.version,
                    "precision": contender.model.card.precision,
                    "sha256": contender.model.sha256,
                    "bytes": len(contender.model.data),
                }
                for contender in found
            ]
            for part, found in models.items()
        },
        "plan": {**plan, "data": material.plan.data.name},
        "clips": [file.name for file in material.clip_files],
        "photos": [file.name for file in material.photo_files],
    }


def head_lines(found: Mapping[str, Any]) -> list[str]:
    """Return the head as lines for people."""
    machine, libraries = found["machine"], found["libraries"]
    lines = [
        f"farshore {found['version']}, commit {found['commit'] or 'unknown'}, {found['date']}",
        f"{machine['processor']}, {machine['cores']} cores, models on one thread; "
        + ", ".join(f"{name} {number}" for name, number in libraries.items()),
    ]
    for part, models in found["models"].items():
        lines += [f"{part}: {m['label']} {m['version']} {m['precision']}, sha256 {m['sha256']}" for m in models]
    lines.append(
        f"material: {len(found['clips'])} clips, {len(found['photos'])} photographs of {found['plan']['data']}"
    )
    return lines


def commit(folder: Path) -> str | None:
    """Return the commit of the checkout that a folder lies in, `+changes` where it differs; None outside of one."""
    git = shutil.which("git")
    if git is None:
        return None
    answers: list[str] = []
    for arguments in (["rev-parse", "HEAD"], ["status", "--porcelain", "--untracked-files=no"]):
        done = subprocess.run(
            [git, "-C", str(folder), *arguments], capture_output=True, text=True, timeout=30, check=False
        )
        if done.returncode:
            return None
        answers.append(done.stdout.strip())
    return answers[0] + ("+changes" if answers[1] else "")


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith(("model name", "Model"))]
    return names[0] if names else platform.machine()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
