"""What is plain S3 about a lake: small objects, conditional puts, and the check that names what is wrong before anything starts."""

from __future__ import annotations

import contextlib
import functools
import ssl
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

from pipeline.errors import LakeError
from pipeline.s3_access import Access
from pipeline.tables import Lake

RACERS = 6
# Somebody else was faster: the object is there already, has changed, or is just being written.
OUTRUN = ("PreconditionFailed", "ConditionalRequestConflict", "412", "409")
MISSING = ("NoSuchKey", "404")


@dataclass(frozen=True)
class Object:
    """An object as it was read: `age_seconds` is how long ago it was written, both moments told by the server's clock."""

    body: bytes
    etag: str
    age_seconds: float


def get(lake: Lake, name: str) -> Object | None:
    """A small object below the lake's `ops/`; None when there is none. Raises LakeError when S3 cannot be asked."""
    with _named(lake):
        try:
            told = _client(_access(lake)).get_object(**_place(lake, name))
        except Exception as error:
            if _code(error) in MISSING:
                return None
            raise
        now = parsedate_to_datetime(told["ResponseMetadata"]["HTTPHeaders"]["date"])
        written: datetime = told["LastModified"]
        # Servers keep the text of their clock for up to a second: an age is too small rather than too large.
        return Object(bytes(told["Body"].read()), told["ETag"], max(0.0, (now - written).total_seconds()))


def put(lake: Lake, name: str, body: bytes) -> None:
    """Write an object, whatever was there. Raises LakeError when S3 does not take it."""
    with _named(lake):
        _client(_access(lake)).put_object(**_place(lake, name), Body=body)


def put_if(lake: Lake, name: str, body: bytes, etag: str | None) -> str | None:
    """Write an object only while it is the one with this ETag (None: while there is none); returns the new ETag.

    Returns None when somebody else was faster. It is sent once: after a second try nobody could tell a success of the first
    from somebody else's. Raises LakeError when S3 cannot be asked; then it may or may not have been written.
    """
    condition = {"IfNoneMatch": "*"} if etag is None else {"IfMatch": etag}
    with _named(lake):
        try:
            return str(_client(_access(lake), 1).put_object(**_place(lake, name), Body=body, **condition)["ETag"])
        except Exception as error:
            if _code(error) in OUTRUN or (etag is not None and _code(error) in MISSING):
                return None
            raise


def delete(lake: Lake, name: str) -> None:
    """Remove an object; nothing happens when there is none."""
    with _named(lake):
        _client(_access(lake)).delete_object(**_place(lake, name))


def folders(lake: Lake, path: str) -> list[str]:
    """Names of what lies directly below a path of the lake, as folders of a disk would."""
    bucket, prefix = _split(f"{lake.root}/{path}/")
    with _named(lake):
        pages = _client(_access(lake)).get_paginator("list_objects_v2")
        found = pages.paginate(Bucket=bucket, Prefix=prefix, Delimiter="/")
        return [one["Prefix"][len(prefix) : -1] for page in found for one in page.get("CommonPrefixes", ())]


def delete_folder(lake: Lake, path: str) -> None:
    """Remove every object below a path of the lake."""
    bucket, prefix = _split(f"{lake.root}/{path}/")
    client = _client(_access(lake))
    with _named(lake):
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            for one in page.get("Contents", ()):
                client.delete_object(Bucket=bucket, Key=one["Key"])


def usage(lake: Lake) -> tuple[int, int]:
    """Objects of a lake, and their bytes; a request for every thousand."""
    bucket, prefix = _split(lake.root)
    with _named(lake):
        pages = _client(_access(lake)).get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        sizes = [one["Size"] for page in pages for one in page.get("Contents", ())]
    return len(sizes), sum(sizes)


def body(lake: Lake, name: str) -> bytes | None:
    """A small object below the lake's root; None when there is none."""
    bucket, key = _split(f"{lake.root}/{name}")
    with _named(lake):
        try:
            return bytes(_client(_access(lake)).get_object(Bucket=bucket, Key=key)["Body"].read())
        except Exception as error:
            if _code(error) in MISSING:
                return None
            raise


def names(lake: Lake, folder: str) -> list[str]:
    """The names of a lake's objects directly below a folder, without it."""
    bucket, prefix = _split(f"{lake.root}/{folder}/")
    with _named(lake):
        pages = _client(_access(lake)).get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return [one["Key"].removeprefix(prefix) for page in pages for one in page.get("Contents", ())]


def check_readable(lake: Lake) -> None:
    """Raises LakeError, with the cause and the cure in a sentence, when the bucket cannot be listed."""
    bucket, prefix = _split(lake.root)
    with _named(lake):
        _client(_access(lake)).list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=1)


def check(lake: Lake, *, create: bool = False) -> None:
    """Raises LakeError unless a driver can work here: endpoint, keys, bucket (made when `create`), rights, conditional puts."""
    try:
        check_readable(lake)
    except NoBucketError:
        if not create:
            raise
        _make_bucket(lake)
    probe = f"probe-{uuid.uuid4().hex}"
    try:
        _check_conditions(lake, probe)
    finally:
        with contextlib.suppress(LakeError):
            delete(lake, probe)
    delete(lake, probe)


class NoBucketError(LakeError):
    """The bucket is not there."""


def _check_conditions(lake: Lake, probe: str) -> None:
    """A lease, and delta-rs's commits, hold only where exactly one of several conditional puts wins."""
    place = _access(lake).endpoint or "AWS"
    with ThreadPoolExecutor(RACERS) as racers:
        won = [etag for etag in racers.map(lambda _: put_if(lake, probe, b"{}", None), range(RACERS)) if etag]
    found = get(lake, probe)
    outdated = found and put_if(lake, probe, b"2", '"00000000000000000000000000000000"')
    renewed = found and put_if(lake, probe, b"3", found.etag)
    if len(won) != 1 or found is None or outdated or not renewed:
        raise LakeError(
            f"The S3 at {place} does not honour conditional writes (If-None-Match, If-Match), so two drivers could write one "
            "lake: use one that does (AWS, MinIO, versitygw, …)."
        )


def _make_bucket(lake: Lake) -> None:
    bucket, region = _split(lake.root)[0], _access(lake).region
    elsewhere = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    with _named(lake):
        try:
            _client(_access(lake)).create_bucket(Bucket=bucket, **elsewhere)
        except Exception as error:
            if _code(error) != "BucketAlreadyOwnedByYou":  # another start was faster
                raise


@functools.lru_cache(maxsize=8)
def _client(access: Access, attempts: int = 2) -> Any:
    return access.boto3(attempts=attempts)


def _access(lake: Lake) -> Access:
    assert lake.access is not None, f"{lake.root} is not on S3"
    return lake.access


def _split(address: str) -> tuple[str, str]:
    """Bucket and key of an address."""
    bucket, _, key = address.removeprefix("s3a://").partition("/")
    return bucket, key


def _place(lake: Lake, name: str) -> dict[str, str]:
    bucket, key = _split(lake.ops(name))
    return {"Bucket": bucket, "Key": key}


def _code(error: Exception) -> str:
    answer = getattr(error, "response", None) or {}  # None where the connection was closed in the middle
    return str(answer.get("Error", {}).get("Code", ""))


@contextlib.contextmanager
def _named(lake: Lake) -> Iterator[None]:
    """Let an error of S3 be one sentence with the cure."""
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError

    try:
        yield
    except ClientError as error:
        raise _refused(lake, error) from error
    except (BotoCoreError, ResponseParserError, ValueError, OSError) as error:
        raise LakeError(_unreached(_access(lake), error)) from error


def _refused(lake: Lake, error: Any) -> LakeError:
    """What an answer of S3 means."""
    access, bucket, code = _access(lake), _split(lake.root)[0], _code(error)
    place, key = access.endpoint or "AWS", f"The access key {access.access_key!r}" if access.access_key else "The key"
    named = "CONTRAIL_S3_ACCESS_KEY and CONTRAIL_S3_SECRET_KEY" if access.access_key else "the environment's AWS keys"
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    region = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("x-amz-bucket-region")
    if code == "NoSuchBucket":
        return NoBucketError(
            f"There is no bucket {bucket!r} at {place}: create it, name another with CONTRAIL_LAKE, or set "
            "CONTRAIL_S3_CREATE_BUCKET=yes."
        )
    if code in ("InvalidAccessKeyId", "InvalidToken", "ExpiredToken"):
        return LakeError(f"{key} is not known at {place} or has expired: check {named}.")
    if code == "SignatureDoesNotMatch":
        return LakeError(f"{key} and its secret do not belong together, says {place}: check {named}.")
    if code == "RequestTimeTooSkewed":
        return LakeError(f"The clock of this machine differs too much from that of {place}: set it right.")
    if code in ("PermanentRedirect", "AuthorizationHeaderMalformed", "301"):
        return LakeError(f"The bucket {bucket!r} is not in the region {access.region!r}: set CONTRAIL_S3_REGION"
                         f"{f'={region}' if region else ''}.")  # fmt: skip
    if status == 403:
        return LakeError(
            f"{key} may not {_verb(error)} in the bucket {bucket!r} at {place}: give it the rights that docs/s3.md lists."
        )
    if code == "NotImplemented":
        return LakeError(f"The S3 at {place} has no {error.operation_name} as Contrail needs it: use another server.")
    return LakeError(
        f"What answers at {place} says {code or status} to {error.operation_name}: check CONTRAIL_S3_ENDPOINT and that server's log."
    )


def _verb(error: Any) -> str:
    verbs = {
        "GetObject": "read objects",
        "PutObject": "write objects",
        "DeleteObject": "delete objects",
        "ListObjectsV2": "list objects",
        "CreateBucket": "create the bucket",
    }
    return verbs.get(error.operation_name, str(error.operation_name))


def _unreached(access: Access, error: Exception) -> str:
    """Why there was no answer of S3."""
    kind, place = type(error).__name__, access.endpoint or f"AWS in {access.region}"
    if kind in ("NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError", "ProfileNotFound"):
        return (
            f"There are no keys for the S3 at {place} ({error}): set CONTRAIL_S3_ACCESS_KEY and CONTRAIL_S3_SECRET_KEY, "
            "or give them to the environment as for any AWS program."
        )
    if kind == "SSLError" or isinstance(error.__context__, ssl.SSLError):
        return f"The S3 at {place} does not speak TLS, or its certificate is not trusted: check CONTRAIL_S3_ENDPOINT."
    if kind == "ResponseParserError":
        return f"What answers at {place} is not S3: check CONTRAIL_S3_ENDPOINT."
    if kind == "ParamValidationError":
        return f"{str(error).partition(':')[2].partition(':')[0].strip()}: check CONTRAIL_LAKE."
    return f"The S3 at {place} does not answer: check CONTRAIL_S3_ENDPOINT and that the server runs."
