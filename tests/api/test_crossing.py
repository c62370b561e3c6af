"""What of a service's answer may leave."""

import pytest

from api.crossing import headers_out
from windlass.core.doors import BadGateway


@pytest.mark.parametrize("lengths", [["1", "2"], ["-1"], ["1, 1"], ["\xb2"], [""]])
def test_a_length_that_two_readers_would_read_in_two_ways_does_not_leave(lengths: list[str]):
    with pytest.raises(BadGateway, match="length"):
        headers_out({"headers": [["content-length", each] for each in lengths]})


def test_one_length_leaves_as_it_is():
    assert (b"content-length", b"17") in headers_out({"headers": [["Content-Length", "17"]]})
