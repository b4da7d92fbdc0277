"""Every setting, read from the environment here and nowhere else, checked before anything starts."""

from __future__ import annotations

import dataclasses
import difflib
import json
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pipeline.errors import SettingError
from pipeline.exposure import is_loopback, is_open_to_others, words_for_open

PREFIX = "CONTRAIL_"
SOURCES = ("simulator", "opensky", "replay")
ACCOUNTS = ("anonymous", "standard", "feeder", "licensed")
SECURITIES = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")

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
    kafka_security: str = setting(
        "PLAINTEXT",
        one_of(*SECURITIES),
        "how that Kafka is reached: with TLS (`SSL`), with a user (`SASL`), both or neither",
    )
    kafka_sasl_mechanism: str = setting("SCRAM-SHA-512", one_of(*MECHANISMS), "how the user signs in to Kafka")
    kafka_user: str | None = setting(None, text, "user at Kafka")
    kafka_password: str | None = setting(None, text, "the user's password at Kafka", secret=True)
    kafka_ca: str | None = setting(
        None, text, "PEM file of the authority that signed Kafka's certificate; default: those the system trusts"
    )
    kafka_certificate: str | None = setting(
        None, text, "PEM file of our own certificate, for a Kafka that asks for one"
    )
    kafka_key: str | None = setting(
        None, text, "PEM file of the certificate's private key (PKCS#8, without a password)"
    )
    topic: str = setting("state-vectors", text, "the Kafka topic")
    topic_partitions: int = setting("1", number(int, 1, 1024), "partitions of the topic when Contrail creates it")

    spark_master: str = setting("local[2]", text, "Spark's master: `local[N]` or `spark://host:port`")
    driver_memory: str = setting("1g", text, "heap of the Spark driver's JVM")
    driver_host: str = setting("127.0.0.1", text, "address at which a Spark cluster reaches the driver")
    driver_bind: str | None = setting(
        None, text, "address on which the driver listens; default: `CONTRAIL_DRIVER_HOST`"
    )
    executor_memory: str = setting("1g", text, "heap of each executor on a Spark cluster")
    executor_python: str | None = setting(
        None, text, "path of the Python on a cluster's hosts; default: the driver's own path"
    )
    trigger_ms: int = setting("250", number(int, 0, 600_000), "milliseconds between looks for new data by each stream")
    quarantine_ms: int = setting(
        "30000", number(int, 0, 600_000), "milliseconds between looks for messages that are no observation"
    )
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

    s3_endpoint: str | None = setting(
        None,
        web_address,
        "S3 endpoint; default: the one that the environment's AWS variables or profile name, else AWS",
    )
    s3_region: str | None = setting(
        None, text, "S3 region; default: that of the environment's AWS variables or profile, else `us-east-1`"
    )
    s3_access_key: str | None = setting(None, text, "S3 access key; default: the environment's usual chain")
    s3_secret_key: str | None = setting(None, text, "S3 secret key", secret=True)
    s3_session_token: str | None = setting(None, text, "session token, where the keys are temporary", secret=True)
    s3_create_bucket: bool = setting("no", yes_or_no, "whether a bucket that is not there is made")
    lease_seconds: float = setting(
        "30", number(float, 3, 3600), "seconds after which a lake on S3 is free when its driver has died"
    )

    maintenance_minutes: float = setting(
        "60", number(float, 0, 10_080), "minutes from one housekeeping of the running driver to the next; 0 is never"
    )
    disk_budget_gb: float | None = setting(
        None, number(float, 0.01, 1_000_000), "gigabytes that data folder and lake may take; default: no limit"
    )

    operators: tuple[str, ...] | None = setting(
        None, names, "users, with commas between, who may act where the page asks for a sign-in; others may look"
    )
    port: int = setting("5006", number(int, 0, 65_535), "port of the Panel application")
    viewer_open: bool = setting(
        "no", yes_or_no, "whether the viewer, which asks nobody who they are, may listen on more than loopback"
    )
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
    def on_cluster(self) -> bool:
        """Whether the streams run on a Spark cluster, not in the driver's own JVM."""
        return not self.spark_master.startswith("local")

    @property
    def cache_folder(self) -> Path:
        """Where the JVM parts are kept."""
        return Path(self.cache).expanduser() if self.cache else user_cache() / "contrail"


def user_cache() -> Path:
    """The user's cache folder, as the XDG base directory specification names it."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def aws_region() -> str | None:
    """The region that containers on AWS are told, `AWS_REGION`: botocore does not look there."""
    return os.environ.get("AWS_REGION")


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

    Where the folder or the lake was named, the other feed gets a part of its own below it; on an existing Kafka, a topic of its own.
    """
    if settings.source == started.source:
        return settings
    return dataclasses.replace(
        settings,
        data=settings.data and f"{settings.data}/{settings.source}",
        lake=settings.lake and f"{settings.lake.rstrip('/')}/{settings.source}",
        topic=f"{settings.topic}-{settings.source}" if settings.kafka else settings.topic,
    )


def moment(option: str, given: str | None) -> datetime | None:
    """An option of the command line that is a moment; UTC where it names no zone. Raises SettingError."""
    if given is None:
        return None
    try:
        found = datetime.fromisoformat(given)
    except ValueError:
        raise SettingError(f"{option} is {given!r}, but has to be a time as 2026-01-31T12:00 (UTC).") from None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def recordings(settings: Settings) -> dict[str, Path]:
    """The recordings that can be chosen by name: file name -> path, sorted."""
    folder = Path(settings.recordings).expanduser()
    found = [*folder.glob("*.jsonl"), *folder.glob("*.jsonl.gz")] if folder.is_dir() else []
    return {path.name: path for path in sorted(found)}


def variable(field_name: str) -> str:
    """The environment variable of a field."""
    return PREFIX + field_name.upper()


def foreign_environment() -> dict[str, str]:
    """The variables that are no setting of Contrail: what a child process inherits, whose settings are told to it."""
    return {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}


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
    if settings.on_cluster and settings.kafka is None and settings.driver_host != "127.0.0.1":
        raise SettingError(
            "CONTRAIL_SPARK_MASTER is a cluster on other hosts, which cannot reach the embedded Kafka: set CONTRAIL_KAFKA."
        )
    if bool(settings.s3_access_key) != bool(settings.s3_secret_key):
        raise SettingError("CONTRAIL_S3_ACCESS_KEY and CONTRAIL_S3_SECRET_KEY belong together: set both or none.")
    if settings.s3_session_token and not settings.s3_access_key:
        raise SettingError("CONTRAIL_S3_SESSION_TOKEN belongs to keys: set CONTRAIL_S3_ACCESS_KEY and its secret too.")
    if settings.opensky_credentials:
        client_id, client_secret = read_credentials(Path(settings.opensky_credentials))
        settings = dataclasses.replace(settings, opensky_client_id=client_id, opensky_client_secret=client_secret)
    if bool(settings.opensky_client_id) != bool(settings.opensky_client_secret):
        raise SettingError(
            "CONTRAIL_OPENSKY_CLIENT_ID and CONTRAIL_OPENSKY_CLIENT_SECRET belong together: set both or none."
        )
    if settings.opensky_client_secret:
        _refuse_plain("CONTRAIL_OPENSKY_TOKEN_URL", settings.opensky_token_url)
        _refuse_plain("CONTRAIL_OPENSKY_URL", settings.opensky_url)
    _check_kafka(settings)
    return settings


def _refuse_plain(name: str, address: str) -> None:
    """A secret, or the token it buys, goes by TLS or stays on this machine."""
    told = urlsplit(address)
    if told.scheme != "https" and not is_loopback(told.hostname or ""):
        raise SettingError(
            f"{name} is {address!r}, which would send the credentials in the clear: use an https:// address."
        )


def _check_kafka(settings: Settings) -> None:
    """Raise SettingError unless Kafka's security has all that it needs, and nothing that it would leave unused."""
    protocol = f"CONTRAIL_KAFKA_SECURITY is {settings.kafka_security!r}"
    if settings.kafka_security != "PLAINTEXT" and settings.kafka is None:
        raise SettingError(
            f"{protocol}, but the embedded Kafka needs none: set CONTRAIL_KAFKA to the servers it is for."
        )
    proofs = {"CONTRAIL_KAFKA_USER": settings.kafka_user, "CONTRAIL_KAFKA_PASSWORD": settings.kafka_password}
    own = {"CONTRAIL_KAFKA_CERTIFICATE": settings.kafka_certificate, "CONTRAIL_KAFKA_KEY": settings.kafka_key}
    files = {"CONTRAIL_KAFKA_CA": settings.kafka_ca, **own}
    if settings.kafka_security.startswith("SASL"):
        for name in (name for name, value in proofs.items() if value is None):
            raise SettingError(f"{protocol}, which needs a user and a password: set {name}.")
    else:
        _refuse_unused(proofs, protocol, "SASL_SSL or SASL_PLAINTEXT")
    if not settings.kafka_security.endswith("SSL"):
        _refuse_unused(files, protocol, "SSL or SASL_SSL")
    if len([value for value in own.values() if value]) == 1:
        raise SettingError(f"{' and '.join(own)} belong together: set both or none.")
    for name, value in files.items():
        if value:
            _check_pem(name, Path(value).expanduser())


def _refuse_unused(given: Mapping[str, str | None], protocol: str, cure: str) -> None:
    """A proof that would not be shown is a mistake: someone believes the connection to be safer than it is."""
    for name in (name for name, value in given.items() if value is not None):
        raise SettingError(f"{name} is set, but {protocol} and does not use it: set CONTRAIL_KAFKA_SECURITY to {cure}.")


def _check_pem(name: str, path: Path) -> None:
    wanted, cure = "CERTIFICATE", "a PEM certificate begins with -----BEGIN CERTIFICATE-----"
    if name == "CONTRAIL_KAFKA_KEY":
        wanted, cure = (
            "PRIVATE KEY",
            "`openssl pkcs8 -topk8 -nocrypt -in KEY -out KEY.pem` makes one of another kind of key",
        )
    try:
        held = path.read_text(errors="replace")
        private = wanted == "CERTIFICATE" or not is_open_to_others(path)
    except OSError as error:
        raise SettingError(f"{name} is {str(path)!r}, which cannot be read ({error.strerror}).") from None
    if not private:
        raise SettingError(words_for_open(path))
    if f"-----BEGIN {wanted}-----" not in held:
        raise SettingError(f"{name} is {str(path)!r}, which holds no {wanted.lower()}: {cure}.")


def read_credentials(path: Path) -> tuple[str, str]:
    """Client id and secret from the `credentials.json` that OpenSky's account page gives out."""
    try:
        if is_open_to_others(path):
            raise SettingError(words_for_open(path))
        answer = json.loads(path.read_text())
        return text(answer["clientId"]), text(answer["clientSecret"])
    except OSError as error:
        raise SettingError(
            f"CONTRAIL_OPENSKY_CREDENTIALS is {str(path)!r}, which cannot be read ({error.strerror})."
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise SettingError(f"{path} is not OpenSky's credentials.json: it needs clientId and clientSecret.") from None
