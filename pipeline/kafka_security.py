"""How an existing Kafka is reached when it asks for TLS or a user: the settings as each client wants them, and what a refusal means."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kafka.errors import KafkaError

from pipeline.errors import BrokerError
from pipeline.settings import Settings

MODULES = {"PLAIN": "plain.PlainLoginModule", "SCRAM": "scram.ScramLoginModule"}
# What the client's own words mean (the library retries each of them until its time is up, and only logs them).
REFUSALS = (
    ("SaslAuthenticationFailed", "refuses the user: check CONTRAIL_KAFKA_USER, CONTRAIL_KAFKA_PASSWORD and CONTRAIL_KAFKA_SASL_MECHANISM"),
    ("UnsupportedSaslMechanism", "does not offer this way to sign in: set CONTRAIL_KAFKA_SASL_MECHANISM to one that it does"),
    ("IP address mismatch", "shows a certificate for another name: write CONTRAIL_KAFKA as the certificate names it"),
    ("Hostname mismatch", "shows a certificate for another name: write CONTRAIL_KAFKA as the certificate names it"),
    ("CERTIFICATE_VERIFY_FAILED", "shows a certificate that nobody trusted has signed: set CONTRAIL_KAFKA_CA to the file of its authority"),
    ("ALERT_BAD_CERTIFICATE", "does not accept our certificate: set CONTRAIL_KAFKA_CERTIFICATE and CONTRAIL_KAFKA_KEY"),
    ("CERTIFICATE_REQUIRED", "asks for a certificate: set CONTRAIL_KAFKA_CERTIFICATE and CONTRAIL_KAFKA_KEY"),
    ("ALERT_UNKNOWN_CA", "does not accept our certificate: set CONTRAIL_KAFKA_CERTIFICATE and CONTRAIL_KAFKA_KEY"),
    ("WRONG_VERSION_NUMBER", "does not speak TLS: set CONTRAIL_KAFKA_SECURITY to PLAINTEXT or SASL_PLAINTEXT"),
    ("Handshake failed: [SSL: UNEXPECTED_EOF", "does not speak TLS: set CONTRAIL_KAFKA_SECURITY to PLAINTEXT or SASL_PLAINTEXT"),
    # A broker hangs up right after its refusal, and the client drops an answer that it reads together with the end.
    ("socket disconnected", "hangs up on us: check CONTRAIL_KAFKA_SECURITY, CONTRAIL_KAFKA_USER, CONTRAIL_KAFKA_PASSWORD, CONTRAIL_KAFKA_SASL_MECHANISM and that it runs"),
)  # fmt: skip


@dataclass(frozen=True)
class Security:
    """Protocol and proofs for one Kafka; without arguments: neither TLS nor a user, as the embedded one wants it."""

    protocol: str = "PLAINTEXT"
    mechanism: str = "SCRAM-SHA-512"
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    @property
    def tls(self) -> bool:
        """Whether the connection is encrypted."""
        return self.protocol.endswith("SSL")

    @property
    def sasl(self) -> bool:
        """Whether a user signs in."""
        return self.protocol.startswith("SASL")

    def client(self) -> dict[str, Any]:
        """The options of kafka-python's clients."""
        options: dict[str, Any] = {"security_protocol": self.protocol}
        if self.sasl:
            options |= {"sasl_mechanism": self.mechanism, "sasl_plain_username": self.user}
            options["sasl_plain_password"] = self.password
        files = {"ssl_cafile": self.ca, "ssl_certfile": self.certificate, "ssl_keyfile": self.key}
        return options | {name: str(path) for name, path in files.items() if self.tls and path}

    def spark(self) -> dict[str, str]:
        """The options of Spark's Kafka source. Files go as their content, so that executors elsewhere need none."""
        if self.protocol == "PLAINTEXT":
            return {}
        options = {"security.protocol": self.protocol}
        if self.sasl:
            options |= {"sasl.mechanism": self.mechanism, "sasl.jaas.config": self._login()}
        if self.tls and self.ca:
            options |= {"ssl.truststore.type": "PEM", "ssl.truststore.certificates": self.ca.read_text()}
        if self.tls and self.certificate and self.key:
            options["ssl.keystore.type"] = "PEM"
            options["ssl.keystore.certificate.chain"] = self.certificate.read_text()
            options["ssl.keystore.key"] = self.key.read_text()
        return {f"kafka.{name}": value for name, value in options.items()}

    def _login(self) -> str:
        module = MODULES[self.mechanism.partition("-")[0]]
        proofs = f'username="{_escaped(self.user)}" password="{_escaped(self.password)}"'
        return f"org.apache.kafka.common.security.{module} required {proofs};"


def security_of(settings: Settings) -> Security:
    """What the settings say of it."""
    paths = (settings.kafka_ca, settings.kafka_certificate, settings.kafka_key)
    files = [Path(path).expanduser() if path else None for path in paths]
    proofs = (settings.kafka_user, settings.kafka_password)
    return Security(settings.kafka_security, settings.kafka_sasl_mechanism, *proofs, *files)


@contextmanager
def explained(servers: str) -> Iterator[None]:
    """Let a KafkaError of the block be a BrokerError that says why, and what helps."""
    heard, logger = _Heard(), logging.getLogger("kafka")
    logger.addHandler(heard)
    try:
        yield
    except KafkaError as error:
        words = " ".join([type(error).__name__, str(error), *heard.words])
        known = next((told for pattern, told in REFUSALS if pattern in words), None)
        told = known or f"cannot be reached ({error}): check CONTRAIL_KAFKA, CONTRAIL_KAFKA_SECURITY and that it runs"
        raise BrokerError(f"Kafka at {servers} {told}.") from error
    finally:
        logger.removeHandler(heard)


@contextmanager
def unprinted() -> Iterator[None]:
    """Let the client library print nothing within the block, where brokers are killed on purpose; `explained` hears it all the same."""
    logger, silent = logging.getLogger("kafka"), logging.NullHandler()
    logger.addHandler(silent)
    logger.propagate, before = False, logger.propagate
    try:
        yield
    finally:
        logger.propagate = before
        logger.removeHandler(silent)


class _Heard(logging.Handler):
    """Keeps what the client library says while it tries."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.words: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the line, and the names of the exceptions in it."""
        given = record.args if isinstance(record.args, tuple) else ()
        self.words += [record.getMessage(), *(type(one).__name__ for one in given if isinstance(one, BaseException))]


def _escaped(value: str | None) -> str:
    return (value or "").replace("\\", "\\\\").replace('"', '\\"')
