#!/usr/bin/env bash
# Proves the image on this engine, against the stand-in: no AWS, no mail. drill.sh [IMAGE], after docker build -t tank-mailer .
# Containers, network and volume are its own, are called tank-drill-..., and go at the end. It takes four minutes.
# DOCKER=podman, or whatever else understands the same commands.
set -euo pipefail

image=${1-tank-mailer}
read -ra docker <<<"${DOCKER-docker}"
docker() { "${docker[@]}" "$@"; }
standin=tank-drill-standin mailer=tank-drill-mailer volume=tank-drill-state secrets=tank-drill-secrets
here=http://127.0.0.1:4566
queue=$here/000000000000/tank-outbound
limit_mb=200

clean_up() {
    docker rm --force --volumes $mailer $standin >/dev/null 2>&1 || true
    docker volume rm --force $volume $secrets >/dev/null 2>&1 || true
}
passed() { printf 'passed: %s\n' "$1"; }
failed() { printf 'FAILED: %s\n' "$1" >&2; docker logs --tail 20 $mailer >&2 || true; exit 1; }
left_out() { printf 'left out: %s\n' "$1"; }
within() {
    local end=$((SECONDS + $1)); shift
    until "$@"; do [ $SECONDS -lt $end ] || return 1; sleep 0.3; done
}

# observe PYTHON: beside the stand-in.
observe() { docker exec $standin python -c "import json, urllib.request as u
def get(what): return json.load(u.urlopen('$here/_standin/' + what))
$1"; }
accepted() { observe 'log = get("log"); print(len(log), len({one["email_id"] for one in log}))' 2>/dev/null; }
has_accepted() { [ "$(accepted)" = "$1 $1" ]; }
have_accepted() { [ "$(accepted | cut -d' ' -f2)" -ge "$1" ]; }
said() { docker logs $mailer 2>&1 | grep -q "\"event\": *\"$1\""; }
is() { [ "$(docker inspect --format "{{$1}}" $mailer)" = "$2" ]; }
put() { # ID COUNT
    local rest='"from": "a@example.com", "to": "b@example.org", "subject": "-", "body": "-"'
    for n in $(seq "$2"); do
        printf '{"email_id": "%s-%s", %s}\n' "$1" "$n" "$rest"
    done | docker run --rm --interactive --network container:$standin "${variables[@]}" "${keys[@]}" "$image" \
        enqueue - --format jsonl >/dev/null
}
variables=(--env "AWS_ENDPOINT_URL=$here" --env AWS_REGION=eu-west-1 --env "TANK_OUTBOUND_QUEUE_URL=$queue")
keys=(--env AWS_ACCESS_KEY_ID=AKIDDRILL --env AWS_SECRET_ACCESS_KEY=secret)
# As docs/install.md has it, on the stand-in's network; with a short lease, so that what a kill hides comes back sooner.
run() { # OPTION...
    docker rm --force $mailer >/dev/null 2>&1 || true
    docker run --detach --name $mailer --network container:$standin --stop-timeout 60 \
        --read-only --cap-drop ALL --security-opt no-new-privileges --volume $volume:/var/lib/tank-mailer \
        "${variables[@]}" --env TANK_VISIBILITY_TIMEOUT_S=40 --env TANK_SES_TIMEOUT_S=10 --env TANK_IN_DOUBT_WAIT_S=5 \
        "$@" "$image" >/dev/null
}
inside() { docker exec $mailer "$@"; }

trap clean_up EXIT
clean_up

size=$(($(docker image inspect --format '{{.Size}}' "$image") / 1000000))
[ $size -lt $limit_mb ] || failed "$size MB"
passed "the image: $size MB, of version $(docker image inspect --format '{{index .Config.Labels "org.opencontainers.image.version"}}' "$image")"

docker run --detach --name $standin "$image" standin --rate 20 >/dev/null
within 30 has_accepted 0 || failed "the stand-in"
started=$(date +%s)
run "${keys[@]}"
within 30 said daemon_started || failed "the start"
put one 1
within 30 has_accepted 1 || failed "one mail"
passed "started with a read-only root and no capability; the first mail accepted $(($(date +%s) - started)) s later"

[ "$(inside sh -c "grep -h Cap /proc/1/status | cut -f2 | sort -u")" = 0000000000000000 ] || failed "capabilities"
[ "$(inside sh -c "grep NoNewPrivs /proc/1/status | cut -f2")" = 1 ] || failed "new privileges"
[ "$(inside id -u)" = 10001 ] || failed "the user"
inside sh -c 'touch /nowhere /tmp/nowhere /opt/tank-mailer/nowhere 2>/dev/null' && failed "it writes outside of its volume"
inside sh -c 'tr "\0" " " </proc/1/cmdline' | grep -q 'tank-mailer run' || failed "process 1 is a shell"
[ "$(inside tank-mailer status one-1 --json | grep -c '"state": *"accepted"')" = 1 ] || failed "a command beside it"
passed "uid 10001, no capability, no new privileges, nothing to write to but its volume; process 1 is the daemon itself"

put many 100
within 30 have_accepted 10 || failed "mails before the stop"
docker stop $mailer >/dev/null
is .State.ExitCode 0 || failed "the drain: $(docker inspect --format '{{.State.ExitCode}}' $mailer)"
said daemon_stopped || failed "the drain"
stopped=$(accepted)
docker start $mailer >/dev/null
within 60 has_accepted 101 || failed "after the restart: $(accepted)"
passed "stopped in the middle of its work (mails, jobs: $stopped): exit 0; the others accepted after a new start, each once: $(accepted)"

put killed 60
within 30 have_accepted 111 || failed "mails before the kill"
docker kill $mailer >/dev/null
docker start $mailer >/dev/null
within 240 have_accepted 161 || failed "after the kill: $(accepted)"
passed "killed in the middle of its work: no job is lost; mails, jobs: $(accepted) (what was in flight may have gone twice, for want of events)"

run "${keys[@]}" --env TANK_MAX_PARALLEL=many
within 30 is .State.ExitCode 78 || failed "bad settings"
passed "bad settings: exit 78"

# Secrets as files that change in place, as a bind mount, Docker's secrets or Kubernetes' change them.
secret() { docker run --rm --user 0 --volume $secrets:/secrets --entrypoint sh "$image" -c \
    'cd /secrets && printf %s "$1" >.new && chmod 0444 .new && mv .new AWS_ACCESS_KEY_ID && printf secret >AWS_SECRET_ACCESS_KEY' - "$1"; }
secret AKIDOLD
run --volume $secrets:/run/secrets:ro
within 30 said daemon_started || failed "a start with secret files"
observe 'u.urlopen(u.Request("'$here'/_standin/keys/AKIDOLD", method="PUT", data=b"{\"refused\": \"invalid\"}"))'
secret AKIDNEW
docker kill --signal HUP $mailer >/dev/null
within 30 said settings_reloaded || failed "SIGHUP"
before=$(accepted | cut -d' ' -f2)
put rotated 1
within 60 have_accepted $((before + 1)) || failed "a mail by the new key"
is .RestartCount 0 || failed "it was restarted"
passed "a secret file changed, docker kill --signal HUP: the new key counts, in the same process"

docker logs $mailer 2>/dev/null | docker run --rm --interactive --entrypoint python "$image" -c 'import json, sys
lines = [json.loads(line) for line in sys.stdin]
assert all(one["level"] and one["event"] for one in lines) and lines
print(f"passed: {len(lines)} lines of log, each one JSON object")'

if [ "$(docker image inspect --format '{{if .Config.Healthcheck}}yes{{end}}' "$image")" = yes ]; then
    run "${keys[@]}" --health-interval 2s --health-start-period 0s
    within 60 is .State.Health.Status healthy || failed "healthy"
    docker kill --signal STOP $mailer >/dev/null
    within 150 is .State.Health.Status unhealthy || failed "a process that stands still is healthy"
    docker kill --signal CONT $mailer >/dev/null
    within 60 is .State.Health.Status healthy || failed "healthy again"
    passed "HEALTHCHECK: healthy; unhealthy while the process stands still; healthy again"
else
    left_out "HEALTHCHECK (the image has none)"
fi
