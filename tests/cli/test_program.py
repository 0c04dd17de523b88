from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest

from multimodal import cli
from multimodal.model.errors import RemoteError

PROGRAM = Path(sys.executable).parent / "multimodal"


def test_help_shows_every_verb() -> None:
    shown = subprocess.run([PROGRAM, "--help"], capture_output=True, text=True, check=True).stdout
    assert all(f"\n  {verb} " in shown for verb in cli.VERBS)


@pytest.mark.parametrize("verb", cli.VERBS)
def test_every_verb_explains_itself(verb: str) -> None:
    command = cli.program.get_command(click.Context(cli.program), verb)
    assert command is not None
    assert command.get_help(click.Context(command, info_name=verb)).count("\n") > 3


def test_an_expected_error_is_one_line_and_its_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(**_: object) -> None:
        raise RemoteError("pacs", "no answer")

    monkeypatch.setattr(cli.program, "main", fails)
    with pytest.raises(SystemExit) as exited:
        cli.main([])
    assert exited.value.code == 4
    assert capsys.readouterr().err == "multimodal: pacs: no answer\n"


def test_a_reader_that_has_had_enough_is_no_defect() -> None:
    code = (
        "import click, multimodal.cli as cli\n"
        "tell = click.Command('x', callback=lambda: [print('y' * 999) for _ in range(999)])\n"
        "cli.program.get_command = lambda *_: tell\n"
        "cli.main(['x'])"
    )
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.read(1)
    child.stdout.close()
    assert child.stderr is not None
    told = child.stderr.read()
    assert (child.wait(30), told) == (141, b"")


def test_help_is_quick_because_verbs_load_late() -> None:
    code = (
        "import sys, multimodal.cli; print(any(m in sys.modules for m in ('numpy', 'pydicom', 'pandas', 'highdicom')))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert loaded.strip() == "False"
