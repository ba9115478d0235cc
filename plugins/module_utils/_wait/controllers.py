# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which controller acts on an object of which kind, and what makes objects that a wait may miss: one table each.

Built-in kinds have no entry: kube-controller-manager is no Deployment, and on most clusters nobody can see it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from ansible_collections.llmops.maas.plugins.module_utils._common.fixed_names import (
    AUTHORINO_DEPLOYMENT,
    KUADRANT_NAMESPACE,
)
from ansible_collections.llmops.maas.plugins.module_utils._kube.objects import KubeObject

GATEWAY_GROUP = "gateway.networking.k8s.io"
WEBHOOK_KINDS = frozenset({"MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"})
# cert-manager pkg/apis/certmanager/v1/types.go (WantInjectAnnotation and its relatives)
_INJECTION = "cert-manager.io/inject-"


@dataclass(frozen=True)
class Controller:
    """A controller that runs as a Deployment.

    ``deployment`` and ``namespace`` are the names in its upstream manifest; in a cluster it is found by that name, by
    one of ``others`` (shell patterns), or by ``image``, the last part of its image's name, in whatever namespace.
    ``quiet`` is for how many seconds it may leave an object unnoticed though a Pod of it is ready: a new leader has to
    wait until the lease of the one before has run out.
    """

    deployment: str
    namespace: str
    image: str
    quiet: float = 60.0
    others: tuple[str, ...] = ()

    def is_run_by(self, deployment: KubeObject) -> bool:
        """Whether that Deployment runs this controller."""
        name = str(deployment["metadata"]["name"])
        if any(fnmatchcase(name, pattern) for pattern in (self.deployment, *self.others)):
            return True
        template = ((deployment.get("spec") or {}).get("template") or {}).get("spec") or {}
        return any(_image_name(container) == self.image for container in template.get("containers") or [])


def _image_name(container: Mapping[str, Any]) -> str:
    return str(container.get("image") or "").rpartition("/")[2].partition("@")[0].partition(":")[0]


# It elects no leader.
PROMETHEUS = Controller("prometheus-operator", "default", "prometheus-operator", quiet=30.0)
# Leases of 60 s, asked for every 15 s: cert-manager internal/apis/config/shared/v1alpha1/defaults.go
CERT_MANAGER = Controller("cert-manager", "cert-manager", "cert-manager-controller", quiet=120.0)
CAINJECTOR = Controller("cert-manager-cainjector", "cert-manager", "cert-manager-cainjector", quiet=120.0)
# Leases of 15 s: controller-runtime pkg/manager/manager.go (defaultLeaseDuration)
KSERVE = Controller("kserve-controller-manager", "kserve", "kserve-controller")
KUADRANT = Controller("kuadrant-operator-controller-manager", KUADRANT_NAMESPACE, "kuadrant-operator")
AUTHORINO_OPERATOR = Controller("authorino-operator", KUADRANT_NAMESPACE, "authorino-operator")
AUTHORINO = Controller(AUTHORINO_DEPLOYMENT, KUADRANT_NAMESPACE, "authorino")
LIMITADOR_OPERATOR = Controller("limitador-operator-controller-manager", KUADRANT_NAMESPACE, "limitador-operator")
DNS_OPERATOR = Controller("dns-operator-controller-manager", KUADRANT_NAMESPACE, "dns-operator")
# Leases of 30 s: istio pilot/pkg/leaderelection/leaderelection.go. A revision has a Deployment of its own.
ISTIOD = Controller("istiod", "istio-system", "pilot", others=("istiod-*",))

# By group, and by group and kind where a group has several controllers.
CONTROLLERS: dict[str | tuple[str, str], Controller] = {
    "monitoring.coreos.com": PROMETHEUS,
    "cert-manager.io": CERT_MANAGER,
    "acme.cert-manager.io": CERT_MANAGER,
    "serving.kserve.io": KSERVE,
    "kuadrant.io": KUADRANT,
    ("kuadrant.io", "DNSRecord"): DNS_OPERATOR,
    ("kuadrant.io", "DNSHealthCheckProbe"): DNS_OPERATOR,
    "operator.authorino.kuadrant.io": AUTHORINO_OPERATOR,
    "authorino.kuadrant.io": AUTHORINO,
    "limitador.kuadrant.io": LIMITADOR_OPERATOR,
}
# By the controllerName of a GatewayClass, and by the name of a class that its controller makes itself: istio
# pilot/pkg/config/kube/gateway/gatewayclass.go
GATEWAY_CONTROLLERS = {"istio.io/gateway-controller": ISTIOD}
GATEWAY_CLASSES = {"istio": ISTIOD}


def controller_of(api_version: str, kind: str, item: KubeObject) -> Controller | None:
    """The controller that acts on the object; None when it is not known, or depends on a GatewayClass."""
    group = api_version.rpartition("/")[0]
    if kind in WEBHOOK_KINDS:
        annotations = item["metadata"].get("annotations") or {}
        return CAINJECTOR if any(name.startswith(_INJECTION) for name in annotations) else None
    if kind == "GatewayClass":
        return GATEWAY_CONTROLLERS.get((item.get("spec") or {}).get("controllerName", ""))
    return CONTROLLERS.get((group, kind)) or CONTROLLERS.get(group)


@dataclass(frozen=True)
class Maker:
    """From what a controller makes objects of ``kind`` with a ``name`` (``*`` stands for the name of the other).

    ``collection`` is the API path of the others up to the namespace, ``plural`` what follows it. Where ``refers`` is
    given, it is not the name that says which one it is but that field of its spec.
    """

    kind: str
    name: str
    api_version: str
    made_from: str
    plural: str
    refers: str = ""

    def source_of(self, name: str) -> str | None:
        """The name of the object that one of this name is made from; None for a name that is not made from any."""
        before, _star, after = self.name.partition("*")
        if not (name.startswith(before) and name.endswith(after)):
            return None
        return name[len(before) : len(name) - len(after)] or None

    def path(self, namespace: str, name: str) -> str:
        base = f"/apis/{self.api_version}/namespaces/{namespace}/{self.plural}"
        return base if self.refers else f"{base}/{name}"


MAKERS = [
    # prometheus-operator pkg/prometheus/common.go (PrefixedName), pkg/alertmanager/statefulset.go (prefixedName)
    Maker("StatefulSet", "prometheus-*", "monitoring.coreos.com/v1", "Prometheus", "prometheuses"),
    Maker("StatefulSet", "alertmanager-*", "monitoring.coreos.com/v1", "Alertmanager", "alertmanagers"),
    # istio pilot/pkg/config/kube/gateway/conversion.go (getDefaultName): its name and that of its class
    Maker("Deployment", "*-istio", f"{GATEWAY_GROUP}/v1", "Gateway", "gateways"),
    Maker("Service", "*-istio", f"{GATEWAY_GROUP}/v1", "Gateway", "gateways"),
    # kserve pkg/constants/constants.go (PredictorServiceName)
    Maker("Deployment", "*-predictor", "serving.kserve.io/v1beta1", "InferenceService", "inferenceservices"),
    # limitador-operator pkg/limitador/k8s_objects.go (DeploymentName)
    Maker("Deployment", "limitador-*", "limitador.kuadrant.io/v1alpha1", "Limitador", "limitadors"),
    # authorino-operator controllers/authorino_controller.go: the same name
    Maker("Deployment", "*", "operator.authorino.kuadrant.io/v1beta1", "Authorino", "authorinos"),
    Maker("Secret", "*", "cert-manager.io/v1", "Certificate", "certificates", refers="secretName"),
]


def makers_of(kind: str, name: str) -> list[tuple[Maker, str]]:
    """What objects of that kind and name may be made from, each with the name that it must have."""
    found = [(maker, maker.source_of(name)) for maker in MAKERS if maker.kind == kind]
    return [(maker, source) for maker, source in found if source]
