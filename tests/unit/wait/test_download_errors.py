# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the last words of KServe's storage initializer tell. The texts are its own, as seen with SeaweedFS and a hub."""

from __future__ import annotations

import pytest

from ansible_collections.llmops.maas.plugins.module_utils._wait.download_errors import classify

TRACEBACK = "    raise error_class(parsed_response, operation_name)\n"
S3 = "botocore.exceptions.ClientError: An error occurred ({}) when calling the ListObjects operation: {}"
ANSWERS = [
    ("SignatureDoesNotMatch", "The request signature we calculated does not match.", "DownloadUnauthorized"),
    ("InvalidAccessKeyId", "The access key ID you provided does not exist in our records.", "DownloadUnauthorized"),
    ("AccessDenied", "Access Denied.", "DownloadForbidden"),
    ("NoSuchBucket", "The specified bucket does not exist", "ModelNotFound"),
    ("InternalError", "We encountered an internal error, please try again.", "DownloadServerError"),
    ("ServiceUnavailable", "Please reduce your request rate.", "DownloadServerError"),
]
URL = "http://minio.minio-system.svc.cluster.local:9000/models?prefix=tiny&encoding-type=url"
KINDS = "'gs://', 's3://', 'file://', 'http(s)://' and 'hf://' are the current available storage type."
ALLOWED = "Bucket name must match the regex"
HUB = "huggingface_hub.errors.{}: {} Client Error. (Request ID: x)\n\n{} for url: https://hub/api/models/a/b.\n"
LOGIN = "If you are trying to access a private or gated repo, make sure you are authenticated."
TEXTS = [
    (HUB.format("RepositoryNotFoundError", 401, "Repository Not Found") + LOGIN, "DownloadUnauthorized"),
    (HUB.format("RepositoryNotFoundError", 404, "Repository Not Found") + LOGIN, "ModelNotFound"),
    (HUB.format("RevisionNotFoundError", 404, "Revision Not Found"), "ModelNotFound"),
    (HUB.format("GatedRepoError", 403, "Cannot access gated repo"), "ModelGated"),
    ("403 Client Error.\n\nCannot access gated repo for url https://hub/a/b/resolve/main/x.", "ModelGated"),
    ("botocore.exceptions.NoCredentialsError: Unable to locate credentials", "DownloadUnauthorized"),
    ("RuntimeError: Failed to fetch model. No model found in none.", "ModelNotFound"),
    ("Exception: Cannot locate source uri /mnt/pvc/nowhere for PVC", "ModelNotFound"),
    (f'ParamValidationError: Parameter validation failed:\nInvalid bucket name "": {ALLOWED}', "InvalidStorageUri"),
    ("RuntimeError: Local path file:///nowhere does not exist.", "InvalidStorageUri"),
    (f"Exception: Cannot recognize storage type for ftp://models/tiny\n{KINDS}", "InvalidStorageUri"),
    ("ValueError: Invalid endpoint: minio:9000", "InvalidStorageConfiguration"),
    ("RuntimeError: Failed to find ca bundle file(/etc/ca/cabundle.crt).", "InvalidStorageConfiguration"),
    ("RuntimeError: Failed to unpack archive file. The file format is not valid.", "InvalidModelArchive"),
    ("RuntimeError: URI: http://x/y did not respond with 'Content-Type': 'application/z'", "InvalidModelArchive"),
    (f'EndpointConnectionError: Could not connect to the endpoint URL: "{URL}"', "DownloadInterrupted"),
    ("Killed", "DownloadFailed"),
]
TRIED_AGAIN = {"DownloadServerError": False, "DownloadInterrupted": False, "DownloadFailed": None}


@pytest.mark.parametrize(
    ("text", "reason"), [*((S3.format(code, message), reason) for code, message, reason in ANSWERS), *TEXTS]
)
def test_what_a_text_tells(text: str, reason: str) -> None:
    error = classify(TRACEBACK + text)
    assert (error.reason, error.terminal) == (reason, TRIED_AGAIN.get(reason, True))
    assert error.hint
