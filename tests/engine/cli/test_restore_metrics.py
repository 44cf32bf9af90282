import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any


def test_a_port_in_use_is_one_line_before_the_run(
    small_film: Path, tmp_path: Path, farshore: Callable[..., Any]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        outcome = farshore("restore", small_film, tmp_path / "out.mp4", "--metrics", port, "--backend", "null")
    assert outcome.code == 2
    assert outcome.err.count("\n") == 1
    assert f"--metrics 127.0.0.1:{port}" in outcome.err
    assert not list(tmp_path.iterdir())


def test_restore_says_where_its_metrics_are(small_film: Path, tmp_path: Path, farshore: Callable[..., Any]) -> None:
    outcome = farshore("restore", small_film, tmp_path / "out.mp4", "--metrics", "0", "--backend", "null")
    assert outcome.code == 0
    assert re.search(r"^metrics at http://127\.0\.0\.1:\d+/metrics$", outcome.err, re.MULTILINE)
