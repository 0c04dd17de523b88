"""A newer Orthanc than the system's: that of a later Debian release, unpacked and run with its own libraries.

Nothing of it is installed: apt keeps its lists and its state in that folder, and the program is started by the dynamic
loader that came with it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from local import install
from local.install import APT_SECONDS, MissingProgramError, locked
from local.servers import Orthanc

RELEASE = os.environ.get("MULTIMODAL_ORTHANC_RELEASE", "trixie")
PACKAGES = ("orthanc", "orthanc-dicomweb", "liborthancframework1")  # from 1.13 on needed, and not said to be
_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_NEEDED = (
    "usr/sbin/Orthanc", "usr/lib64", "usr/lib/x86_64-linux-gnu", "usr/lib/orthanc", "usr/share/orthanc",
    "usr/share/dcmtk",
)  # fmt: skip


class NewerOrthanc(Orthanc):
    """The Orthanc of `RELEASE`, fetched at the first start (50 MB); ``MULTIMODAL_ORTHANC_RELEASE`` names another."""

    name = f"Orthanc of {RELEASE}"

    def _program(self) -> tuple[list[str], str, dict[str, str]]:
        root = unpacked()
        loader, libraries = root / "usr/lib64/ld-linux-x86-64.so.2", f"{root}/usr/lib/x86_64-linux-gnu:{root}/usr/lib"
        command = [str(loader), "--library-path", libraries, str(root / "usr/sbin/Orthanc")]
        plugin = root / "usr/share/orthanc/plugins/libOrthancDicomWeb.so"
        return command, str(plugin), {"DCMDICTPATH": str(root / "usr/share/dcmtk/dicom.dic")}


def unpacked() -> Path:
    """Return the folder with the program and its libraries, filled at the first call.

    Raises
    ------
    MissingProgramError
        If this is no Debian for amd64, or its packages cannot be had.
    """
    root = install.RUN / f"orthanc-{RELEASE}"
    with locked(root.name):
        if not root.is_dir():
            source = _source()
            work = root.with_suffix(".part")
            shutil.rmtree(work, ignore_errors=True)
            _fetch(work, source)
            _unpack(work)
            os.replace(work / "root", root)
            shutil.rmtree(work)
    return root


def _source() -> str:
    """Return where this system gets Debian's packages from."""
    if shutil.which("apt-get") is None or not _KEYRING.exists():
        raise _missing("no Debian here")
    wanted = ["--format", "$(SITE) $(ORIGIN) $(CODENAME) $(ARCHITECTURE)", "Identifier: Packages"]
    shown = subprocess.run(["apt-get", "indextargets", *wanted], capture_output=True, text=True, check=False)
    for line in shown.stdout.splitlines():
        match line.split():
            case [site, "Debian", codename, "amd64"] if "-" not in codename:
                return site
    raise _missing("no Debian for amd64 here, or run apt-get update first")


def _fetch(work: Path, site: str) -> None:
    """Let apt load the packages, and all that they need, as for a system that has nothing."""
    for folder in ("lists/partial", "archives/partial", "etc"):
        (work / folder).mkdir(parents=True)
    (work / "status").touch()
    (work / "etc" / "sources.list").write_text(f"deb [signed-by={_KEYRING}] {site} {RELEASE} main\n", encoding="ascii")
    settings = {
        "Dir::Etc": work / "etc",
        "Dir::State": work,
        "Dir::State::status": work / "status",
        "Dir::Cache": work,
        "APT::Architecture": "amd64",
        "APT::Sandbox::User": "",
        "Acquire::Languages": "none",
        "DPkg::Lock::Timeout": 300,
    }
    apt = ["apt-get", "-q", "-y", *(word for key, value in settings.items() for word in ("-o", f"{key}={value}"))]
    _run([*apt, "update"])
    _run([*apt, "install", "--download-only", "--no-install-recommends", *PACKAGES])


def _unpack(work: Path) -> None:
    everything, root = work / "unpacked", work / "root"
    for package in sorted((work / "archives").glob("*.deb")):
        _run(["dpkg-deb", "-x", str(package), str(everything)])
    for part in _NEEDED:
        if not (everything / part).exists():
            raise _missing(f"its packages have no {part}")
        (root / part).parent.mkdir(parents=True, exist_ok=True)
        os.replace(everything / part, root / part)
    for library in (everything / "usr/lib").glob("*.so*"):  # that of Orthanc's framework, from 1.13 on
        os.replace(library, root / "usr/lib" / library.name)


def _run(command: list[str]) -> None:
    log = install.RUN / "logs" / f"orthanc-{RELEASE}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        try:
            subprocess.run(command, stdout=output, stderr=output, check=True, timeout=APT_SECONDS)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            raise _missing(f"{command[0]} failed, read {log}") from error


def _missing(reason: str) -> MissingProgramError:
    return MissingProgramError(NewerOrthanc.name, PACKAGES, reason)
