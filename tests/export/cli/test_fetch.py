"""`farshore models fetch`, against a server on this machine."""

import hashlib
import io
import json
from dataclasses import replace

import pytest

from engine.places import checkpoints_folder
from export.checkpoints.catalogue import find_checkpoints
from export.checkpoints.store import Store
from export.cli import fetch as fetch_module
from tests.export.cli.conftest import FLOW, SMALL, use


class Terminal(io.StringIO):
    def isatty(self):
        return True


def stored(name):
    return Store(checkpoints_folder()).path(find_checkpoints(name)[0])


def test_a_network_is_fetched_and_converted_on_accepted_terms(farshore, homes, files):
    outcome = farshore("models", "fetch", SMALL, "--accept-licence")
    assert outcome.code == 0
    assert stored(SMALL).read_bytes() == files.small
    weights = checkpoints_folder() / "networks" / f"{SMALL}.safetensors"
    assert outcome.out.splitlines() == [
        f"Real-ESRGAN animevideo v3: {len(files.small) / 1e6:.1f} MB, from {homes.address}/small.pth; "
        f"sha256 {hashlib.sha256(files.small).hexdigest()}, as published",
        f"{SMALL}: weights in {weights}; next: farshore export {SMALL}",
    ]
    assert weights.exists()
    assert "licence         BSD-3-Clause" in outcome.err
    assert "commercial use  yes" in outcome.err
    assert "100%" in outcome.err


def test_terms_are_asked_for_once(farshore, homes, monkeypatch):
    monkeypatch.setattr("sys.stdin", Terminal("y\n"))
    assert farshore("models", "fetch", SMALL).code == 0
    monkeypatch.setattr("sys.stdin", Terminal(""))
    again = farshore("models", "fetch", SMALL)
    assert again.code == 0
    assert "Accept these terms?" not in again.err
    assert "was here already" in again.out
    assert len(homes.requests) == 1


@pytest.mark.parametrize("answer", ["n\n", "\n", ""])
def test_who_does_not_agree_gets_nothing(farshore, homes, monkeypatch, answer):
    monkeypatch.setattr("sys.stdin", Terminal(answer))
    outcome = farshore("models", "fetch", SMALL)
    assert outcome.code == 1
    assert "were not accepted; nothing was fetched" in outcome.err
    assert homes.requests == []


def test_where_nobody_can_be_asked_the_option_is_named(farshore, homes):
    outcome = farshore("models", "fetch", SMALL)
    assert outcome.code == 2
    assert outcome.err.splitlines()[-1].startswith("farshore: models fetch: the terms of Real-ESRGAN animevideo v3")
    assert outcome.err.splitlines()[-1].endswith("add --accept-licence")
    assert homes.requests == []


def test_the_terms_of_several_files_are_asked_for_together(farshore, homes, monkeypatch):
    monkeypatch.setattr("sys.stdin", Terminal("y\n"))
    outcome = farshore("models", "fetch", SMALL, FLOW)
    assert outcome.code == 0
    assert outcome.err.count("licence  ") == 2
    assert {name for name, _ in homes.requests} == {"/small.pth", "/train_log.zip"}


def test_an_interrupted_download_goes_on(farshore, homes, files):
    homes.break_off_after, homes.break_offs = 500_000, 4
    outcome = farshore("models", "fetch", SMALL, "--accept-licence")
    assert outcome.code == 1
    assert "what came is kept, run it again" in outcome.err.splitlines()[-1]
    assert not stored(SMALL).exists()
    homes.requests.clear()
    assert farshore("models", "fetch", SMALL).code == 0
    assert homes.requests == [("/small.pth", "bytes=2000000-")]
    assert stored(SMALL).read_bytes() == files.small


def test_ctrl_c_keeps_what_came(farshore, homes, files, monkeypatch):
    def stop(self, have, total):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(fetch_module.Transfer, "progress", stop)
        outcome = farshore("models", "fetch", SMALL, "--accept-licence")
    assert (outcome.code, outcome.err.splitlines()[-1]) == (130, "farshore: stopped; what came is kept, run it again")
    homes.requests.clear()
    assert farshore("models", "fetch", SMALL).code == 0
    assert homes.requests[0][1].startswith("bytes=")
    assert stored(SMALL).read_bytes() == files.small


def test_a_wrong_hash_is_refused(farshore, homes, files):
    homes.files["/small.pth"] = files.small[:-1] + b"x"
    outcome = farshore("models", "fetch", SMALL, "--accept-licence")
    assert outcome.code == 1
    assert "got SHA-256" in outcome.err.splitlines()[-1]
    assert not stored(SMALL).exists()
    assert farshore("models", "verify", SMALL).code == 1


def test_redirects_are_followed(farshore, homes):
    homes.redirects["/small.pth"] = f"{homes.address}/moved.pth"
    homes.files["/moved.pth"] = homes.files.pop("/small.pth")
    assert farshore("models", "fetch", SMALL, "--accept-licence").code == 0


def test_an_offline_folder_is_used_alone(farshore, homes, files, tmp_path):
    folder = tmp_path / "usb-stick"
    folder.mkdir()
    (folder / "small.pth").write_bytes(files.small)
    (folder / "train_log.zip").write_bytes(homes.files["/train_log.zip"])
    outcome = farshore("models", "fetch", SMALL, FLOW, "--offline", folder, "--accept-licence")
    assert outcome.code == 0
    assert f"from {folder}" in outcome.out
    assert homes.requests == []
    lacking = farshore("models", "fetch", "yunet", "--offline", folder, "--accept-licence")
    assert lacking.code == 1
    assert f"folder {folder} holds no yunet.onnx" in lacking.err
    assert homes.requests == []


def test_a_mirror_is_asked_first(farshore, homes, files):
    homes.files["/near/small.pth"] = files.small
    outcome = farshore("models", "fetch", SMALL, "--mirror", f"{homes.address}/near", "--accept-licence", "--json")
    (result,) = json.loads(outcome.out)
    assert result["files"][0]["source"] == f"{homes.address}/near/small.pth"
    events = [json.loads(line) for line in outcome.err.splitlines() if line.startswith("{")]
    assert events[-1]["bytes"] == events[-1]["total"] == len(files.small)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--mirror", "ftp://x"), "wanted an http or https address"),
        (("--offline", "no-such-folder"), "is no folder"),
        (("--offline", ".", "--mirror", "http://x"), "wanted one of them"),
    ],
)
def test_places_that_are_none_are_refused(farshore, homes, arguments, words):
    outcome = farshore("models", "fetch", SMALL, *arguments)
    assert outcome.code == 2
    assert words in outcome.err
    assert len(outcome.err.splitlines()) == 1


def test_a_hash_that_nobody_publishes_is_recorded_and_holds(farshore, homes):
    outcome = farshore("models", "fetch", "yunet", "--accept-licence")
    assert "recorded: nobody publishes one" in outcome.out
    assert farshore("models", "verify").code == 0
    stored("yunet").write_bytes(b"damaged")
    checked = farshore("models", "verify", "yunet")
    assert checked.code == 1
    assert "got SHA-256" in checked.out
    assert farshore("models", "verify").code == 1


def test_without_torch_files_stay_as_they_come(farshore, homes, files, monkeypatch):
    monkeypatch.setattr(fetch_module, "missing_package", lambda extra: "torch")
    outcome = farshore("models", "fetch", SMALL, "--accept-licence")
    assert outcome.code == 0
    assert "warning: package 'torch' is not installed, so the files stay as they come" in outcome.err
    assert stored(SMALL).read_bytes() == files.small
    assert not (checkpoints_folder() / "networks").exists()


def test_a_file_of_a_model_is_found_by_the_model(farshore, homes):
    assert farshore("models", "fetch", f"{SMALL}-x2", "--accept-licence").code == 0
    assert (checkpoints_folder() / "networks" / f"{SMALL}.safetensors").exists()


def test_a_file_that_we_have_no_network_for_is_kept(farshore, homes, monkeypatch):
    (entry,) = find_checkpoints("GFPGAN 1.4")
    here = replace(entry, urls=(f"{homes.address}/small.pth",), sha256=None)
    use(monkeypatch, [here])
    outcome = farshore("models", "fetch", "GFPGAN 1.4", "--accept-licence")
    assert outcome.code == 0
    assert "farshore has no network for it" in outcome.out


def test_what_has_no_home_says_how_it_comes(farshore):
    outcome = farshore("models", "fetch", "rife-v3", "--accept-licence")
    assert outcome.code == 1
    assert outcome.err.rstrip().endswith("farshore models import FILE --name rife-v3")
