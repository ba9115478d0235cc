# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which cluster, and with which credentials: from module parameters or K8S_AUTH_* variables, never by a guess.

Part of the adapter in ``_kube``: it, this file, ``_kube_credentials`` and ``_kube_tls`` alone know the ``kubernetes``
package.
"""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible_collections.llmops.maas.plugins.module_utils._common.guard import hide, hide_url, kubeconfig_secrets
from ansible_collections.llmops.maas.plugins.module_utils._kube.credentials import (
    KubeConfigError,
    basic,
    credentials,
    package_messages,
    proxy_address,
    proxy_headers,
)
from ansible_collections.llmops.maas.plugins.module_utils._kube.tls import passing_files, tls_context

KUBERNETES_MISSING = False
try:
    from kubernetes.client.configuration import Configuration
    from kubernetes.config import ConfigException, load_incluster_config, load_kube_config, load_kube_config_from_dict
except ImportError:
    KUBERNETES_MISSING = True

if TYPE_CHECKING:
    from collections.abc import Callable

    Loader = Callable[[Mapping[str, Any], Any, str], None]

# Names and variables as in kubernetes.core, so that module_defaults and AWX credentials carry over.
AUTH_ARGUMENTS: dict[str, dict[str, Any]] = {
    # Not a secret where it is a path: the guard of the modules shows it then.
    "kubeconfig": {"type": "raw", "no_log": True},
    "context": {"type": "str"},
    "host": {"type": "str"},
    "api_key": {"type": "str", "no_log": True},
    "username": {"type": "str"},
    "password": {"type": "str", "no_log": True},
    "validate_certs": {"type": "bool", "aliases": ["verify_ssl"]},
    "ca_cert": {"type": "path", "aliases": ["ssl_ca_cert"]},
    "client_cert": {"type": "path", "aliases": ["cert_file"]},
    "client_key": {"type": "path", "aliases": ["key_file"], "no_log": False},
    "proxy": {"type": "str"},
    "in_cluster": {"type": "bool", "default": False},
}
_VARIABLES = {
    "kubeconfig": "K8S_AUTH_KUBECONFIG",
    "context": "K8S_AUTH_CONTEXT",
    "host": "K8S_AUTH_HOST",
    "api_key": "K8S_AUTH_API_KEY",
    "username": "K8S_AUTH_USERNAME",
    "password": "K8S_AUTH_PASSWORD",
    "validate_certs": "K8S_AUTH_VERIFY_SSL",
    "ca_cert": "K8S_AUTH_SSL_CA_CERT",
    "client_cert": "K8S_AUTH_CERT_FILE",
    "client_key": "K8S_AUTH_KEY_FILE",
    "proxy": "K8S_AUTH_PROXY",
}
# With a kubeconfig (or in a Pod) from the arguments, these variables speak of another cluster: they are not mixed in.
_OF_HOST = ("host", "api_key", "username", "password", "validate_certs", "ca_cert", "client_cert", "client_key")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_FALSE = {"0", "false", "no", "n", "off", "f"}

_HOW_TO_CHOOSE = (
    "no cluster chosen: set kubeconfig (and context), or host with api_key or client_cert and client_key, or"
    " in_cluster: true, as module options, as module_defaults of group/llmops.maas.maas, or in the K8S_AUTH_*"
    " variables. KUBECONFIG and ~/.kube/config are not used unless a context is named"
)


@dataclass
class Settings:
    """Address, TLS and credentials of one API server. ``source`` says where the token came from."""

    configuration: Any
    tls: ssl.SSLContext
    basic: str | None = None
    source: str = "the connection"

    @property
    def host(self) -> str:
        return str(self.configuration.host).rstrip("/")

    @property
    def proxy(self) -> str | None:
        """Address of the proxy, without its user information."""
        return proxy_address(self.configuration.proxy) if self.configuration.proxy else None

    @property
    def proxy_headers(self) -> dict[str, str]:
        """Authentication at the proxy, where its URL has user information."""
        return proxy_headers(self.configuration.proxy or "")

    @property
    def insecure(self) -> bool:
        return not self.configuration.verify_ssl

    def headers(self) -> dict[str, str]:
        """Authentication headers, with a token that was refreshed if it had expired.

        Raises KubeConfigError for a token that no header can carry.
        """
        if self.basic:
            return {"Authorization": self.basic}
        with package_messages():
            settings = self.configuration.auth_settings()
        return {
            item["key"]: credentials(item["value"], self.source)
            for item in settings.values()
            if item["in"] == "header" and item["value"]
        }

    def pool_options(self) -> dict[str, Any]:
        """Keyword arguments of urllib3.PoolManager."""
        configuration = self.configuration
        options: dict[str, Any] = {
            "cert_reqs": "CERT_REQUIRED" if configuration.verify_ssl else "CERT_NONE",
            "ssl_context": self.tls,
        }
        if configuration.assert_hostname is not None:
            options["assert_hostname"] = configuration.assert_hostname
        if configuration.tls_server_name:
            options["server_hostname"] = configuration.tls_server_name
        return options


def load_settings(params: Mapping[str, Any]) -> Settings:
    """Turn module parameters into Settings. Raises KubeConfigError; sends nothing."""
    if KUBERNETES_MISSING:
        raise KubeConfigError("the Python package 'kubernetes' is missing on this host: pip install kubernetes")
    chosen = _with_variables(params)
    for secret in (*kubeconfig_secrets(chosen.get("kubeconfig")), chosen.get("api_key"), chosen.get("password")):
        hide(secret)
    for name in ("host", "proxy"):
        hide_url(str(chosen.get(name) or ""), machine=True)
    source, load = _loader(chosen)
    configuration = Configuration()
    with passing_files() as folder:
        _loaded(load, chosen, configuration, folder, source)
        _override_tls(chosen, configuration)
        hide_url(str(configuration.host), machine=True)
        if "@" in str(configuration.host):
            raise KubeConfigError(f"{source}: the API server's address holds a user (@); set username and password")
        settings = Settings(configuration, _tls(configuration), _basic(chosen), source)
        # What cannot be sent is said now, before anything is done.
        settings.headers()
        return settings


def _loaded(load: Loader, chosen: Mapping[str, Any], configuration: Any, folder: str, source: str) -> None:
    """Fill the package's configuration. Raises KubeConfigError, whatever the package raises, or logs instead."""
    with package_messages() as messages:
        try:
            load(chosen, configuration, folder)
        except KubeConfigError:
            raise
        except ConfigException as error:
            raise KubeConfigError(f"the connection to the cluster cannot be set up: {error}") from error
        except Exception as error:  # the package raises whatever its YAML, base64 and file readers raise
            raise KubeConfigError(f"{source} cannot be used: {type(error).__name__}") from error
    if messages and not (configuration.api_key or configuration.cert_file):
        raise KubeConfigError(f"{source} gives no credentials: {'; '.join(messages)}")


def _tls(configuration: Any) -> ssl.SSLContext:
    try:
        return tls_context(configuration)
    except (ssl.SSLError, OSError) as error:
        raise KubeConfigError(
            f"TLS: the cluster's CA, or the client's certificate or its key, cannot be used ({error}); check that they"
            " are PEM, and that certificate and key belong together"
        ) from error


def _with_variables(params: Mapping[str, Any]) -> dict[str, Any]:
    given = {name: _trimmed(name, params.get(name)) for name in AUTH_ARGUMENTS}
    given = {name: value for name, value in given.items() if value not in (None, "")}
    in_cluster = bool(given.pop("in_cluster", False))
    foreign: set[str] = set()
    if in_cluster:
        foreign = set(_VARIABLES)
    elif "kubeconfig" in given or "context" in given:
        foreign = set(_OF_HOST) | ({"kubeconfig", "context"} if "kubeconfig" in given else set())
    elif "host" in given:
        foreign = {"kubeconfig", "context"}
    merged = {**_variables(foreign), **given}
    if in_cluster:
        merged["in_cluster"] = True
    return merged


def _variables(foreign: set[str]) -> dict[str, Any]:
    values = {
        name: _trimmed(name, os.environ.get(variable)) for name, variable in _VARIABLES.items() if name not in foreign
    }
    found = {name: value for name, value in values.items() if value}
    if "validate_certs" in found:
        found["validate_certs"] = found["validate_certs"].lower() not in _FALSE
    return found


def _trimmed(name: str, value: Any) -> Any:
    """An argument without the white space around it that comes of pipes, files and prompts. Of a password only the line
    end: it may have spaces at its ends.
    """
    if not isinstance(value, str):
        return value
    return value.rstrip("\r\n") if name == "password" else value.strip()


def _loader(chosen: Mapping[str, Any]) -> tuple[str, Loader]:
    """In words what was chosen, and what loads it."""
    ways = [name for name in ("in_cluster", "kubeconfig", "host") if name in chosen]
    if len(ways) > 1:
        raise KubeConfigError(f"{' and '.join(ways)} each choose a cluster: set one of them (K8S_AUTH_* count too)")
    if "in_cluster" in chosen:
        return "in_cluster: the ServiceAccount of this Pod", _load_in_cluster
    if "host" in chosen:
        return "api_key (K8S_AUTH_API_KEY)", _load_host
    if "kubeconfig" in chosen or "context" in chosen:
        source = chosen.get("kubeconfig")
        place = "what it holds" if isinstance(source, Mapping) else _path_of(source) or "the default file"
        return f"kubeconfig: {place}", _load_kubeconfig
    raise KubeConfigError(_HOW_TO_CHOOSE)


def _load_in_cluster(_chosen: Mapping[str, Any], configuration: Any, _folder: str) -> None:
    try:
        load_incluster_config(client_configuration=configuration)
    except ConfigException as error:
        raise KubeConfigError(f"in_cluster: this does not run in a Pod with a ServiceAccount ({error})") from error


def _load_kubeconfig(chosen: Mapping[str, Any], configuration: Any, folder: str) -> None:
    source = chosen.get("kubeconfig")
    options = {
        "context": chosen.get("context"),
        "client_configuration": configuration,
        "persist_config": False,
        "temp_file_path": folder,
    }
    if isinstance(source, Mapping):
        load_kube_config_from_dict(dict(source), **options)
        return
    path = _path_of(source)
    if path and not Path(path).is_file():
        raise KubeConfigError(f"kubeconfig: there is no file {path}")
    load_kube_config(config_file=path, **options)


def _path_of(source: Any) -> str | None:
    return str(Path(str(source)).expanduser()) if source else None


def _load_host(chosen: Mapping[str, Any], configuration: Any, _folder: str) -> None:
    host = str(chosen["host"])
    if not host.startswith(("https://", "http://")):
        raise KubeConfigError(f"host: {host!r} is no address: it must begin with https://")
    ways = [chosen.get("api_key"), chosen.get("client_cert"), chosen.get("username")]
    if not any(ways):
        raise KubeConfigError(
            "host: no credentials; set api_key, or client_cert and client_key, or username and password"
        )
    if bool(chosen.get("client_cert")) != bool(chosen.get("client_key")):
        raise KubeConfigError("client_cert and client_key belong together: set both")
    if bool(chosen.get("username")) != bool(chosen.get("password")):
        raise KubeConfigError("username and password belong together: set both")
    if any(_CONTROL.search(str(chosen.get(name) or "")) for name in ("username", "password")):
        raise KubeConfigError("username, password: they hold control characters, which no request can carry (RFC 7617)")
    configuration.host = host
    if chosen.get("api_key"):
        token = str(chosen["api_key"])
        # The package calls the scheme by another name since version 36.
        for scheme in ("authorization", "BearerToken"):
            configuration.api_key[scheme] = token
            configuration.api_key_prefix[scheme] = "Bearer"
    configuration.cert_file = chosen.get("client_cert")
    configuration.key_file = chosen.get("client_key")


def _override_tls(chosen: Mapping[str, Any], configuration: Any) -> None:
    if "validate_certs" in chosen:
        configuration.verify_ssl = bool(chosen["validate_certs"])
    if chosen.get("ca_cert"):
        configuration.ssl_ca_cert = chosen["ca_cert"]
    for path in (configuration.ssl_ca_cert, configuration.cert_file, configuration.key_file):
        if path and not Path(path).is_file():
            raise KubeConfigError(f"TLS: there is no file {path}")
    # A proxy is used only when asked for: the package would otherwise take it from the environment.
    configuration.proxy = chosen.get("proxy")
    if configuration.proxy:
        proxy_address(configuration.proxy)


def _basic(chosen: Mapping[str, Any]) -> str | None:
    if not chosen.get("username") or "host" not in chosen:
        return None
    return basic(str(chosen["username"]), str(chosen["password"]))
