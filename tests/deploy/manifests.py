"""What stands under deploy/kubernetes, as Kustomize builds it."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.servers import program

__all__ = ["DEPLOY", "KUBERNETES", "built", "containers", "of_kind", "pods"]

DEPLOY = Path(__file__).parent.parent.parent / "deploy"
KUBERNETES = DEPLOY / "kubernetes"

Manifest = dict[str, Any]


def built(variant: str) -> tuple[Manifest, ...]:
    """Return the manifests of a folder."""
    return _built(KUBERNETES / variant, program("kubectl"))


@cache
def _built(folder: Path, kubectl: str) -> tuple[Manifest, ...]:
    done = subprocess.run(
        [kubectl, "kustomize", folder], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return tuple(yaml.safe_load_all(done.stdout))


def of_kind(variant: str, kind: str) -> list[Manifest]:
    """Return those of a kind."""
    return [m for m in built(variant) if m["kind"] == kind]


def pods(variant: str) -> list[tuple[str, dict[str, str], Manifest]]:
    """Return name, labels and spec of every pod."""
    found = []
    for manifest in built(variant):
        spec = manifest.get("spec", {})
        template = spec.get("jobTemplate", {}).get("spec", spec).get("template")
        if template is not None:
            found.append(
                (manifest["metadata"]["name"], template["metadata"]["labels"], template["spec"])
            )
    return found


def containers(variant: str) -> list[tuple[str, Manifest, Manifest]]:
    """Return the name of every container's pod, the pod's spec, and the container."""
    return [(name, spec, c) for name, _, spec in pods(variant) for c in spec["containers"]]
