"""Podman for tests, and the image that those of the project are built on."""

import os
import shutil
import subprocess

DEFAULT_BASE = "docker.io/library/python:3.11-slim-bookworm"


def podman(*arguments: str, timeout_s: float = 60.0) -> "subprocess.CompletedProcess[str]":
    """Run podman to its end."""
    return subprocess.run(
        ["podman", *arguments], capture_output=True, text=True, timeout=timeout_s, check=False
    )


def base_image() -> str:
    """The base that `make images` builds on: the variable BASE, or the default of the Containerfiles."""
    return os.environ.get("BASE") or DEFAULT_BASE


def missing_image(image: str, remedy: str) -> str | None:
    """Why no container of `image` can run here, or None."""
    if shutil.which("podman") is None:
        return "podman is not installed"
    if podman("image", "exists", image).returncode:
        return f"there is no image {image}; {remedy}"
    tried = podman("run", "--rm", "--network=none", "--entrypoint=true", image)
    if tried.returncode:
        return f"podman runs no container here: {tried.stderr.strip().splitlines()[-1]}"
    return None
