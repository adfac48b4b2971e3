#!/usr/bin/env bash
# Proves the installed unit on this systemd, against the stand-in: no AWS, no mail. As root, in a container or a virtual
# machine that is for trying: it starts, kills and stops tank-mailer.service, with a state directory of its own.
# With tank-mailer@.service beside it, two instances too: on SQLite, where the second has to refuse, and, if the URL of a
# PostgreSQL database that is for trying is given, sharing the work: drill.sh postgresql+asyncpg://USER:PASSWORD@HOST/NAME
set -euo pipefail

database=${1-}

unit=tank-mailer
program=/opt/tank-mailer/bin/tank-mailer
state=/var/lib/tank-mailer-drill
python=/opt/tank-mailer/bin/python
queue=http://127.0.0.1:4566/000000000000/tank-outbound
dropin=/run/systemd/system/$unit.service.d/drill.conf
dropin_of_all=/run/systemd/system/$unit@.service.d/drill.conf
began=$(date +%s)

systemctl is-active --quiet $unit "$unit@*" && { echo "$unit is running here: not touched" >&2; exit 2; }

clean_up() {
    systemctl stop $unit "$unit@*" 2>/dev/null || true
    systemctl stop tank-standin 2>/dev/null || true
    rm -rf "$dropin" "$dropin_of_all" $state
    rmdir --ignore-fail-on-non-empty "${dropin%/*}" "${dropin_of_all%/*}" 2>/dev/null || true
    systemctl daemon-reload
    systemctl reset-failed $unit "$unit@*" 2>/dev/null || true
}
trap clean_up EXIT

passed() { printf 'passed: %s\n' "$1"; }
failed() { printf 'FAILED: %s\n' "$1" >&2; journalctl -u $unit -u "$unit@*" -n 20 --no-pager -o cat >&2; exit 1; }
shown() { systemctl show -P "$1" "${2-$unit}"; }

# use LINE...: the unit, with these lines of [Service] on top. use_of_all LINE...: the same for all instances.
use() { use_in "$dropin" "$@"; }
use_of_all() { use_in "$dropin_of_all" Environment=TANK_HTTP_LISTEN= "$@"; }
# shellcheck disable=SC2016 # systemd fills in what stands in single quotes
use_in() {
    local file=$1; shift
    mkdir -p "${file%/*}"
    printf '%s\n' '[Service]' 'EnvironmentFile=' 'StateDirectory=' 'StateDirectory=tank-mailer-drill' \
        "WorkingDirectory=$state" \
        'ExecStopPost=/bin/sh -c "echo ${SERVICE_RESULT} ${EXIT_CODE} ${EXIT_STATUS} >ended%i"' \
        'Environment=AWS_ENDPOINT_URL=http://127.0.0.1:4566 AWS_REGION=eu-west-1 TANK_MIN_FREE_BYTES=0' \
        'SetCredential=AWS_ACCESS_KEY_ID:standin' 'SetCredential=AWS_SECRET_ACCESS_KEY:standin' "$@" >"$file"
    systemctl daemon-reload
}

# put ID COUNT: so many jobs on the queue.
put() {
    local rest='"from": "a@example.com", "to": "b@example.org", "subject": "-", "body": "-"'
    for n in $(seq "$2"); do
        printf '{"email_id": "%s-%s", %s}\n' "$1" "$n" "$rest"
    done | AWS_ENDPOINT_URL=http://127.0.0.1:4566 AWS_REGION=eu-west-1 AWS_ACCESS_KEY_ID=standin \
        AWS_SECRET_ACCESS_KEY=standin TANK_OUTBOUND_QUEUE_URL=$queue $program enqueue - --format jsonl >/dev/null
}

# accepted: how many mails the stand-in has taken, how many different jobs.
accepted() {
    $python -c 'import json, urllib.request as u
log = json.load(u.urlopen("http://127.0.0.1:4566/_standin/log"))
print(len(log), len({one["email_id"] for one in log}))'
}

# within SECONDS COMMAND...: until it succeeds.
within() {
    local end=$((SECONDS + $1)); shift
    until "$@"; do [ $SECONDS -lt $end ] || return 1; sleep 0.2; done
}
jobs_accepted() { accepted 2>/dev/null | cut -d' ' -f2; }
have_accepted() { [ "$(jobs_accepted)" -ge "$1" ]; }
has_accepted() { [ "$(accepted 2>/dev/null)" = "$1 $1" ]; }
is_back() { [ "$(shown NRestarts)" -ge "$1" ] && [ "$(shown ActiveState)" = active ]; }

systemd-run --quiet --unit=tank-standin --property=DynamicUser=yes $program standin
within 20 has_accepted 0 || failed "the stand-in is up"

use "Environment=TANK_OUTBOUND_QUEUE_URL=$queue"
systemctl start $unit && [ "$(shown StatusText)" = "sending from tank-outbound" ] || failed "READY"
passed "started in the sandbox, READY reached: $(shown StatusText)"

put one 1
within 20 has_accepted 1 || failed "one mail"
passed "one mail accepted"

put many 100
within 20 sh -c "journalctl -u $unit --since=@$began -o cat | grep -q many-"
systemctl stop $unit
# systemd forgets a unit that has stopped well: hence the file.
[ "$(cat $state/ended)" = "success exited 0" ] || failed "drain: $(cat $state/ended)"
passed "stopped in the middle of its work: exit 0, mails accepted so far, and jobs: $(accepted)"

systemctl start $unit
within 60 has_accepted 101 || failed "after the restart: $(accepted)"
passed "the others accepted after a new start; each once: $(accepted)"
systemctl stop $unit

use "Environment=TANK_OUTBOUND_QUEUE_URL=$queue TANK_MAX_PARALLEL=many"
systemctl start $unit 2>/dev/null && failed "bad settings were taken"
sleep 8 # longer than RestartSec
[ "$(shown NRestarts) $(shown ExecMainStatus) $(shown ActiveState)" = "0 78 failed" ] || failed "bad settings"
passed "bad settings: exit 78, and no restart"

use "Environment=TANK_OUTBOUND_QUEUE_URL=$queue" WatchdogSec=6 RestartSec=1
systemctl reset-failed $unit
systemctl start $unit
kill -STOP "$(shown MainPID)"
within 40 is_back 1 || failed "watchdog"
[ "$(cut -d' ' -f1 $state/ended)" = watchdog ] || failed "not by the watchdog: $(cat $state/ended)"
kill -KILL "$(shown MainPID)"
within 40 is_back 2 || failed "restart after SIGKILL"
put last 1
# A poll that died with its process may have swallowed the job: hidden for the visibility time-out and the poll's 20 s.
within 120 has_accepted 102 || failed "after the restarts: $(accepted)"
passed "a stopped process was killed by the watchdog and restarted, a killed one, too; it sends on: $(accepted)"

journalctl -u $unit --since=@"$began" -o json _COMM=tank-mailer | $python -c 'import json, sys
PRIORITIES = {"debug": "7", "info": "6", "warning": "4", "error": "3", "critical": "2"}
entries = [json.loads(line) for line in sys.stdin]
entries = [one for one in entries if one["_TRANSPORT"] == "stdout" and one["MESSAGE"].startswith("{")]
for one in entries:
    assert PRIORITIES[json.loads(one["MESSAGE"])["level"]] == one["PRIORITY"], one
assert entries
print(f"passed: {len(entries)} entries of the journal, each one JSON object with the priority of its level")'
systemctl stop $unit

# --- two instances ----------------------------------------------------------------------------------
systemctl cat "$unit@.service" >/dev/null 2>&1 || { echo "left out: two instances ($unit@.service is not installed)"; exit; }

use_of_all "Environment=TANK_OUTBOUND_QUEUE_URL=$queue"
systemctl start $unit@1 || failed "an instance"
systemctl start $unit@2 2>/dev/null && failed "two instances on one SQLite ledger"
sleep 8 # longer than RestartSec
[ "$(shown NRestarts $unit@2) $(shown ExecMainStatus $unit@2)" = "0 78" ] || failed "two instances on SQLite"
[ "$(shown ActiveState $unit@1)" = active ] || failed "the first instance goes on"
passed "two instances on one SQLite ledger: the second ends with 78, is not restarted, and the first goes on"
systemctl stop $unit@1

[ -n "$database" ] || { echo "left out: two instances on PostgreSQL (give the URL of a database)"; exit; }
TANK_DATABASE_URL=$database TANK_OUTBOUND_QUEUE_URL=$queue $program db upgrade
systemctl reset-failed $unit@2
# A percent sign of a password, twice: systemd would take it for a specifier.
use_of_all "Environment=TANK_OUTBOUND_QUEUE_URL=$queue" "Environment=\"TANK_DATABASE_URL=${database//%/%%}\""
systemctl start $unit@1 $unit@2 || failed "two instances on PostgreSQL"
# settled INSTANCE SINCE: how many jobs it has settled, by its own name for itself.
settled() {
    journalctl -u "$unit@$1" --since="@$2" -o cat | grep job_settled | grep -c "\"node\": *\"$(uname -n)-$1\"" || true
}

now=$(date +%s)
before=$(jobs_accepted)
put shared 200
within 30 have_accepted $((before + 60)) || failed "two instances: $(accepted)"
systemctl stop $unit@1
[ "$(cat $state/ended1)" = "success exited 0" ] || failed "drain of an instance: $(cat $state/ended1)"
within 120 has_accepted $((before + 200)) || failed "the other takes over: $(accepted)"
passed "two instances on PostgreSQL, one stopped half-way ($(settled 1 "$now") jobs, the other $(settled 2 "$now")); each job once: $(accepted)"

systemctl start $unit@1
before=$(jobs_accepted)
put killed 200
within 30 have_accepted $((before + 60)) || failed "two instances again: $(accepted)"
kill -KILL "$(shown MainPID $unit@1)"
# What it had in flight is in doubt: its lease has to end (80 s), and two minutes be waited, for nothing tells of events.
within 400 have_accepted $((before + 200)) || failed "after the death of one: $(accepted)"
passed "one instance killed at work: every job accepted in the end; mails and jobs: $(accepted)"
