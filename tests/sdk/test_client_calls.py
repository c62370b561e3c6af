"""What a client asks for is what is sent."""

import httpx
import pytest

from windlass.client.boot import read_boot
from windlass.client.calls import Call
from windlass.client.exchange import import_services, import_tenant


@pytest.mark.parametrize(
    ("call", "wanted"),
    [
        (read_boot("one", 5), "/v1/boot?after=5&id=one"),
        (import_services({}, dry_run=True), "/v1/services/import?dry_run=true"),
        (import_tenant({}, dry_run=True), "/v1/exchange/import?dry_run=true"),
        (Call("GET", "/v1/runs", str, query={"limit": 2, "after": None}), "/v1/runs?limit=2"),
    ],
)
def test_a_call_takes_its_query_along(call: Call[object], wanted: str):
    with httpx.Client(base_url="http://gateway") as http:
        assert http.build_request(**call.request).url == f"http://gateway{wanted}"
