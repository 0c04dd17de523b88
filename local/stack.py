"""The three servers together: ``python -m local.stack up | down | status``."""

from __future__ import annotations

import argparse
import io
import os
import secrets
import sys
import time
from collections.abc import Collection
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from local.install import RUN, locked
from local.processes import write_whole
from local.servers import HapiFhir, OpenSearch, Orthanc, Server
from multimodal.model.errors import MultimodalError

PATIENT_SYSTEM = "urn:demo:pacs"
PREFERRED_PORTS = {"pacs": 8042, "clinical": 8080, "search": 9200}


class Stack:
    """Orthanc, HAPI FHIR and OpenSearch with a bucket folder, by their names in the stores file.

    Parameters
    ----------
    folder : Path
        Holds a folder for each server, the bucket, Orthanc's password and ``stores.yaml``.
    ports : mapping of str to int, optional
        Preferred port of a server; without, any free one.
    """

    def __init__(self, folder: Path, ports: dict[str, int] | None = None) -> None:
        self.folder = folder.resolve()
        self.folder.mkdir(parents=True, exist_ok=True)
        wanted = ports or {}
        self.orthanc = Orthanc(self.folder / "orthanc", wanted.get("pacs"), password=self.password)
        self.hapi = HapiFhir(self.folder / "fhir", wanted.get("clinical"))
        self.opensearch = OpenSearch(self.folder / "opensearch", wanted.get("search"))
        self.servers: dict[str, Server] = {"pacs": self.orthanc, "clinical": self.hapi, "search": self.opensearch}

    @property
    def bucket(self) -> Path:
        """Folder that stands for the project's bucket."""
        return self.folder / "bucket"

    @property
    def stores_file(self) -> Path:
        """The stores file that `write_stores` writes."""
        return self.folder / "stores.yaml"

    @property
    def password_file(self) -> Path:
        """Password of Orthanc's user, for its owner's eyes."""
        return self.folder / "orthanc.password"

    @property
    def password(self) -> str:
        """Password of Orthanc's user, drawn at the first start."""
        if not self.password_file.exists():
            write_whole(self.password_file, secrets.token_urlsafe(16).encode())
        return self.password_file.read_text(encoding="ascii")

    def start(self, names: Collection[str] = tuple(PREFERRED_PORTS)) -> dict[str, Future[bool]]:
        """Start the servers `names` at once, in threads; see `Server.start`. Waits for nothing."""
        pool = ThreadPoolExecutor(max_workers=len(self.servers), thread_name_prefix="start")
        starts = {name: pool.submit(self.servers[name].start) for name in names}
        pool.shutdown(wait=False)
        return starts

    def stop(self) -> list[str]:
        """Stop what runs in this folder; return its names."""
        with ThreadPoolExecutor(max_workers=len(self.servers)) as pool:
            stopped = list(pool.map(lambda server: server.stop(), self.servers.values()))
        return [server.name for server, was in zip(self.servers.values(), stopped, strict=True) if was]

    def stores(self) -> dict[str, dict[str, Any]]:
        """Return the ``stores`` object of the stores file, for the servers that run."""
        entries: dict[str, dict[str, Any]] = {"bucket": {"kind": "folder", "path": str(self.bucket)}}
        if self.orthanc.running():
            login = {"user": self.orthanc.user, "password_file": str(self.password_file)}
            entries["pacs"] = {
                "kind": "dicomweb",
                "profile": "orthanc",
                "url": self.orthanc.url,
                "patient_system": PATIENT_SYSTEM,
                "auth": {"basic": login},
            }
        if self.hapi.running():
            entries["clinical"] = {"kind": "fhir", "url": self.hapi.url}
        if self.opensearch.running():
            entries["search"] = {"kind": "opensearch", "url": self.opensearch.url, "index": "project_{project}"}
        return entries

    def write_stores(self) -> Path:
        """Write the stores file and return its path; secrets are named in it, not written."""
        self.bucket.mkdir(exist_ok=True)
        stream = io.BytesIO(b"")
        stream.write(b"# Written by `make up`: the servers of this machine.\n")
        YAML().dump({"stores": self.stores()}, stream)
        write_whole(self.stores_file, stream.getvalue())
        return self.stores_file


def up(folder: Path = RUN, *, ports: dict[str, int] | None = None) -> Stack:
    """Start what does not run yet, wait until all answer, write the stores file.

    Raises
    ------
    MissingProgramError, BuildError
        If the machine lacks something.
    ServerDownError
        If a server does not come up; names its log.
    """
    begun = time.monotonic()
    with locked("stack"):
        stack = Stack(folder, PREFERRED_PORTS if ports is None else ports)
        starts = stack.start()
        for name, server in stack.servers.items():
            fresh = starts[name].result()
            if fresh and not server.answers():
                print(
                    f"{server.name:<11} starting (at most {server.wait_seconds:.0f} s), log: {_short(server.log)}",
                    flush=True,
                )
            server.wait()
            seconds = f"up after {time.monotonic() - begun:.0f} s" if fresh else "already up"
            print(f"{server.name:<11} {server.url:<38} {seconds}", flush=True)
        print(f"{'stores':<11} {_short(stack.write_stores())}")
    return stack


def down(folder: Path = RUN) -> None:
    """Stop exactly what `up` started in `folder`; data stay."""
    if not folder.exists():
        print("Nothing was started here.")
        return
    with locked("stack"):
        stopped = Stack(folder).stop()
    print(f"Stopped {', '.join(stopped)}." if stopped else "Nothing was running.")


def status(folder: Path = RUN) -> bool:
    """Print each server's address and whether it answers; return whether all do."""
    if not folder.exists():
        print("Nothing was started here; start it with `make up`.")
        return False
    states = []
    for server in Stack(folder).servers.values():
        states.append(server.answers())
        where = server.url if server.running() else "-"
        state = "answers" if states[-1] else "silent" if server.running() else "not running"
        print(f"{server.name:<11} {where:<38} {state:<12} log: {_short(server.log)}")
    return all(states)


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m local.stack", description=__doc__)
    parser.add_argument("command", choices=["up", "down", "status"])
    parser.add_argument("--folder", type=Path, default=RUN, help="where data and logs lie (default: local/run)")
    chosen = parser.parse_args(arguments)
    try:
        if chosen.command == "up":
            up(chosen.folder)
        elif chosen.command == "down":
            down(chosen.folder)
        else:
            return 0 if status(chosen.folder) else 1
    except MultimodalError as error:
        print(error, file=sys.stderr)
        return int(error.exit_code)
    return 0


def _short(path: Path) -> str:
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)


if __name__ == "__main__":
    sys.exit(main())
