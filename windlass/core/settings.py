"""Every setting of the platform: one environment variable each, read once at the start of a process."""

import ipaddress
import json
import re
import socket
from pathlib import Path
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

SECRET_BYTES = 32
SECRET_DISTINCT_BYTES = 10  # "aaaa…", "changeme" repeated and the like have fewer
CREDENTIALS = ("database_url",)  # addresses that may hold a password
STORE = re.compile(r"file://(localhost)?/.*|s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[\w=-][\w=.-]*)*/?", re.ASCII)
ENDPOINT = re.compile(r"https?://[^/@?#]+/?")


Commands = dict[str, Annotated[tuple[str, ...], Field(min_length=1)]]


class BadSettings(SystemExit):
    """A setting cannot be used: the process ends with this message and never shows the value."""


class Settings(BaseSettings):
    """What the environment, and after it a file `.env` in the working folder, say."""

    model_config = SettingsConfigDict(env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True)

    home: Path = Field(Path(".windlass"), alias="WINDLASS_HOME")
    host: str = Field("127.0.0.1", alias="WINDLASS_HOST")
    port: int = Field(8700, alias="WINDLASS_PORT", ge=1, le=65535)
    gateway_url: str | None = Field(None, alias="WINDLASS_GATEWAY_URL", pattern=r"^https?://[^/@?#]+/?$")
    proxy_timeout_s: float = Field(60, alias="WINDLASS_PROXY_TIMEOUT_S", gt=0, le=3600)
    node: str = Field(default_factory=socket.gethostname, alias="WINDLASS_NODE", min_length=1)
    log_format: Literal["auto", "json", "console"] = Field("auto", alias="WINDLASS_LOG_FORMAT")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", alias="WINDLASS_LOG_LEVEL")

    time_zone: str = Field("UTC", alias="WINDLASS_TIME_ZONE")  # in which the installation's nights are
    files_quota_mib: int = Field(102_400, alias="WINDLASS_FILES_QUOTA_MIB", ge=0, le=1 << 30)
    deleted_days: int = Field(30, alias="WINDLASS_DELETED_DAYS", ge=1, le=3650)

    database_url: str | None = Field(None, alias="WINDLASS_DATABASE_URL")
    postgres_bin: Path | None = Field(None, alias="WINDLASS_POSTGRES_BIN")
    storage: str | None = Field(None, alias="WINDLASS_STORAGE_URL")
    s3_endpoint: str | None = Field(None, alias="WINDLASS_S3_ENDPOINT")
    s3_public_endpoint: str | None = Field(None, alias="WINDLASS_S3_PUBLIC_ENDPOINT")
    s3_region: str | None = Field(None, alias="WINDLASS_S3_REGION")
    s3_path_style: bool | None = Field(None, alias="WINDLASS_S3_PATH_STYLE")
    s3_access_key: SecretStr | None = Field(None, alias="WINDLASS_S3_ACCESS_KEY")
    s3_secret_key: SecretStr | None = Field(None, alias="WINDLASS_S3_SECRET_KEY")

    external_temporal: str | None = Field(None, alias="TEMPORAL_ADDRESS")
    temporal_namespace: str = Field("default", alias="TEMPORAL_NAMESPACE")
    temporal_tls: bool = Field(False, alias="TEMPORAL_TLS")
    temporal_api_key: SecretStr | None = Field(None, alias="TEMPORAL_API_KEY")
    temporal_port: int = Field(7233, alias="WINDLASS_TEMPORAL_PORT", ge=1, le=65535)
    temporal_ui_port: int = Field(8233, alias="WINDLASS_TEMPORAL_UI_PORT", ge=1, le=65535)
    temporal_ui: str | None = Field(None, alias="WINDLASS_TEMPORAL_UI_URL")
    temporal_bin: Path | None = Field(None, alias="WINDLASS_TEMPORAL_BIN")

    secret_key: SecretStr | None = Field(None, alias="WINDLASS_SECRET_KEY")
    admin_email: str = Field("admin@localhost", alias="WINDLASS_ADMIN_EMAIL")
    admin_password: SecretStr | None = Field(None, alias="WINDLASS_ADMIN_PASSWORD")
    access_token_minutes: int = Field(120, alias="WINDLASS_ACCESS_TOKEN_MINUTES", ge=1, le=1440)
    refresh_token_days: int = Field(7, alias="WINDLASS_REFRESH_TOKEN_DAYS", ge=1, le=30)
    proxies: str = Field("", alias="WINDLASS_PROXIES")  # addresses whose X-Forwarded-* headers are believed
    signup: Literal["closed", "open"] = Field("closed", alias="WINDLASS_SIGNUP")
    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field((), alias="WINDLASS_CORS_ORIGINS")
    docs: bool | None = Field(None, alias="WINDLASS_DOCS")
    requests_per_minute: int = Field(30_000, alias="WINDLASS_REQUESTS_PER_MINUTE", ge=0, le=10_000_000)

    anthropic_api_key: SecretStr | None = Field(None, alias="ANTHROPIC_API_KEY")
    anthropic_base_url: str | None = Field(None, alias="ANTHROPIC_BASE_URL")
    model_silence_s: int = Field(900, alias="WINDLASS_MODEL_SILENCE_S", ge=1, le=900)

    docker_socket: Path = Field(Path("/var/run/docker.sock"), alias="WINDLASS_DOCKER_SOCKET")
    desktop_image: str = Field("windlass-desktop", alias="WINDLASS_DESKTOP_IMAGE", min_length=1)
    desktops_per_person: int = Field(3, alias="WINDLASS_DESKTOPS_PER_PERSON", ge=0, le=100)
    sessions_per_person: int = Field(5, alias="WINDLASS_SESSIONS_PER_PERSON", ge=1, le=1000)
    messages_per_minute: int = Field(60, alias="WINDLASS_MESSAGES_PER_MINUTE", ge=0, le=1_000_000)
    messages_per_hour: int = Field(1000, alias="WINDLASS_MESSAGES_PER_HOUR", ge=0, le=10_000_000)
    session_silent_hours: int = Field(24, alias="WINDLASS_SESSION_SILENT_HOURS", ge=0, le=8760)
    session_archive_days: int = Field(180, alias="WINDLASS_SESSION_ARCHIVE_DAYS", ge=0, le=3650)
    desktop_places: int = Field(20, alias="WINDLASS_DESKTOP_PLACES", ge=1, le=1000)
    desktop_most_memory_mib: int = Field(4096, alias="WINDLASS_DESKTOP_MOST_MEMORY_MIB", ge=256, le=1 << 20)
    desktop_most_home_mib: int = Field(102_400, alias="WINDLASS_DESKTOP_MOST_HOME_MIB", ge=16, le=1 << 30)
    desktop_most_cpus: float = Field(4.0, alias="WINDLASS_DESKTOP_MOST_CPUS", ge=0.1, le=1024)
    desktop_most_hours: int = Field(24, alias="WINDLASS_DESKTOP_MOST_HOURS", ge=1, le=8760)
    egress_private: str = Field("", alias="WINDLASS_EGRESS_PRIVATE")  # networks that desktops may be let into

    screenshot_link_minutes: int = Field(600, alias="WINDLASS_SCREENSHOT_LINK_MINUTES", ge=1, le=10_080)
    screenshot_days: int = Field(30, alias="WINDLASS_SCREENSHOT_DAYS", ge=1, le=3650)

    shell: Literal["fence", "open", "off"] = Field("fence", alias="WINDLASS_SHELL")
    mcp_commands: Annotated[Commands, NoDecode] = Field(default_factory=Commands, alias="WINDLASS_MCP_COMMANDS")
    outbound_allow: Annotated[tuple[str, ...], NoDecode] = Field((), alias="WINDLASS_OUTBOUND_ALLOW")

    environment_minutes: int = Field(30, alias="WINDLASS_ENVIRONMENT_MINUTES", ge=1, le=1440)
    environment_most_mib: int = Field(8192, alias="WINDLASS_ENVIRONMENT_MOST_MIB", ge=64, le=1 << 20)

    standin_url: str | None = Field(None, alias="WINDLASS_STANDIN_URL")
    lifeline_fd: int | None = Field(None, alias="WINDLASS_LIFELINE_FD")
    host_python: Path | None = Field(None, alias="WINDLASS_HOST_PYTHON")

    @classmethod
    def load(cls) -> Self:
        """Read the environment; end the process with a plain message when something in it cannot be used."""
        try:
            return cls()  # pyright: ignore[reportCallIssue] - every field has a default under its alias
        except ValidationError as error:
            found = error.errors(include_input=False)
            lines = [": ".join(filter(None, (".".join(map(str, each["loc"])), each["msg"]))) for each in found]
            raise BadSettings("These settings cannot be used:\n  " + "\n  ".join(lines)) from None

    @field_validator("home", mode="after")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().resolve()

    @field_validator("storage", mode="after")
    @classmethod
    def _store(cls, value: str | None) -> str | None:
        if value is not None and STORE.fullmatch(value) is None:
            raise ValueError("it must be file:///folder or s3://bucket/prefix; keys have variables of their own")
        return value

    @field_validator("s3_endpoint", "s3_public_endpoint", mode="after")
    @classmethod
    def _endpoint(cls, value: str | None) -> str | None:
        if value is not None and ENDPOINT.fullmatch(value) is None:
            raise ValueError("it must be an address like https://s3.example.com; keys have variables of their own")
        return value

    @field_validator("time_zone", mode="after")
    @classmethod
    def _zone(cls, value: str) -> str:
        try:
            return ZoneInfo(value).key
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError("it must be an IANA time zone such as Europe/Berlin") from None

    @field_validator("egress_private", mode="after")
    @classmethod
    def _networks(cls, value: str) -> str:
        _parsed(value)
        return value

    @model_validator(mode="after")
    def _keys_come_in_pairs(self) -> Self:
        if (self.s3_access_key is None) != (self.s3_secret_key is None):
            raise ValueError("WINDLASS_S3_ACCESS_KEY and WINDLASS_S3_SECRET_KEY: set both, or neither")
        return self

    @field_validator("cors_origins", "outbound_allow", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("mcp_commands", mode="before")
    @classmethod
    def _commands(cls, value: object) -> object:
        try:
            return json.loads(value) if isinstance(value, str) else value
        except ValueError as error:
            raise ValueError('it must be JSON like {"files": ["/usr/local/bin/mcp-files"]}') from error

    @field_validator("secret_key", mode="after")
    @classmethod
    def _strong(cls, value: SecretStr | None) -> SecretStr | None:
        """Refuse a secret that can be guessed."""
        if value is None:
            return None
        secret = value.get_secret_value().encode()
        if len(secret) < SECRET_BYTES or len(set(secret)) < SECRET_DISTINCT_BYTES:
            raise ValueError(
                f"it must have at least {SECRET_BYTES} bytes and look random; make one with `openssl rand -base64 48`"
            )
        return value

    @property
    def egress_networks(self) -> tuple[ipaddress.IPv4Network, ...]:
        """The private networks that templates of desktops may let them into."""
        return _parsed(self.egress_private)

    @property
    def temporal_address(self) -> str:
        """Where Temporal is: the one given, else ours."""
        return self.external_temporal or f"127.0.0.1:{self.temporal_port}"

    @property
    def temporal_ui_url(self) -> str | None:
        """Where Temporal's pages are; None when somebody else runs Temporal and did not say."""
        if self.temporal_ui or self.external_temporal:
            return self.temporal_ui
        return f"http://127.0.0.1:{self.temporal_ui_port}"

    @property
    def storage_url(self) -> str:
        """Where bytes go: the store given, else a folder of the home."""
        return self.storage or (self.home / "objects").as_uri()

    @property
    def url(self) -> str:
        """The gateway's address as a person on this machine types it."""
        host = "127.0.0.1" if self.host in ("0.0.0.0", "::") else self.host  # noqa: S104 - compared, not bound
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    @property
    def inside_url(self) -> str:
        """The gateway's address as the hosts of services reach it: as set, else as on this machine."""
        return (self.gateway_url or self.url).rstrip("/")

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the gateway."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def docs_enabled(self) -> bool:
        """Whether `/docs` and `/redoc` are served: as set, else on loopback only."""
        return self.is_loopback if self.docs is None else self.docs

    def in_force(self) -> list[tuple[str, str | None, bool]]:
        """Every variable with its value and whether that is the default; a secret is only `set`."""
        rows: list[tuple[str, str | None, bool]] = []
        for name, field in type(self).model_fields.items():
            value = getattr(self, name)
            hidden = isinstance(value, SecretStr) or (name in CREDENTIALS and value is not None)
            shown = "set" if hidden else None if value is None else str(value)
            rows.append((field.alias or name, shown, name not in self.model_fields_set))
        return rows

    def require_database_url(self) -> str:
        """The owner's DSN, or the end of the process."""
        if not self.database_url:
            raise BadSettings("WINDLASS_DATABASE_URL is not set. `make up` sets it for everything it starts.")
        return self.database_url

    def require_secret_key(self) -> bytes:
        """The secret everything is signed with, or the end of the process."""
        if self.secret_key is None:
            raise BadSettings("WINDLASS_SECRET_KEY is not set. `make up` makes one; elsewhere: openssl rand -base64 48")
        return self.secret_key.get_secret_value().encode()


def _parsed(text: str) -> tuple[ipaddress.IPv4Network, ...]:
    """Networks in the form 10.0.0.0/8, with commas. Raises ValueError."""
    return tuple(ipaddress.IPv4Network(part.strip()) for part in text.split(",") if part.strip())
