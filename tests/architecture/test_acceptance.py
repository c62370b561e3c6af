"""Every public acceptance case is one test, called by its number and by what it says; the guide says where."""

import re
from collections import Counter
from pathlib import Path

from tests.architecture.sources import ROOT

CASES = 27
PLACES = sorted((ROOT / "tests" / "acceptance").glob("test_*.py"))
NAMED = re.compile(r"^async def test_p(\d\d)_\w+\(", re.MULTILINE)
ROW = re.compile(r"^\| ((?:P\d+ ?)+)\| .* \| `(test_\w+\.py)` \|$", re.MULTILINE)


def cases(place: Path) -> list[int]:
    """The cases that a file tests."""
    return [int(number) for number in NAMED.findall(place.read_text())]


def test_every_acceptance_case_is_one_test_against_the_running_system():
    numbers = Counter(number for place in PLACES for number in cases(place))

    assert numbers == Counter(range(1, CASES + 1))


def test_the_guide_says_where_each_acceptance_case_is_tested():
    guide = (ROOT / "docs" / "how-to" / "port-from-kodosumi.md").read_text()

    told = {name: [int(each.lstrip("P")) for each in named.split()] for named, name in ROW.findall(guide)}

    assert told == {place.name: sorted(cases(place)) for place in PLACES}
