import urllib.error
import urllib.request

import pytest

from engine.errors import ConfigError
from engine.metrics_server import Address, MetricsServer


def fetch(url: str) -> tuple[str, str]:
    with urllib.request.urlopen(url, timeout=5) as answer:
        return answer.read().decode(), answer.headers["Content-Type"]


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("9464", "http://127.0.0.1:9464/metrics"),
        ("0.0.0.0:80", "http://0.0.0.0:80/metrics"),
        ("[::1]:9464", "http://[::1]:9464/metrics"),
        ("kiosk.local:1", "http://kiosk.local:1/metrics"),
    ],
)
def test_addresses(text: str, url: str) -> None:
    assert Address.parse(text).url == url


@pytest.mark.parametrize("text", ["", "localhost", ":9464", "1.2.3.4:", "70000", "::1:80", "x:-1", "x:1e3", "٣"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="wanted PORT or HOST:PORT"):
        Address.parse(text)


def test_only_this_machine_is_served_unless_asked_and_only_one_path() -> None:
    with MetricsServer(Address(), lambda: "x 1\n") as server:
        assert server.address.host == "127.0.0.1"
        assert fetch(server.address.url.removesuffix("/metrics"))[0] == "x 1\n"
        with pytest.raises(urllib.error.HTTPError, match="404") as caught:
            fetch(server.address.url.removesuffix("metrics") + "secret")
        caught.value.close()
    with pytest.raises(urllib.error.URLError):
        fetch(server.address.url)
