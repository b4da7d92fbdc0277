"""What an answer of S3, or none, means: one sentence with the cure."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Iterator
from typing import Any

from pipeline.errors import LakeError
from pipeline.s3_access import Access, client


class NoBucketError(LakeError):
    """The bucket is not there."""


def check_readable(root: str, access: Access) -> None:
    """Raises LakeError, with the cause and the cure in a sentence, when the bucket of an `s3a://` address cannot be listed."""
    bucket, prefix = bucket_and_key(root)
    with explained(root, access):
        client(access).list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=1)


def bucket_and_key(address: str) -> tuple[str, str]:
    """Bucket and key of an `s3a://` address."""
    bucket, _, key = address.removeprefix("s3a://").partition("/")
    return bucket, key


def code_of(error: Exception) -> str:
    """S3's own name of an error; empty where there was no answer."""
    answer = getattr(error, "response", None) or {}  # None where the connection was closed in the middle
    return str(answer.get("Error", {}).get("Code", ""))


@contextlib.contextmanager
def explained(root: str, access: Access) -> Iterator[None]:
    """Let an error of S3 within the block be a LakeError: one sentence with the cure, about the lake at `root`."""
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError

    try:
        yield
    except ClientError as error:
        raise _refused(root, access, error) from error
    except (BotoCoreError, ResponseParserError, ValueError, OSError) as error:
        raise LakeError(_unreached(access, error)) from error


def _refused(root: str, access: Access, error: Any) -> LakeError:
    """What an answer of S3 means."""
    bucket, code = bucket_and_key(root)[0], code_of(error)
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
