#!/usr/bin/env bash
# Proves rules, routes and board for real, without AWS: the stand-in, a daemon, Prometheus, Alertmanager and a receiver, on loopback,
# in a folder that goes at the end. drill.sh [TANK-MAILER], by default the one in the PATH. Some five minutes.
# Needs prometheus, promtool, prometheus-alertmanager (or alertmanager), amtool, and python3. A minute of the rules and routes is a second here.
set -euo pipefail

program=${1-tank-mailer}
here=$(cd "$(dirname "$0")" && pwd)
alertmanager=$(command -v prometheus-alertmanager || command -v alertmanager)
folder=$(mktemp -d)
declare -A pids=()

clean_up() {
    for name in "${!pids[@]}"; do kill "${pids[$name]}" 2>/dev/null || true; done
    wait 2>/dev/null || true
    rm -rf "$folder"
}
trap clean_up EXIT

passed() { printf 'passed: %s\n' "$1"; }
failed() {
    printf 'FAILED: %s\n' "$1" >&2
    for log in "$folder"/*.log; do printf -- '-- %s\n' "$log" >&2; tail -n 5 "$log" >&2; done
    exit 1
}
within() {
    local end=$((SECONDS + $1)); shift
    until "$@"; do [ $SECONDS -lt $end ] || return 1; sleep 0.3; done
}
start() { # NAME COMMAND...
    local name=$1; shift
    (cd "$folder" && exec "$@") >>"$folder/$name.log" 2>&1 &
    pids[$name]=$!
}
# ask URL [METHOD BODY]
ask() {
    python3 -c 'import sys, urllib.request as u
body = sys.argv[3].encode() if len(sys.argv) > 3 else None
print(u.urlopen(u.Request(sys.argv[1], method=sys.argv[2] if body else "GET", data=body), timeout=10).read().decode())' "$@" 2>/dev/null
}

read -r standin_port metrics_port prometheus_port alertmanager_port receiver_port < <(python3 -c 'import socket
taken = [socket.create_server(("127.0.0.1", 0)) for _ in range(5)]
print(*[one.getsockname()[1] for one in taken])')
standin=http://127.0.0.1:$standin_port
prometheus=http://127.0.0.1:$prometheus_port

# --- the files as they are shipped -----------------------------------------------------------------

(cd "$here" && promtool check config prometheus.yaml && promtool test rules rules_test.yaml && amtool check-config alertmanager.yaml) \
    >"$folder/check.log" 2>&1 || failed "promtool or amtool"
passed "promtool and amtool take the files, and the rules do what their tests say"

# faster FILE: its minutes as seconds, and the spans that predictions look ahead.
faster() {
    sed -E -e 's/(: |\[)10s$/\11s/; s/\b([0-9]+)m(\]|$)/\1s\2/g; s/\b([0-9]+)h(\]|$)/\1m\2/g; s/\b1d(\]|$)/24m\1/' \
        -e 's/, 14400\)/, 240)/; s/, 86400\)/, 1440)/' "$1"
}
for rules in rules own_alerts; do faster "$here/$rules.yaml" >"$folder/$rules.yaml"; done
faster "$here/alertmanager.yaml" | sed "s/127.0.0.1:9095/127.0.0.1:$receiver_port/" >"$folder/alertmanager.yaml"
sed -E "s/15s/1s/; s/:9093/:$alertmanager_port/; s/:9464/:$metrics_port/" "$here/prometheus.yaml" >"$folder/prometheus.yaml"

cat >"$folder/receiver.py" <<'PYTHON'
import http.server, json, sys
class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with open("told", "a") as file:
            for one in told["alerts"]:
                labels = one["labels"]
                print(self.path[1:], one["status"], labels["alertname"], labels.get("alert", "-"), json.dumps(one), file=file)
        self.send_response(200)
        self.end_headers()
    def log_message(self, *_):
        pass
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Receiver).serve_forever()
PYTHON
: >"$folder/told"
has_told() { grep -q "^$1 " "$folder/told"; } # RECEIVER STATUS ALERTNAME ALERT

# --- everything up ---------------------------------------------------------------------------------

export AWS_ENDPOINT_URL=$standin AWS_REGION=eu-west-1 AWS_ACCESS_KEY_ID=standin AWS_SECRET_ACCESS_KEY=standin
export TANK_OUTBOUND_QUEUE_URL=$standin/000000000000/tank-outbound TANK_PRIORITY_QUEUE_URL=$standin/000000000000/tank-priority
export TANK_EVENT_QUEUE_URL=$standin/000000000000/tank-events TANK_EVENT_TOPIC_ARNS=arn:aws:sns:eu-west-1:000000000000:tank-events
export TANK_CONFIGURATION_SET=tank TANK_HTTP_LISTEN=127.0.0.1:$metrics_port STATE_DIRECTORY=$folder TANK_MIN_FREE_BYTES=0
# As short as the settings allow: what a killed daemon has in hand is back sooner.
export TANK_VISIBILITY_TIMEOUT_S=20 TANK_SES_TIMEOUT_S=3 TANK_NODE=drill

start standin "$program" standin --port "$standin_port" --rate 100 --fate '*@dead.example=bounce'
within 60 ask "$standin/_standin/counts" >/dev/null || failed "the stand-in"
start receiver python3 "$folder/receiver.py" "$receiver_port"
start alertmanager "$alertmanager" --config.file="$folder/alertmanager.yaml" --storage.path="$folder/alertmanager" \
    --web.listen-address="127.0.0.1:$alertmanager_port" --cluster.listen-address= --log.level=warn
start mailer "$program" run
within 60 ask "http://127.0.0.1:$metrics_port/readyz" >/dev/null || failed "the daemon"
start prometheus prometheus --config.file="$folder/prometheus.yaml" --storage.tsdb.path="$folder/prometheus" \
    --web.listen-address="127.0.0.1:$prometheus_port" --log.level=warn

query() { # PROMQL: its first value
    python3 -c 'import json, sys, urllib.parse as p, urllib.request as u
found = json.load(u.urlopen(sys.argv[1] + "/api/v1/query?" + p.urlencode({"query": sys.argv[2]}), timeout=10))["data"]["result"]
print(found[0]["value"][1] if found else "none")' "$prometheus" "$1" 2>/dev/null
}
is() { [ "$(query "$1")" = "$2" ]; }
within 60 is 'up{job="tank-mailer"}' 1 || failed "Prometheus scrapes the daemon"
passed "Prometheus scrapes the daemon: $(query 'count({job="tank-mailer"})') series"

jobs() { # PREFIX COUNT: every sixteenth to an address that bounces
    python3 -c 'import json, sys
for n in range(int(sys.argv[2])):
    to = f"to-{n}@" + ("dead.example" if n % 16 == 0 else "gmail.com" if n % 5 == 0 else "example.org")
    print(json.dumps({"email_id": f"{sys.argv[1]}-{n}", "from": "a@example.com", "to": to, "subject": "-", "body": "-"}))' "$@"
}
put() { "$program" enqueue - --format jsonl "${@:3}" >/dev/null < <(jobs "$1" "$2"); }

# --- the board -------------------------------------------------------------------------------------

# see: runs each query of the board; one that has data is seen, for good.
cat >"$folder/see.py" <<'PYTHON'
import json, pathlib, sys, urllib.parse as p, urllib.request as u
board, prometheus, seen_file = json.load(open(sys.argv[1])), sys.argv[2], pathlib.Path("seen")
seen = set(seen_file.read_text().splitlines()) if seen_file.exists() else set()
wanted = {}
for panel in board["panels"]:
    for target in panel.get("targets", []):
        wanted[f"{panel['title']} / {target['refId']}"] = target["expr"]
for name in sorted(wanted.keys() - seen):
    expr = wanted[name].replace("$__rate_interval", "1m").replace("$job", "tank-mailer").replace("$instance", ".*")
    answer = json.load(u.urlopen(prometheus + "/api/v1/query?" + p.urlencode({"query": expr}), timeout=10))
    if any(one["value"][1] != "NaN" for one in answer["data"]["result"]):
        seen.add(name)
seen_file.write_text("\n".join(sorted(seen)))
print(len(seen), len(wanted), "; ".join(sorted(wanted.keys() - seen)))
PYTHON
board=$here/../grafana/tank-mailer.json
see() { (cd "$folder" && python3 see.py "$board" "$prometheus" >see.log 2>>see.err) && cut -d' ' -f1,2 "$folder/see.log"; }
is_seen() { local seen; seen=$(see) && [ "${seen% *}" -ge $((${seen#* } - $1)) ]; } # all but so many

put load 700
put code 60 --lane priority
echo '{"email_id": "stranger", "from": "a@example.net", "to": "b@example.org", "subject": "-", "body": "-"}' |
    "$program" enqueue - --format jsonl >/dev/null
within 90 is_seen 4 || failed "the board: $(cat "$folder/see.log")" # while the mail still counts as pace
within 90 has_told "tickets firing TankAlertWarning bounces_high" || failed "six of a hundred bounce, and nobody is told"
passed "six of a hundred mails bounce: the daemon's own alert arrives as a ticket, and TankBouncesAtReview is silent"

# --- SES says no -----------------------------------------------------------------------------------

ask "$standin/_standin/account" PUT '{"sending_enabled": false}' >/dev/null
put held 40
began=$(date +%s)
within 120 has_told "pager firing TankAlertCritical pause_account" || failed "SES says no to the account, and nobody is told"
# The daemon looks each 15 s; a scrape, an evaluation and the group's wait are a second each here.
passed "the account is stopped: pause_account at the pager after $(($(date +%s) - began)) s of at most 18 s configured"
within 30 is_seen 0 || failed "the board: $(cat "$folder/see.log")"
passed "the board: each of its $(see | cut -d' ' -f2) queries has had data, under load or in the pause"

ask "$standin/_standin/account" PUT '{"sending_enabled": true}' >/dev/null
began=$(date +%s)
# GetAccount is asked again within five minutes, then the alert waits two.
within 480 has_told "pager resolved TankAlertCritical pause_account" || failed "the end of the pause"
passed "the account may send again: told as resolved after $(($(date +%s) - began)) s, of which the daemon itself waits some two minutes"

# --- the daemon is killed --------------------------------------------------------------------------

kill -KILL "${pids[mailer]}"
wait "${pids[mailer]}" 2>/dev/null || true
began=$(date +%s)
within 60 has_told "pager firing TankDown -" || failed "the daemon is dead, and nobody is told"
passed "the daemon is killed: TankDown at the pager after $(($(date +%s) - began)) s of 5 s configured"
sleep 8 # longer than TankNodeDown waits
has_told "tickets firing TankNodeDown -" && failed "TankNodeDown, though TankDown is on"
start mailer "$program" run
began=$(date +%s)
within 90 has_told "pager resolved TankDown -" || failed "the daemon is back, and nobody is told"
passed "TankNodeDown was kept back by it; started anew: told as resolved after $(($(date +%s) - began)) s"

# --- nothing else ----------------------------------------------------------------------------------

told=$(cut -d' ' -f3,4 "$folder/told" | sort -u | tr '\n' ';')
[ "$told" = "TankAlertCritical pause_account;TankAlertWarning bounces_high;TankDown -;" ] || failed "others were told: $told"
grep -q '@' "$folder/told" && failed "an address in what was told"
passed "nothing else was told, and no address in it: $(wc -l <"$folder/told") notifications"
