"""The command in this process, in a home of its own, with a catalogue whose files lie on a server of this machine."""

import hashlib
import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="published networks need the export extra")

from engine.cli.main import app, main  # noqa: E402
from export.checkpoints import catalogue as catalogue_module  # noqa: E402
from export.checkpoints import published  # noqa: E402
from export.checkpoints.catalogue import Checkpoint, catalogue  # noqa: E402
from export.cli import shelf  # noqa: E402
from export.cli.commands import register  # noqa: E402
from tests.engine.cli.conftest import Outcome  # noqa: E402
from tests.golden.cases import WEIGHTS, GoldenNetwork  # noqa: E402

if all(command.name != "export" for command in app.registered_commands):  # the package is not installed here
    register(app)

SMALL = "realesr-animevideov3"
FLOW = "rife-v4.6"


@pytest.fixture
def farshore(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., Outcome]:
    """Run `farshore ARGUMENTS...` as the shell would, with an empty home."""
    monkeypatch.setenv("FARSHORE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("sys.stdin", io.StringIO())

    def run(*arguments: object) -> Outcome:
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return run


@dataclass(frozen=True)
class Files:
    """Published files with seeded weights, as bytes."""

    small: bytes
    flow: bytes
    yunet: bytes


@pytest.fixture(scope="session")
def files() -> Files:
    def packed(name: str, wrap: Callable[[dict], dict]) -> bytes:
        buffer = io.BytesIO()
        torch.save(wrap({key: torch.from_numpy(value) for key, value in GoldenNetwork(name).weights()}), buffer)
        return buffer.getvalue()

    return Files(
        small=packed(SMALL, lambda tensors: {"params": tensors}),
        flow=packed(FLOW, lambda tensors: {f"module.{key}": tensor for key, tensor in tensors.items()}),
        yunet=(WEIGHTS / "yunet_n_640_640.onnx").read_bytes(),
    )


@pytest.fixture
def homes(server, files, monkeypatch):
    """Move the catalogue's homes to this machine; RIFE's file comes in an archive, YuNet's hash is nobody's."""
    server.files["/small.pth"] = files.small
    server.files["/yunet.onnx"] = files.yunet
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("train_log/flownet.pkl", files.flow)
    server.files["/train_log.zip"] = archive.getvalue()
    moved = {
        SMALL: ("small.pth", "small.pth", hashlib.sha256(files.small).hexdigest()),
        FLOW: ("train_log/flownet.pkl", "train_log.zip", hashlib.sha256(files.flow).hexdigest()),
        "yunet": ("yunet.onnx", "yunet.onnx", None),
    }

    def here(entry: Checkpoint) -> Checkpoint:
        if entry.network not in moved:
            return entry
        file, address, sha256 = moved[entry.network]
        return replace(entry, file=file, urls=(f"{server.address}/{address}",), sha256=sha256, size=None)

    use(monkeypatch, [here(entry) for entry in catalogue()])
    return server


def use(monkeypatch, entries: list[Checkpoint]) -> None:
    """Take these entries for the catalogue."""
    for module in (catalogue_module, published, shelf):
        monkeypatch.setattr(module, "catalogue", lambda: tuple(entries))
