"""What stands under deploy/kubernetes, as Kustomize builds it."""

from __future__ import annotations

import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

__all__ = ["DEPLOY", "KUBERNETES", "built", "containers", "of_kind", "pods"]

DEPLOY = Path(__file__).parent.parent.parent / "deploy"
KUBERNETES = DEPLOY / "kubernetes"

Manifest = dict[str, Any]


def built(variant: str) -> tuple[Manifest, ...]:
    """Return the manifests of ``base`` or of an overlay."""
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed (on Debian: apt-get install kubernetes-client)")
    return _built(variant)


@cache
def _built(variant: str) -> tuple[Manifest, ...]:
    folder = KUBERNETES / ("base" if variant == "base" else f"overlays/{variant}")
    done = subprocess.run(
        ["kubectl", "kustomize", folder], capture_output=True, text=True, check=False, timeout=60
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
