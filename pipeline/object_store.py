"""What is plain S3 about a lake: small objects, conditional puts, and the check that names what is wrong before anything starts."""

from __future__ import annotations

import contextlib
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime

from pipeline.errors import LakeError
from pipeline.s3_access import Access, client
from pipeline.s3_answers import NoBucketError, bucket_and_key, code_of, explained
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
    with explained(lake.root, _access(lake)):
        try:
            told = client(_access(lake)).get_object(**_place(lake, name))
        except Exception as error:
            if code_of(error) in MISSING:
                return None
            raise
        now = parsedate_to_datetime(told["ResponseMetadata"]["HTTPHeaders"]["date"])
        written: datetime = told["LastModified"]
        # Servers keep the text of their clock for up to a second: an age is too small rather than too large.
        return Object(bytes(told["Body"].read()), told["ETag"], max(0.0, (now - written).total_seconds()))


def put(lake: Lake, name: str, body: bytes) -> None:
    """Write an object, whatever was there. Raises LakeError when S3 does not take it."""
    with explained(lake.root, _access(lake)):
        client(_access(lake)).put_object(**_place(lake, name), Body=body)


def put_if(lake: Lake, name: str, body: bytes, etag: str | None) -> str | None:
    """Write an object only while it is the one with this ETag (None: while there is none); returns the new ETag.

    Returns None when somebody else was faster. It is sent once: after a second try nobody could tell a success of the first
    from somebody else's. Raises LakeError when S3 cannot be asked; then it may or may not have been written.
    """
    condition = {"IfNoneMatch": "*"} if etag is None else {"IfMatch": etag}
    with explained(lake.root, _access(lake)):
        try:
            return str(client(_access(lake), 1).put_object(**_place(lake, name), Body=body, **condition)["ETag"])
        except Exception as error:
            if code_of(error) in OUTRUN or (etag is not None and code_of(error) in MISSING):
                return None
            raise


def delete(lake: Lake, name: str) -> None:
    """Remove an object; nothing happens when there is none."""
    with explained(lake.root, _access(lake)):
        client(_access(lake)).delete_object(**_place(lake, name))


def folders(lake: Lake, path: str) -> list[str]:
    """Names of what lies directly below a path of the lake, as folders of a disk would."""
    bucket, prefix = bucket_and_key(f"{lake.root}/{path}/")
    with explained(lake.root, _access(lake)):
        pages = client(_access(lake)).get_paginator("list_objects_v2")
        found = pages.paginate(Bucket=bucket, Prefix=prefix, Delimiter="/")
        return [one["Prefix"][len(prefix) : -1] for page in found for one in page.get("CommonPrefixes", ())]


def delete_folder(lake: Lake, path: str) -> None:
    """Remove every object below a path of the lake."""
    bucket, prefix = bucket_and_key(f"{lake.root}/{path}/")
    s3 = client(_access(lake))
    with explained(lake.root, _access(lake)):
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            for one in page.get("Contents", ()):
                s3.delete_object(Bucket=bucket, Key=one["Key"])


def usage(lake: Lake) -> tuple[int, int]:
    """Objects of a lake, and their bytes; a request for every thousand."""
    bucket, prefix = bucket_and_key(f"{lake.root}/")
    with explained(lake.root, _access(lake)):
        pages = client(_access(lake)).get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        sizes = [one["Size"] for page in pages for one in page.get("Contents", ())]
    return len(sizes), sum(sizes)


def body(lake: Lake, name: str) -> bytes | None:
    """A small object below the lake's root; None when there is none."""
    bucket, key = bucket_and_key(f"{lake.root}/{name}")
    with explained(lake.root, _access(lake)):
        try:
            return bytes(client(_access(lake)).get_object(Bucket=bucket, Key=key)["Body"].read())
        except Exception as error:
            if code_of(error) in MISSING:
                return None
            raise


def names(lake: Lake, folder: str) -> list[str]:
    """The names of a lake's objects directly below a folder, without it."""
    bucket, prefix = bucket_and_key(f"{lake.root}/{folder}/")
    with explained(lake.root, _access(lake)):
        pages = client(_access(lake)).get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return [one["Key"].removeprefix(prefix) for page in pages for one in page.get("Contents", ())]


def check(lake: Lake, *, create: bool = False) -> None:
    """Raises LakeError unless a driver can work here: endpoint, keys, bucket (made when `create`), rights, conditional puts."""
    try:
        lake.check_readable()
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
    bucket, region = bucket_and_key(lake.root)[0], _access(lake).region
    elsewhere = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    with explained(lake.root, _access(lake)):
        try:
            client(_access(lake)).create_bucket(Bucket=bucket, **elsewhere)
        except Exception as error:
            if code_of(error) != "BucketAlreadyOwnedByYou":  # another start was faster
                raise


def _access(lake: Lake) -> Access:
    assert lake.access is not None, f"{lake.root} is not on S3"
    return lake.access


def _place(lake: Lake, name: str) -> dict[str, str]:
    bucket, key = bucket_and_key(lake.ops(name))
    return {"Bucket": bucket, "Key": key}
