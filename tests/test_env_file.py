"""A `.env` with settings put into it: what is added, what is replaced, and that nothing else moves."""

import pytest

from tank_mailer.settings.env_file import Edited, put

VALUES = {"TANK_A": "one", "TANK_B": "two"}
COMMENTS = {"TANK_A": "the first", "TANK_B": "the second"}
NEW_A, NEW_B = "# the first\nTANK_A=one\n", "# the second\nTANK_B=two\n"


def edit(text: str) -> Edited:
    return put(text, VALUES, comments=COMMENTS, heading="From a test.")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param("", f"# From a test.\n{NEW_A}{NEW_B}", id="a-new-file"),
        pytest.param("X=1\n", f"X=1\n\n# From a test.\n{NEW_A}{NEW_B}", id="after-what-is-there"),
        pytest.param("X=1", f"X=1\n\n# From a test.\n{NEW_A}{NEW_B}", id="after-a-line-without-an-end"),
        pytest.param("TANK_A=one\nTANK_B=two\n", "TANK_A=one\nTANK_B=two\n", id="all-there"),
        pytest.param("TANK_A='one' # mine\nTANK_B=two", "TANK_A='one' # mine\nTANK_B=two", id="in-its-own-spelling"),
        pytest.param("TANK_B=\nX=1\n", f"TANK_B=two\nX=1\n\n# From a test.\n{NEW_A}", id="an-empty-one-in-its-place"),
        pytest.param(
            "# c\n\nTANK_A=0\n\n\nTANK_B=two\nX='a b'\n",
            "# c\n\nTANK_A=one\n\n\nTANK_B=two\nX='a b'\n",
            id="another-value-in-its-place",
        ),
        pytest.param("export TANK_A=0\nTANK_B=two\n", "export TANK_A=one\nTANK_B=two\n", id="for-a-shell-as-well"),
        pytest.param("tank_a=0\nTANK_B=two\n", "TANK_A=one\nTANK_B=two\n", id="in-small-letters"),
        pytest.param(
            "TANK_A=0\nTANK_B=two\nTANK_A=one\n", "TANK_A=one\nTANK_B=two\nTANK_A=one\n", id="twice-and-the-same-then"
        ),
        pytest.param("TANK_A=0\r\nTANK_B=two\r\n", "TANK_A=one\r\nTANK_B=two\r\n", id="lines-of-windows"),
        pytest.param("# a\n#TANK_A=\n\n# b\n#TANK_B=\n", "# a\nTANK_A=one\n\n# b\nTANK_B=two\n", id="at-its-comment"),
        pytest.param(
            "#TANK_A=\nTANK_A=0\n#TANK_B=\n#TANK_B=\n",
            "#TANK_A=\nTANK_A=one\nTANK_B=two\n#TANK_B=\n",
            id="once-at-its-comment",
        ),
        pytest.param("#TANK_A=0\n", f"#TANK_A=0\n\n# From a test.\n{NEW_A}{NEW_B}", id="a-comment-stays-one"),
        pytest.param("gibberish\n", f"gibberish\n\n# From a test.\n{NEW_A}{NEW_B}", id="what-is-no-line-stays"),
        pytest.param("TANK_A\n", f"TANK_A=one\n\n# From a test.\n{NEW_B}", id="a-name-alone"),
        pytest.param(
            "KEY='a\nTANK_A=0\nb'\n",
            f"KEY='a\nTANK_A=0\nb'\n\n# From a test.\n{NEW_A}{NEW_B}",
            id="within-another-value",
        ),
    ],
)
def test_put(before: str, after: str) -> None:
    assert edit(before).text == after
    assert edit(after).text == after


@pytest.mark.parametrize(
    ("before", "added", "kept", "changed"),
    [
        pytest.param("", ("TANK_A", "TANK_B"), (), (), id="nothing-there"),
        pytest.param("TANK_A=one\nTANK_B=\n", ("TANK_B",), ("TANK_A",), (), id="an-empty-value-is-none"),
        pytest.param("TANK_A=0\nTANK_B=two\n", (), ("TANK_B",), ("TANK_A",), id="another-value"),
        pytest.param("TANK_A=one\nTANK_A=0\nTANK_B=two", (), ("TANK_B",), ("TANK_A",), id="two-values"),
        pytest.param("TANK_A=\nTANK_A=one\nTANK_B=two", (), ("TANK_A", "TANK_B"), (), id="one-and-none"),
    ],
)
def test_each_name_is_told(
    before: str, added: tuple[str, ...], kept: tuple[str, ...], changed: tuple[str, ...]
) -> None:
    found = edit(before)

    assert (found.added, found.kept, found.changed) == (added, kept, changed)
