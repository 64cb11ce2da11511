"""The README is true: its commands exist with those options, its Python runs, and what it links to is there."""

import os
import re
import shlex
import shutil
from pathlib import Path

import click
import pytest

import drag3d.cli
import get3d_models.training.__main__

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)
PROGRAMS = {"drag3d": drag3d.cli.main, "get3d_models.training": get3d_models.training.__main__.main}


def shell_commands() -> list[list[str]]:
    """Every command of the README's shell blocks as words, without the folder of the program."""
    commands: list[list[str]] = []
    for language, code in BLOCKS:
        if language == "bash":
            lines = code.replace("\\\n", " ").splitlines()
            commands += [shlex.split(part) for line in lines for part in line.split("&&")]
    return [[words[0].removeprefix(".venv/bin/"), *words[1:]] for words in commands if words]


def our_commands() -> list[tuple[str, list[str]]]:
    """The commands that are ours: the program's name and its arguments."""
    found = []
    for words in shell_commands():
        if words[0] == "drag3d":
            found.append(("drag3d", words[1:]))
        elif words[:2] == ["python", "-m"] and words[2] in PROGRAMS:
            found.append((words[2], words[3:]))
    return found


def check_arguments(program: str, arguments: list[str]) -> None:
    """Parse the arguments as the program would, without running it; click complains about what it does not know."""
    group = PROGRAMS[program]
    assert isinstance(group, click.Group)
    context = click.Context(group, info_name=program)
    name, command, rest = group.resolve_command(context, arguments)
    assert command is not None
    command.make_context(name, rest, parent=context)


def code_after(mark: str) -> list[str]:
    """The code blocks that directly follow an HTML comment."""
    return re.findall(rf"^<!-- {mark} -->\n```\w+\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)


def test_the_readme_shows_every_command_of_the_command_line() -> None:
    shown = {arguments[0] for program, arguments in our_commands() if program == "drag3d"}
    assert shown == set(drag3d.cli.main.commands)


@pytest.mark.parametrize(("program", "arguments"), our_commands(), ids=lambda value: str(value)[:40])
def test_a_command_in_the_readme_exists_with_those_options(program: str, arguments: list[str]) -> None:
    check_arguments(program, arguments)


@pytest.mark.parametrize(
    "arguments", [["dragg"], ["sample", "quadruped", "--size", "3"], ["drag", "q", "--out", "a.glb", "--speed", "3"]]
)
def test_a_wrong_command_would_be_noticed(arguments: list[str]) -> None:
    with pytest.raises(click.UsageError):
        check_arguments("drag3d", arguments)


@pytest.mark.parametrize("name", ["demo", "tests"])
def test_what_ci_runs_is_a_single_line_to_paste(name: str) -> None:
    [code] = code_after(f"ci: {name}")
    assert len(code.splitlines()) == 1
    assert "-c constraints.txt" in code


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A current folder with official files in it; $DRAG3D_TEST_MODEL, if set, stands in for the embedded quadruped."""
    golden = ROOT / "tests/data/golden"
    for name in ("shapenet_chair.pt", "my_training.pt"):
        shutil.copy(golden / "get3d/planes64/checkpoint.pt", tmp_path / name)
    shutil.copy(golden / "stylegan2/skip64/network.pkl", tmp_path / "network.pkl")
    if chosen := os.environ.get("DRAG3D_TEST_MODEL"):
        folder = tmp_path / "embedded"
        folder.mkdir()
        shutil.copy(chosen, folder / "quadruped.safetensors")
        monkeypatch.setattr("get3d_models.loading._FOLDERS", (folder,))
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("models")
@pytest.mark.parametrize("code", code_after("test: runs"), ids=["official files", "session", "rasteriser"])
def test_the_python_in_the_readme_runs(code: str) -> None:
    names: dict[str, object] = {}
    exec(compile(code, "README.md", "exec"), names)
    if "session" in names:
        session = names["session"]
        assert isinstance(session, drag3d.Session)
        assert session.can_undo  # opened as it was saved, with its history
        assert Path("edited.glb").stat().st_size > 0
    elif "image" in names:
        vertices = names["vertices"]
        assert float(vertices.grad.abs().max()) > 0  # type: ignore[attr-defined]
    else:
        assert names["chair"].config.scale == names["other"].config.scale == 0.8  # type: ignore[attr-defined]


def test_all_python_in_the_readme_is_run() -> None:
    assert code_after("test: runs") == [code for language, code in BLOCKS if language == "python"]


def test_what_the_readme_links_to_is_there() -> None:
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", README) if "://" not in link]
    assert "LICENSE" in links
    assert not [link for link in links if not (ROOT / link).exists()]
