import hashlib

import pytest

from export.checkpoints.catalogue import Checkpoint
from export.checkpoints.store import Store

CONTENT = bytes(range(256)) * 2000


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


@pytest.fixture
def checkpoint(server):
    """Return a checkpoint at `server`, whole and with its hash."""
    server.files["/weights.pth"] = CONTENT
    return Checkpoint(
        name="Test Net",
        file="weights.pth",
        task="test",
        urls=(f"{server.address}/weights.pth",),
        licence="MIT",
        commercial_use="yes",
        sha256=hashlib.sha256(CONTENT).hexdigest(),
    )
