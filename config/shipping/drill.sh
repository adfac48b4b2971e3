#!/usr/bin/env bash
# Proves the files for rsyslog on this machine, against the stand-in: no AWS, no mail, nothing leaves the machine. As root, in
# a container or a virtual machine that is for trying, with tank-mailer installed by systemd/install.sh, and rsyslog with
# rsyslog-openssl. It takes two minutes. systemd/lab.sh makes such a machine: LAB_ONLY=ship systemd/lab.sh
#
# The service, its journal, rsyslog, and a receiver with TLS of its own: mails whose every field is private go out, with
# secrets in all settings; the receiver goes away and comes back, rsyslog is restarted meanwhile; bad settings; a crash.
set -euo pipefail

unit=tank-mailer
here=$(cd "$(dirname "$0")" && pwd)
program=/opt/tank-mailer/bin/tank-mailer
python=$(readlink -f /opt/tank-mailer/bin)/python
own=/run/tank-mailer-drill state=/var/lib/tank-mailer-drill
units=/run/systemd/system
standin=http://127.0.0.1:4566
port=16514
mark=zaphod # stands in whatever is private
far=$own/far-end

systemctl is-active --quiet $unit "$unit@*" && { echo "$unit is running here: not touched" >&2; exit 2; }
for wanted in rsyslogd openssl logger; do
    command -v $wanted >/dev/null || { echo "$wanted is missing; remedy: apt-get install rsyslog rsyslog-openssl openssl" >&2; exit 2; }
done

clean_up() {
    systemctl stop $unit "$unit@1" tank-standin tank-receiver 2>/dev/null || true
    rm -rf /etc/rsyslog.d/{09,10,11}-tank-mailer-drill.conf "$units/$unit.service.d/drill.conf" "$units/$unit@.service.d/drill.conf"
    rmdir --ignore-fail-on-non-empty "$units/$unit.service.d" "$units/$unit@.service.d" 2>/dev/null || true
    rm -rf $own $state /var/log/tank-mailer
    systemctl daemon-reload
    systemctl reset-failed $unit "$unit@1" 2>/dev/null || true
    systemctl restart rsyslog 2>/dev/null || true
}
trap clean_up EXIT

passed() { printf 'passed: %s\n' "$1"; }
failed() { printf 'FAILED: %s\n' "$1" >&2; journalctl -u $unit -u rsyslog -n 20 --no-pager -o cat >&2; exit 1; }
within() {
    local end=$((SECONDS + $1)); shift
    until "$@"; do [ $SECONDS -lt $end ] || return 1; sleep 0.2; done
}
observe() { $python -c "import json, urllib.request as u
def get(what): return json.load(u.urlopen('$standin/_standin/' + what))
$1"; }
accepted() { observe 'print(len(get("log")))' 2>/dev/null; }
have_accepted() { local mails; mails=$(accepted); [ "${mails:--1}" -ge "$1" ]; }
arrived() { grep -c "$1" $far 2>/dev/null || true; }
have_arrived() { [ "$(arrived "$1")" -ge "$2" ]; }
said() { journalctl -u $unit --since="@$began" -o cat | grep -q "\"event\":\"$1\""; }

use() { # UNIT LINE...
    local file=$units/$1.service.d/drill.conf; shift
    mkdir -p "${file%/*}"
    # shellcheck disable=SC2016 # systemd fills in what stands in single quotes
    printf '%s\n' '[Service]' EnvironmentFile= "EnvironmentFile=$own/tank-mailer.env" ExecStart= \
        "ExecStart=$program run --env-file $own/tank-mailer.env" StateDirectory= StateDirectory=tank-mailer-drill \
        "WorkingDirectory=$state" "$@" >"$file"
    systemctl daemon-reload
}
settings() { # LINE...
    printf '%s\n' "AWS_ENDPOINT_URL=$standin" AWS_REGION=eu-west-1 AWS_ACCESS_KEY_ID=AKID${mark^^}01 \
        AWS_SECRET_ACCESS_KEY=$mark-aws-secret "TANK_OUTBOUND_QUEUE_URL=$standin/000000000000/tank-outbound" \
        TANK_CONFIGURATION_SET=tank "TANK_EVENT_QUEUE_URL=$standin/000000000000/tank-events" TANK_MIN_FREE_BYTES=0 \
        TANK_EVENT_TOPIC_ARNS=arn:aws:sns:eu-west-1:000000000000:tank-events TANK_LOG_LEVEL=debug TANK_HTTP_LISTEN= \
        TANK_CLOUDWATCH_NAMESPACE=TankMailer TANK_HTTP_TOKEN=$mark-token-0123456789 TANK_HASH_KEY=$mark-hash-key-0123456789 \
        TANK_WEBHOOK_URL=http://127.0.0.1:9/$mark-hook "TANK_WEBHOOK_SECRET=whsec_$(printf '%s' "$secret" | base64)" \
        TANK_ALERT_WEBHOOK_URL=http://127.0.0.1:9/services/$mark-alert-key "$@" >$own/new
    chgrp tank-mailer $own/new
    chmod 0640 $own/new
    mv $own/new $own/tank-mailer.env
}
secret=$mark-webhook-secret-0123456789
put() { # ID COUNT [TO [FROM]]
    local rest="\"from\": \"$mark <${4-$mark.from@example.com}>\", \"to\": \"$mark <${3-$mark.to@example.org}>\", \"cc\": \"$mark.cc@example.net\",
        \"subject\": \"$mark's subject\", \"body\": \"<p>$mark's body, $mark.body@example.org</p>\", \"headers\": {\"X-Shop\": \"$mark\"}"
    for n in $(seq "$2"); do
        printf '{"email_id": "%s-%s", %s}\n' "$1" "$n" "${rest//$'\n'/}"
    done | env AWS_ENDPOINT_URL=$standin AWS_REGION=eu-west-1 AWS_ACCESS_KEY_ID=standin AWS_SECRET_ACCESS_KEY=standin \
        TANK_OUTBOUND_QUEUE_URL=$standin/000000000000/tank-outbound $program enqueue - --format jsonl >/dev/null
}
put_raw() { # BODY: what enqueue would not let through
    $python -c 'import sys, botocore.session
sqs = botocore.session.get_session().create_client("sqs", "eu-west-1", endpoint_url=sys.argv[1], aws_access_key_id="a", aws_secret_access_key="b")
sqs.send_message(QueueUrl=sys.argv[1] + "/000000000000/tank-outbound", MessageBody=sys.argv[2])' $standin "$1"
}
receive() { systemd-run --quiet --collect --unit=tank-receiver "$python" "$here/receiver.py" $port $own/receiver.pem $own/receiver.key $far; }
listens() { ss -Hltn "sport = :$port" | grep -q .; }

# --- a receiver, and rsyslog with the files as they are, but for what is marked CHANGE ------------------------------------

mkdir -p $own
chmod 0755 $own
openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=logs.example.com -addext subjectAltName=DNS:logs.example.com \
    -keyout $own/receiver.key -out $own/receiver.pem 2>/dev/null
touch $far
receive
within 10 listens || failed "the receiver"
sed -e "s/target=\"logs.example.com\" port=\"6514\"/target=\"127.0.0.1\" port=\"$port\"/" \
    -e "s,/etc/ssl/certs/ca-certificates.crt,$own/receiver.pem," "$here/rsyslog.conf" >/etc/rsyslog.d/10-tank-mailer-drill.conf
cp "$here/rsyslog-file.conf" /etc/rsyslog.d/09-tank-mailer-drill.conf
grep -rqs 'load="imjournal"' /etc/rsyslog.conf || cp "$here/rsyslog-journal.conf" /etc/rsyslog.d/11-tank-mailer-drill.conf
rsyslogd -N1 2>$own/check || { cat $own/check >&2; failed "rsyslogd -N1"; }
[ "$(grep -vc 'version\|End of config' $own/check)" = 0 ] || { cat $own/check >&2; failed "rsyslogd -N1 has something to say"; }
passed "rsyslogd -N1 has nothing to say: $(rsyslogd -v | sed -n '1s/ *(.*//p')"
began=$(date +%s)
systemctl restart rsyslog

# --- the service ------------------------------------------------------------------------------------------------------------

systemd-run --quiet --unit=tank-standin --property=DynamicUser=yes $program standin --rate 50
within 20 have_accepted 0 || failed "the stand-in"
settings
use $unit
systemctl start $unit || failed "the start"
put plain 20
put bounce 1 bounce+$mark@simulator.amazonses.com
put stranger 1 $mark.to@example.org $mark@unverified.example.net
put_raw "{\"email_id\": \"bad-1\", \"from\": \"a@example.com\", \"to\": \"$mark@@example.org\", \"subject\": \"-\", \"body\": \"$mark\"}"
put_raw "$mark@example.org, no job at all"
within 30 have_accepted 21 || failed "mails: $(accepted)"
within 30 have_arrived '"event":"address_suppressed"' 1 || failed "events at the far end"
within 30 have_arrived '"event":"job_settled"' 24 || failed "jobs at the far end: $(arrived job_settled)"
passed "$(accepted) mails; at the far end: $(arrived '"at":') lines, over TLS"

# --- the receiver is away -----------------------------------------------------------------------------------------------------

systemctl stop tank-receiver
put away 100
within 60 have_accepted 121 || failed "mails while the receiver is away"
systemctl restart rsyslog
put still-away 20
within 60 have_accepted 141 || failed "mails after the restart of rsyslog"
receive
within 90 have_arrived '"email_id":"still-away-20".*"event":"job_settled"\|"event":"job_settled".*"email_id":"still-away-20"' 1 ||
    failed "what was queued: $(arrived still-away) lines"
passed "the receiver away for 140 mails, rsyslog restarted meanwhile: what was queued came when it was back"

# --- what is no line of ours ----------------------------------------------------------------------------------------------------

logger -t tank-mailer "{\"at\":\"$mark\",\"event\":\"forged\"}"
printf '%s\n' "MESSAGE={\"at\":\"$mark\",\"event\":\"forged\"}" SYSLOG_IDENTIFIER=tank-mailer CONTAINER_NAME=tank-mailer | logger --journald
within 80 said figures_reported || failed "figures_reported"
systemctl stop $unit
settings TANK_MAX_PARALLEL=many TANK_HTTP_TOKEN=$mark
systemctl start $unit 2>/dev/null && failed "bad settings were taken"
within 30 have_arrived '"event":"settings_refused"' 2 || failed "bad settings at the far end"
passed "a start with bad settings: $(arrived settings_refused) lines at the far end, without the values"

settings
mkdir -p $own/broken
echo "raise RuntimeError" >$own/broken/structlog.py
use $unit "Environment=PYTHONPATH=$own/broken" Restart=no
systemctl reset-failed $unit
systemctl start $unit 2>/dev/null && failed "a program without its library"
within 30 grep -qs RuntimeError /var/log/tank-mailer/aside.log || failed "a crash"
[ "$(arrived RuntimeError)" = 0 ] || failed "a crash at the far end"
passed "a crash before there is a log: $(wc -l </var/log/tank-mailer/aside.log) lines aside, in /var/log/tank-mailer/aside.log"

systemctl reset-failed $unit
if systemctl cat "$unit@.service" >/dev/null 2>&1; then
    use $unit@
    systemctl start $unit@1 || failed "an instance"
    [ "$(systemctl show -P Slice $unit@1)" = 'system-tank\x2dmailer.slice' ] || failed "the slice of instances: $(systemctl show -P Slice $unit@1)"
    systemctl stop $unit@1
    within 30 have_arrived "\"unit\":\"$unit@1.service\"" 3 || failed "an instance at the far end"
    passed "an instance comes with its own name, and from the slice that fluent-bit.yaml and vector.yaml look at"
fi

# --- the far end against the journal --------------------------------------------------------------------------------------------

sleep 2 # what is still on the way
journalctl -o json --since="@$began" _SYSTEMD_UNIT=$unit.service + _SYSTEMD_UNIT=$unit@1.service >$own/journal
$python - $own/journal $far /var/log/tank-mailer/tank-mailer.log "$(uname -n)" $mark "$secret" "$(date -u -d "@$began" +%FT%T)" <<'PYTHON'
import base64, collections, json, sys
journal, far, file, host, mark, secret, began = sys.argv[1:]
def read(path): # what was there before the drill may come as well
    return [line for line in open(path).read().splitlines() if json.loads(line)["at"] >= began]
entries = [json.loads(line) for line in open(journal)]
ours = collections.Counter()
for one in entries:
    text = one["MESSAGE"]
    if isinstance(text, str) and text.startswith('{"at":'):
        ours['{"host":"%s","unit":"%s","priority":"%s",%s' % (host, one["_SYSTEMD_UNIT"], one["PRIORITY"], text[1:])] += 1
lines = [json.loads(line) for line in read(far)]
arrived = collections.Counter(read(far))
PRIORITIES = {"debug": "7", "info": "6", "warning": "4", "error": "3", "critical": "2"}
assert all(one["priority"] == PRIORITIES[one["level"]] and one["event"] for one in lines)
for private in (mark, base64.b64encode(secret.encode()).decode()):
    found = [line for line in arrived if private in line.lower() or private in line]
    assert not found, found[:3]
strange = arrived.keys() - ours.keys()
assert not strange, list(strange)[:3]
doubled, lost = sum((arrived - ours).values()), ours - arrived
assert doubled <= 5, doubled
assert sum(lost.values()) <= 5, (sum(lost.values()), sorted(json.loads(line)["at"] + " " + json.loads(line)["event"] for line in lost))
print(f"passed: {len(lines)} lines at the far end, each as it stands in the journal; of {sum(ours.values())} there {sum(lost.values())} lost as the receiver went, {doubled} doubled by the restart")
print("passed: no address, name, subject, body, key, token or secret among them")
kept = collections.Counter(read(file))
assert kept == ours, (list(kept - ours)[:3], list(ours - kept)[:3])
figures = [json.loads(line) for line in kept if '"figures_reported"' in line]
for one in figures:
    for metric in one["_aws"]["CloudWatchMetrics"]:
        assert all(isinstance(one[each["Name"]], (int, float)) for each in metric["Metrics"])
        assert all(isinstance(one[name], str) for names in metric["Dimensions"] for name in names)
assert figures
print(f"passed: the file for the CloudWatch agent has all {sum(kept.values())} lines; metrics and dimensions of figures_reported stand at their root")
PYTHON
starts() { grep -o '"at":"[^"]*","level":"info","event":"daemon_started"' | awk -F'"' -v began="$(date -u -d "@$began" +%FT%T)" '$4 >= began' | wc -l; }
if [ -e /var/log/syslog ]; then
    [ "$(starts </var/log/syslog)" -le "$(journalctl -o cat -u $unit -u "$unit@1" | starts)" ] || failed "lines twice in /var/log/syslog"
fi
passed "nothing stands twice in /var/log/syslog"
