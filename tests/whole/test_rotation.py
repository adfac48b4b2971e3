"""Keys change while the daemon works: by a file, by a helper, and at SIGHUP; nothing is restarted, lost or doubled."""

import asyncio
import json
import os
import signal
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.whole.conftest import KEYS, Daemon, OpenSite, Site

OLD, NEW = "AKIDOLD", "AKIDNEW"


def of_a_file(site: Site, key: str) -> None:
    """The SDK's own file."""
    site.environment["AWS_SHARED_CREDENTIALS_FILE"] = str(site.folder / "credentials")
    text = f"[default]\naws_access_key_id = {key}\naws_secret_access_key = secret\n"
    replace(site.folder / "credentials", text)


def of_a_helper(site: Site, key: str) -> None:
    """A `credential_process`, such as that of IAM Roles Anywhere."""
    answer = site.folder / "answer"
    site.environment["AWS_CONFIG_FILE"] = str(site.folder / "config")
    program = f"print(open('{answer}').read())"
    (site.folder / "config").write_text(f'[default]\ncredential_process = {sys.executable} -c "{program}"\n')
    expires = datetime.now(UTC) + timedelta(hours=1)
    keys = {"AccessKeyId": key, "SecretAccessKey": "secret", "SessionToken": "token", "Expiration": expires.isoformat()}
    replace(answer, json.dumps({"Version": 1, **keys}))


def replace(path: Path, text: str) -> None:
    new = path.with_name(f"{path.name}.new")
    new.write_text(text)
    new.chmod(0o600)
    new.replace(path)


def without_keys(site: Site) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        del site.environment[name]


def said(daemon: Daemon, event: str) -> list[dict[str, Any]]:
    return [line for line in daemon.lines if line["event"] == event]


@pytest.mark.parametrize("give", [of_a_file, of_a_helper])
async def test_a_new_key_is_found_before_the_old_one_stops_anything(open_site: OpenSite, give: Any) -> None:
    """The old one is switched off in the middle of the work; whoever rotates touches nothing else."""
    async with open_site(ses_latency_s=0.02, TANK_SEND_RATE="50") as site:
        without_keys(site)
        give(site, OLD)
        ids = await site.put_jobs(100)
        daemon = await site.start()
        await site.until(lambda: len(site.accepted()) >= 20, daemon, what="mails by the old key")
        give(site, NEW)
        site.standin.state.signers.refused[OLD] = "invalid"
        await site.until(lambda: site.depth() == 0, daemon, what="an empty queue")
        assert await daemon.stop() == 0

        assert site.accepted() == dict.fromkeys(ids, 1)
        assert site.standin.state.signers.calls[NEW] > 0
        assert [line["key"] for line in said(daemon, "credentials_changed")] == ["****DNEW"]
        assert said(daemon, "pause_begun") == []


def in_env_file(site: Site, key: str, *more: str) -> None:
    """A `.env` that systemd or Docker has put into the environment, too, when the daemon was started."""
    lines = [f"AWS_ACCESS_KEY_ID={key}", "AWS_SECRET_ACCESS_KEY=secret", *more]
    replace(site.folder / ".env", "\n".join(lines) + "\n")


def in_secret_files(site: Site, key: str, *more: str) -> None:
    """A file for each, such as Docker's secrets; they come in place of lines in the environment."""
    secrets = site.folder / "secrets"
    secrets.mkdir(exist_ok=True)
    site.environment["CREDENTIALS_DIRECTORY"] = str(secrets)
    site.environment.pop("AWS_ACCESS_KEY_ID", None)
    site.environment.pop("AWS_SECRET_ACCESS_KEY", None)
    for line in (f"AWS_ACCESS_KEY_ID={key}", "AWS_SECRET_ACCESS_KEY=secret", *more):
        name, _, value = line.partition("=")
        replace(secrets / name, value)


@pytest.mark.parametrize("give", [in_env_file, in_secret_files])
async def test_a_pause_for_a_dead_key_is_over_once_the_new_one_is_read(open_site: OpenSite, give: Any) -> None:
    """The operator's way out at night: switch the key, `systemctl reload`."""
    async with open_site(ses_latency_s=0.02, TANK_SEND_RATE="50") as site:
        site.environment |= {"AWS_ACCESS_KEY_ID": OLD, "AWS_SECRET_ACCESS_KEY": "secret"}
        give(site, OLD)
        ids = await site.put_jobs(100)
        daemon = await site.start()
        await site.until(lambda: len(site.accepted()) >= 20, daemon, what="mails by the old key")
        site.standin.state.signers.refused[OLD] = "invalid"
        await site.until(lambda: bool(said(daemon, "pause_begun")), daemon, what="a pause")
        give(site, NEW, "TANK_LOG_LEVEL=debug")
        daemon.process.send_signal(signal.SIGHUP)
        await site.until(lambda: site.depth() == 0, daemon, what="an empty queue")
        counts = site.standin.state.counts
        await site.until(lambda: counts.of("iam", "ListAccessKeys") == 2, daemon, what="the age of the new key")
        assert await daemon.stop() == 0
        [reloaded] = said(daemon, "settings_reloaded")

        assert site.accepted() == dict.fromkeys(ids, 1)
        assert reloaded["changed"] == ["AWS_ACCESS_KEY_ID"]
        assert reloaded["restart_for"] == ["TANK_LOG_LEVEL"]
        assert reloaded["has_new_keys"]
        assert "secret" not in json.dumps(daemon.lines)
        assert {line["reason"] for line in said(daemon, "pause_begun")} == {"bad_credentials"}


async def test_settings_with_faults_leave_those_in_force(open_site: OpenSite) -> None:
    """Half a file, saved too early, must not stop the mail."""
    async with open_site() as site:
        site.environment |= {"AWS_ACCESS_KEY_ID": OLD, "AWS_SECRET_ACCESS_KEY": "secret"}
        in_env_file(site, OLD)
        daemon = await site.start()
        await site.until(lambda: bool(said(daemon, "daemon_started")), daemon, what="the start")
        in_env_file(site, NEW, "TANK_MAX_PARALEL=4", "TANK_MAX_ATTEMPTS=many")
        daemon.process.send_signal(signal.SIGHUP)
        await site.until(lambda: len(said(daemon, "settings_refused")) == 2, daemon, what="two faults")
        ids = await site.put_jobs(3)
        await site.until(lambda: site.depth() == 0, daemon, what="an empty queue")
        assert await daemon.stop() == 0

        assert site.accepted() == dict.fromkeys(ids, 1)
        assert NEW not in site.standin.state.signers.calls
        assert {line["name"] for line in said(daemon, "settings_refused")} == {"TANK_MAX_PARALEL", "TANK_MAX_ATTEMPTS"}


async def test_keys_that_left_the_file_are_not_found_in_the_environment(open_site: OpenSite) -> None:
    """There systemd has put them at the start; the day they give way to a helper they must be gone."""
    async with open_site() as site:
        site.environment |= {"AWS_ACCESS_KEY_ID": OLD, "AWS_SECRET_ACCESS_KEY": "secret"}
        in_env_file(site, OLD)
        of_a_helper(site, NEW)
        daemon = await site.start()
        await site.until(lambda: bool(said(daemon, "daemon_started")), daemon, what="the start")
        replace(site.folder / ".env", "")
        daemon.process.send_signal(signal.SIGHUP)
        await site.until(lambda: bool(said(daemon, "settings_reloaded")), daemon, what="the new settings")
        site.standin.state.signers.refused[OLD] = "invalid"
        ids = await site.put_jobs(3)
        await site.until(lambda: site.depth() == 0, daemon, what="an empty queue")
        assert await daemon.stop() == 0
        [changed] = said(daemon, "credentials_changed")

        assert site.accepted() == dict.fromkeys(ids, 1)
        assert changed["origin"] == "custom-process"


async def test_who_closes_the_terminal_ends_it(open_site: OpenSite) -> None:
    """SIGHUP of a terminal that is gone is no wish for other settings."""
    async with open_site() as site:
        site.environment |= KEYS
        master, slave = os.openpty()
        run = f"os.execv({sys.executable!r}, [{sys.executable!r}, '-m', 'tank_mailer', 'run'])"
        enter = f"import os; os.login_tty({slave}); {run}"
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", enter), cwd=site.folder, env=site.environment, pass_fds=(slave,),
            start_new_session=True,
        )  # fmt: skip
        os.close(slave)
        try:
            await site.until(lambda: b"daemon_started" in os.read(master, 65_536), what="the start")
            os.close(master)
            daemon = Daemon(process, site.folder / "none", site.standin)
            (site.folder / "none").touch()
            assert await daemon.stop(signal.SIGCONT) == 0
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
