#!/usr/bin/env bash
# Proves the installed unit on this systemd, against the stand-in: no AWS, no mail. As root, in a container or a virtual
# machine that is for trying: it starts, kills and stops tank-mailer.service, with a state directory of its own.
# With tank-mailer@.service beside it, two instances too: on SQLite, where the second has to refuse, and, if the URL of a
# PostgreSQL database that is for trying is given, sharing the work: drill.sh postgresql+asyncpg://USER:PASSWORD@HOST/NAME
# lab.sh makes such a machine, and drills power cuts, upgrades and their way back besides.
set -euo pipefail

database=${1-}

unit=tank-mailer
report=tank-mailer-report
program=/opt/tank-mailer/bin/tank-mailer
state=/var/lib/tank-mailer-drill
python=/opt/tank-mailer/bin/python
here=$(cd "$(dirname "$0")" && pwd)
own=/run/tank-mailer-drill # settings and keys, as in /etc/tank-mailer
helper=/opt/tank-mailer-drill/helper
standin=http://127.0.0.1:4566
queue=$standin/000000000000/tank-outbound
units=/run/systemd/system
began=$(date +%s)

systemctl is-active --quiet $unit "$unit@*" && { echo "$unit is running here: not touched" >&2; exit 2; }

clean_up() {
    systemctl stop $unit "$unit@*" $report.timer $report 2>/dev/null || true
    systemctl stop tank-standin 2>/dev/null || true
    for one in $unit $unit@ $report; do
        rm -f "$units/$one.service.d/zz-drill.conf" "$units/$one.service.d/credential-process.conf"
        rmdir --ignore-fail-on-non-empty "$units/$one.service.d" 2>/dev/null || true
    done
    rm -rf $state $own ${helper%/*}
    systemctl daemon-reload
    systemctl reset-failed $unit "$unit@*" $report tank-standin 2>/dev/null || true
    [ -z "$had_timer" ] || systemctl start $report.timer
}
had_timer=''
systemctl is-active --quiet $report.timer && had_timer=yes
trap clean_up EXIT

passed() { printf 'passed: %s\n' "$1"; }
failed() { printf 'FAILED: %s\n' "$1" >&2; journalctl -u $unit -u "$unit@*" -u $report -n 20 --no-pager -o cat >&2; exit 1; }
left_out() { printf 'left out: %s\n' "$1"; }
shown() { systemctl show -P "$1" "${2-$unit}"; }

# use LINE...: the unit, with these lines of [Service] on top. use_of_all LINE...: the same for all instances.
use() { use_in $unit "$command" "$@"; }
use_of_all() { use_in $unit@ "$command" Environment=TANK_HTTP_LISTEN= Environment=TANK_NODE=%H-%i "$@"; }
command="run --env-file $own/tank-mailer.env"
keys=(SetCredential=AWS_ACCESS_KEY_ID:AKIDDRILL SetCredential=AWS_SECRET_ACCESS_KEY:secret-of-the-drill)
# The last of all drop-ins: what others set, such as the database that is not for trying, does not count.
# shellcheck disable=SC2016 # systemd fills in what stands in single quotes
use_in() {
    local file=$units/$1.service.d/zz-drill.conf arguments=$2; shift 2
    mkdir -p "${file%/*}"
    printf '%s\n' '[Service]' Environment= LoadCredential= SetCredential= 'EnvironmentFile=' "EnvironmentFile=$own/tank-mailer.env" ExecStart= \
        "ExecStart=$program $arguments" 'StateDirectory=' 'StateDirectory=tank-mailer-drill' "WorkingDirectory=$state" \
        'ExecStopPost=/bin/sh -c "echo ${SERVICE_RESULT} ${EXIT_CODE} ${EXIT_STATUS} >ended%i"' \
        "Environment=AWS_ENDPOINT_URL=$standin AWS_REGION=eu-west-1 TANK_MIN_FREE_BYTES=0" \
        "${keys[@]}" "$@" >"$file"
    systemctl daemon-reload
}
# settings LINE...: what stands in tank-mailer.env.
settings() {
    mkdir -p $own
    printf '%s\n' "TANK_OUTBOUND_QUEUE_URL=$queue" "$@" >$own/new
    chgrp tank-mailer $own/new
    chmod 0640 $own/new
    mv $own/new $own/tank-mailer.env
}

# put ID COUNT: so many jobs on the queue.
put() {
    local rest='"from": "a@example.com", "to": "b@example.org", "subject": "-", "body": "-"'
    for n in $(seq "$2"); do
        printf '{"email_id": "%s-%s", %s}\n' "$1" "$n" "$rest"
    done | AWS_ENDPOINT_URL=$standin AWS_REGION=eu-west-1 AWS_ACCESS_KEY_ID=standin \
        AWS_SECRET_ACCESS_KEY=standin TANK_OUTBOUND_QUEUE_URL=$queue $program enqueue - --format jsonl >/dev/null
}

# accepted: how many mails the stand-in has taken, how many different jobs.
accepted() {
    $python -c 'import json, urllib.request as u
log = json.load(u.urlopen("'$standin'/_standin/log"))
print(len(log), len({one["email_id"] for one in log}))'
}

# calls KEY: how many calls it has signed. refuse KEY: as AWS does with one that is switched off.
calls() {
    $python -c 'import json, sys, urllib.request as u
keys = json.load(u.urlopen("'$standin'/_standin/keys"))
print(keys.get(sys.argv[1], {"calls": 0})["calls"])' "$1"
}
refuse() {
    $python -c 'import sys, urllib.request as u
u.urlopen(u.Request("'$standin'/_standin/keys/" + sys.argv[1], method="PUT", data=b"{\"refused\": \"invalid\"}"))' "$1"
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

settings
use
systemctl start $unit || failed "the start"
[ "$(shown StatusText)" = "sending from tank-outbound" ] || failed "READY"
passed "started in the sandbox, READY reached: $(shown StatusText)"

put one 1
within 20 has_accepted 1 || failed "one mail"
passed "one mail accepted"

credentials=/run/credentials/$unit.service
main=$(shown MainPID)
[ "$(calls AKIDDRILL)" -gt 0 ] || failed "the daemon signs with its credentials"
if runuser -u nobody -- ls "$credentials" >/dev/null 2>&1; then failed "others see the credentials"; fi
runuser -u nobody -- cat "$credentials/AWS_SECRET_ACCESS_KEY" 2>/dev/null && failed "others read the credentials"
runuser -u tank-mailer -- cat "$credentials/AWS_SECRET_ACCESS_KEY" >/dev/null || failed "the service cannot read them"
if tr '\0' '\n' <"/proc/$main/environ" | grep -q secret-of-the-drill; then failed "a secret in the environment"; fi
if journalctl -u $unit --since="@$began" -o cat | grep -q secret-of-the-drill; then failed "a secret in the journal"; fi
passed "its credentials are readable by the service, by nobody else, and stand neither in its environment nor in the journal"

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

settings TANK_MAX_PARALLEL=many
systemctl start $unit 2>/dev/null && failed "bad settings were taken"
sleep 8 # longer than RestartSec
[ "$(shown NRestarts) $(shown ExecMainStatus) $(shown ActiveState)" = "0 78 failed" ] || failed "bad settings"
passed "bad settings: exit 78, and no restart"

settings
use WatchdogSec=6 RestartSec=1
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

systemctl stop $unit

# --- keys that change ---------------------------------------------------------------------------------------------------

keys=()
settings AWS_ACCESS_KEY_ID=AKIDOLD AWS_SECRET_ACCESS_KEY=old
use
systemctl start $unit || failed "a start with keys in tank-mailer.env"
main=$(shown MainPID)
put old 1
within 20 has_accepted 103 || failed "a mail by the old key: $(accepted)"
refuse AKIDOLD
settings AWS_ACCESS_KEY_ID=AKIDNEW AWS_SECRET_ACCESS_KEY=new TANK_LOG_LEVEL=debug
systemctl reload $unit || failed "reload"
put new 1
within 60 has_accepted 104 || failed "a mail by the new key: $(accepted)"
[ "$(calls AKIDNEW)" -gt 0 ] || failed "the new key"
[ "$(shown MainPID) $(shown NRestarts)" = "$main 0" ] || failed "reload has restarted it"
journalctl -u $unit _PID="$main" -o cat | grep settings_reloaded | grep -q '"restart_for":\["TANK_LOG_LEVEL"\]' ||
    failed "what waits for a restart is not named"
passed "systemctl reload: a new key counts at once, in the same process ($main); a setting that waits for a restart is named"
settings AWS_ACCESS_KEY_ID=AKIDNEW AWS_SECRET_ACCESS_KEY=new TANK_MAX_PARALLEL=many
systemctl reload $unit
within 10 sh -c "journalctl -u $unit _PID=$main -o cat | grep -q settings_refused" || failed "bad settings at a reload"
put refused 1
within 20 has_accepted 105 || failed "a mail after bad settings: $(accepted)"
passed "systemctl reload with bad settings: they are refused, and it sends on by those in force: $(accepted)"
systemctl stop $unit

# A helper as for IAM Roles Anywhere: reads a private key that only the service has, and hands out other keys each time.
mkdir -p ${helper%/*} $own
cat >$helper <<'HELPER'
#!/bin/sh
read -r word </run/credentials/tank-mailer.service/roles-anywhere-key || exit 1
echo run >>"$STATE_DIRECTORY/helper"
printf '{"Version": 1, "AccessKeyId": "ASIA%s%s", "SecretAccessKey": "s", "SessionToken": "t", "Expiration": "2100-01-01T00:00:00Z"}' \
    "$word" "$(wc -l <"$STATE_DIRECTORY/helper")"
HELPER
chmod 0755 $helper
echo HELPED >$own/key.pem
chmod 0400 $own/key.pem
printf '%s\n' '[default]' "credential_process = $helper" >$own/aws-config
chmod 0755 $own
settings
use "Environment=AWS_CONFIG_FILE=$own/aws-config" "LoadCredential=roles-anywhere-key:$own/key.pem"
systemctl start $unit || failed "a helper that must not be run keeps the daemon from starting"
within 20 sh -c "journalctl -u $unit _PID=$(shown MainPID) -o cat | grep credentials_unavailable | grep -q 'Permission denied'" ||
    failed "a helper that must not be run"
passed "a credential_process outside of ExecPaths= is not run: the daemon says so, pauses, and stays"
systemctl stop $unit
install -m 0644 "$here/credential-process.conf" "$units/$unit.service.d/credential-process.conf"
use "Environment=AWS_CONFIG_FILE=$own/aws-config" "LoadCredential=roles-anywhere-key:$own/key.pem" "ExecPaths=${helper%/*}"
systemctl start $unit || failed "a start with a helper"
put helped 1
within 60 has_accepted 106 || failed "a mail by the helper's keys: $(accepted)"
refuse ASIAHELPED1
put again 1
within 60 has_accepted 107 || failed "a mail by the helper's second keys: $(accepted)"
[ "$(calls ASIAHELPED2)" -gt 0 ] || failed "the second keys"
if journalctl -u $unit _PID="$(shown MainPID)" -o cat | grep -q pause_begun; then failed "a pause, though the helper had keys"; fi
passed "with credential-process.conf a helper is run in the sandbox, reads its LoadCredential=, and is asked again when AWS refuses its keys, without a pause"
systemctl stop $unit
rm -f "$units/$unit.service.d/credential-process.conf"

# --- the journal --------------------------------------------------------------------------------------------------------

journalctl -u $unit --since=@"$began" -o json _COMM=tank-mailer | $python -c 'import json, sys
PRIORITIES = {"debug": "7", "info": "6", "warning": "4", "error": "3", "critical": "2"}
entries = [json.loads(line) for line in sys.stdin]
entries = [one for one in entries if one["_TRANSPORT"] == "stdout"]
for one in entries:
    assert PRIORITIES[json.loads(one["MESSAGE"])["level"]] == one["PRIORITY"], one
assert entries
print(f"passed: {len(entries)} entries of the journal, each one JSON object with the priority of its level")'

# --- the daily report ---------------------------------------------------------------------------------------------------

if systemctl cat $report.service $report.timer >/dev/null 2>&1 && $program report daily --help >/dev/null 2>&1; then
    keys=(SetCredential=AWS_ACCESS_KEY_ID:AKIDDRILL SetCredential=AWS_SECRET_ACCESS_KEY:secret-of-the-drill)
    use_in $report "report daily --env-file $own/tank-mailer.env"
    systemctl start $report || failed "the report"
    [ "$(shown Result $report)" = success ] || failed "the report: $(shown Result $report)"
    lines=$(journalctl -u $report --since="@$began" -o cat _COMM=tank-mailer | wc -l)
    [ "$lines" -gt 3 ] || failed "the report is not in the journal"
    systemctl start $report.timer
    [ -n "$(shown NextElapseUSecRealtime $report.timer)" ] || failed "the timer"
    passed "the daily report in its sandbox: $lines lines in the journal; the next one: $(shown NextElapseUSecRealtime $report.timer)"
    systemctl stop $report.timer
    mv $state/tank-mailer.db $state/away
    echo "not a database, and long enough to be seen as none" >$state/tank-mailer.db
    use_in $report "report daily --env-file $own/tank-mailer.env" RestartSec=1h
    systemctl start --no-block $report
    within 30 sh -c "[ \"\$(systemctl show -P ExecMainStatus $report)\" = 75 ]" || failed "a report without a store"
    within 10 sh -c "[ \"\$(systemctl show -P SubState $report)\" = auto-restart ]" || failed "it is not tried again"
    passed "a report that cannot read the store: exit 75, and tried again later"
    systemctl stop $report
    mv $state/away $state/tank-mailer.db
else
    left_out "the daily report ($report.service is not installed)"
fi

# --- two instances ----------------------------------------------------------------------------------
systemctl cat "$unit@.service" >/dev/null 2>&1 || { left_out "two instances ($unit@.service is not installed)"; exit; }

keys=(SetCredential=AWS_ACCESS_KEY_ID:AKIDDRILL SetCredential=AWS_SECRET_ACCESS_KEY:secret-of-the-drill)
settings
use_of_all
systemctl start $unit@1 || failed "an instance"
systemctl start $unit@2 2>/dev/null && failed "two instances on one SQLite ledger"
sleep 8 # longer than RestartSec
[ "$(shown NRestarts $unit@2) $(shown ExecMainStatus $unit@2)" = "0 78" ] || failed "two instances on SQLite"
[ "$(shown ActiveState $unit@1)" = active ] || failed "the first instance goes on"
passed "two instances on one SQLite ledger: the second ends with 78, is not restarted, and the first goes on"
systemctl stop $unit@1

[ -n "$database" ] || { left_out "two instances on PostgreSQL (give the URL of a database)"; exit; }
TANK_DATABASE_URL=$database TANK_OUTBOUND_QUEUE_URL=$queue $program db upgrade
systemctl reset-failed $unit@2
# A percent sign of a password, twice: systemd would take it for a specifier.
use_of_all "Environment=\"TANK_DATABASE_URL=${database//%/%%}\""
systemctl start $unit@1 $unit@2 || failed "two instances on PostgreSQL"
# settled INSTANCE SINCE: how many jobs it has settled, by its own name for itself.
settled() {
    journalctl -u "$unit@$1" --since="@$2" -o cat | grep job_settled | grep -c "\"node\": *\"$(uname -n)-$1\"" || true
}

now=$(date +%s)
before=$(jobs_accepted)
put "shared-$now" 200
within 30 have_accepted $((before + 60)) || failed "two instances: $(accepted)"
systemctl stop $unit@1
[ "$(cat $state/ended1)" = "success exited 0" ] || failed "drain of an instance: $(cat $state/ended1)"
within 120 has_accepted $((before + 200)) || failed "the other takes over: $(accepted)"
passed "two instances on PostgreSQL, one stopped half-way ($(settled 1 "$now") jobs, the other $(settled 2 "$now")); each job once: $(accepted)"

systemctl start $unit@1
before=$(jobs_accepted)
put "killed-$now" 200
within 30 have_accepted $((before + 60)) || failed "two instances again: $(accepted)"
kill -KILL "$(shown MainPID $unit@1)"
# What it had in flight is in doubt: its lease has to end (80 s), and two minutes be waited, for nothing tells of events.
within 400 have_accepted $((before + 200)) || failed "after the death of one: $(accepted)"
passed "one instance killed at work: every job accepted in the end; mails and jobs: $(accepted)"
