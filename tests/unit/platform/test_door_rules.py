# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the door refuses because of what something else is: models, access, tokens, storage, durations, folders."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.llmops.maas.plugins.plugin_utils._platform.quantities import (
    QuantityError,
    cpus,
    go_duration,
    image_version,
    prometheus_duration,
    size,
)
from tests.support.door_inputs import HOME, QWEN, STRONG_KEY, model, model_problem, problem, read, values

OTHER = {"name": "other", "storage_uri": "hf://o/m"}


# --- models ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("/qwen3", "/qwen3/v1"),
        ("/qwen3/v1", "/qwen3"),
        ("/qwen", "/Qwen"),
        ("/a/B", "/a/b/c"),
    ],
)
def test_paths_inside_each_other_are_refused_with_both_names(first: str, second: str) -> None:
    message = problem(models=[{**QWEN, "paths": [first]}, {**OTHER, "paths": ["/o", second]}])
    assert message.startswith("maas_models[1].paths[1]: ")
    assert f"{second!r} of other" in message
    assert f"{first!r} of qwen" in message


def test_paths_that_only_begin_alike_are_not() -> None:
    assert values(models=[{**QWEN, "paths": ["/qwen3"]}, {**OTHER, "paths": ["/qwen3-coder", "/qwen/3"]}])["catalogue"]
    assert values(models=[{**QWEN, "paths": ["/a", "/a/b"]}])["catalogue"]
    assert values(models=[QWEN, {**OTHER, "paths": ["/qwen/x"], "enabled": False}])["catalogue"]


def test_a_name_is_a_path_where_no_path_is_given() -> None:
    message = problem(models=[{**QWEN, "paths": ["/other/x"]}, OTHER])
    assert message.startswith("maas_models[1].name: '/other' of other and '/other/x' of qwen overlap")


@pytest.mark.parametrize("path", ["/..", "/a/../b", "/.", "/a/.", "a", "/a/", "/a//b", "/a b", "/a\n", "/%2e%2e"])
def test_paths_that_others_read_otherwise_are_refused(path: str) -> None:
    found = read(models=[{**QWEN, "paths": [path, "/x"]}]).problems
    assert found == [] if path.strip() == "/a" else "maas_models[0] (qwen).paths" in found[0]


def test_paths_of_the_platform_itself_are_refused() -> None:
    assert "overlap" in model_problem(paths=["/v1"])
    assert "of certificates overlap" in model_problem(paths=["/.well-known/x"])
    assert values(models=[{**QWEN, "paths": ["/v1"]}], model_list=False)["catalogue"]


@pytest.mark.parametrize("name", ["model-list", "https-redirect", "kuadrant-gateway", "maas-verify-backend"])
def test_names_of_the_platform_itself_are_refused(name: str) -> None:
    assert f"maas_models[0].name: {name!r} is the name of" in model_problem(name=name)


def test_names_have_to_fit_into_those_that_kserve_makes() -> None:
    assert values(models=[{**QWEN, "name": "q" * 48}])["catalogue"]
    assert "at most 48 characters" in model_problem(name="q" * 49)
    namespace = "n" * 32
    assert values(namespace=namespace, models=[{**QWEN, "name": "q" * 20}])["catalogue"]
    message = problem(namespace=namespace, models=[{**QWEN, "name": "q" * 21}])
    assert message.startswith(f"maas_models[0].name: '{'q' * 21}' has 21 characters, and in the namespace {namespace}")
    assert "at most 20 fit" in message


@pytest.mark.parametrize(
    "uri",
    [
        "hf://gpt2",
        "hf://o/m:refs/pr/1",
        "hf://o/m/file",
        "hf://",
        "s3://",
        "s3:///x",
        "s3://B/x",
        "pvc:///x",
        "ftp://x",
    ],
)
def test_sources_that_kserve_cannot_read_are_refused(uri: str) -> None:
    assert ".storage_uri" in model_problem(storage_uri=uri)
    assert repr(uri) in model_problem(storage_uri=uri)


@pytest.mark.parametrize(
    ("uri", "source"),
    [
        ("s3://models", {"path": "", "bucket": "models"}),
        ("s3://models/", {"path": "", "bucket": "models"}),
        ("s3://models/a/b", {"path": "a/b", "bucket": "models"}),
    ],
)
def test_a_bucket_may_be_meant_as_a_whole(uri: str, source: dict[str, str]) -> None:
    storage = model(storage_uri=uri)["source"]["storage"]
    assert storage == {
        "key": "default",
        "path": source["path"],
        "parameters": {"type": "s3", "bucket": source["bucket"]},
    }


@pytest.mark.parametrize("uri", ["hf://o/m", "hf://o/m:abc123", "pvc://claim", "pvc://claim/a", "https://x/y.tar.gz"])
def test_other_sources_are_handed_on(uri: str) -> None:
    assert model(storage_uri=uri)["source"] == {"storageUri": uri}


def test_no_replica_at_all_is_refused() -> None:
    assert "min_replicas: 0 must be a whole number of at least 1" in model_problem(min_replicas=0)


def test_each_model_may_have_its_own_gpu_resource_and_both_taints_are_tolerated() -> None:
    found = model(gpus=2, gpu_resource="nvidia.com/mig-1g.10gb")
    assert found["resources"] == {"cpu": "2", "memory": "8Gi", "nvidia.com/mig-1g.10gb": "2"}
    assert [taint["key"] for taint in found["tolerations"]] == ["nvidia.com/mig-1g.10gb", "nvidia.com/gpu"]
    assert model(gpus=1)["tolerations"] == [{"key": "nvidia.com/gpu", "operator": "Exists"}]
    assert model(gpus=0)["tolerations"] == []
    assert values(models=[{**QWEN, "gpus": 1}], gpu_resource="amd.com/gpu")["catalogue"][0]["resources"][
        "amd.com/gpu"
    ] == "1"  # fmt: skip
    assert "maas_models[0].gpu_resource: 'gpu' is no name" in model_problem(gpu_resource="gpu")
    assert "maas_gpu_resource: 'gpu' is no name" in problem(gpu_resource="gpu")


def test_amounts_have_units() -> None:
    assert "maas_models[0].memory: '8' has no unit" in model_problem(memory=8)
    assert "maas_models[0].cpu: 'two'" in model_problem(cpu="two")
    assert "maas_prometheus_storage: '20' has no unit" in problem(prometheus_storage=20)
    runtimes = {"vllm-latest": {"image": "x", "shared_memory": 2}}
    assert "maas_runtimes.vllm-latest.shared_memory: '2' has no unit" in problem(runtimes=runtimes)


# --- limits and durations -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limits", ["100/min, 50/60s", "1/h, 2/60min", "1/3600s, 2/h", "1/min, 2/min"])
def test_two_limits_of_one_length_are_refused(limits: str) -> None:
    assert "appears more than once" in model_problem(request_limits=limits)
    assert "appears more than once" in problem(model_list_limits=limits)


def test_limits_of_different_lengths_are_not() -> None:
    assert len(model(request_limits="100/min, 50/61s, 7/60h")["rates"]) == 3


@pytest.mark.parametrize(
    "name", ["key_max_age", "key_grace", "key_expires_in", "key_retire_wait", "lock_timeout", "prometheus_retention"]
)
def test_durations_say_their_unit(name: str) -> None:
    assert f"maas_{name}: '30' has no unit" in problem(**{name: 30})
    assert f"maas_{name}: '1M'" in problem(**{name: "1M"})
    assert values(**{name: "30d"})[name] == "30d"


def test_waiting_for_nothing_needs_no_unit() -> None:
    assert values(lock_timeout=0)["lock_timeout"] == "0"
    assert "maas_lock_timeout: is empty" in problem(lock_timeout="")


@pytest.mark.parametrize("name", ["auth_timeout", "limits_timeout"])
def test_timeouts_of_kuadrant_are_what_it_reads(name: str) -> None:
    assert f"maas_{name}: '2' has no unit; write 2s" in problem(**{name: 2})
    assert "is no duration above 0" in problem(**{name: "1d"})
    assert "is no duration above 0" in problem(**{name: "0s"})
    assert values(**{name: "500ms"})[name] == "500ms"


@pytest.mark.parametrize(
    ("read_quantity", "right", "wrong"),
    [
        (size, ["8Gi", "512M", "1.5Gi", "1e9"], ["8", "8GB", "0Gi", "500m", "", "-1Gi"]),
        (cpus, ["2", "0.5", "500m"], ["2Gi", "0", "two", ""]),
        (go_duration, ["2s", "1m30s", "1.5s", "500ms"], ["2", "1d", "0s", "", "s"]),
        (prometheus_duration, ["15d", "1w2d", "12h", "1y"], ["15", "1M", "2d1w", "0d", ""]),
    ],
)
def test_quantities(read_quantity: Any, right: list[str], wrong: list[str]) -> None:
    assert [read_quantity(text, "x") for text in right] == right
    for text in wrong:
        with pytest.raises(QuantityError, match=r"^x: "):
            read_quantity(text, "x")


# --- users and keys -------------------------------------------------------------------------------------------------


def test_numbers_as_names_are_the_same_as_their_text() -> None:
    assert values(users=[{"name": 1001, "groups": ["user"]}])["users"][0]["name"] == "1001"
    users = [{"name": 1001, "groups": ["user"]}, {"name": "1001", "groups": ["user"]}]
    assert problem(users=users) == "maas_users[1]: '1001' is in maas_users[0] already; keep one"
    keys = [{"user": 7, "name": "a"}, {"user": "7", "name": "a"}, {"user": "7"}]
    assert problem(api_keys=keys) == "maas_api_keys[1]: '7 a' is in maas_api_keys[0] already; keep one"


@pytest.mark.parametrize("key", ["short", "a" * 40, "abcd" * 10])
def test_keys_that_can_be_guessed_are_refused_without_their_value(key: str) -> None:
    for variables, place in (
        ({"users": [{"name": "a", "groups": ["user"], "key": key}]}, "maas_users[0].key"),
        ({"api_keys": [{"user": "a", "key": key}]}, "maas_api_keys[0].key"),
    ):
        message = problem(**variables)
        assert message.startswith(f"{place}: the key has fewer than 32 characters")
        assert key not in message
        assert read(allow_weak_keys="yes", **variables).problems == []


def test_keys_that_no_header_can_carry_are_refused_in_any_case() -> None:
    users = [{"name": "a", "groups": ["user"], "key": f"two {STRONG_KEY}"}]
    message = problem(users=users, allow_weak_keys=True)
    assert message.startswith("maas_users[0].key: a key has 1 to 1024 printable")
    assert STRONG_KEY not in message


def test_a_token_that_no_header_can_carry_is_not_shown() -> None:
    assert problem(hf_token="hf_ab cd") == (
        "maas_hf_token: holds white space, control characters or characters beyond ASCII; copy the token alone"
    )


def test_every_table_of_access_is_looked_at() -> None:
    found = read(
        groups=[{"name": "a b"}, {"name": "staff", "models": ["gpt"]}],
        tiers=[{"name": "one", "groups": ["staff", "nobody"]}],
        users=[{"name": "x", "groups": ["other"]}],
    ).problems
    assert [message.partition(":")[0] for message in found] == [
        "maas_groups[0] (a b).name",
        "maas_groups[1] (staff).models[0]",
        "maas_tiers[0] (one).groups[1]",
        "maas_groups[0] (a b)",
        "maas_users[0] (x).groups[0]",
    ]


# --- tokens ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["Bearer", "bearer", "BEARER"])
def test_the_word_before_tokens_cannot_be_that_before_keys(prefix: str) -> None:
    assert problem(auth_mode="both", api_key_prefix=prefix).startswith(f"maas_api_key_prefix: {prefix!r} is the word")
    assert values(auth_mode="api_key", api_key_prefix=prefix)["api_key_prefix"] == prefix


@pytest.mark.parametrize("prefix", ["", "API KEY", "größe"])
def test_the_word_before_keys_is_one_word(prefix: str) -> None:
    assert problem(api_key_prefix=prefix).startswith("maas_api_key_prefix: ")


def test_groups_of_keycloak_may_have_their_path() -> None:
    found = values(
        groups=[{"name": "/developer"}, {"name": "/teams/a"}],
        tiers=[{"name": "all", "groups": ["/developer", "/teams/a"]}],
        verify_probe_groups=["/developer"],
    )
    assert found["group_names"] == ["/developer", "/teams/a"]


@pytest.mark.parametrize("claim", ["groups", "realm_access.roles", r"a\.dot", "https://example.com/groups"])
def test_a_claim_may_be_nested(claim: str) -> None:
    assert values(oidc_groups_claim=claim)["oidc_groups_claim"] == claim


@pytest.mark.parametrize("claim", ["", ".roles", "a..b", "a."])
def test_a_claim_without_a_name_is_refused(claim: str) -> None:
    assert problem(oidc_groups_claim=claim).startswith("maas_oidc_groups_claim: ")


@pytest.mark.parametrize("url", ["sso.example.com", "https://sso.example.com/auth", ""])
def test_the_address_of_keycloak_has_no_path(url: str) -> None:
    assert problem(keycloak_url=url).startswith("maas_keycloak_url: ")


def test_clients_and_the_database_of_keycloak() -> None:
    clients = [{"name": "app", "groups": ["user", "nobody"]}, {"name": "app"}]
    assert [message.partition(":")[0] for message in read(keycloak_clients=clients).problems] == [
        "maas_keycloak_clients[0].groups[1]",
        "maas_keycloak_clients[1].name",
    ]
    assert problem(keycloak_database={"url": "jdbc:x", "username": "u"}).startswith("maas_keycloak_database.password: ")


def test_keycloak_is_deployed_where_nobody_else_issues_tokens() -> None:
    assert values()["keycloak"] == {}
    assert values(auth_mode="jwt")["keycloak"] == {"namespace": "keycloak", "realm": "maas"}
    assert values(auth_mode="jwt", oidc_issuer_url="https://sso.example.com")["keycloak_enabled"] is False


# --- storage --------------------------------------------------------------------------------------------------------

STORE = {"endpoint": "s3.example.com:443"}


def test_an_object_store_without_credentials_is_refused_first() -> None:
    assert problem(s3=STORE).startswith("maas_s3: has no credentials; give access_key and secret_key, or")
    assert problem(s3={**STORE, "access_key": "a"}).startswith("maas_s3.secret_key: is missing")
    assert problem(s3={"access_key": "a", "secret_key": "b"}).startswith("maas_s3.endpoint: ")
    assert problem(s3={"endpoint": "https://x", "access_key": "a", "secret_key": "b"}).startswith("maas_s3.endpoint")


def test_a_role_may_take_the_place_of_keys() -> None:
    role = {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/models"}
    found = values(s3={**STORE, "service_account_annotations": role}, models=[{**QWEN, "storage_uri": "s3://models/q"}])
    assert found["service_account_annotations"] == {
        **role,
        "serving.kserve.io/s3-endpoint": "s3.example.com:443",
        "serving.kserve.io/s3-usehttps": "1",
        "serving.kserve.io/s3-region": "us-east-1",
    }
    assert found["catalogue"][0]["source"] == {"storageUri": "s3://models/q"}
    assert (found["s3_has_keys"], found["s3_storage_config"], found["minio_deployed"]) == (False, {}, False)


@pytest.mark.parametrize("secret", ['quo"te', "back\\slash", "line\nend", "$" + "{user}", "ä"])
def test_odd_secrets_are_exact_in_what_kserve_reads(secret: str) -> None:
    found = values(s3={**STORE, "access_key": "id", "secret_key": secret})
    config = found["s3_storage_config"]
    assert config["secret_access_key"] == secret
    assert config["endpoint_url"] == "https://s3.example.com:443"
    assert found["s3"] == {
        **STORE, "bucket": "models", "region": "us-east-1", "https": True, "access_key": "id", "secret_key": secret,
    }  # fmt: skip


def test_no_store_outside_stays_none() -> None:
    found = values(s3={})
    assert (found["s3"], found["minio_deployed"], found["s3_storage_config"]) == ({}, True, {})


@pytest.mark.parametrize(
    ("image", "version"),
    [
        ("quay.io/prometheus/prometheus:v3.5.5", "v3.5.5"),
        ("quay.io/prometheus/prometheus:v3.5.0@sha256:" + "0" * 64, "v3.5.0"),
        ("registry:5000/prometheus:v3.5.0", "v3.5.0"),
        ("prometheus:3.5.0-distroless", "3.5.0-distroless"),
    ],
)
def test_the_version_of_an_image_is_that_of_its_tag(image: str, version: str) -> None:
    assert values(images={"prometheus": image})["prometheus_version"] == version


@pytest.mark.parametrize("image", ["registry:5000/prometheus", "x/prometheus@sha256:00", "x:latest", "prometheus"])
def test_an_image_without_a_version_is_refused(image: str) -> None:
    assert problem(images={"prometheus": image}).startswith("maas_images.prometheus: ")
    with pytest.raises(QuantityError, match="add the version, such as"):
        image_version(image, "x")


def test_images_and_versions_that_are_not_set_are_those_of_the_collection() -> None:
    assert values(images={"vllm": "mine:v1"})["images"]["grafana"].startswith("docker.io/grafana")
    assert values(versions={"istio": "1.26.3"})["versions"]["kserve"] == "0.15.2"
    assert "maas_versions.istio: '1.3' is no version" in problem(versions={"istio": 1.30})


# --- this machine ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("environment", [{}, {"HOME": ""}])
def test_folders_of_a_home_that_there_is_not_are_refused(environment: dict[str, str]) -> None:
    rootless = {"cache_dir": "/.cache/llmops-maas", "verify_report_dir": "", "kubeconfig": "/.kube/config"}
    assert [message.partition(":")[0] for message in read(environment, **rootless).problems] == [
        "maas_kubeconfig",
        "maas_cache_dir",
    ]
    assert "set HOME in the environment" in read(environment, **rootless).problems[0]
    assert read(HOME, **rootless).problems == []
    assert read(environment, cache_dir="/tmp/cache").problems == []


def test_the_connection_holds_what_is_set() -> None:
    assert values()["connection"] == {"in_cluster": False}
    found = values(kubeconfig="/k", context="c", connection={"proxy": "http://p", "validate_certs": "no"})["connection"]
    assert found == {
        "kubeconfig": "/k", "context": "c", "in_cluster": False, "proxy": "http://p", "validate_certs": "no",
    }  # fmt: skip


def test_ports_of_this_machine_that_are_not_set_are_the_usual_ones() -> None:
    assert values(local_ports={"gateway": "8001"})["local_ports"] == {
        "gateway": 8001, "prometheus": 9090, "grafana": 3000, "keycloak": 8080, "minio": 9001,
    }  # fmt: skip
    assert problem(local_ports={"gateway": 70000}) == "maas_local_ports.gateway: 70000 is no port; use 1 to 65535"


@pytest.mark.parametrize(
    ("variables", "place"),
    [
        ({"hostnames": ["https://x"]}, "maas_hostnames[0]"),
        ({"hostnames": "a.example.com, b.example.com"}, "maas_hostnames[0]"),
        ({"hostnames": ["a", "A"]}, "maas_hostnames[1]"),
        ({"hostnames": []}, "maas_hostnames"),
        ({"cors_origins": ["chat.example.com"]}, "maas_cors_origins[0]"),
        ({"cors_origins": ["https://x/path"]}, "maas_cors_origins[0]"),
        ({"issuer": {"type": "acme", "acme_server": "https://x"}}, "maas_issuer.acme_email"),
        ({"namespace": "LLM"}, "maas_namespace"),
        ({"gateway_replicas": 0}, "maas_gateway_replicas"),
        ({"credential_headers": ["x key"]}, "maas_credential_headers[0]"),
        ({"gateway_url": "127.0.0.1:8000"}, "maas_gateway_url"),
        ({"verify_expected": {"user": {"chat": "ok"}}}, "maas_verify_expected.user.chat"),
        ({"verify_limits": {"qwen": {"free": "few"}}}, "maas_verify_limits.qwen.free"),
        ({"verify_failure_modes": {"auth": "denny"}}, "maas_verify_failure_modes.auth"),
    ],
)
def test_other_values_that_cannot_work_are_refused(variables: dict[str, Any], place: str) -> None:
    assert problem(**variables).partition(":")[0] == place


def test_tables_of_the_verification_may_be_text() -> None:
    found = values(verify_expected={"user": {"chat": "200"}}, verify_limits={"qwen": "5", "b": {"free": "2"}})
    assert found["verify_expected"] == {"user": {"chat": 200}}
    assert found["verify_limits"] == {"qwen": 5, "b": {"free": 2}}


def test_an_image_of_a_runtime_may_be_one_of_the_platforms_and_changes_what_runs() -> None:
    runtimes = {"vllm-latest": {"image": "vllm", "args": ["x"]}}
    models = [{"name": "qwen", "storage_uri": "hf://o/m"}]
    before = values(runtimes=runtimes, models=models)
    after = values(runtimes=runtimes, models=models, images={"vllm": "registry.example:5000/vllm:v9.9.9"})
    assert before["runtimes"]["vllm-latest"]["image"] == before["images"]["vllm"]
    assert after["runtimes"]["vllm-latest"]["image"] == "registry.example:5000/vllm:v9.9.9"
    assert before["catalogue"][0]["revision"] != after["catalogue"][0]["revision"]
