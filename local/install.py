"""What the servers need from the machine: Java, Maven and Orthanc installed, and two Maven builds."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from local.processes import write_whole
from multimodal.model.errors import ConfigurationError

LOCAL = Path(__file__).parent
RUN = LOCAL / "run"
APT_SECONDS = 600
MAVEN_SECONDS = 900
JAVA_VERSION = 17


class MissingProgramError(ConfigurationError):
    """A program of the operating system is missing and could not be installed from here."""

    def __init__(self, program: str, packages: tuple[str, ...], reason: str) -> None:
        self.program = program
        self.packages = packages
        self.reason = reason
        super().__init__(f"{program} is missing ({reason}); install it: apt-get install {' '.join(packages)}")


class BuildError(ConfigurationError):
    """Maven ended with an error, or not in time."""

    def __init__(self, folder: Path, log: Path, reason: str) -> None:
        self.log = log
        super().__init__(f"mvn package in {folder} {reason}; read {log}")


@dataclass(frozen=True, slots=True)
class Program:
    """A program, where it may lie, and the Debian packages that bring it."""

    name: str
    paths: tuple[str, ...]
    packages: tuple[str, ...]
    plugin: str = ""

    def find(self) -> str | None:
        """Return its path; None when it, or the plugin it needs, is missing."""
        if self.plugin and not Path(self.plugin).exists():
            return None
        return next((found for path in self.paths if (found := shutil.which(path))), None)


ORTHANC_DICOMWEB = "/usr/share/orthanc/plugins/libOrthancDicomWeb.so"
ORTHANC = Program("Orthanc", ("Orthanc", "/usr/sbin/Orthanc"), ("orthanc", "orthanc-dicomweb"), ORTHANC_DICOMWEB)
MAVEN = Program("Maven", ("mvn",), ("maven",))


class Java(Program):
    """A Java Development Kit, new enough; JAVA_HOME goes first."""

    __slots__ = ()

    def find(self) -> str | None:
        """Return the path of a `java` that has a compiler beside it and is new enough."""
        home = os.environ.get("JAVA_HOME")
        paths = (f"{home}/bin/java", *self.paths) if home else self.paths
        return next((found for path in paths if (found := shutil.which(path)) and _jdk_version(found)), None)


JAVA = Java("a Java 17 JDK", ("java", "/usr/lib/jvm/java-17-openjdk-amd64/bin/java"), ("openjdk-17-jdk-headless",))


def _jdk_version(java: str) -> int:
    """Return the version of the JDK of `java`; 0 when it is too old or has no compiler."""
    if not Path(java).resolve().with_name("javac").exists():
        return 0
    shown = subprocess.run([java, "-version"], capture_output=True, text=True, check=False)
    found = re.search(r'version "(\d+)', shown.stderr)
    version = int(found.group(1)) if found else 0
    return version if version >= JAVA_VERSION else 0


def ensure(program: Program) -> str:
    """Return the path of `program`, installed first where that can be done (Debian, root or sudo).

    Raises
    ------
    MissingProgramError
        With the packages to install.
    """
    if path := program.find():
        return path
    with locked("apt"):
        if path := program.find():  # another process installed it while we waited
            return path
        _apt_install(program)
    if path := program.find():
        return path
    raise MissingProgramError(program.name, program.packages, "still missing after apt-get install")


def _apt_install(program: Program) -> None:
    if shutil.which("apt-get") is None:
        raise MissingProgramError(program.name, program.packages, "no apt-get here, use this system's own packages")
    prefix = [] if os.geteuid() == 0 else ["sudo", "-n"]
    if prefix and (shutil.which("sudo") is None or subprocess.run(["sudo", "-n", "true"], check=False).returncode):
        raise MissingProgramError(program.name, program.packages, "installing needs root")
    print(f"Installing {' '.join(program.packages)} (apt-get)", flush=True)
    apt = [*prefix, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-o", "DPkg::Lock::Timeout=300"]
    log = _log("apt")
    with log.open("ab") as output:
        for arguments in (["update"], ["install", "-y", "--no-install-recommends", *program.packages]):
            try:
                subprocess.run([*apt, *arguments], stdout=output, stderr=output, check=True, timeout=APT_SECONDS)
            except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
                raise MissingProgramError(
                    program.name, program.packages, f"apt-get {arguments[0]} failed, read {log}"
                ) from error


def build(folder: Path) -> Path:
    """Build the Maven project in `folder` once, until its sources change; return its ``target`` folder.

    A stamp in ``target`` holds the hash of what was built, so a second start does not run Maven. Builds of
    the same folder by several processes wait for each other.
    """
    target = folder / "target"
    stamp = target / "built-from.sha256"
    with locked(folder.name):
        wanted = _sources_hash(folder)
        if stamp.exists() and stamp.read_text(encoding="ascii") == wanted:
            return target
        java = Path(ensure(JAVA)).resolve()
        maven = ensure(MAVEN)
        print(f"Building {folder.name} with Maven, once (about a minute; log: {_log_of(folder)})", flush=True)
        _run_maven(folder, maven, java.parents[1])
        write_whole(stamp, wanted.encode())
    return target


def _run_maven(folder: Path, maven: str, java_home: Path) -> None:
    log = _log_of(folder)
    with locked("maven"), log.open("wb") as output:  # Maven's store of downloads bears one writer at a time
        try:
            subprocess.run(
                [maven, "-B", "-q", "clean", "package"],
                cwd=folder,
                env={**os.environ, "JAVA_HOME": str(java_home)},
                stdout=output,
                stderr=output,
                check=True,
                timeout=MAVEN_SECONDS,
            )
        except subprocess.CalledProcessError as error:
            raise BuildError(folder, log, "failed") from error
        except subprocess.TimeoutExpired as error:
            raise BuildError(folder, log, f"did not end within {MAVEN_SECONDS} s") from error


def _sources_hash(folder: Path) -> str:
    sha = hashlib.sha256()
    for file in sorted([folder / "pom.xml", *folder.joinpath("src").rglob("*.java")]):
        sha.update(f"{file.relative_to(folder)}\n".encode() + file.read_bytes())
    return sha.hexdigest()


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Hold the lock `name` of this checkout: one process at a time, freed by the system when it ends."""
    RUN.mkdir(exist_ok=True)
    with RUN.joinpath(f"{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _log_of(folder: Path) -> Path:
    return _log(f"build-{folder.name}")


def _log(name: str) -> Path:
    log = RUN / "logs" / f"{name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    return log
