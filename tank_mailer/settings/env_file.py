"""A `.env` with settings put into it; all else in it stays as it is."""

from collections.abc import Mapping
from dataclasses import dataclass
from io import StringIO

from dotenv.parser import Binding, parse_stream


@dataclass(frozen=True, slots=True)
class Edited:
    """What has become of the text, and of each name.

    Attributes:
        text: with every value in it.
        added: had no value before.
        kept: stood there with this value.
        changed: stood there with another one.
    """

    text: str
    added: tuple[str, ...]
    kept: tuple[str, ...]
    changed: tuple[str, ...]


def put(text: str, values: Mapping[str, str], *, comments: Mapping[str, str], heading: str) -> Edited:
    """Put `values` into the text of a `.env`.

    A name that stands there keeps its place, and one that stands there twice is the same in both. A name that is
    commented out without a value, as in .env.example, is put there. What else is new comes at the end, under `heading`,
    each below its comment.

    Args:
        text: as it is read; "" for a file that is not there yet.
        values: by name, as plain as they may stand without quotes.
        comments: by name.
        heading: one line.
    """
    bindings = list(parse_stream(StringIO(text)))
    before: dict[str, list[str]] = {}
    for binding in bindings:
        if (name := _name(binding)) in values:
            before.setdefault(name, []).append(binding.value or "")
    free = {f"#{name}=": name for name in values if name not in before}
    parts = list[str]()
    for binding in bindings:
        name = _name(binding) or free.pop(binding.original.string.strip(), "")
        if name not in values or binding.value == values[name]:
            parts.append(binding.original.string)
        else:
            parts.append(_replaced(binding.original.string, f"{name}={values[name]}"))
    known = {name: {value for value in there if value.strip()} for name, there in before.items()}
    added = tuple(name for name in values if not known.get(name))
    kept = tuple(name for name in values if known.get(name) == {values[name]})
    changed = tuple(name for name in values if name not in {*added, *kept})
    new = [f"# {comments[name]}\n{name}={values[name]}\n" for name in values if name in free.values()]
    return Edited(_joined("".join(parts), heading, new), added, kept, changed)


def _name(binding: Binding) -> str:
    """As settings are read: in any case; "" of what is no setting."""
    return "" if binding.error or binding.key is None else binding.key.upper()


def _replaced(line: str, by: str) -> str:
    """The line between the line breaks around it, which the parser counts to it."""
    bare = line.strip("\r\n")
    start = line.index(bare)
    prefix = "export " if bare.lstrip().startswith("export ") else ""
    return f"{line[:start]}{prefix}{by}{line[start + len(bare) :]}"


def _joined(text: str, heading: str, new: list[str]) -> str:
    if not new:
        return text
    if text and not text.endswith("\n"):
        text += "\n"
    return f"{text}{chr(10) if text.strip() else ''}# {heading}\n{''.join(new)}"
