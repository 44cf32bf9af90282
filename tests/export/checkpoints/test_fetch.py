import hashlib
import zipfile
from dataclasses import replace

import pytest

from engine.errors import ModelError, WeightsError
from export.checkpoints.fetch import fetch_checkpoint, verify_checkpoint
from tests.export.checkpoints.conftest import CONTENT


def yes(_checkpoint):
    return True


def test_a_file_comes_whole_and_is_not_fetched_twice(server, store, checkpoint):
    fetched = fetch_checkpoint(checkpoint, store, accept=yes)
    assert fetched.path.read_bytes() == CONTENT
    assert fetched.source == checkpoint.urls[0]
    again = fetch_checkpoint(checkpoint, store)
    assert again.source == ""
    assert len(server.requests) == 1
    assert verify_checkpoint(checkpoint, store).problem == ""


def test_terms_are_shown_before_anything_is_fetched_and_asked_for_once(server, store, checkpoint):
    with pytest.raises(ModelError, match="terms were not accepted; licence: MIT; commercial use: yes"):
        fetch_checkpoint(checkpoint, store)
    with pytest.raises(ModelError, match="not accepted"):
        fetch_checkpoint(checkpoint, store, accept=lambda _: False)
    assert server.requests == []
    asked = []
    fetch_checkpoint(checkpoint, store, accept=lambda shown: asked.append(shown.licence) is None)
    fetch_checkpoint(checkpoint, store, accept=lambda shown: asked.append(shown.licence) is None)
    assert asked == ["MIT"]


def test_terms_that_changed_are_asked_for_again(store, checkpoint):
    fetch_checkpoint(checkpoint, store, accept=yes)
    with pytest.raises(ModelError, match="not accepted"):
        fetch_checkpoint(replace(checkpoint, licence="CC BY-NC 4.0"), store)


def test_a_broken_download_goes_on_where_it_broke_off(server, store, checkpoint):
    server.break_off_after = 100_000
    progress = []
    fetched = fetch_checkpoint(checkpoint, store, accept=yes, progress=lambda *seen: progress.append(seen))
    assert fetched.path.read_bytes() == CONTENT
    assert server.requests == [("/weights.pth", None), ("/weights.pth", "bytes=100000-")]
    assert progress[-1] == (len(CONTENT), len(CONTENT))


def test_what_an_earlier_run_brought_is_used(server, store, checkpoint):
    path = store.path(checkpoint)
    path.parent.mkdir(parents=True)
    path.with_name("weights.pth.coming.part").write_bytes(CONTENT[:5000])
    path.with_name("weights.pth.coming.part.etag").write_text(server.etag)
    fetch_checkpoint(checkpoint, store, accept=yes)
    assert server.requests == [("/weights.pth", "bytes=5000-")]
    assert path.read_bytes() == CONTENT
    assert [file.name for file in path.parent.iterdir()] == ["weights.pth"]


def test_a_file_that_changed_meanwhile_is_begun_anew(server, store, checkpoint):
    path = store.path(checkpoint)
    path.parent.mkdir(parents=True)
    path.with_name("weights.pth.coming.part").write_bytes(b"older" * 1000)
    path.with_name("weights.pth.coming.part.etag").write_text('"0"')
    assert fetch_checkpoint(checkpoint, store, accept=yes).path.read_bytes() == CONTENT


def test_more_than_there_is_is_begun_anew(server, store, checkpoint):
    path = store.path(checkpoint)
    path.parent.mkdir(parents=True)
    path.with_name("weights.pth.coming.part").write_bytes(CONTENT * 2)
    assert fetch_checkpoint(checkpoint, store, accept=yes).path.read_bytes() == CONTENT


def test_a_wrong_hash_is_refused_and_leaves_nothing(store, checkpoint):
    wrong = replace(checkpoint, sha256="0" * 64)
    with pytest.raises(WeightsError, match=f"got SHA-256 {checkpoint.sha256}; wanted 0000"):
        fetch_checkpoint(wrong, store, accept=yes)
    assert not store.path(wrong).exists()


def test_without_a_published_hash_the_first_one_is_recorded_and_holds(server, store, checkpoint):
    unknown = replace(checkpoint, sha256=None)
    first = fetch_checkpoint(unknown, store, accept=yes)
    assert (first.is_recorded, first.sha256) == (True, checkpoint.sha256)
    store.path(unknown).write_bytes(b"damaged")
    assert "got SHA-256" in verify_checkpoint(unknown, store).problem
    server.files["/weights.pth"] = CONTENT[::-1]
    with pytest.raises(WeightsError, match=f"wanted {checkpoint.sha256}"):
        fetch_checkpoint(unknown, store)


def test_redirects_are_followed(server, store, checkpoint):
    server.redirects["/old"] = f"{server.address}/weights.pth"
    moved = replace(checkpoint, urls=(f"{server.address}/old",))
    assert fetch_checkpoint(moved, store, accept=yes).path.read_bytes() == CONTENT


def test_mirrors_are_tried_in_order(server, store, checkpoint):
    server.files["/wrong"] = b"something else"
    homes = (f"{server.address}/gone", f"{server.address}/wrong", *checkpoint.urls)
    fetched = fetch_checkpoint(replace(checkpoint, urls=homes), store, accept=yes)
    assert fetched.source == homes[-1]


def test_a_mirror_is_asked_before_the_homes(server, store, checkpoint):
    server.files["/near/weights.pth"] = CONTENT
    fetched = fetch_checkpoint(checkpoint, store, accept=yes, mirror=f"{server.address}/near/")
    assert fetched.source == f"{server.address}/near/weights.pth"
    assert [path for path, _ in server.requests] == ["/near/weights.pth"]


def test_a_mirror_that_lacks_the_file_is_passed_over(server, store, checkpoint):
    fetched = fetch_checkpoint(checkpoint, store, accept=yes, mirror=f"{server.address}/empty")
    assert fetched.source == checkpoint.urls[0]


def test_when_no_home_gives_it_each_answer_is_told(server, store, checkpoint):
    homes = (f"{server.address}/gone", f"{server.address}/lost")
    with pytest.raises(ModelError, match=r"no home gives it.*gone: the server answers 404.*lost: the server answers"):
        fetch_checkpoint(replace(checkpoint, urls=homes), store, accept=yes)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"<!DOCTYPE html><title>Sign in</title>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1", "git-lfs"),
    ],
)
def test_a_page_in_the_place_of_the_file_is_refused(server, store, checkpoint, content, what):
    server.files["/weights.pth"] = content
    with pytest.raises(ModelError, match=f"leads to .*{what}"):
        fetch_checkpoint(checkpoint, store, accept=yes)


def test_an_unreachable_server_is_one_line(store, checkpoint):
    with pytest.raises(ModelError, match="refused"):
        fetch_checkpoint(replace(checkpoint, urls=("http://127.0.0.1:9/weights.pth",)), store, accept=yes)


def test_only_the_web_is_fetched_from(store, checkpoint, tmp_path):
    with pytest.raises(ModelError, match="only http and https"):
        fetch_checkpoint(replace(checkpoint, urls=((tmp_path / "x").as_uri(),)), store, accept=yes)


def test_proxies_of_the_environment_are_used(server, store, checkpoint, monkeypatch):
    monkeypatch.setenv("http_proxy", server.address)
    server.files["http://weights.invalid/net.pth"] = CONTENT
    distant = replace(checkpoint, urls=("http://weights.invalid/net.pth",))
    assert fetch_checkpoint(distant, store, accept=yes).path.read_bytes() == CONTENT


def test_an_offline_folder_is_used_alone(server, store, checkpoint, tmp_path):
    folder = tmp_path / "usb-stick"
    folder.mkdir()
    with pytest.raises(ModelError, match=r"holds no weights\.pth; put it there"):
        fetch_checkpoint(checkpoint, store, accept=yes, offline=folder)
    (folder / "weights.pth").write_bytes(CONTENT)
    fetched = fetch_checkpoint(checkpoint, store, accept=yes, offline=folder)
    assert fetched.path.read_bytes() == CONTENT
    assert server.requests == []


def test_a_file_is_taken_out_of_its_archive(server, store, checkpoint, tmp_path):
    archive = tmp_path / "all.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("top/data/weights.pth", CONTENT)
        packed.writestr("top/data/other.pth", b"other")
    server.files["/all.zip"] = archive.read_bytes()
    urls = (f"{server.address}/all.zip",)
    one = replace(checkpoint, file="data/weights.pth", urls=urls)
    two = replace(
        checkpoint, name="Other", file="data/other.pth", urls=urls, sha256=hashlib.sha256(b"other").hexdigest()
    )
    assert fetch_checkpoint(one, store, accept=yes).path.read_bytes() == CONTENT
    assert fetch_checkpoint(two, store, accept=yes).path.read_bytes() == b"other"
    assert len(server.requests) == 1
    missing = replace(one, name="Missing", file="data/none.pth")
    with pytest.raises(WeightsError, match=r"holds no data/none\.pth"):
        fetch_checkpoint(missing, store, accept=yes)


def test_a_damaged_ledger_is_named(store, checkpoint):
    store.folder.mkdir()
    (store.folder / "ledger.json").write_text("{")
    with pytest.raises(ModelError, match=r"ledger .*ledger\.json: cannot be read"):
        fetch_checkpoint(checkpoint, store, accept=yes)


def test_a_file_that_is_not_here_is_said_so(store, checkpoint):
    assert verify_checkpoint(checkpoint, store).problem == "not here; fetch it"
