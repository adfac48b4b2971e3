#!/usr/bin/env bash
# Proves a release in a booted systemd, on any Linux host, as root: a Debian root of its own, systemd as its process 1,
# no network but its own loopback, no AWS. It takes a quarter of an hour and 1.5 GB, and leaves nothing behind.
#
#   systemd/lab.sh [trixie|bookworm] [REF]
#
# Installs by install.sh without a package index, times the way to the first mail, runs drill.sh, upgrades from the release
# REF (a tag, a commit; without it the commit before the newest schema) under load and goes back, cuts the power in the
# middle of sends, ships its log (config/shipping/drill.sh), uninstalls. LAB_ROOT=/path keeps the root there and takes one
# that is there already; LAB_ONLY="install unit ship power_cut upgrade" does some of that.
# Packages: systemd-container mmdebstrap. Docker's, other containers' and the host's own units are not touched.
set -euo pipefail

suite=${1-trixie}
here=$(cd "$(dirname "$0")/.." && pwd)
newest=$(git -C "$here" log -1 --diff-filter=A --format=%H -- tank_mailer/adapters/migrations/versions)
from=${2-$newest^}
work=$(mktemp -d)
root=${LAB_ROOT-$work/root}
group=tank-mailer-lab-$$
standin=http://127.0.0.1:4566
topic=lab-events
settings=/etc/tank-mailer/tank-mailer.env
holder='' server='' machine=''

passed() { printf 'passed: %s\n' "$1"; }
failed() { printf 'FAILED: %s\n' "$1" >&2; [ -z "$(leader)" ] || inside journalctl -n 12 --no-pager -o cat -u 'tank-mailer*' >&2 || true; exit 1; }
within() {
    local end=$((SECONDS + $1)); shift
    until "$@"; do [ $SECONDS -lt $end ] || return 1; sleep 0.3; done
}

# --- a machine --------------------------------------------------------------------------------------------------------

make_root() {
    mmdebstrap --quiet --variant=minbase --skip=check/empty \
        --include=systemd,systemd-sysv,dbus,python3,python3-venv,ca-certificates,iproute2,procps,util-linux,rsyslog,rsyslog-openssl,openssl \
        "$suite" "$root"
    printf '127.0.0.1 localhost\n::1 localhost\n' >"$root/etc/hosts"
    # What this host trusts: where a proxy looks into TLS, pip would trust nobody.
    cp /usr/local/share/ca-certificates/*.crt "$root/usr/local/share/ca-certificates/" 2>/dev/null || true
    chroot "$root" update-ca-certificates >/dev/null 2>&1
    cp --dereference /etc/resolv.conf "$root/etc/resolv.conf"
    # Fetched by the Python that will install them; from here on there is no network.
    mkdir -p "$root/root/wheels"
    cp "$here"/config/{,build-}requirements.txt "$root/root/"
    env -u PIP_FIND_LINKS PIP_CERT=/etc/ssl/certs/ca-certificates.crt chroot "$root" sh -ec 'python3 -m venv /tmp/v
        /tmp/v/bin/pip --quiet --disable-pip-version-check download --dest /root/wheels -r /root/requirements.txt
        /tmp/v/bin/pip --quiet --disable-pip-version-check download --dest /root/wheels -r /root/build-requirements.txt; rm -r /tmp/v'
}

# A network namespace that outlives the machine, for the stand-in, which is "AWS" and must not lose its power as well.
has_own_network() { [ "$(readlink /proc/self/ns/net)" != "$(readlink "/proc/$holder/ns/net")" ]; }
hold_network() {
    unshare --net sleep infinity &
    holder=$!
    within 10 has_own_network || failed "a network of its own"
    nsenter -t $holder -n ip link set lo up
}

leader() { [ -z "$machine" ] || pgrep -P "$machine" | head -n 1; }
inside() {
    nsenter -t "$(leader)" -m -u -i -n -p -C -- env -i PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 \
        SYSTEMD_PAGER= SYSTEMD_COLORS=0 PIP_NO_INDEX=1 PIP_FIND_LINKS=/root/wheels "$@"
}
is_up() { [ -n "$(leader)" ] && inside test -S /run/systemd/private 2>/dev/null; }
# shellcheck disable=SC2016 # the inner shell fills in what stands in single quotes
boot() {
    nsenter -t $holder -n unshare --mount bash -c '
        set -e
        group=/sys/fs/cgroup/$1 root=$2
        mount --make-rprivate /
        if [ "$(stat -fc %T /sys/fs/cgroup)" != cgroup2fs ]; then
            umount -R /sys/fs/cgroup
            mount -t cgroup2 cgroup2 /sys/fs/cgroup
        fi
        mkdir -p "$group"
        echo $$ >"$group/cgroup.procs"
        exec systemd-nspawn -b -D "$root" --quiet --register=no --keep-unit --console=pipe --resolv-conf=off \
            --system-call-filter=bpf --capability=CAP_BPF,CAP_PERFMON' lab "$group" "$root" </dev/null >"$work/console" 2>&1 &
    machine=$!
    within 60 is_up || { cat "$work/console" >&2; exit 1; }
    inside systemctl is-system-running --wait >/dev/null || true
}
gone() { ! kill -0 "$machine" 2>/dev/null; }
power_cut() { kill -KILL "$(leader)"; within 30 gone; }
power_off() {
    [ -n "$machine" ] && ! gone || return 0
    inside systemctl poweroff 2>/dev/null || true
    within 60 gone || power_cut
}

clean_up() {
    power_off || true
    [ -z "$server" ] || kill "$server" 2>/dev/null || true
    [ -z "$holder" ] || kill "$holder" 2>/dev/null || true
    wait 2>/dev/null || true
    for tree in /sys/fs/cgroup/unified /sys/fs/cgroup; do
        [ ! -d "$tree/$group" ] || find "$tree/$group" -depth -type d -exec rmdir {} \; 2>/dev/null || true
    done
    rm -rf --one-file-system "$work"
}
trap clean_up EXIT
trap 'exit 143' INT TERM

# --- releases, jobs, mails ----------------------------------------------------------------------------------------------

# unpack REF DIRECTORY VERSION: a release of that version, with today's installer where it has none.
unpack() {
    mkdir -p "$root$2"
    git -C "$here" archive "$1" | tar -x -C "$root$2"
    sed -i "s/^__version__ = .*/__version__ = \"$3\"/" "$root$2/tank_mailer/__init__.py"
    [ ! -e "$root$2/systemd/install.sh" ] || return 0
    cp "$here"/systemd/{install.sh,*.timer,tank-mailer-report.service} "$root$2/systemd/"
    cp "$here/config/build-requirements.txt" "$root$2/config/"
}

is_installed() {
    [ ! -e "$root/opt/tank-mailer/current" ] || return 0
    inside /root/new/systemd/install.sh >/dev/null 2>&1 || failed "install.sh"
    write_settings
    inside systemctl enable tank-mailer 2>/dev/null
}

# The stand-in on the machine's network, but none of its processes: a power cut does not reach it.
stop_serving() {
    [ -z "$server" ] || { kill "$server"; wait "$server" 2>/dev/null || true; }
    server=''
}
serve() { # OPTION...
    stop_serving
    nsenter -t $holder -n chroot "$root" env -i PATH=/usr/bin:/bin LANG=C.UTF-8 \
        /opt/standin/bin/tank-mailer standin --event-topic $topic "$@" >"$work/standin" 2>&1 &
    server=$!
    within 30 accepted >/dev/null || { cat "$work/standin" >&2; exit 1; }
}
observe() { nsenter -t $holder -n chroot "$root" /opt/standin/bin/python -c "import json, urllib.request as u
def get(what): return json.load(u.urlopen('$standin/_standin/' + what))
$1"; }
slow_down() { # SECONDS: that each mail waits for its answer, once it is accepted
    observe 'rule = {"service": "ses", "operation": "SendEmail", "kind": "delay", "delay_s": '"$1"', "times": None}
u.urlopen(u.Request("'$standin'/_standin/faults", method="POST", data=json.dumps([rule]).encode()))'
}
accepted() { observe 'log = get("log"); print(len(log), len({one["email_id"] for one in log}))' 2>/dev/null; }
jobs_accepted() { accepted | cut -d' ' -f2; }
cut_jobs() { observe 'print(len({one["email_id"] for one in get("log") if one["email_id"].startswith("cut-")}))'; }
have_accepted() { [ "$(jobs_accepted)" -ge "$1" ]; }
tank_mailer() { # as an administrator's shell has it
    inside runuser -u tank-mailer -- env STATE_DIRECTORY=/var/lib/tank-mailer \
        /opt/tank-mailer/bin/tank-mailer "$@" --env-file $settings
}
put() { # ID COUNT
    local rest='"from": "a@example.com", "to": "b@example.org", "subject": "-", "body": "-"'
    for n in $(seq "$2"); do
        printf '{"email_id": "%s-%s", %s}\n' "$1" "$n" "$rest"
    done | tank_mailer enqueue - --format jsonl >/dev/null
}
write_settings() {
    printf '%s\n' "AWS_ENDPOINT_URL=$standin" AWS_REGION=eu-west-1 AWS_ACCESS_KEY_ID=AKIDLAB AWS_SECRET_ACCESS_KEY=secret \
        "TANK_OUTBOUND_QUEUE_URL=$standin/000000000000/tank-outbound" TANK_CONFIGURATION_SET=tank TANK_MIN_FREE_BYTES=0 \
        TANK_IN_DOUBT_WAIT_S=60 \
        "TANK_EVENT_QUEUE_URL=$standin/000000000000/tank-events" \
        "TANK_EVENT_TOPIC_ARNS=arn:aws:sns:eu-west-1:000000000000:$topic" >"$root$settings"
}
ledger() { # QUERY
    inside /opt/tank-mailer/bin/python -c 'import sqlite3, sys
print(sqlite3.connect("/var/lib/tank-mailer/tank-mailer.db").execute(sys.argv[1]).fetchone()[0])' "$1"
}
ledger_of_the_dead() { # QUERY: of a copy, for whoever opens a ledger recovers it
    rm -rf "$root"/tmp/ledger
    mkdir "$root"/tmp/ledger
    cp "$root"/var/lib/tank-mailer/tank-mailer.db* "$root"/tmp/ledger/
    chroot "$root" python3 -c 'import sqlite3, sys
print(sqlite3.connect("/tmp/ledger/tank-mailer.db").execute(sys.argv[1]).fetchone()[0])' "$1"
}
schema() { ledger "select version_num from alembic_version"; }

# --- the drills ---------------------------------------------------------------------------------------------------------

[ -e "$root/root/wheels" ] || make_root
# Of a root that is there already nothing is left but Debian and the wheels.
rm -rf "$root"/root/{old,new} "$root"/opt/{standin,tank-mailer} "$root"/{etc,var/lib}/tank-mailer \
    "$root"/etc/systemd/system/{,*.wants/}tank-mailer* "$root"/usr/local/bin/tank-mailer
unpack HEAD /root/new 2.0.0
unpack "$from" /root/old 1.0.0
hold_network
boot
printf 'systemd %s, %s\n' "$(inside systemctl --version | sed -n '1s/systemd \([0-9]*\).*/\1/p')" "$(inside python3 --version)"

# The stand-in's own program, so that what is installed below may come and go.
inside sh -ec 'python3 -m venv /opt/standin
    /opt/standin/bin/pip --quiet install -r /root/requirements.txt
    /opt/standin/bin/pip --quiet install --no-deps /root/new' || failed "a stand-in"

# From nothing to the first mail, and what systemd says of the units.
drill_install() {
    serve --rate 20
    start=$SECONDS
    inside /root/new/systemd/install.sh >"$work/install" 2>&1 || { cat "$work/install" >&2; failed "install.sh"; }
    installed=$SECONDS
    write_settings
    inside systemctl enable --now tank-mailer 2>/dev/null || failed "the first start"
    put first 1
    within 30 have_accepted 1 || failed "the first mail"
    passed "installed in $((installed - start)) s, without a package index; the first mail accepted $((SECONDS - start)) s after the beginning"
    inside /root/new/systemd/install.sh >"$work/install" 2>&1 || { cat "$work/install" >&2; failed "install.sh once more"; }
    grep -q "is there already" "$work/install" || failed "install.sh once more"
    passed "install.sh once more: nothing is built, the daemon is restarted"

    score=$(inside systemd-analyze security --no-pager tank-mailer.service | sed -n 's/.*exposure level for [^:]*: \([0-9.]*\) .*/\1/p')
    awk "BEGIN { exit !($score <= 1.5) }" || failed "the sandbox: $score"
    passed "systemd-analyze security: $score"
    inside systemd-analyze verify --man=no /etc/systemd/system/tank-mailer{,@,-report}.service \
        /etc/systemd/system/tank-mailer-report.timer >"$work/verify" 2>&1
    [ ! -s "$work/verify" ] || { cat "$work/verify" >&2; failed "systemd-analyze verify"; }
    passed "systemd-analyze verify has nothing to say"
    inside systemctl stop tank-mailer
}

# What a customer can run, too; the stand-in is one of its own.
drill_unit() {
    is_installed
    stop_serving
    inside systemctl stop tank-mailer
    inside /root/new/systemd/drill.sh || failed "drill.sh"
}

# The log, by rsyslog to a receiver.
drill_ship() {
    is_installed
    inside systemctl stop tank-mailer
    stop_serving
    inside /root/new/config/shipping/drill.sh || failed "config/shipping/drill.sh"
}

# Everything dies at once, in the middle of sends that SES has taken and not answered yet.
drill_power_cut() {
    local flying=0 end doubled
    is_installed
    serve --rate 20
    slow_down 0.5
    inside systemctl start tank-mailer
    put cut 200
    for share in 40 100; do
        within 120 have_accepted $share || failed "mails before the cut"
        power_cut
        flying=$((flying + $(ledger_of_the_dead "select count(*) from jobs where state = 'sending'")))
        boot
        within 60 inside systemctl is-active --quiet tank-mailer || failed "it is not there after the boot"
    done
    # What was in flight: its lease ends (80 s), then an event shows that it was accepted; or none comes, though a mail that was
    # accepted after the lease has its event: then it is sent again. So mail goes on, as it does with a customer.
    end=$((SECONDS + 400))
    until [ "$(cut_jobs)" -ge 200 ]; do
        [ $SECONDS -lt $end ] || failed "jobs lost: $(cut_jobs) of 200"
        put "later-$SECONDS" 1
        sleep 5
    done
    doubled=$(observe 'from collections import Counter
print(*[one for one, times in Counter(one["email_id"] for one in get("log")).items() if times > 1])')
    for one in $doubled; do
        tank_mailer status "$one" --json | grep -q '"resends": *[1-9]' || failed "$one doubled, without a doubt"
    done
    passed "the power cut twice in the middle of sends ($flying in flight): all 200 jobs accepted in the end; mails and jobs, with those that went on: $(accepted)"
    passed "  sent again after a doubt: $(ledger "select count(*) from jobs where resends > 0"), of these twice at SES: $(wc -w <<<"$doubled")"
    inside systemctl stop tank-mailer
}

# Upgrade and back, under load, on a ledger that the old release has made; and away with it.
drill_upgrade() {
    local old new at_upgrade at_rollback
    inside sh -c '/root/new/systemd/install.sh uninstall && rm -rf /var/lib/tank-mailer' >/dev/null
    serve --rate 20
    inside /root/old/systemd/install.sh >"$work/install" 2>&1 || { cat "$work/install" >&2; failed "install.sh of $from"; }
    write_settings
    inside systemctl enable --now tank-mailer 2>/dev/null || failed "the start of $from"
    old=$(schema)
    inside /root/new/systemd/install.sh prepare >"$work/install" 2>&1 || { cat "$work/install" >&2; failed "prepare"; }
    put before 500
    within 60 have_accepted 20 || failed "mails by the old release"
    echo TANK_MAX_PARALLEL=many >>"$root$settings"
    inside /root/new/systemd/install.sh >"$work/install" 2>&1 && failed "an upgrade with bad settings"
    [ "$(inside /opt/tank-mailer/bin/tank-mailer --version)" = "tank-mailer 1.0.0" ] || failed "not the old release any more"
    sed -i '$d' "$root$settings"
    have_accepted 500 && failed "the upgrade comes too late to be one under load"
    passed "an upgrade with settings that the new release refuses changes nothing"
    inside /root/new/systemd/install.sh >"$work/install" 2>&1 || { cat "$work/install" >&2; failed "the upgrade"; }
    at_upgrade=$(jobs_accepted)
    new=$(schema)
    [ "$old" != "$new" ] || failed "the schema is the same: $old"
    within 90 have_accepted 500 || failed "mails after the upgrade: $(accepted)"
    put between 300
    within 60 have_accepted 520 || failed "mails by the new release"
    inside /root/new/systemd/install.sh rollback >"$work/install" 2>&1 || { cat "$work/install" >&2; failed "the rollback"; }
    [ "$(inside /opt/tank-mailer/bin/tank-mailer --version)" = "tank-mailer 1.0.0" ] || failed "not the old release"
    at_rollback=$(jobs_accepted)
    within 60 have_accepted 800 || failed "mails after the rollback: $(accepted)"
    put after 50
    within 60 have_accepted 850 || failed "the old release on the new schema: $(accepted)"
    [ "$(accepted)" = "850 850" ] || failed "doubled: $(accepted)"
    tank_mailer status between-1 --json | grep -q '"state": *"accepted"' || failed "the ledger of the new release"
    passed "upgraded from schema $old to $new after $at_upgrade mails and back after $at_rollback, under load; the release before works on the new schema: $(accepted)"
    inside /root/new/systemd/install.sh rollback >"$work/install" 2>&1 || { cat "$work/install" >&2; failed "forward again"; }
    [ "$(inside /opt/tank-mailer/bin/tank-mailer --version)" = "tank-mailer 2.0.0" ] || failed "not the new release"
    sed -i 's/2\.0\.0/2.0.1/' "$root/root/new/tank_mailer/__init__.py"
    inside /root/new/systemd/install.sh >"$work/install" 2>&1 || { cat "$work/install" >&2; failed "one release on"; }
    [ "$(inside ls /opt/tank-mailer | tr '\n' ' ')" = "2.0.0 2.0.1 bin current previous " ] || failed "$(inside ls /opt/tank-mailer)"
    passed "forward again, and one release on: the virtualenvs of the last two stay"

    inside /root/new/systemd/install.sh uninstall >/dev/null || failed "uninstall"
    if [ -e "$root/opt/tank-mailer" ] || [ ! -e "$root$settings" ] || [ ! -e "$root/var/lib/tank-mailer/tank-mailer.db" ]; then
        failed "what uninstall leaves"
    fi
    [ -z "$(inside systemctl list-unit-files --no-legend 'tank-mailer*')" ] || failed "units after uninstall"
    inside /root/new/systemd/install.sh uninstall --purge >/dev/null || failed "uninstall --purge"
    for left in /opt/tank-mailer /etc/tank-mailer /var/lib/tank-mailer /etc/sysusers.d/tank-mailer.conf; do
        [ ! -e "$root$left" ] || failed "$left is left"
    done
    inside id tank-mailer >/dev/null 2>&1 && failed "the user is left"
    passed "uninstall leaves settings and ledger, uninstall --purge nothing"
}

for drill in ${LAB_ONLY-install unit ship power_cut upgrade}; do
    "drill_$drill"
done
