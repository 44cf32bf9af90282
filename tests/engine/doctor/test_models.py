from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from engine.doctor.finding import Finding, Verdict
from engine.doctor.models import check_models, check_providers


def by_subject(findings: Any) -> dict[str, Finding]:
    return {finding.subject: finding for finding in findings}


class FakeRuntime(SimpleNamespace):
    """ONNX Runtime as it looks where a GPU's provider is listed and does not work in one of several ways."""

    def __init__(self, listed: list[str], *, used: str = "", error: str = "", off: float = 0.0) -> None:
        super().__init__()
        self.listed, self.used, self.error, self.off = listed, used, error, off

    def get_available_providers(self) -> list[str]:
        return self.listed

    class SessionOptions:
        log_severity_level = 0

    def InferenceSession(self, data: bytes, options: object, providers: list[str]) -> Any:  # noqa: N802
        import onnxruntime as ort

        name = providers[0]
        if self.error and name != "CPUExecutionProvider":
            raise RuntimeError(self.error)
        real = ort.InferenceSession(data, providers=["CPUExecutionProvider"])
        off = 0.0 if name == "CPUExecutionProvider" else self.off

        class Session:
            def get_providers(session) -> list[str]:  # noqa: N805
                return [self.used or name]

            def run(session, outputs: None, feeds: dict[str, Any]) -> list[Any]:  # noqa: N805
                return [np.asarray(real.run(outputs, feeds)[0]) + off]

        return Session()


def test_the_processors_provider_runs_here() -> None:
    found = by_subject(check_providers())
    assert found["provider CPU"].verdict is Verdict.GOOD
    assert all(finding.verdict is not Verdict.BAD for finding in found.values())


@pytest.mark.parametrize(
    ("runtime", "said"),
    [
        (FakeRuntime(["CUDAExecutionProvider", "CPUExecutionProvider"], error="no libcudart"), "no libcudart"),
        (FakeRuntime(["CUDAExecutionProvider", "CPUExecutionProvider"], used="CPUExecutionProvider"), "in its place"),
        (FakeRuntime(["CUDAExecutionProvider", "CPUExecutionProvider"], off=0.5), "computes wrongly"),
        (FakeRuntime(["CUDAExecutionProvider", "CPUExecutionProvider"], off=float("nan")), "computes wrongly"),
    ],
)
def test_a_provider_that_is_listed_and_does_not_work_is_bad(runtime: FakeRuntime, said: str) -> None:
    found = by_subject(check_providers(lambda: runtime))  # type: ignore[arg-type,return-value]
    assert found["provider CUDA"].verdict is Verdict.BAD
    assert said in found["provider CUDA"].detail
    assert found["provider CUDA"].cure


def test_a_missing_provider_and_a_missing_runtime_are_bad() -> None:
    found = by_subject(check_providers(lambda: FakeRuntime([])))  # type: ignore[arg-type,return-value]
    assert found["provider CPU"].verdict is Verdict.BAD

    def missing() -> Any:
        raise ImportError("No module named 'onnxruntime'")

    (only,) = check_providers(missing)
    assert only.verdict is Verdict.BAD


def test_a_damaged_model_is_bad(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FARSHORE_HOME", str(tmp_path))
    assert [finding.verdict for finding in check_models()] == [Verdict.GOOD]
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "torn.onnx").write_bytes(b"\x08")
    (found,) = check_models()
    assert found.verdict is Verdict.BAD
    assert "torn" in found.detail
