"""An S3 server on this machine: MinIO where it is installed, else moto."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Self

import requests
import urllib3
from minio import Minio

from local.servers import free_port

KEY, SECRET = "multimodal", "test-secret-key"


def minio_program() -> str | None:
    """Return the MinIO server: MULTIMODAL_MINIO, or the one on PATH; none where that is empty."""
    named = os.environ.get("MULTIMODAL_MINIO")
    return shutil.which("minio") if named is None else named or None


class ObjectServer:
    """A server of its own with its data in `folder`; use it in a ``with`` statement.

    Parameters
    ----------
    certificate : pair of Path, optional
        Files of certificate and key, for https.
    settings : str
        What MinIO is to find in its environment.
    """

    def __init__(self, folder: Path, *, certificate: tuple[Path, Path] | None = None, **settings: str) -> None:
        self.minio = minio_program()
        self.port = free_port()
        self.url = f"{'https' if certificate else 'http'}://127.0.0.1:{self.port}"
        self.ca_file = str(certificate[0]) if certificate else None
        self._log = (folder / "server.log").open("wb")
        self._settings = {"MINIO_ROOT_USER": KEY, "MINIO_ROOT_PASSWORD": SECRET, "MINIO_BROWSER": "off", **settings}
        address = f"127.0.0.1:{self.port}"
        self._command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]
        if self.minio:
            self._command = [self.minio, "server", "--quiet", "--address", address, str(folder / "data")]
        if certificate and self.minio:
            certificates = folder / "certificates"
            certificates.mkdir()
            for file, name in zip(certificate, ("public.crt", "private.key"), strict=True):
                shutil.copyfile(file, certificates / name)
            self._command += ["--certs-dir", str(certificates)]
        elif certificate:
            self._command += ["-c", str(certificate[0]), "-k", str(certificate[1])]

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._command, env={**os.environ, **self._settings}, stdout=self._log, stderr=self._log
        )
        self._wait(30.0)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()
        self._log.close()

    def new_bucket(self) -> str:
        """Make a bucket, and return its name."""
        name = f"project-{uuid.uuid4().hex[:12]}"
        place = f"127.0.0.1:{self.port}"
        pool = urllib3.PoolManager(ca_certs=self.ca_file)
        Minio(place, KEY, SECRET, secure=self.ca_file is not None, http_client=pool).make_bucket(name)
        return name

    def _wait(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        alive = "/minio/health/cluster" if self.minio else "/moto-api/"
        while True:
            assert self._process.poll() is None, Path(self._log.name).read_text("utf-8", "replace")[-2000:]
            try:
                if requests.get(self.url + alive, timeout=2, verify=self.ca_file).status_code == 200:
                    return
            except requests.RequestException:
                pass
            assert time.monotonic() < deadline, "no S3 server"
            time.sleep(0.05)
