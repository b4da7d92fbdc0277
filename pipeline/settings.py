"""Every setting, read from the environment here and nowhere else, checked before anything starts."""

from __future__ import annotations

import dataclasses
import difflib
import json
import math
import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import SettingError

PREFIX = "CONTRAIL_"
SOURCES = ("simulator", "opensky", "replay")
ACCOUNTS = ("anonymous", "standard", "feeder", "licensed")

Parser = Callable[[str], Any]


def one_of(*allowed: str) -> Parser:
    """A word out of a fixed set."""

    def parse(text: str) -> str:
        if text not in allowed:
            raise ValueError(f"one of {', '.join(allowed)}")
        return text

    return parse


def number(kind: type[int] | type[float], least: float, most: float) -> Parser:
    """A finite number in [least, most]."""

    def parse(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            value = kind(-1) if least > -1 else math.nan
        if not least <= value <= most:
            raise ValueError(f"a{'n integer' if kind is int else ' number'} from {least:,} to {most:,}")
        return value

    return parse


def yes_or_no(text: str) -> bool:
    """A truth value, as people write it."""
    words = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
    if text.lower() not in words:
        raise ValueError("one of yes, no, true, false, on, off, 1, 0")
    return words[text.lower()]


def box(text: str) -> tuple[float, float, float, float] | None:
    """An area as `lamin,lomin,lamax,lomax` in degrees, or `world`."""
    if text == "world":
        return None
    try:
        south, west, north, east = (float(part) for part in text.split(","))
    except ValueError:
        south = west = north = east = math.nan
    if not (-90 <= south < north <= 90 and -180 <= west < east <= 180):
        raise ValueError("`world`, or lamin,lomin,lamax,lomax in degrees with lamin < lamax and lomin < lomax")
    return south, west, north, east


def text(value: str) -> str:
    """Any text that is not empty."""
    if not value.strip():
        raise ValueError("a text that is not empty")
    return value.strip()


def names(value: str) -> tuple[str, ...]:
    """Names with commas between them."""
    found = tuple(name.strip() for name in value.split(",") if name.strip())
    if not found:
        raise ValueError("names with commas between them")
    return found


def web_address(value: str) -> str:
    """An http(s) address."""
    if not value.startswith(("http://", "https://")):
        raise ValueError("an address that starts with http:// or https://")
    return value.rstrip("/")


def setting(default: str | None, parse: Parser, meaning: str, *, secret: bool = False) -> Any:
    """A field of `Settings`: its default as it would stand in the environment, its check and its meaning."""
    metadata = {"parse": parse, "meaning": meaning, "default": default, "secret": secret}
    value = None if default is None else parse(default)
    return dataclasses.field(default=value, metadata=metadata, repr=not secret)


@dataclass(frozen=True)
class Settings:
    """Contrail's settings; a field `kafka` is read from the variable `CONTRAIL_KAFKA`."""

    source: str = setting("simulator", one_of(*SOURCES), "where position reports come from")
    data: str | None = setting(None, text, "folder of all that the embedded stack writes; default `./data/<source>`")
    lake: str | None = setting(
        None, text, "where the tables are: a folder or `s3a://bucket/path`; default `<data>/lake`"
    )
    cache: str | None = setting(None, text, "folder of the JVM parts; default `contrail` under the user's cache folder")

    kafka: str | None = setting(
        None, text, "bootstrap servers `host:port,…` of an existing Kafka; default: an embedded one"
    )
    topic: str = setting("state-vectors", text, "the Kafka topic")
    topic_partitions: int = setting("1", number(int, 1, 1024), "partitions of the topic when Contrail creates it")

    spark_master: str = setting("local[2]", text, "Spark's master: `local[N]` or `spark://host:port`")
    driver_memory: str = setting("1g", text, "heap of the Spark driver's JVM")
    trigger_ms: int = setting("250", number(int, 0, 600_000), "milliseconds between looks for new data by each stream")
    batch_messages: int = setting("350000", number(int, 1, 100_000_000), "most messages that one batch takes")
    shuffle_partitions: int = setting(
        "2", number(int, 1, 4096), "Spark's shuffle partitions; fixed at a stream's first start"
    )
    state_buckets: int = setting(
        "8", number(int, 1, 4096), "buckets of aircraft history; fixed at silver's first start"
    )
    limits: str = setting("expert", one_of("expert", "seed"), "which set of anomaly limits is used")

    aircraft: int = setting("1500", number(int, 1, 1_000_000), "aircraft of the simulated sky")
    seed: int = setting("7", number(int, 0, 2**31 - 1), "seed of the simulated sky")
    interval: float = setting("10", number(float, 0.1, 3600), "seconds between two answers of the simulator")
    box: tuple[float, float, float, float] | None = setting(
        "world", box, "area of the sky: `world` or `lamin,lomin,lamax,lomax`"
    )
    file: str | None = setting(None, text, "the recording that `replay` plays (`.jsonl` or `.jsonl.gz`)")
    recordings: str = setting("recordings", text, "folder of the recordings that can be chosen on the page")
    speed: float = setting(
        "1", number(float, 0, 1_000_000), "how many times faster than recorded; 0 is as fast as possible"
    )

    opensky_credentials: str | None = setting(None, text, "path of OpenSky's `credentials.json`")
    opensky_client_id: str | None = setting(None, text, "OAuth2 client id at OpenSky")
    opensky_client_secret: str | None = setting(None, text, "OAuth2 client secret at OpenSky", secret=True)
    opensky_account: str | None = setting(
        None, one_of(*ACCOUNTS), "the account's class; default `standard` with credentials, else `anonymous`"
    )
    opensky_url: str = setting("https://opensky-network.org/api", web_address, "root of the OpenSky API")
    opensky_token_url: str = setting(
        "https://auth.opensky-network.org/auth/realms/opensky-network/protocol/openid-connect/token",
        web_address,
        "where OpenSky gives tokens",
    )
    quota_reserve: float = setting("0.1", number(float, 0, 0.9), "share of the day's credits that is never planned")

    s3_endpoint: str | None = setting(None, web_address, "S3 endpoint; default: AWS")
    s3_region: str = setting("us-east-1", text, "S3 region")
    s3_access_key: str | None = setting(None, text, "S3 access key; default: the environment's usual chain")
    s3_secret_key: str | None = setting(None, text, "S3 secret key", secret=True)

    operators: tuple[str, ...] | None = setting(
        None, names, "users, with commas between, who may act where the page asks for a sign-in; others may look"
    )
    port: int = setting("5006", number(int, 0, 65_535), "port of the Panel application")
    autostart: bool = setting("yes", yes_or_no, "whether the application starts feed and streams by itself")

    @property
    def data_folder(self) -> Path:
        """Where broker, logs and state of the embedded stack live; absolute."""
        return Path(self.data or f"data/{self.source}").expanduser().resolve()

    @property
    def lake_root(self) -> str:
        """The lake's root: an absolute folder or an `s3a://` address, without a slash at its end."""
        if self.lake is None:
            return str(self.data_folder / "lake")
        return (
            self.lake.rstrip("/").replace("s3://", "s3a://", 1)
            if self.on_s3
            else str(Path(self.lake).expanduser().resolve())
        )

    @property
    def recording(self) -> Path:
        """The file that `replay` plays; SettingError when none is named."""
        if self.file is None:
            raise SettingError(
                "CONTRAIL_SOURCE is 'replay', but CONTRAIL_FILE does not say which recording: set it, or give --file."
            )
        return Path(self.file).expanduser()

    @property
    def on_s3(self) -> bool:
        """Whether the lake is on S3."""
        return self.lake is not None and self.lake.startswith(("s3a://", "s3://"))

    @property
    def cache_folder(self) -> Path:
        """Where the JVM parts are kept."""
        return Path(self.cache).expanduser() if self.cache else user_cache() / "contrail"


def user_cache() -> Path:
    """The user's cache folder, as the XDG base directory specification names it."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def java_home() -> str | None:
    """The user's choice of Java, `JAVA_HOME`."""
    return os.environ.get("JAVA_HOME")


def load(environ: Mapping[str, str] | None = None, **options: str | None) -> Settings:
    """Settings from the environment; `options` (from the command line, as text) win over it.

    Raises SettingError, which names the variable, its value and what is allowed.
    """
    environ = os.environ if environ is None else environ
    given = {name: value for name, value in environ.items() if name.startswith(PREFIX)}
    given |= {variable(name): value for name, value in options.items() if value is not None}
    fields = {variable(field.name): field for field in dataclasses.fields(Settings)}
    for name in given.keys() - fields.keys():
        near = difflib.get_close_matches(name, fields, n=1)
        raise SettingError(f"{name} is not a setting of Contrail{f'; did you mean {near[0]}' if near else ''}.")
    return _consistent(Settings(**{fields[name].name: _parsed(fields[name], value) for name, value in given.items()}))


def of_feed(settings: Settings, started: Settings) -> Settings:
    """Settings for another feed than the one the process was started with: a feed's sky never goes into another one's lake.

    Where the folder or the lake was named, the other feed gets a part of its own below it.
    """
    if settings.source == started.source:
        return settings
    return dataclasses.replace(
        settings,
        data=settings.data and f"{settings.data}/{settings.source}",
        lake=settings.lake and f"{settings.lake.rstrip('/')}/{settings.source}",
    )


def recordings(settings: Settings) -> dict[str, Path]:
    """The recordings that can be chosen by name: file name -> path, sorted."""
    folder = Path(settings.recordings).expanduser()
    found = [*folder.glob("*.jsonl"), *folder.glob("*.jsonl.gz")] if folder.is_dir() else []
    return {path.name: path for path in sorted(found)}


def variable(field_name: str) -> str:
    """The environment variable of a field."""
    return PREFIX + field_name.upper()


def as_environment(settings: Settings) -> dict[str, str]:
    """The variables that make `load` return these settings: how a child process is told."""
    return {
        variable(field.name): _as_text(getattr(settings, field.name))
        for field in dataclasses.fields(settings)
        if getattr(settings, field.name) != field.default
    }


def _as_text(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _parsed(field: dataclasses.Field[Any], value: str) -> Any:
    try:
        return field.metadata["parse"](value)
    except ValueError as allowed:
        shown = "(a secret)" if field.metadata["secret"] else repr(value)
        raise SettingError(f"{variable(field.name)} is {shown}, but has to be {allowed}.") from None


def _consistent(settings: Settings) -> Settings:
    """The settings, with OpenSky's credentials file read, once they agree with one another."""
    if settings.on_s3 and settings.lake_root in ("s3a:", "s3:"):
        raise SettingError(f"CONTRAIL_LAKE is {settings.lake!r}, but has to name a bucket, as in s3a://datalake.")
    if settings.opensky_credentials:
        client_id, client_secret = read_credentials(Path(settings.opensky_credentials))
        settings = dataclasses.replace(settings, opensky_client_id=client_id, opensky_client_secret=client_secret)
    if bool(settings.opensky_client_id) != bool(settings.opensky_client_secret):
        raise SettingError(
            "CONTRAIL_OPENSKY_CLIENT_ID and CONTRAIL_OPENSKY_CLIENT_SECRET belong together: set both or none."
        )
    return settings


def read_credentials(path: Path) -> tuple[str, str]:
    """Client id and secret from the `credentials.json` that OpenSky's account page gives out."""
    try:
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise SettingError(f"{path} can be read by others: `chmod 600 {path}` makes it yours alone.")
        answer = json.loads(path.read_text())
        return text(answer["clientId"]), text(answer["clientSecret"])
    except OSError as error:
        raise SettingError(
            f"CONTRAIL_OPENSKY_CREDENTIALS is {str(path)!r}, which cannot be read ({error.strerror})."
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise SettingError(f"{path} is not OpenSky's credentials.json: it needs clientId and clientSecret.") from None
