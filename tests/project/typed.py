"""What a reader of a page types into a shell: taken apart into simple commands, and ours found among them."""

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from typer.core import TyperGroup
from typer.main import get_command

from tank_mailer.cli.program import build
from tests.project.pages import Fence, code, fences

_COMMENT = re.compile(r"(?<!\S)#(?!\S).*$", re.MULTILINE)
_HEREDOC = re.compile(r"<<-?\s*['\"]?(?P<end>\w+)['\"]?(?P<rest>[^\n]*)\n.*?^\s*(?P=end)$", re.MULTILINE | re.DOTALL)
_SUBSTITUTION = re.compile(r"\$\(((?:[^()]|\([^()]*\))*)\)")
_SUBSTITUTED = "2030-01-31"  # $(date +%F), mostly
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
_ALTERNATIVES = re.compile(r"(?<!\S)[\w-]+(?:\|[\w-]+)+(?!\S)")  # within a sentence: report daily|weekly
_ENDS = frozenset({"|", "||", "&&", ";", ";;", "&", "(", ")"})
_GOES_BEFORE = frozenset({"if", "then", "else", "elif", "do", "while", "until", "!", "{", "time", "exec", "sudo"})
_PROGRAMS = frozenset({"tank-mailer", "aws", "docker", "systemctl", "journalctl"})
# Options of `docker run` and `docker exec` that stand alone; all others have a value.
_ALONE = frozenset({
    *("--detach", "--interactive", "--tty", "--rm", "--read-only", "--init", "--no-healthcheck", "--no-deps"),
    *("-d", "-i", "-t", "-it", "-ti", "-T", "--no-TTY"),
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Command:
    """One simple command.

    Attributes:
        words: the program and what it is called with, without assignments and redirections.
        read: the file of its `<`.
        is_whole: it stands in a fence; within a sentence, what it needs may be left out.
    """

    words: tuple[str, ...]
    read: str | None = None
    is_whole: bool = True


def script(fence: Fence) -> str:
    """All of `sh`, and of `console` what stands behind a prompt."""
    if fence.language == "sh":
        return fence.body
    return "\n".join(re.findall(r"^[$#] ((?:.*\\\n)*.*)$", fence.body, re.MULTILINE))


def commands(page: Path) -> Iterator[Command]:
    """Whatever could be typed: all in fences, and of the code in sentences what reads like a call."""
    for fence in fences(page, "sh", "console"):
        for words, read in _taken_apart(script(fence)):
            yield Command(words, read)
    for text in code(page):
        if _reads_like_a_call(text):
            for each in _alternatives(text):
                for words, read in _taken_apart(each):
                    yield Command(words, read, is_whole=False)


def steps(page: Path, section: str) -> list[Command]:
    """What a section has a person type, in its order."""
    found = fences(page, "sh", "console", under=section)
    return [Command(words, read) for fence in found for words, read in _taken_apart(script(fence))]


def _reads_like_a_call(text: str) -> bool:
    """`tank-mailer ...`, `docker ...`; and `dlq list`, `pause --lane LANE` without the program's name."""
    first, second, *_ = [*(word for word in text.split() if not _ASSIGNMENT.match(word)), "", ""]
    if first in _PROGRAMS:
        return second not in {"", "|"}
    group = own_commands().commands.get(first)
    if isinstance(group, TyperGroup):
        return second in group.commands
    return group is not None and second.startswith("--")


def _alternatives(text: str) -> Iterator[str]:
    found = _ALTERNATIVES.search(text)
    if found is None:
        yield text
        return
    for one in found[0].split("|"):
        yield from _alternatives(text[: found.start()] + one + text[found.end() :])


# --- a shell's words -------------------------------------------------------------------------------


def _taken_apart(text: str) -> Iterator[tuple[tuple[str, ...], str | None]]:
    """All simple commands, those inside `$(...)` at the end."""
    text = _COMMENT.sub("", _HEREDOC.sub(lambda found: found["rest"], text).replace("\\\n", " "))
    inside = [one for one in _SUBSTITUTION.findall(text) if not one.startswith("(")]  # not $((arithmetic))
    for line in [*_lines(_SUBSTITUTION.sub(_SUBSTITUTED, text)), *inside]:
        yield from _simple(_tokens(line))


def _lines(text: str) -> Iterator[str]:
    """Lines as a shell reads them: a quotation may go over several."""
    begun = ""
    for line in text.splitlines():
        begun = f"{begun}\n{line}" if begun else line
        try:
            _tokens(begun)
        except ValueError:
            continue
        yield begun
        begun = ""


def _tokens(line: str) -> list[str]:
    reader = shlex.shlex(line, posix=True, punctuation_chars="|&;<>()")
    reader.whitespace_split = True
    reader.commenters = ""
    return list(reader)


def _simple(tokens: list[str]) -> Iterator[tuple[tuple[str, ...], str | None]]:
    words, read = list[str](), None
    rest = iter([*tokens, ";"])
    for token in rest:
        if token in _ENDS:
            while words and (words[0] in _GOES_BEFORE or _ASSIGNMENT.match(words[0])):
                words.pop(0)
            if words:
                yield tuple(words), read
            words, read = [], None
        elif set(token) <= set("<>&"):
            target = next(rest)
            read = target if token == "<" else read
            if words and words[-1].isdigit():  # 2>file
                words.pop()
        else:
            words.append(token)


# --- ours ------------------------------------------------------------------------------------------


@cache
def own_commands() -> TyperGroup:
    root = get_command(build())
    assert isinstance(root, TyperGroup)
    return root


def ours(page: Path) -> Iterator[tuple[Command, tuple[str, ...]]]:
    """All calls of our program, in a container too, and what it is called with."""
    for one in commands(page):
        called = _called_with(one.words)
        if called is None and not one.is_whole and one.words[0] in own_commands().commands:
            called = list(one.words)
        if called:
            yield one, tuple(called)


def on_this_host(words: Sequence[str], folder: Path) -> tuple[str, ...]:
    """The same call, with a page's absolute paths below a folder, and the folders that they stand in."""
    moved = [str(folder / word.lstrip("/")) if word.startswith("/") else word for word in words]
    for word, before in zip(moved, words, strict=True):
        if word != before:
            Path(word).parent.mkdir(parents=True, exist_ok=True)
    return tuple(moved)


def _called_with(words: Sequence[str]) -> list[str] | None:
    """None: it is somebody else's program."""
    match list(words):
        case ["docker", "run", *rest]:
            image, *called = [*_after_options(rest), ""]
            return called[:-1] if image.split(":")[0].endswith("tank-mailer") else None
        case ["docker", "exec", *rest] | ["docker", "compose", "exec", *rest]:
            return _called_with(_after_options(rest)[1:])
        case ["docker", "compose", "run", *rest]:
            return _after_options(rest)[1:]
        case [program, *rest] if program == "tank-mailer" or program.endswith(("/tank-mailer", "/tank-mailer-ctl")):
            return rest[2:] if rest[:1] == ["-i"] else rest  # of the wrapper: an instance
        case _:
            return None


def _after_options(words: list[str]) -> list[str]:
    """From the container's or the image's name on."""
    while words and words[0].startswith("-"):
        words = words[1 if words[0] in _ALONE or "=" in words[0] else 2 :]
    return [word for word in words if word != "..."]
