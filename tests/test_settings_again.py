"""Settings that are read again: what a file has put into the environment may change, the rest of it does not."""

from pathlib import Path

import pytest

from tank_mailer.settings import Changes, Sources, changes_of

QUEUE = "https://sqs.eu-west-1.amazonaws.com/123456789012/tank-outbound"
OLD = {"AWS_ACCESS_KEY_ID": "AKIDOLD", "AWS_SECRET_ACCESS_KEY": "old"}
NEW = {"AWS_ACCESS_KEY_ID": "AKIDNEW", "AWS_SECRET_ACCESS_KEY": "new"}


def write(path: Path, lines: dict[str, str]) -> None:
    path.write_text("".join(f"{name}={value}\n" for name, value in lines.items()))
    path.chmod(0o600)


def sources(folder: Path, in_file: dict[str, str], environ: dict[str, str]) -> Sources:
    write(folder / "mailer.env", in_file)
    environ = {"TANK_OUTBOUND_QUEUE_URL": QUEUE, "PATH": "/bin", **environ}
    return Sources.of(folder / "mailer.env", environ, container_secrets=folder / "secrets")


def changes(folder: Path, in_file: dict[str, str], environ: dict[str, str], later: dict[str, str]) -> Changes:
    read = sources(folder, in_file, environ)
    before = read.load()
    write(folder / "mailer.env", later)
    return changes_of(before, read.load(), keys=before.aws)


NODE, OTHER = {"TANK_NODE": "one"}, {"TANK_NODE": "two"}
HERE, THERE = {"AWS_REGION": "eu-west-1"}, {"AWS_REGION": "eu-west-2"}


@pytest.mark.parametrize(
    ("in_file", "environ", "later", "changed", "waiting"),
    [
        pytest.param(OLD, {}, OLD, (), (), id="nothing"),
        pytest.param(OLD, {}, NEW, tuple(NEW), (), id="keys"),
        pytest.param(OLD, OLD, NEW, tuple(NEW), (), id="keys-that-systemd-has-read-too"),
        pytest.param(OLD, OLD, {}, tuple(OLD), (), id="keys-that-are-gone"),
        pytest.param(OLD, OLD, {"AWS_PROFILE": "mail"}, (*OLD, "AWS_PROFILE"), (), id="keys-for-a-profile"),
        pytest.param(OLD, NEW, OLD | NODE, (), ("TANK_NODE",), id="keys-of-the-environment-stay"),
        pytest.param(NODE, NODE, OTHER, (), ("TANK_NODE",), id="a-setting"),
        pytest.param(NODE, NODE, {}, (), ("TANK_NODE",), id="a-setting-that-is-gone"),
        pytest.param(NODE, OTHER, {"TANK_NODE": "three"}, (), (), id="a-setting-that-the-environment-outdoes-anyway"),
        pytest.param(HERE, {}, THERE, (), ("AWS_REGION",), id="a-region"),
        pytest.param(HERE, HERE, THERE, (), ("AWS_REGION",), id="a-region-that-systemd-has-read-too"),
    ],
)
def test_changes(
    tmp_path: Path,
    *,
    in_file: dict[str, str],
    environ: dict[str, str],
    later: dict[str, str],
    changed: tuple[str, ...],
    waiting: tuple[str, ...],
) -> None:
    assert changes(tmp_path, in_file, environ, later) == Changes(tuple(sorted(changed)), waiting)


def test_what_the_file_has_put_into_the_environment_is_the_files(tmp_path: Path) -> None:
    """Only what can be given to the SDK anew; a proxy, say, it and its helpers go on finding there."""
    read = sources(tmp_path, OLD | NODE | {"HTTPS_PROXY": "http://p:1"}, OLD | OTHER | {"HTTPS_PROXY": "http://p:1"})

    assert read.of_file == set(OLD)
    assert set(read.environ) == {"TANK_OUTBOUND_QUEUE_URL", "PATH", "TANK_NODE", "HTTPS_PROXY"}
    assert read.load().settings.node == "two"


def test_the_usual_file_is_found_as_at_the_start(tmp_path: Path) -> None:
    write(tmp_path / ".env", OLD)
    read = Sources.of(None, {"TANK_OUTBOUND_QUEUE_URL": QUEUE, **OLD}, directory=tmp_path)

    assert read.of_file == set(OLD)
    assert read.load().aws["AWS_ACCESS_KEY_ID"] == "AKIDOLD"


def test_no_print_tells_the_environment(tmp_path: Path) -> None:
    read = sources(tmp_path, {}, {"AWS_SECRET_ACCESS_KEY": "wJalrX"})

    assert "wJalrX" not in repr(read)


@pytest.mark.parametrize(
    ("second", "changed"),
    [
        pytest.param(NEW, (), id="the-same-once-more"),
        pytest.param(OLD, tuple(OLD), id="back-to-the-first"),
    ],
)
def test_keys_are_compared_with_those_in_force(
    tmp_path: Path, second: dict[str, str], changed: tuple[str, ...]
) -> None:
    """Not with those of the start: at the next rotation the line would name what stayed, and not what went back."""
    read = sources(tmp_path, OLD, {})
    start = read.load()
    write(tmp_path / "mailer.env", NEW)
    in_force = read.load().aws
    write(tmp_path / "mailer.env", second)

    assert changes_of(start, read.load(), keys=in_force).changed == changed
