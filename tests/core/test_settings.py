"""Settings: one variable each, and a start that refuses what cannot be used."""

from pathlib import Path

import pytest

from windlass.core.settings import BadSettings, Settings


@pytest.fixture(autouse=True)
def empty_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def test_without_any_variable_everything_is_on_this_machine(tmp_path: Path):
    settings = Settings.load()

    assert settings.url == "http://127.0.0.1:8700"
    assert settings.temporal_address == "127.0.0.1:7233"
    assert settings.temporal_ui_url == "http://127.0.0.1:8233"
    assert settings.storage_url == (tmp_path / ".windlass" / "objects").as_uri()
    assert settings.docs_enabled


@pytest.mark.parametrize("secret", ["short", "a" * 64, "changeme" * 8])
def test_a_secret_that_can_be_guessed_ends_the_process(monkeypatch: pytest.MonkeyPatch, secret: str):
    monkeypatch.setenv("WINDLASS_SECRET_KEY", secret)

    with pytest.raises(BadSettings) as refusal:
        Settings.load()

    assert "WINDLASS_SECRET_KEY" in str(refusal.value)
    assert secret not in str(refusal.value)


def test_a_random_secret_is_taken(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("WINDLASS_SECRET_KEY", "q8Zr2vX1nB7mK4tW9yL0pD6sF3hJ5gA1")

    assert len(Settings.load().require_secret_key()) == 32


def test_a_missing_secret_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("WINDLASS_SECRET_KEY", raising=False)

    with pytest.raises(BadSettings, match="WINDLASS_SECRET_KEY"):
        Settings.load().require_secret_key()


def test_a_port_that_is_no_number_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("WINDLASS_PORT", "eighty")

    with pytest.raises(BadSettings, match="WINDLASS_PORT"):
        Settings.load()


def test_a_public_bind_has_no_docs_unless_asked_for(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("WINDLASS_HOST", "0.0.0.0")  # noqa: S104

    assert not Settings.load().docs_enabled

    monkeypatch.setenv("WINDLASS_DOCS", "true")

    assert Settings.load().docs_enabled


def test_origins_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("WINDLASS_CORS_ORIGINS", "https://a.example, https://b.example")

    assert Settings.load().cors_origins == ("https://a.example", "https://b.example")


def test_a_dot_env_file_counts_after_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    (tmp_path / ".env").write_text("WINDLASS_PORT=9001\nWINDLASS_NODE=file\n")
    monkeypatch.setenv("WINDLASS_NODE", "environment")

    settings = Settings.load()

    assert (settings.port, settings.node) == (9001, "environment")


def test_a_key_never_shows_in_a_representation(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-canary")

    assert "canary" not in repr(Settings.load())


@pytest.mark.parametrize(
    "url",
    [
        "s3://key:canary@bucket",
        "s3://B",
        "s3://bucket/../x",
        "s3://bucket?region=canary",
        "https://canary.example",
        "/srv",
    ],
)
def test_an_address_that_is_no_store_ends_the_process(monkeypatch: pytest.MonkeyPatch, url: str):
    monkeypatch.setenv("WINDLASS_STORAGE_URL", url)

    with pytest.raises(BadSettings, match=r"WINDLASS_STORAGE_URL.*s3://bucket/prefix") as refusal:
        Settings.load()

    assert "canary" not in str(refusal.value)


@pytest.mark.parametrize(
    "url", ["s3://bucket", "s3://my.bucket-1/a/b.c/", "file:///srv/windlass", "file://localhost/srv"]
)
def test_a_folder_and_a_bucket_are_stores(monkeypatch: pytest.MonkeyPatch, url: str):
    monkeypatch.setenv("WINDLASS_STORAGE_URL", url)

    assert Settings.load().storage_url == url


@pytest.mark.parametrize(
    "endpoint", ["s3.example.com", "https://key:canary@s3.example.com", "https://s3.example.com?x"]
)
def test_an_endpoint_that_is_no_address_ends_the_process(monkeypatch: pytest.MonkeyPatch, endpoint: str):
    monkeypatch.setenv("WINDLASS_S3_ENDPOINT", endpoint)

    with pytest.raises(BadSettings, match="WINDLASS_S3_ENDPOINT"):
        Settings.load()


def test_half_a_pair_of_keys_ends_the_process(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("WINDLASS_S3_ACCESS_KEY", "canary")

    with pytest.raises(BadSettings, match="WINDLASS_S3_SECRET_KEY") as refusal:
        Settings.load()

    assert "canary" not in str(refusal.value)
