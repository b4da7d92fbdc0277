"""How a lake on S3 is reached, in the words of each that reaches it: boto3, delta-rs and Hadoop's S3A.

Keys from the settings are handed to all three. Without them each asks the environment's usual chain by itself (variables,
profile, container, instance role), so that keys which are renewed while Contrail runs keep working (docs/decisions/s3-keys.md).
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import Any

from pipeline.settings import Settings, aws_region

CONNECT_SECONDS, ANSWER_SECONDS, ATTEMPTS = 2, 4, 2
# Named within seconds: delta-rs would go on trying for three minutes, Hadoop for four.
DELTA_PATIENCE = {
    "connect_timeout": f"{CONNECT_SECONDS}s",
    "timeout": "20s",
    "max_retries": "2",
    "retry_timeout": "8s",
    "backoff_config.max_backoff": "1s",
}
HADOOP_PATIENCE = {
    "spark.hadoop.fs.s3a.attempts.maximum": "2",
    "spark.hadoop.fs.s3a.retry.limit": "2",
    "spark.hadoop.fs.s3a.retry.interval": "100ms",
    "spark.hadoop.fs.s3a.connection.establish.timeout": "2s",
    "spark.hadoop.fs.s3a.connection.timeout": "10s",
}
HADOOP_KEYS = "org.apache.hadoop.fs.s3a.SimpleAWSCredentialsProvider"
HADOOP_KEYS_WITH_TOKEN = "org.apache.hadoop.fs.s3a.TemporaryAWSCredentialsProvider"
HADOOP_CHAIN = "software.amazon.awssdk.auth.credentials.DefaultCredentialsProvider"
OWN_REGION = "us-east-1"


@dataclass(frozen=True)
class Access:
    """Where an S3 is, and the keys to it; no endpoint is AWS's own, no keys are the environment's."""

    endpoint: str | None
    region: str
    access_key: str | None = None
    secret_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)

    def boto3(self, *, attempts: int = ATTEMPTS) -> Any:
        """A client of boto3. It may be used by several threads."""
        import boto3
        from botocore.config import Config

        return boto3.session.Session().client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=self.region,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            aws_session_token=self.session_token,
            config=Config(
                connect_timeout=CONNECT_SECONDS,
                read_timeout=ANSWER_SECONDS,
                retries={"total_max_attempts": attempts, "mode": "standard"},
                s3={"addressing_style": "path"} if self.endpoint else {},
                # Other servers than AWS's need not know the newer checksums.
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )

    def delta(self) -> dict[str, str]:
        """The storage options of delta-rs."""
        options = {
            "AWS_REGION": self.region,
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ALLOW_HTTP": str(not self._encrypted).lower(),
            "conditional_put": "etag",
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            # Beside an endpoint of its own delta-rs knows no profiles and containers, unless told to look.
            "AWS_FORCE_CREDENTIAL_LOAD": None if self.access_key else "true",
        }
        # An empty token too: delta-rs would take the environment's, which belongs to other keys.
        token = {"AWS_SESSION_TOKEN": self.session_token or ""} if self.access_key else {}
        return DELTA_PATIENCE | token | {name: value for name, value in options.items() if value}

    def hadoop(self) -> dict[str, str]:
        """Spark's settings for S3A."""
        provider = HADOOP_KEYS_WITH_TOKEN if self.session_token else HADOOP_KEYS
        options = {
            "endpoint": self.endpoint,
            "endpoint.region": self.region,
            "path.style.access": str(self.endpoint is not None).lower(),
            "connection.ssl.enabled": str(self._encrypted).lower(),
            "access.key": self.access_key,
            "secret.key": self.secret_key,
            "session.token": self.session_token,
            "aws.credentials.provider": provider if self.access_key else HADOOP_CHAIN,
        }
        return HADOOP_PATIENCE | {f"spark.hadoop.fs.s3a.{name}": value for name, value in options.items() if value}

    @property
    def _encrypted(self) -> bool:
        return not (self.endpoint or "").startswith("http://")


@functools.lru_cache(maxsize=8)
def client(access: Access, attempts: int = ATTEMPTS) -> Any:
    """One client of boto3 for all who ask."""
    return access.boto3(attempts=attempts)


def access_of(settings: Settings) -> Access:
    """Endpoint and region as set, else as the environment's variables or AWS profile have them; keys as set."""
    from botocore.configprovider import ConfiguredEndpointProvider
    from botocore.exceptions import BotoCoreError
    from botocore.session import Session

    endpoint, region = settings.s3_endpoint, settings.s3_region
    try:
        session = Session()
        told = ConfiguredEndpointProvider(session.full_config, session.get_scoped_config(), "s3").provide()
        region = region or aws_region() or session.get_config_variable("region")
        endpoint = endpoint or told
    except BotoCoreError:  # a profile that is not there: the check of the keys says so
        pass
    return Access(
        endpoint,
        region or OWN_REGION,
        settings.s3_access_key,
        settings.s3_secret_key,
        settings.s3_session_token,
    )
