"""Inputs as they are typed on a command line."""

from pathlib import Path

import pytest
import typer

from windlass.cli.inputs import parse_inputs


def test_a_pair_is_text():
    assert parse_inputs(["prompt=a = b", "empty="], None) == {"prompt": "a = b", "empty": ""}


def test_a_colon_makes_it_json():
    assert parse_inputs(["n:=5", 'tags:=["a"]'], None) == {"n": 5, "tags": ["a"]}


def test_a_repeated_key_makes_a_list():
    assert parse_inputs(["tag=a", "tag=b", "tag=c"], None) == {"tag": ["a", "b", "c"]}


def test_a_file_is_read(tmp_path: Path):
    (tmp_path / "text.txt").write_text("hello")

    assert parse_inputs([f"text=@{tmp_path}/text.txt"], None) == {"text": "hello"}


def test_pairs_win_over_the_whole(tmp_path: Path):
    (tmp_path / "inputs.json").write_text('{"a": 1, "b": 2}')

    assert parse_inputs(["b=3"], f"@{tmp_path}/inputs.json") == {"a": 1, "b": "3"}
    assert parse_inputs([], '{"a": 1}') == {"a": 1}


@pytest.mark.parametrize("pair", ["prompt", "=x", ":=5", "n:=five", "text=@/no/such/file"])
def test_what_cannot_be_read_is_named(pair: str):
    with pytest.raises(typer.BadParameter):
        parse_inputs([pair], None)


@pytest.mark.parametrize("whole", ["[1]", "{", "@/no/such/file"])
def test_a_whole_that_is_no_object_is_refused(whole: str):
    with pytest.raises(typer.BadParameter):
        parse_inputs([], whole)
