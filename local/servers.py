"""Orthanc, HAPI FHIR and OpenSearch on 127.0.0.1, each a background process with one folder for all it has."""

from __future__ import annotations

import socket
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

import orjson
import requests

from local import processes
from local.install import JAVA, LOCAL, ORTHANC, ORTHANC_DICOMWEB, build, ensure, locked
from local.processes import POLL_SECONDS, ProcessRecord, write_whole
from multimodal.model.errors import RemoteError

HOST = "127.0.0.1"
# The quick compiler alone: HAPI is up after 16 s and 20 CPU-s instead of 37 s and 47 CPU-s (two busy cores).
# It serves large loads more slowly; a demo and tests start more often than they load.
QUICK_START = "-XX:TieredStopAtLevel=1"
PROBE_SECONDS = 2.0


class ServerDownError(RemoteError):
    """A server ended, or did not answer in time.

    Attributes
    ----------
    log : Path
        The log that says why.
    """

    def __init__(self, server: str, problem: str, log: Path) -> None:
        self.log = log
        last = _last_line(log)
        super().__init__(server, f"{problem}; read {log}" + (f" (last line: {last})" if last else ""))


def free_port(preferred: int | None = None) -> int:
    """Return `preferred` if nothing listens there, else a port that the system says is free."""
    for port in (preferred, 0) if preferred else (0,):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise AssertionError("the system has no free port")


class Server(ABC):
    """One server: its folder holds data, settings, log and pid file.

    Parameters
    ----------
    folder : Path
        Made when it is missing. Data of an earlier start are used again.
    port : int, optional
        Preferred port; another free one is taken when it is not free. A server that already runs in this
        folder keeps its own.

    Notes
    -----
    The process outlives the one that started it: `stop`, by this or by a later process, ends it.
    """

    name: ClassVar[str]
    wait_seconds: ClassVar[float]
    stop_seconds: ClassVar[float] = 30.0

    def __init__(self, folder: Path, port: int | None = None) -> None:
        self.folder = folder.resolve()
        self._preferred = port
        self._record: ProcessRecord | None = None

    @property
    def log(self) -> Path:
        """What the server writes about itself."""
        return self.folder / "server.log"

    @property
    def pid_file(self) -> Path:
        """Names the process; see `ProcessRecord`."""
        return self.folder / "server.pid"

    @property
    def port(self) -> int:
        """Port of the running server."""
        record = self.running()
        if record is None:
            raise ServerDownError(self.name, "not running", self.log)
        return record.port

    @property
    @abstractmethod
    def url(self) -> str:
        """Address for its clients."""

    def running(self) -> ProcessRecord | None:
        """Return the process that serves this folder, if it lives."""
        record = self._record or processes.read_record(self.pid_file)
        self._record = record if record is not None and record.alive() else None
        return self._record

    def start(self) -> bool:
        """Start the server unless it already runs; does not wait for it to answer.

        Several processes may call it for one folder at once.

        Returns
        -------
        bool
            False when it ran already.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with locked(f"start-{self.folder.name}"):
            return self._start()

    def _start(self) -> bool:
        if self.running():
            return False
        port = free_port(self._preferred)
        command, environment = self._prepare(port)
        self._record = processes.start(
            command, environment=environment, log=self.log, pid_file=self.pid_file, port=port
        )
        return True

    def wait(self, seconds: float | None = None) -> None:
        """Wait until the server answers.

        Raises
        ------
        ServerDownError
            If its process ends, or `seconds` are over; names the log.
        """
        limit = self.wait_seconds if seconds is None else seconds
        deadline = time.monotonic() + limit
        while not self.answers():
            if self.running() is None:
                raise ServerDownError(self.name, "ended while starting", self.log)
            if time.monotonic() > deadline:
                raise ServerDownError(self.name, f"no answer from {self.url} after {limit:.0f} s", self.log)
            time.sleep(POLL_SECONDS)

    def answers(self) -> bool:
        """Return whether the server answers its clients now."""
        if self.running() is None:
            return False
        try:
            with requests.Session() as session:
                session.trust_env = False  # a proxy setting of the machine is not meant for 127.0.0.1
                return session.get(self._probe_url(), timeout=PROBE_SECONDS).status_code in self._alive_statuses()
        except requests.RequestException:
            return False

    def stop(self) -> bool:
        """Stop the server and wait for its end; False when it did not run.

        Only the process that the pid file describes is signalled: one that got its pid later is left alone.
        """
        record = self._record or processes.read_record(self.pid_file)
        stopped = record is not None and processes.stop(record, seconds=self.stop_seconds)
        self._record = None
        self.pid_file.unlink(missing_ok=True)
        return stopped

    @abstractmethod
    def _prepare(self, port: int) -> tuple[list[str], dict[str, str]]:
        """Write the settings; return the command and what it adds to the environment."""

    @abstractmethod
    def _probe_url(self) -> str: ...

    def _alive_statuses(self) -> frozenset[int]:
        return frozenset({200})


class Orthanc(Server):
    """The DICOM store: Orthanc with DICOMweb at `url` and one user, ``demo``.

    The password is read by Orthanc itself from the environment variable ORTHANC_PASSWORD and stands in no
    file.
    """

    name = "Orthanc"
    wait_seconds = 30.0
    user: ClassVar[str] = "demo"

    def __init__(self, folder: Path, port: int | None = None, *, password: str) -> None:
        super().__init__(folder, port)
        self._password = password

    @property
    def url(self) -> str:
        """DICOMweb service root."""
        return f"{self.explorer_url}/dicom-web"

    @property
    def explorer_url(self) -> str:
        """Orthanc's own pages and REST interface."""
        return f"http://{HOST}:{self.port}"

    def _prepare(self, port: int) -> tuple[list[str], dict[str, str]]:
        command, plugin, environment = self._program()
        settings = {
            "Name": "multimodal",
            "HttpPort": port,
            "RemoteAccessAllowed": False,
            "DicomServerEnabled": False,
            "AuthenticationEnabled": True,
            "RegisteredUsers": {self.user: "${ORTHANC_PASSWORD}"},
            "HttpCompressionEnabled": False,  # on, each frame is deflated: 25 times slower
            "OverwriteInstances": True,
            "StorageDirectory": str(self.folder / "storage"),
            "IndexDirectory": str(self.folder / "storage"),
            "Plugins": [plugin],
            "DicomWeb": {"Enable": True, "Root": "/dicom-web/", "StudiesMetadata": "Full", "SeriesMetadata": "Full"},
        }
        configuration = self.folder / "configuration"
        configuration.mkdir(exist_ok=True)
        write_whole(configuration / "orthanc.json", orjson.dumps(settings, option=orjson.OPT_INDENT_2))
        return [*command, str(configuration)], {**environment, "ORTHANC_PASSWORD": self._password}

    def _program(self) -> tuple[list[str], str, dict[str, str]]:
        """Return the command, the DICOMweb plugin, and what they need in the environment."""
        return [ensure(ORTHANC)], ORTHANC_DICOMWEB, {}

    def _probe_url(self) -> str:
        return f"{self.url}/studies?limit=1"

    def _alive_statuses(self) -> frozenset[int]:
        return frozenset({200, 401})  # without login: it answers, and it asks for one


class HapiFhir(Server):
    """The FHIR R4 server of ``local/fhir-server`` on an H2 database file in its folder."""

    name = "HAPI FHIR"
    wait_seconds = 300.0  # 16 s on a quiet machine; 125 s were seen with ten others on two cores

    @property
    def url(self) -> str:
        """FHIR service base."""
        return f"http://{HOST}:{self.port}/fhir"

    def _prepare(self, port: int) -> tuple[list[str], dict[str, str]]:
        jar = build(LOCAL / "fhir-server") / "fhir-server.jar"
        command = [ensure(JAVA), "-Xmx1g", "-XX:+UseParallelGC", QUICK_START, "-jar", str(jar)]
        return command, {
            "FHIR_PORT": str(port),
            "FHIR_DB_URL": f"jdbc:h2:file:{self.folder / 'database'};DB_CLOSE_ON_EXIT=FALSE",
        }

    def _probe_url(self) -> str:
        return f"{self.url}/Patient?_summary=count"  # the metadata take seconds, and do not need the database


class OpenSearch(Server):
    """One OpenSearch node (``local/opensearch``), no security plugin, reachable from this machine only."""

    name = "OpenSearch"
    wait_seconds = 300.0  # 7 s on a quiet machine; after a hard stop it first recovers

    @property
    def url(self) -> str:
        """REST address."""
        return f"http://{HOST}:{self.port}"

    def _prepare(self, port: int) -> tuple[list[str], dict[str, str]]:
        jar = build(LOCAL / "opensearch") / "opensearch-node.jar"
        configuration = self.folder / "node_1" / "config"
        configuration.mkdir(parents=True, exist_ok=True)
        configuration.joinpath("opensearch.yml").touch()  # settings come from the program
        configuration.joinpath("log4j2.properties").write_text(_LOG4J, encoding="ascii")
        command = [ensure(JAVA), "-Xms512m", "-Xmx512m", QUICK_START, "-jar", str(jar)]
        return [*command, str(self.folder), str(port), str(free_port())], {}

    def _probe_url(self) -> str:
        return f"{self.url}/_cluster/health?wait_for_status=yellow&timeout=1s"


_LOG4J = """\
status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d %-5p %c{1} %m%n
rootLogger.level = warn
rootLogger.appenderRef.console.ref = console
"""


def _last_line(log: Path) -> str:
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return next((line.strip()[:200] for line in reversed(lines) if line.strip()), "")
