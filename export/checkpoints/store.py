"""A folder of checkpoints on this machine, and what was agreed and found out about each.

``downloads/`` holds published files as they came, ``networks/`` weights as safetensors under the names of our
networks, and ``ledger.json`` which terms were accepted and which hash each file had when it first came.
"""

import hashlib
import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from engine.errors import ModelError
from export.checkpoints.catalogue import Checkpoint


@dataclass(frozen=True, slots=True)
class Store:
    """A folder of checkpoints.

    folder : need not exist yet
    """

    folder: Path

    def path(self, checkpoint: Checkpoint) -> Path:
        """Return where a published file lies, or would."""
        return self.folder / "downloads" / checkpoint.folder / Path(checkpoint.file).name

    def archive_path(self, checkpoint: Checkpoint) -> Path:
        """Return where the archive lies that a file comes in, or would."""
        return self.folder / "downloads" / "archives" / checkpoint.archive

    def network_path(self, name: str) -> Path:
        """Return where a network's weights lie, or would."""
        return self.folder / "networks" / f"{name}.safetensors"

    def has_accepted(self, checkpoint: Checkpoint) -> bool:
        """Whether the terms that the file has today were accepted."""
        return self._ledger("accepted").get(checkpoint.name, {}).get("terms") == _terms(checkpoint)

    def accept(self, checkpoint: Checkpoint) -> None:
        """Note that its terms were accepted, once."""
        when = datetime.now(UTC).isoformat(timespec="seconds")
        self._note("accepted", checkpoint.name, {"terms": _terms(checkpoint), "when": when})

    def wanted_sha256(self, checkpoint: Checkpoint) -> str | None:
        """Return the published hash, or the one recorded when the file first came, or None."""
        return checkpoint.sha256 or self._ledger("hashes").get(checkpoint.name, {}).get("sha256")

    def record_sha256(self, checkpoint: Checkpoint, sha256: str, source: str) -> None:
        """Note the hash of a file that nobody publishes one for."""
        when = datetime.now(UTC).isoformat(timespec="seconds")
        self._note("hashes", checkpoint.name, {"sha256": sha256, "source": source, "when": when})

    def _ledger(self, part: str) -> dict[str, Any]:
        return self._read().get(part, {})

    def _read(self) -> dict[str, Any]:
        path = self.folder / "ledger.json"
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise ModelError(f"ledger {path}: cannot be read ({error}); mend it, or move it away") from error

    def _note(self, part: str, name: str, entry: dict[str, Any]) -> None:
        ledger = self._read()
        ledger.setdefault(part, {})[name] = entry
        self.folder.mkdir(parents=True, exist_ok=True)
        unfinished = self.folder / "ledger.json.tmp"
        unfinished.write_text(json.dumps(ledger, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        os.replace(unfinished, self.folder / "ledger.json")


def weights_problem(path: Path) -> str:
    """Say what is wrong with a safetensors file, by its header and length; empty where nothing is.

    The file is the header's length (8 bytes, little end first), the header (JSON: for each tensor where its bytes begin
    and end after the header), and the tensors' bytes. https://github.com/huggingface/safetensors#format
    """
    with path.open("rb") as file:
        start = file.read(8)
        length = int.from_bytes(start, "little")
        if len(start) < 8 or 8 + length > path.stat().st_size:
            return "is cut off; fetch or import it again"
        try:
            header: dict[str, Any] = json.loads(file.read(length))
            ends = [int(entry["data_offsets"][1]) for key, entry in header.items() if key != "__metadata__"]
        except (ValueError, KeyError, IndexError, TypeError):
            return "is no safetensors file; fetch or import it again"
    whole = 8 + length + max(ends, default=0)
    return "" if path.stat().st_size == whole else f"is not {whole} bytes long; fetch or import it again"


def _terms(checkpoint: Checkpoint) -> str:
    """Return a short mark of the terms, which changes when they do."""
    text = f"{checkpoint.licence}\n{checkpoint.commercial_use}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]
