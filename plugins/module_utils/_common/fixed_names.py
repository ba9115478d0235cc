# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names that several parts of the collection have to write the same way: namespace, labels and annotations of API keys.

The templates' copy is ``roles/maas/vars/main/names.yml``; a test keeps both equal. What Authorino and Kuadrant expect
is in their user guides (https://docs.kuadrant.io, "Auth for app developers and platform engineers").
"""

from __future__ import annotations

from collections.abc import Mapping

# Where Kuadrant runs, and where Authorino looks for keys unless its AuthConfigs look in all namespaces.
KUADRANT_NAMESPACE = "kuadrant-system"
AUTHORINO_DEPLOYMENT = "authorino"
AUTHORINO_SERVICE = "authorino-authorino-authorization"
# Labels by which the AuthPolicies find keys, and the label of everything that belongs to one model.
KEY_LABELS = {"app": "models-api"}
MODEL_LABEL = "llmops.maas/model"
# The entry of a Secret that holds the key (Authorino reads no other), and the word before the key in a request.
KEY_ENTRY = "api_key"
KEY_PREFIX = "APIKEY"
# Names of Secrets are api-key-<user> unless they are given.
NAME_PREFIX = "api-key"
DEFAULT_GRACE = "24h"

# Labels. Authorino notices changes of Secrets with its own label only.
WATCHED = {"authorino.kuadrant.io/managed-by": "authorino"}
PART_OF = {"app.kubernetes.io/part-of": "llmops-maas"}
KEY_ID = "llmops.maas/key-id"
DISABLED = "llmops.maas/disabled"

# Annotations, of which the policies read the first three.
USER = "secret.kuadrant.io/user-id"
GROUPS = "kuadrant.io/groups"
EXPIRES = "llmops.maas/expires-at"
LINEAGE = "llmops.maas/lineage"
SUCCEEDS = "llmops.maas/succeeds"
PROVED = "llmops.maas/proved-at"
RETIRE_AFTER = "llmops.maas/retire-after"
SUPERSEDED_BY = "llmops.maas/superseded-by"
GIVEN = "llmops.maas/given"

# Where keys that were made by another scheme may say whose they are.
USER_ANNOTATIONS = (USER, "kuadrant.io/user-id", "user-id")
USER_LABELS = ("user", "username", "llmops.maas/user")
GROUP_ANNOTATIONS = (GROUPS, "groups")
GROUP_LABELS = ("group", "tier")


def label_selector(labels: Mapping[str, str]) -> str:
    """The labels as a label selector of the API, such as ``app=models-api``."""
    return ",".join(f"{name}={value}" for name, value in labels.items())
