"""What is missing is said in one line; what was built is not built again."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from local import install
from local.install import BuildError, Java, MissingProgramError, Program, build, ensure
from multimodal.model.exit_codes import ExitCode

MVN = """#!/bin/sh
echo run >> runs
sleep 0.3
test ! -e broken || { echo "the dependency is gone"; exit 1; }
mkdir -p target && touch target/server.jar
"""


def program(folder: Path, name: str, script: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / name
    file.write_text(script)
    file.chmod(0o755)
    return file


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Maven project, and a Maven that only counts its runs."""
    maven = program(tmp_path / "bin", "mvn", MVN)
    monkeypatch.setattr(install, "RUN", tmp_path / "run")
    monkeypatch.setattr(install, "MAVEN", Program("Maven", (str(maven),), ("maven",)))
    folder = tmp_path / "server"
    (folder / "src").mkdir(parents=True)
    (folder / "pom.xml").write_text("<project/>")
    (folder / "src" / "Main.java").write_text("class Main {}")
    return folder


def runs(project: Path) -> int:
    return (project / "runs").read_text().count("run")


def test_a_missing_program_is_named_with_its_packages(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # no apt-get either
    monkeypatch.setattr(install, "RUN", tmp_path / "run")
    with pytest.raises(MissingProgramError) as caught:
        ensure(Program("Orthanc", ("Orthanc",), ("orthanc", "orthanc-dicomweb")))
    assert caught.value.exit_code is ExitCode.CONFIGURATION
    assert str(caught.value).endswith("install it: apt-get install orthanc orthanc-dicomweb")
    assert "\n" not in str(caught.value)


def test_a_program_without_its_plugin_is_missing(tmp_path: Path) -> None:
    found = program(tmp_path, "Orthanc", "#!/bin/sh\n")
    assert Program("Orthanc", (str(found),), ()).find() == str(found)
    assert Program("Orthanc", (str(found),), (), str(tmp_path / "plugin.so")).find() is None


@pytest.mark.parametrize(
    ("version", "compiler", "new_enough"),
    [("17.0.9", True, True), ("21", True, True), ("11.0.2", True, False), ("17.0.9", False, False)],
)
def test_java_has_to_be_new_and_a_jdk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, compiler: bool, new_enough: bool
) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    java = program(tmp_path, "java", f"#!/bin/sh\necho 'openjdk version \"{version}\" 2024-01-01' >&2\n")
    if compiler:
        program(tmp_path, "javac", "#!/bin/sh\n")
    assert (Java("Java", (str(java),), ()).find() == str(java)) is new_enough


def test_a_build_runs_once_until_a_source_changes(project: Path) -> None:
    assert (build(project) / "server.jar").exists()
    build(project)
    assert runs(project) == 1
    (project / "src" / "Main.java").write_text("class Main { int changed; }")
    build(project)
    assert runs(project) == 2


def test_two_builds_at_once_are_one(project: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(build, [project, project])
    assert first == second
    assert runs(project) == 1


def test_a_failed_build_names_its_log_and_is_tried_again(project: Path) -> None:
    (project / "broken").touch()
    with pytest.raises(BuildError, match="failed; read") as caught:
        build(project)
    assert "the dependency is gone" in caught.value.log.read_text()
    (project / "broken").unlink()
    assert (build(project) / "server.jar").exists()
