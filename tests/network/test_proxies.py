"""Which proxy a request takes, read from variables as curl and httpx read them."""

from __future__ import annotations

import pytest

from pytest_flash.network.proxies import Network, is_network_name

PROXY = "http://proxy.example.com:3128"


@pytest.mark.parametrize(
    ("variables", "url", "proxy"),
    [
        ({}, "https://api.runpod.io", None),
        ({"HTTPS_PROXY": PROXY}, "https://api.runpod.io", PROXY),
        ({"HTTPS_PROXY": "proxy.example.com:3128"}, "https://api.runpod.io", PROXY),
        ({"HTTP_PROXY": PROXY}, "https://api.runpod.io", None),
        ({"ALL_PROXY": PROXY}, "https://api.runpod.io", PROXY),
        ({"ALL_PROXY": "http://other", "https_proxy": PROXY}, "https://api.runpod.io", PROXY),
        ({"HTTPS_PROXY": "http://other", "https_proxy": PROXY}, "https://api.runpod.io", PROXY),
        ({"HTTPS_PROXY": PROXY, "https_proxy": ""}, "https://api.runpod.io", None),
        ({"HTTPS_PROXY": ""}, "https://api.runpod.io", None),
        ({"HTTP_PROXY": PROXY, "REQUEST_METHOD": "GET"}, "http://example.com", None),
        ({"http_proxy": PROXY, "REQUEST_METHOD": "GET"}, "http://example.com", PROXY),
        ({"ALL_PROXY": PROXY}, "http://127.0.0.1:4000", None),
        ({"ALL_PROXY": PROXY}, "http://[::1]:4000", None),
        ({"ALL_PROXY": PROXY}, "https://localhost", None),
    ],
)
def test_variables_name_the_proxy(variables: dict[str, str], url: str, proxy: str | None) -> None:
    assert Network.of(variables).proxy_for(url) == proxy


@pytest.mark.parametrize(
    ("entry", "url", "direct"),
    [
        ("*", "https://api.runpod.io", True),
        ("api.runpod.io", "https://api.runpod.io", True),
        ("runpod.io", "https://api.runpod.io", True),
        (".runpod.io", "https://api.runpod.io", True),
        ("*.runpod.io", "https://api.runpod.io", True),
        ("RunPod.IO", "https://API.runpod.io", True),
        ("pod.io", "https://api.runpod.io", False),
        ("other.com, runpod.io", "https://api.runpod.io", True),
        ("api.runpod.io:443", "https://api.runpod.io", True),
        ("api.runpod.io:8443", "https://api.runpod.io", False),
        ("10.0.0.0/8", "https://10.1.2.3", True),
        ("10.1.2.3", "https://10.1.2.3", True),
        ("10.0.0.0/8", "https://11.1.2.3", False),
        ("fe80::1", "https://[fe80::1]", True),
        ("", "https://api.runpod.io", False),
        (",", "https://api.runpod.io", False),
    ],
)
def test_hosts_that_need_no_proxy(entry: str, url: str, direct: bool) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        network = Network.of({"ALL_PROXY": PROXY, name: entry})
        assert (network.proxy_for(url) is None) is direct


def test_what_leads_requests_elsewhere_is_known_by_name() -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "Ftp_Proxy", "NO_PROXY", "SSL_CERT_FILE"):
        assert is_network_name(name)
    assert not is_network_name("PROXY_HOST")


def test_a_proxys_password_is_in_no_repr() -> None:
    assert "hunter2" not in repr(Network.of({"HTTPS_PROXY": "http://me:hunter2@proxy"}))
