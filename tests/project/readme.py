"""The commands of the README's section "Two commands"; run as a script, it prints them, a line each."""

import re
from pathlib import Path

README = Path(__file__).parents[2] / "README.md"


def commands() -> list[str]:
    section = README.read_text(encoding="utf-8").split("## Two commands")[1].split("\n## ")[0]
    return [block.strip() for block in re.findall(r"```sh\n(.*?)```", section, re.DOTALL)]


if __name__ == "__main__":
    print("\n".join(commands()))
