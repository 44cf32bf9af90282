import re
import tomllib
from importlib import resources

import pytest

from engine.errors import ModelError
from export.checkpoints.catalogue import catalogue, find_checkpoints


def test_every_entry_is_complete():
    for entry in catalogue():
        assert entry.urls, entry.name
        assert entry.licence, entry.name
        assert entry.sha256 is None or re.fullmatch("[0-9a-f]{64}", entry.sha256), entry.name
        assert all(url.startswith("https://") or url.startswith("http://iizuka") for url in entry.urls), entry.name


def test_names_and_folders_are_unique():
    assert len({entry.name for entry in catalogue()}) == len(catalogue())
    assert len({entry.folder for entry in catalogue()}) == len(catalogue())


def test_the_catalogue_says_nothing_that_is_not_read():
    entries = tomllib.loads((resources.files("export.checkpoints") / "catalogue.toml").read_text())["checkpoint"]
    assert len(entries) == len(catalogue())


def test_a_network_is_found_by_its_name_and_by_its_authors():
    (rife,) = find_checkpoints("rife-v4.25")
    assert (rife.name, rife.commercial_use) == ("RIFE 4.25", "yes")
    assert find_checkpoints("RIFE 4.25") == (rife,)


def test_exemplar_colorization_is_three_files_of_one_archive():
    parts = find_checkpoints("exemplar")
    assert {entry.part for entry in parts} == {"vggnet.", "nonlocal_net.", "colornet."}
    assert {entry.archive for entry in parts} == {"colorization_checkpoint.zip"}


def test_an_unknown_name_lists_the_networks():
    with pytest.raises(ModelError, match=r"'rife-v9': not in the catalogue.*rife-v4\.6"):
        find_checkpoints("rife-v9")


def test_every_network_of_ours_that_has_a_public_home_is_in_the_catalogue():
    pytest.importorskip("torch", reason="published networks need the export extra")
    from export.networks.published.registry import NETWORKS

    homeless = {"rife-v3"}  # Google Drive alone, no stable address
    parts = {name for name in NETWORKS if name.startswith("exemplar-")}
    assert set(NETWORKS) - {entry.network for entry in catalogue()} == homeless | parts
