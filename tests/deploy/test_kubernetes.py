"""Kubernetes: manifests that it takes, and pods that can do no more than they must."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.manifests import DEPLOY, KUBERNETES, built, containers, of_kind, pods
from whydrift.monitor.config import Config, load_config

DAEMONS = ("base", "overlays/sqlite", "overlays/cronjob", "overlays/prometheus-operator")
VARIANTS = (*DAEMONS, "dask")
OPERATOR = json.loads((Path(__file__).parent / "prometheus-operator.json").read_text())
RULE = KUBERNETES / "components" / "prometheus-operator" / "prometheus-rule.yaml"


def configuration(variant: str, tmp_path: Path) -> Config:
    """Read what the pods of a variant will read, with secrets of our own."""
    (config,) = of_kind(variant, "ConfigMap")
    secrets, mounted = tmp_path / "secrets", tmp_path / "config"
    # As the kubelet lays a ConfigMap out, so that all of it changes at once.
    (mounted / "..2026_06_01").mkdir(parents=True)
    (mounted / "..data").symlink_to("..2026_06_01")
    for name, text in config["data"].items():
        (mounted / "..data" / name).write_text(text.replace("/run/secrets/whydrift", str(secrets)))
        (mounted / name).symlink_to(Path("..data") / name)
    for name, value in (
        ("store/url", "postgresql+psycopg://whydrift:secret@db/whydrift"),
        ("tokens/prometheus.sha256", "0" * 64),
        ("tokens/operator.sha256", "1" * 64),
    ):
        (secrets / name).parent.mkdir(parents=True, exist_ok=True)
        (secrets / name).write_text(f"{value}\n")
    return load_config(mounted)


def test_every_variant_is_tested_and_every_manifest_is_listed():
    folders = {p.parent for p in KUBERNETES.rglob("kustomization.yaml")}
    assert {str(p.relative_to(KUBERNETES)) for p in folders} - set(VARIANTS) == {
        "components/prometheus-operator"
    }
    for folder in KUBERNETES.rglob("kustomization.yaml"):
        listed = yaml.safe_load(folder.read_text())
        named = {*listed.get("resources", ())}
        for maps in listed.get("configMapGenerator", ()):
            named |= {entry.split("=")[-1] for entry in maps["files"]}
        there = {str(p.relative_to(folder.parent)) for p in folder.parent.rglob("*.yaml")}
        assert there - {"kustomization.yaml"} == {n for n in named if not n.startswith("..")}


@pytest.mark.parametrize("variant", VARIANTS)
def test_kubernetes_takes_what_kustomize_builds(variant):
    checker = pytest.importorskip("kubernetes_validate", reason="kubernetes-validate is absent")
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is absent")
    for manifest in built(variant):
        if manifest["apiVersion"].startswith("monitoring.coreos.com/"):
            jsonschema.validate(manifest, OPERATOR)
        else:
            checker.validate(manifest, "1.32.0", strict=True)
        assert manifest["kind"] == "Namespace" or manifest["metadata"]["namespace"] == "whydrift"


@pytest.mark.parametrize("variant", VARIANTS)
def test_no_container_can_do_more_than_it_must(variant):
    assert containers(variant)
    for name, pod, container in containers(variant):
        security = container["securityContext"]
        assert security["readOnlyRootFilesystem"] and not security["allowPrivilegeEscalation"], name
        assert security["capabilities"] == {"drop": ["ALL"]}
        assert container["resources"]["limits"]["memory"]
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsUser"] == 10001
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert container["image"] == "whydrift:0.1.0"
    (space,) = of_kind(variant, "Namespace")
    assert space["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


@pytest.mark.parametrize("variant", VARIANTS)
def test_what_a_pod_mounts_is_there_and_what_it_is_told_is_understood(variant):
    import typer.main

    from whydrift.monitor.cli.app import app

    configs = {m["metadata"]["name"] for m in of_kind(variant, "ConfigMap")}
    verbs = typer.main.get_command(app).commands
    for name, pod, container in containers(variant):
        claims = {
            claim["metadata"]["name"]
            for m in of_kind(variant, "StatefulSet")
            for claim in m["spec"]["volumeClaimTemplates"]
        }
        volumes = {v["name"] for v in pod["volumes"]} | claims
        assert {m["name"] for m in container["volumeMounts"]} <= volumes, name
        for volume in pod["volumes"]:
            if "configMap" in volume:
                assert volume["configMap"]["name"] in configs
        if "command" not in container:
            verb, *arguments = container["args"]
            with verbs[verb].make_context(verb, list(arguments)) as asked:
                mounts = {m["name"]: m["mountPath"] for m in container["volumeMounts"]}
                assert str(asked.params["config"]).startswith(mounts["config"])


@pytest.mark.parametrize("variant", DAEMONS)
def test_the_configuration_in_the_cluster_is_read(variant, tmp_path):
    config = configuration(variant, tmp_path)
    url = config.store.url.get_secret_value()
    assert url.startswith("sqlite:////var/lib/" if variant == "overlays/sqlite" else "postgresql")
    assert config.web.auth not in (None, "none")
    assert [token.role for token in config.web.auth.tokens] == ["metrics", "operate"]
    for _, pod, container in containers(variant):
        limit = container["resources"]["limits"]["memory"]
        assert limit == "4Gi"  # the workers' and one for the rest
        assert config.checks.workers * config.checks.memory <= 3 << 30
        places = {m["name"]: m["mountPath"] for m in container["volumeMounts"]}
        assert places["tokens"] == "/run/secrets/whydrift/tokens"
        (tokens,) = (v["secret"] for v in pod["volumes"] if v["name"] == "tokens")
        assert {item["key"] for item in tokens["items"]} == {
            "prometheus.sha256", "operator.sha256"
        }  # fmt: skip


@pytest.mark.parametrize("variant", ["base", "overlays/sqlite"])
def test_probes_service_and_prometheus_ask_the_port_that_is_listened_on(variant, tmp_path):
    config = configuration(variant, tmp_path)
    (container,) = (c for name, _, c in containers(variant) if name == "whydrift")
    (port,) = container["ports"]
    assert config.web.listen == f"0.0.0.0:{port['containerPort']}"
    (service,) = of_kind(variant, "Service")
    assert service["spec"]["ports"][0]["targetPort"] == port["name"]
    paths = {
        kind: container[f"{kind}Probe"]["httpGet"]["path"]
        for kind in ("startup", "liveness", "readiness")
    }
    assert paths == {"startup": "/-/healthy", "liveness": "/-/healthy", "readiness": "/-/ready"}
    policy = next(
        m for m in of_kind(variant, "NetworkPolicy") if m["metadata"]["name"] == "whydrift"
    )
    assert policy["spec"]["ingress"][0]["ports"] == [{"port": port["containerPort"]}]


def test_prometheus_asks_with_the_token_whose_hash_the_daemon_knows():
    (monitor,) = of_kind("overlays/prometheus-operator", "ServiceMonitor")
    (endpoint,) = monitor["spec"]["endpoints"]
    (service,) = of_kind("overlays/prometheus-operator", "Service")
    assert endpoint["port"] == service["spec"]["ports"][0]["name"]
    assert (
        monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    )
    assert endpoint["authorization"]["credentials"] == {
        "name": "whydrift-tokens", "key": "prometheus"
    }  # fmt: skip
    ((_, _, pod),) = pods("overlays/prometheus-operator")
    (tokens,) = (v["secret"] for v in pod["volumes"] if v["name"] == "tokens")
    assert tokens["secretName"] == "whydrift-tokens"
    # The token itself is no business of the daemon's.
    assert "prometheus" not in {item["key"] for item in tokens["items"]}


def test_the_rules_of_the_operator_are_those_that_are_exported():
    from whydrift.monitor.service.rules import rules_text

    wanted = (
        "# What `whydrift export rules` writes, for the Prometheus operator.\n"
        "apiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\n"
        "metadata:\n  name: whydrift\nspec:\n"
    )
    lines = [line for line in rules_text().splitlines() if not line.startswith("#")]
    wanted += "".join(f"  {line}\n" if line else "\n" for line in lines)
    if os.environ.get("WHYDRIFT_REWRITE"):
        RULE.write_text(wanted)
    assert RULE.read_text() == wanted, "run once with WHYDRIFT_REWRITE=1, and read the difference"


def test_a_new_pod_is_ready_before_an_old_one_goes_and_one_always_stays():
    (deployment,) = of_kind("base", "Deployment")
    assert deployment["spec"]["replicas"] == 2
    assert deployment["spec"]["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    assert deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] == 30
    (budget,) = of_kind("base", "PodDisruptionBudget")
    assert budget["spec"]["minAvailable"] == 1
    assert (
        budget["spec"]["selector"]["matchLabels"].items()
        <= deployment["spec"]["template"]["metadata"]["labels"].items()
    )


def test_another_configuration_replaces_the_pods():
    (deployment,) = of_kind("base", "Deployment")
    (config,) = of_kind("base", "ConfigMap")
    assert config["metadata"]["name"].startswith("whydrift-")  # and a hash
    volumes = deployment["spec"]["template"]["spec"]["volumes"]
    assert {"name": config["metadata"]["name"]} in [v.get("configMap") for v in volumes]


def test_one_file_has_one_daemon_and_a_job_has_none():
    assert not of_kind("overlays/sqlite", "Deployment") and not of_kind(
        "overlays/sqlite", "PodDisruptionBudget"
    )
    (stateful,) = of_kind("overlays/sqlite", "StatefulSet")
    assert stateful["spec"]["replicas"] == 1
    kinds = {m["kind"] for m in built("overlays/cronjob")}
    assert kinds == {"Namespace", "ServiceAccount", "ConfigMap", "NetworkPolicy", "CronJob"}
    (job,) = of_kind("overlays/cronjob", "CronJob")
    assert job["spec"]["concurrencyPolicy"] == "Forbid"


# ---- Dask ---------------------------------------------------------------------------------------
CLUSTER = DEPLOY / "dask-operator" / "cluster.yaml"


def operated() -> list[tuple[str, dict[str, str], dict[str, Any]]]:
    """Return role, labels and pod of the cluster for the dask-kubernetes operator."""
    parts = yaml.safe_load(CLUSTER.read_text())["spec"]
    return [(role, parts[role]["metadata"]["labels"], parts[role]["spec"])
            for role in ("scheduler", "worker")]  # fmt: skip


def test_the_operators_pods_are_as_closed_as_ours():
    checker = pytest.importorskip("kubernetes_validate", reason="kubernetes-validate is absent")
    for name, labels, spec in operated():
        pod = {"apiVersion": "v1", "kind": "Pod", "spec": spec,
               "metadata": {"name": "pod", "labels": labels}}  # fmt: skip
        assert checker.validate(pod, "1.32.0", strict=True), name
        assert spec["automountServiceAccountToken"] is False
        (container,) = spec["containers"]
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert container["securityContext"]["readOnlyRootFilesystem"]


def test_the_job_reaches_the_scheduler_that_its_configuration_names(tmp_path):
    dask = configuration("dask", tmp_path).dask
    assert dask is not None and dask.tls is not None
    (service,) = of_kind("dask", "Service")
    assert service["metadata"]["name"] == "whydrift-dask-scheduler"
    assert dask.address == f"tls://whydrift-dask-scheduler:{service['spec']['ports'][0]['port']}"
    _, labels, pod = next(p for p in pods("dask") if p[0] == "whydrift-compare")
    assert labels["whydrift/dask"] == "client"
    (container,) = pod["containers"]
    assert f"--dask={dask.address}" in container["args"] and "--fail-on=none" in container["args"]
    mounts = {m["mountPath"] for m in container["volumeMounts"]}
    for path in (dask.tls.ca, dask.tls.cert, dask.tls.key):
        assert str(Path(path).parent) in mounts


def test_the_commands_are_what_dask_understands(tmp_path):
    scheduler = pytest.importorskip("distributed.cli.dask_scheduler", reason="no Dask").main
    worker = pytest.importorskip("distributed.cli.dask_worker", reason="no Dask").main
    for name in ("ca.pem", "cert.pem", "key.pem"):
        (tmp_path / name).touch()
    told = [c["command"] for _, _, c in containers("dask") if "command" in c]
    told += [c["command"] for _, _, pod in operated() for c in pod["containers"]]
    assert len(told) == 4
    for program, verb, *arguments in told:
        assert program == "dask"
        here = [a.replace("/tls/", f"{tmp_path}/") for a in arguments]
        command = {"scheduler": scheduler, "worker": worker}[verb]
        with command.make_context(verb, here, ignore_unknown_options=False) as context:
            assert context.params["protocol"] == "tls"
            assert not context.params["dashboard"]
            if verb == "worker":
                assert context.params["scheduler"].startswith("tls://")


def test_only_members_and_clients_reach_dask():
    policies = {m["metadata"]["name"]: m["spec"] for m in of_kind("dask", "NetworkPolicy")}
    covered = [p["podSelector"]["matchLabels"] for p in policies.values()]
    everyone = [labels for _, labels, _ in (*pods("dask"), *operated())]
    for labels in everyone:
        assert any(selector.items() <= labels.items() for selector in covered), labels
    from_client = [
        rule
        for rule in policies["whydrift-dask"]["ingress"]
        if rule["from"][0]["podSelector"]["matchLabels"] == {"whydrift/dask": "client"}
    ]
    assert [rule["ports"] for rule in from_client] == [[{"port": 8786}]]
