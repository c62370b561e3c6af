"""Ways out of desktops: what their list allows, and the addresses that are behind none."""

from ipaddress import IPv4Address, IPv4Network

import pytest

from windlass.core.egress import Way, is_open


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Example.org", "example.org:443"),
        ("example.org:8080", "example.org:8080"),
        ("*.example.org:443", "*.example.org:443"),
        ("localhost:1", "localhost:1"),
        ("192.0.2.7:65535", "192.0.2.7:65535"),
    ],
)
def test_a_way_is_a_host_and_a_port(text: str, kept: str):
    assert str(Way.parse(text)) == kept


@pytest.mark.parametrize(
    "text",
    ["", "*", "*:443", "a..b", "https://example.org", "example.org:", "example.org:0", "example.org:65536", "a b:1",
     "a:b:c", "[::1]:443", "1.2.3:80", "256.1.1.1:80", "0x7f000001.1:80", "a*.example.org", "ex\u00e4mple.org",
     "example.org:\u0664\u0664\u0663", "-a.org", f"{'a' * 64}.org", "u@example.org:443"],
)  # fmt: skip
def test_anything_else_is_none(text: str):
    with pytest.raises(ValueError, match="must be a host with a port"):
        Way.parse(text)


def test_a_way_leads_to_its_host_and_port_and_a_star_to_every_host_below():
    one, below = Way.parse("example.org"), Way.parse("*.example.org")

    assert one.leads_to("example.org", 443)
    assert below.leads_to("a.b.example.org", 443)
    for host, port in (("example.org", 80), ("a.example.org", 443), ("example.org.evil", 443), ("", 443)):
        assert not one.leads_to(host, port)
    for host in ("example.org", "badexample.org", "example.org.evil"):
        assert not below.leads_to(host, 443)


PRIVATE = ["10.0.0.1", "172.16.0.1", "192.168.1.1", "127.0.0.1", "100.64.0.1"]
NEVER = ["169.254.169.254", "169.254.1.1", "168.63.129.16", "100.100.100.200", "192.0.0.192", "0.0.0.7", "224.0.0.1",
         "255.255.255.255", "10.213.7.2"]  # fmt: skip


@pytest.mark.parametrize("address", [*PRIVATE, *NEVER])
def test_what_is_private_is_closed_and_the_metadata_stays_so_whatever_the_operator_says(address: str):
    everything = (IPv4Network("0.0.0.0/0"),)

    assert not is_open(IPv4Address(address), ())
    assert is_open(IPv4Address(address), everything) == (address in PRIVATE)


def test_a_global_address_is_open():
    assert is_open(IPv4Address("93.184.216.34"), ())
