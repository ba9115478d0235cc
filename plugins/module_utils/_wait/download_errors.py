# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find out from the last words of KServe's ``storage-initializer`` whether trying the download again can help.

The texts are those of KServe 0.15.2 ``python/kserve/kserve/storage/storage.py``, of huggingface_hub's exceptions
(``huggingface_hub/errors.py``, ``utils/_http.py``) and of botocore's ClientError.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class DownloadError:
    """``terminal`` is None when the text says nothing either way."""

    terminal: bool | None
    reason: str
    hint: str


_TRY_LATER = "The download is tried again by itself; see whether the model's source can be reached from the cluster."


def _rule(error: DownloadError, *patterns: str) -> tuple[re.Pattern[str], DownloadError]:
    return re.compile("|".join(patterns), re.IGNORECASE), error


# In this order: a text may quote several errors of one chain, and what will not go away by itself comes first.
_RULES = [
    _rule(
        DownloadError(
            True,
            "ModelGated",
            "Accept the model's licence on its page with the account that owns the token, and see that the token "
            "Secret of this model belongs to that account.",
        ),
        r"GatedRepo",
        # "... private or gated repo ..." stands in what is said of a repository that does not exist, too.
        r"access gated repo",
        r"restricted and you are not in the authorized list",
    ),
    _rule(
        DownloadError(
            True,
            "DownloadUnauthorized",
            "Check the credentials of the model's source: the token Secret for hf://, the storage Secret for s3://. "
            "A model that is private or misspelt looks the same.",
        ),
        r"\b401 (Client Error|Unauthorized)",
        r"\(401\)",
        r"returned a 401 ",
        r"Invalid (username or password|user token)",
        r"InvalidAccessKeyId|SignatureDoesNotMatch|ExpiredToken",
        r"NoCredentialsError|Unable to locate credentials",
    ),
    _rule(
        DownloadError(
            True, "DownloadForbidden", "Give the account of the model's credentials the right to read this model."
        ),
        r"\b403 (Client Error|Forbidden)",
        r"\(403\)",
        r"returned a 403 ",
        r"AccessDenied|DisabledRepoError",
    ),
    _rule(
        DownloadError(True, "ModelNotFound", "Correct the model's storage URI: nothing is there."),
        r"\b404 (Client Error|Not Found)",
        r"\(404\)",
        r"returned a 404 ",
        r"RepositoryNotFound|RevisionNotFound|NoSuchBucket|NoSuchKey",
        r"No model found in",
        r"Cannot locate source uri .* for PVC",
    ),
    _rule(
        DownloadError(
            True, "NoSpaceLeft", "Give the model's Pods more ephemeral storage, or keep the model on a volume."
        ),
        r"No space left on device|Errno 28",
    ),
    _rule(
        DownloadError(True, "InvalidStorageUri", "Correct the model's storage URI, for example hf://owner/model."),
        r"Cannot recognize storage type",
        r"URI must contain exactly one",
        r"(repository|model) name cannot be empty",
        r"Local path .* does not exist",
        r"No filename contained in URI",
        r"Invalid bucket name",
    ),
    _rule(
        DownloadError(
            True,
            "InvalidStorageConfiguration",
            "Correct the storage Secret of the model: endpoint_url is http(s)://host:port, and a CA bundle must exist.",
        ),
        r"Invalid endpoint: ",
        r"Failed to find ca bundle file",
    ),
    _rule(
        DownloadError(
            True, "InvalidModelArchive", "Replace the file at the model's storage URI: it cannot be unpacked."
        ),
        r"Failed to unpack archive file",
        r"did not respond with (any of following )?'Content-Type'",
    ),
    _rule(
        DownloadError(False, "DownloadServerError", _TRY_LATER),
        r"\b(408|425|429|50\d) (Client|Server) Error",
        r"\((429|50\d)\)",
        r"returned a (429|50\d) ",
        r"SlowDown|InternalError|Internal Server Error",
        r"Too Many Requests|Service ?Unavailable|Bad Gateway|Gateway Time-?out",
    ),
    _rule(
        DownloadError(False, "DownloadInterrupted", _TRY_LATER),
        r"timed? ?out",
        r"connection ?(error|reset|refused|aborted)|EndpointConnectionError|MaxRetryError|SSLError",
        r"LocalEntryNotFound|IncompleteRead|consistency check failed",
        r"name or service not known|temporary failure in name resolution|network is unreachable",
    ),
]
_UNKNOWN = DownloadError(None, "DownloadFailed", "Read the log lines of the storage-initializer container.")


def classify(text: str) -> DownloadError:
    """Classify the termination message (or log tail) of a failed storage-initializer."""
    return next((error for pattern, error in _RULES if pattern.search(text)), _UNKNOWN)
