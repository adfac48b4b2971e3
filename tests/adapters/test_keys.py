"""Keys that change under open clients: by a file, by a helper, because AWS refuses them, because they run out."""

import asyncio
import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import BotoCoreError, ClientError, CredentialRetrievalError, PartialCredentialsError

from tank_mailer.adapters import aws, keys
from tank_mailer.adapters.keys import Keys, Source, told
from tank_mailer.core.errors import ConfigurationError
from tank_mailer.standin import Standin

HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """No second between two looks: a test waits for none."""
    for name in ("STAMP_EVERY_S", "AGAIN_EVERY_S", "EARLY_EVERY_S"):
        monkeypatch.setattr(keys, name, 0.0)


def write(path: Path, text: str) -> None:
    """As `aws configure` and every careful program does: a new file under the old name."""
    new = path.with_suffix(".new")
    new.write_text(text)
    new.replace(path)


def profile(key: str) -> str:
    return f"[default]\naws_access_key_id = {key}\naws_secret_access_key = secret-of-{key}\n"


@dataclass(eq=False)
class Helper:
    """A `credential_process`: prints what stands in a file, and adds a line to another for each time it ran."""

    folder: Path

    @property
    def variables(self) -> dict[str, str]:
        (self.folder / "config").write_text(f"[default]\ncredential_process = /bin/sh {self.folder / 'helper.sh'}\n")
        (self.folder / "helper.sh").write_text(
            f'cd "{self.folder}" && printf . >>runs && read -r text <answer && echo "$text"\n'
            'case $text in no*) echo "$text" >&2; exit 1 ;; esac\n'
        )
        return {"AWS_CONFIG_FILE": str(self.folder / "config")}

    def answers(self, text: str) -> None:
        (self.folder / "answer").write_text(f"{text}\n")

    def hands_out(self, key: str, *, until: timedelta | None = HOUR) -> None:
        answer = {"Version": 1, "AccessKeyId": key, "SecretAccessKey": f"secret-of-{key}", "SessionToken": "token"}
        if until is not None:
            answer["Expiration"] = (datetime.now(UTC) + until).isoformat()
        self.answers(json.dumps(answer))

    @property
    def runs(self) -> int:
        return len((self.folder / "runs").read_text())


@pytest.fixture
def helper(tmp_path: Path) -> Helper:
    return Helper(tmp_path)


@dataclass(eq=False)
class Office:
    """Where keys are looked up without files and processes: hands out what it is told to, or raises it."""

    hands_out: list[Any] = field(default_factory=list)
    asked: list[Mapping[str, str]] = field(default_factory=list)
    open: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.open.set()

    def __call__(self, variables: Mapping[str, str]) -> Source:
        return Source((), lambda: self._read(variables))

    async def _read(self, variables: Mapping[str, str]) -> Any:
        self.asked.append(variables)
        await self.open.wait()
        what = self.hands_out.pop(0) if len(self.hands_out) > 1 else self.hands_out[0]
        if isinstance(what, Exception):
            raise what
        return what


@dataclass(frozen=True)
class Static:
    key: str
    method: str = "static"
    given: ReadOnlyCredentials | None = None

    async def get_frozen_credentials(self) -> ReadOnlyCredentials:
        return self.given or frozen(self.key)


def frozen(key: str) -> ReadOnlyCredentials:
    return ReadOnlyCredentials(key, f"secret-of-{key}", None, None)


def keys_of(office: Office) -> Keys:
    return Keys(aws={}, source=office)


async def key_of(of: Keys) -> str | None:
    found = await of.get_frozen_credentials()
    return None if found is None else found.access_key


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while True:
            if holds():
                return
            await asyncio.sleep(0.01)


@pytest.fixture
def open_clients(standin: Standin) -> Any:
    def opened(**variables: str) -> Any:
        return aws.open_clients(
            {"AWS_ENDPOINT_URL": standin.url, **variables}, region="eu-west-1", max_parallel=4, ses_timeout_s=20.0
        )

    return opened


# --- files -----------------------------------------------------------------------------------------


async def test_a_file_that_changes_counts_from_the_next_call(
    open_clients: Any, standin: Standin, tmp_path: Path
) -> None:
    file = tmp_path / "credentials"
    write(file, profile("AKIDOLD"))
    async with open_clients(AWS_SHARED_CREDENTIALS_FILE=str(file)) as clients:
        await clients.sending.get_account()
        write(file, profile("AKIDNEW"))
        await clients.sending.get_account()
        await clients.settling.list_queues()

    assert standin.state.signers.calls == {"AKIDOLD": 1, "AKIDNEW": 2}


async def test_a_file_that_comes_later_counts_too(open_clients: Any, standin: Standin, tmp_path: Path) -> None:
    file = tmp_path / "credentials"
    async with open_clients(AWS_SHARED_CREDENTIALS_FILE=str(file)) as clients:
        with pytest.raises(BotoCoreError, match="Unable to locate credentials"):
            await clients.sending.get_account()
        write(file, profile("AKIDNEW"))
        await clients.sending.get_account()

    assert standin.state.signers.calls == {"AKIDNEW": 1}


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param("[default]\naws_access_key_id = AKIDNEW\n", id="half-a-pair"),
        pytest.param("[default\n", id="no-such-file-format"),
        pytest.param("", id="empty"),
    ],
)
async def test_a_file_in_the_middle_of_a_change_is_not_believed(
    open_clients: Any, standin: Standin, tmp_path: Path, broken: str
) -> None:
    """An editor may save twice: what was in use is in use until there is something better."""
    file = tmp_path / "credentials"
    write(file, profile("AKIDOLD"))
    async with open_clients(AWS_SHARED_CREDENTIALS_FILE=str(file)) as clients:
        for text in (profile("AKIDOLD"), broken, profile("AKIDNEW")):
            write(file, text)
            await clients.sending.get_account()

    assert standin.state.signers.calls == {"AKIDOLD": 2, "AKIDNEW": 1}


async def test_half_a_pair_at_the_start_is_a_fault_of_the_settings(open_clients: Any, tmp_path: Path) -> None:
    file = tmp_path / "credentials"
    write(file, "[default]\naws_access_key_id = AKIDNEW\n")

    with pytest.raises(ConfigurationError, match="aws_secret_access_key"):
        async with open_clients(AWS_SHARED_CREDENTIALS_FILE=str(file)):
            pass


# --- a helper --------------------------------------------------------------------------------------


async def test_a_helper_is_asked_once_while_its_keys_are_good(
    open_clients: Any, standin: Standin, helper: Helper
) -> None:
    helper.hands_out("ASIAONE")
    async with open_clients(**helper.variables) as clients:
        for _ in range(3):
            await clients.sending.get_account()

    assert standin.state.signers.calls == {"ASIAONE": 3}
    assert helper.runs == 1


async def test_a_helper_is_asked_beside_the_work_before_its_keys_run_out(
    open_clients: Any, standin: Standin, helper: Helper
) -> None:
    """Nobody waits for it: a helper that is slow then costs no mail its time."""
    helper.hands_out("ASIAONE", until=timedelta(minutes=5))
    async with open_clients(**helper.variables) as clients:
        helper.hands_out("ASIATWO")
        await clients.sending.get_account()
        while clients.keys._looking is not None and not clients.keys._looking.done():
            await asyncio.wait({clients.keys._looking})
        await clients.sending.get_account()

    assert set(standin.state.signers.calls) == {"ASIAONE", "ASIATWO"}


async def test_nothing_is_signed_with_keys_that_have_run_out(
    open_clients: Any, standin: Standin, helper: Helper
) -> None:
    """AWS would refuse it, and its clock may be a little ahead."""
    helper.hands_out("ASIAONE", until=timedelta(seconds=30))
    async with open_clients(**helper.variables) as clients:
        helper.hands_out("ASIATWO")
        await clients.sending.get_account()

    assert standin.state.signers.calls == {"ASIATWO": 1}


async def test_keys_that_have_run_out_without_others_send_nothing(
    open_clients: Any, standin: Standin, helper: Helper
) -> None:
    """A definite end before anything left: no job is in doubt for it."""
    helper.hands_out("ASIAONE", until=timedelta(seconds=-1))
    async with open_clients(**helper.variables) as clients:
        helper.answers("no certificate")
        with pytest.raises(CredentialRetrievalError):
            await clients.sending.get_account()

    assert standin.state.signers.calls == {}


async def test_keys_run_out_while_their_helper_fails(
    open_clients: Any, standin: Standin, helper: Helper, monkeypatch: pytest.MonkeyPatch
) -> None:
    helper.hands_out("ASIAONE")
    async with open_clients(**helper.variables) as clients:
        helper.answers("no certificate")
        monkeypatch.setattr(clients.keys._lease, "_time_fetcher", lambda: datetime.now(UTC) + 2 * HOUR)
        with pytest.raises(CredentialRetrievalError, match="run out"):
            await clients.sending.get_account()

    assert standin.state.signers.calls == {}


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param("no certificate", id="it-says-no"),
        pytest.param("<html>", id="a-page"),
        pytest.param('{"Version": 1}', id="without-keys"),
        pytest.param('{"Version": 2}', id="another-version"),
    ],
)
async def test_a_helper_that_fails_at_the_start_ends_nothing(
    open_clients: Any, standin: Standin, helper: Helper, answer: str
) -> None:
    """At boot the network may come later: a pause, and not the end with 78, after which nobody starts us again."""
    helper.answers(answer)
    async with open_clients(**helper.variables) as clients:
        with pytest.raises(CredentialRetrievalError):
            await clients.sending.get_account()
        helper.hands_out("ASIAONE")
        await clients.sending.get_account()

    assert standin.state.signers.calls == {"ASIAONE": 1}


async def test_a_helper_that_is_not_there_is_said_to_be_missing(
    open_clients: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "config"
    config.write_text("[default]\ncredential_process = /opt/nowhere/helper\n")

    async with open_clients(AWS_CONFIG_FILE=str(config)) as clients:
        with pytest.raises(CredentialRetrievalError, match="/opt/nowhere/helper: No such file"):
            await clients.sending.get_account()

    assert "/opt/nowhere/helper: No such file or directory" in capsys.readouterr().out


async def test_a_helper_that_hangs_is_ended(open_clients: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or each probe of a pause would leave one behind."""
    monkeypatch.setattr(keys, "LOOK_TIMEOUT_S", 1.0)
    config, pid = tmp_path / "config", tmp_path / "pid"
    program = f"import os, time; open('{pid}', 'w').write(str(os.getpid())); time.sleep(600)"
    config.write_text(f'[default]\ncredential_process = {sys.executable} -c "{program}"\n')

    async with open_clients(AWS_CONFIG_FILE=str(config)):
        await until(lambda: not pid.exists() or not runs(int(pid.read_text() or "0")))


def runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


# --- refused by AWS --------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["expired", "invalid"])
async def test_a_refused_key_is_looked_up_once_more_before_anything_is_paused(
    open_clients: Any, standin: Standin, helper: Helper, how: str
) -> None:
    helper.hands_out("ASIAONE")
    async with open_clients(**helper.variables) as clients:
        await clients.sending.get_account()
        standin.state.signers.refused["ASIAONE"] = how
        helper.hands_out("ASIATWO")
        await asyncio.gather(clients.sending.get_account(), clients.settling.list_queues())

    assert standin.state.signers.calls == {"ASIAONE": 3, "ASIATWO": 2}
    assert helper.runs == 2  # both calls were refused, and one look served both


async def test_a_refused_key_without_another_is_refused(open_clients: Any, standin: Standin, helper: Helper) -> None:
    helper.hands_out("ASIAONE")
    async with open_clients(**helper.variables) as clients:
        standin.state.signers.refused["ASIAONE"] = "expired"
        with pytest.raises(ClientError, match="ExpiredTokenException"):
            await clients.sending.get_account()

    assert standin.state.signers.calls == {"ASIAONE": 1}


async def test_no_other_refusal_is_tried_again(open_clients: Any, standin: Standin, helper: Helper) -> None:
    """A mail that SES has refused must not go to it twice."""
    helper.hands_out("ASIAONE")
    async with open_clients(**helper.variables) as clients:
        await clients.sending.get_account()
        helper.hands_out("ASIATWO")
        with pytest.raises(ClientError):
            await clients.sending.send_email(FromEmailAddress="not an address", Destination={}, Content={})

    assert standin.state.signers.calls == {"ASIAONE": 2}
    assert helper.runs == 1


# --- replaced --------------------------------------------------------------------------------------


async def test_given_keys_are_replaced_under_open_clients(open_clients: Any, standin: Standin) -> None:
    old = {"AWS_ACCESS_KEY_ID": "AKIDOLD", "AWS_SECRET_ACCESS_KEY": "secret"}
    async with open_clients(**old) as clients:
        await clients.sending.get_account()
        assert await clients.keys.replace({**old, "AWS_ACCESS_KEY_ID": "AKIDNEW"})
        await clients.sending.get_account()
        assert not await clients.keys.replace({**old, "AWS_ACCESS_KEY_ID": "AKIDNEW"})

    assert standin.state.signers.calls == {"AKIDOLD": 1, "AKIDNEW": 1}


async def test_given_keys_give_way_to_a_helper(open_clients: Any, standin: Standin, helper: Helper) -> None:
    """The day on which long-lived keys are given up."""
    helper.hands_out("ASIAONE")
    variables = helper.variables
    async with open_clients(AWS_ACCESS_KEY_ID="AKIDOLD", AWS_SECRET_ACCESS_KEY="secret", **variables) as clients:
        await clients.sending.get_account()
        assert await clients.keys.replace(variables)
        await clients.sending.get_account()

    assert standin.state.signers.calls == {"AKIDOLD": 1, "ASIAONE": 1}


async def test_half_a_pair_replaces_nothing(open_clients: Any, standin: Standin) -> None:
    async with open_clients(AWS_ACCESS_KEY_ID="AKIDOLD", AWS_SECRET_ACCESS_KEY="secret") as clients:
        assert not await clients.keys.replace({"AWS_ACCESS_KEY_ID": "AKIDNEW"})
        await clients.sending.get_account()

    assert standin.state.signers.calls == {"AKIDOLD": 1}


async def test_a_long_poll_goes_on_over_a_change(open_clients: Any, standin: Standin) -> None:
    """It was signed when it left; a cancelled one would swallow messages."""
    standin.state.queues.create("polled", {})
    url = f"{standin.url}/000000000000/polled"
    old = {"AWS_ACCESS_KEY_ID": "AKIDOLD", "AWS_SECRET_ACCESS_KEY": "secret"}
    async with open_clients(**old) as clients:
        poll = asyncio.create_task(clients.receiving.receive_message(QueueUrl=url, WaitTimeSeconds=20))
        await until(lambda: bool(standin.state.signers.calls))
        await clients.keys.replace({**old, "AWS_ACCESS_KEY_ID": "AKIDNEW"})
        standin.state.signers.refused["AKIDOLD"] = "invalid"
        await clients.settling.send_message(QueueUrl=url, MessageBody="late")
        answer = await poll

    assert [message["Body"] for message in answer["Messages"]] == ["late"]


# --- what else the SDK asks ------------------------------------------------------------------------


async def test_the_account_is_told_where_a_source_knows_it() -> None:
    with_account = ReadOnlyCredentials("AKIDONE", "secret", None, "123456789012")
    of = keys_of(Office([Static("AKIDONE", given=with_account)]))

    assert await of.get_account_id() is None  # there are no keys yet
    await of.start()

    assert await of.get_account_id() == of.get_deferred_property("account_id")() == "123456789012"


# --- one look at a time ----------------------------------------------------------------------------


async def test_who_is_cancelled_does_not_end_the_look_of_the_others() -> None:
    office = Office([CredentialRetrievalError(provider="it", error_msg="away"), Static("AKIDONE")])
    of = keys_of(office)
    await of.start()
    office.open.clear()
    first, second = (asyncio.create_task(key_of(of)) for _ in range(2))
    await until(lambda: len(office.asked) == 2)
    first.cancel()
    await asyncio.wait({first})
    office.open.set()

    assert await second == "AKIDONE"
    assert first.cancelled()
    assert len(office.asked) == 2


async def test_new_variables_wait_for_the_look_at_the_old_ones() -> None:
    """Or the slower look at what is over would win."""
    office = Office([CredentialRetrievalError(provider="it", error_msg="away"), Static("AKIDOLD"), Static("AKIDNEW")])
    of = keys_of(office)
    await of.start()
    office.open.clear()
    waiting = asyncio.create_task(key_of(of))
    await until(lambda: len(office.asked) == 2)
    replacing = asyncio.create_task(of.replace({"AWS_PROFILE": "new"}))
    await asyncio.sleep(0)
    office.open.set()

    assert await waiting == "AKIDOLD"
    assert await replacing
    assert await key_of(of) == "AKIDNEW"
    assert office.asked[-1] == {"AWS_PROFILE": "new"}


async def test_a_failure_is_said_once_until_it_is_another(capsys: pytest.CaptureFixture[str]) -> None:
    away, gone = (CredentialRetrievalError(provider="it", error_msg=text) for text in ("away", "gone"))
    of = keys_of(Office([Static("AKIDONE"), away, away, gone, Static("AKIDONE"), away]))
    await of.start()
    for _ in range(5):
        await of.replace({})

    assert [line.count("away") for line in capsys.readouterr().out.splitlines()] == [1, 0, 1]


async def test_keys_are_shown_nowhere(capsys: pytest.CaptureFixture[str]) -> None:
    secrets = {"AWS_SECRET_ACCESS_KEY": "secret-of-AKIDONE"}
    of = Keys(aws=secrets, source=Office([Static("AKIDONE"), Static("AKIDTWO"), PartialCredentialsError(
        provider="explicit", cred_var="aws_secret_access_key")]))  # fmt: skip
    await of.start()
    await of.replace(secrets)
    await of.replace(secrets)
    said = capsys.readouterr().out

    assert "secret-of" not in repr(of) + said
    assert "AKIDTWO" not in said
    assert "****DTWO" in said


@pytest.mark.parametrize(
    ("error", "text"),
    [
        pytest.param(TimeoutError(), "no answer within 15 s", id="hung"),
        pytest.param(FileNotFoundError(2, "No such file", "/x"), "/x: No such file", id="missing"),
        pytest.param(OSError(12, "Out of memory"), "Out of memory", id="no-file-to-name"),
        pytest.param(json.JSONDecodeError("Expecting value", "secret", 0),
                     "a credential_process answered something that is not JSON", id="not-quoted"),
        pytest.param(RuntimeError("still\n expired"), "still expired", id="run-out-already"),
        pytest.param(ClientError({"Error": {"Code": "AccessDenied"}}, "AssumeRole"), "AccessDenied at AssumeRole",
                     id="a-role-that-is-not-ours"),
        pytest.param(KeyError("secret"), "KeyError", id="anything"),
    ],
)  # fmt: skip
def test_told(error: Exception, text: str) -> None:
    assert told(error) == text
