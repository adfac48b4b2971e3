#!/bin/sh
# Installs this release as a systemd service, or brings an installation up to it. As root, in the unpacked release:
#
#   systemd/install.sh                    install or upgrade; asks nothing, and may be run again at any time
#   systemd/install.sh --again            the same, and the virtualenv anew: after an upgrade of the system's Python
#   systemd/install.sh prepare            builds the virtualenv and changes nothing else: the rest takes seconds then
#   systemd/install.sh rollback           back to the release before; again: forward
#   systemd/install.sh uninstall          program and units; settings and ledger stay
#   systemd/install.sh uninstall --purge  those and the user, too: with the ledger goes the list of who must not be mailed
#
# PYTHON=/path/to/python3.12 takes another Python than the system's. pip heeds its own variables: without a way to a package index
# PIP_NO_INDEX=1 PIP_FIND_LINKS=/path/to/wheels (docs/install.md). What goes where: docs/upgrade.md.
set -eu
umask 022

base=/opt/tank-mailer
settings=/etc/tank-mailer
state=/var/lib/tank-mailer
units=/etc/systemd/system
sysusers=/etc/sysusers.d/tank-mailer.conf
command=/usr/local/bin/tank-mailer
lock=/run/tank-mailer-install.lock
needed=249 # of systemd: LoadCredential=, ExecPaths=, ProtectProc=; older ones leave out what they do not know

say() { printf '%s\n' "$*"; }
fail() { # CODE SENTENCE...
    code=$1
    shift
    printf '%s\n' "$*" >&2
    exit "$code"
}
linked() { readlink "$base/$1" 2>/dev/null || true; }
link() { # NAME TARGET: in one step, so that no start finds nothing
    ln -sfn "$2" "$base/$1.new"
    mv -T "$base/$1.new" "$base/$1"
}
running() { systemctl list-units --plain --no-legend --state=active,activating,reloading 'tank-mailer.service' 'tank-mailer@*.service' | cut -d' ' -f1; }

[ "$(id -u)" -eq 0 ] || fail 2 "this wants root; remedy: sudo $0 $*"
release=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
[ -d /run/systemd/system ] || fail 75 "no systemd runs here; remedy: docs/install.md, as a container"
found=$(systemctl --version | sed -n '1s/^systemd \([0-9]*\).*/\1/p')
[ "${found:-0}" -ge $needed ] || fail 75 "systemd is of version $found, $needed is needed; remedy: docs/install.md, as a container"
exec 9>$lock
flock --nonblock 9 || fail 75 "another install.sh is at work; remedy: wait for its end"

# --- a release into its own directory -------------------------------------------------------------------------------

is_python() { "$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }
find_python() {
    if [ -n "${PYTHON-}" ]; then
        python=$PYTHON
        is_python || fail 75 "PYTHON=$PYTHON is no Python 3.11 or later with venv; remedy: another one, or none: the system's"
        return
    fi
    for python in python3 python3.13 python3.12 python3.11; do
        if is_python; then return; fi
    done
    fail 75 "there is no Python 3.11 or later with venv; remedy: apt-get install python3-venv, or PYTHON=/path/to/python3"
}

# What the service may run besides the virtualenv: a Python that is not the system's. Where it sees nothing, it finds none.
find_home_of_python() {
    home=$("$python" -c 'import sys; print(sys.base_prefix)')
    case $home in
    /usr | /usr/local) home='' ;;
    /home/* | /root/* | /run/* | /tmp/* | /var/tmp/*)
        fail 75 "the service does not see $home, where $python is; remedy: a Python in /usr, /usr/local or /opt"
        ;;
    esac
}

# May files in there be run? The libraries of a virtualenv are loaded from it.
may_run() { # DIRECTORY
    printf '#!/bin/sh\n' >"$1/.probe"
    chmod 0755 "$1/.probe"
    may=yes
    "$1/.probe" 2>/dev/null || may=''
    rm "$1/.probe"
    [ -n "$may" ]
}

not_built() {
    rm -rf "${building:?}"
    fail 75 "$building could not be built, and nothing was changed; remedy: put right what is said above: a way to pip's index" \
        "(or PIP_NO_INDEX=1 PIP_FIND_LINKS=/path/to/wheels, docs/install.md), room on the disk"
}

pip="-m pip --disable-pip-version-check --quiet --no-cache-dir"
# shellcheck disable=SC2086 # several words
build_wheel() { # DIRECTORY: with tools that are held by their hashes, too, and go again
    "$python" -m venv "$1"
    "$1/bin/python" $pip install --require-hashes -r "$release/config/build-requirements.txt"
    "$1/bin/python" $pip wheel --no-build-isolation --no-deps --wheel-dir "$1" "$release"
    wheel=$(find "$1" -maxdepth 1 -name 'tank_mailer-*.whl')
}

# shellcheck disable=SC2086 # several words
build() { # DIRECTORY, below $base
    find_python
    find_home_of_python
    may_run "$base" || fail 75 "$base is mounted noexec; remedy: mount it without"
    building=$base/$1
    say "building $building with $("$python" --version)"
    rm -rf "${building:?}"
    trap not_built EXIT
    trap 'exit 75' INT TERM HUP
    "$python" -m venv "$building"
    "$building/bin/python" $pip install --require-hashes -r "$release/config/requirements.txt"
    # A wheel beside the sources spares the build, and its tools.
    wheel=$(find "$release/dist" -name "tank_mailer-$version-*.whl" 2>/dev/null | head -n 1)
    [ -n "$wheel" ] || build_wheel "$building/.build"
    "$building/bin/python" $pip install --no-deps "$wheel"
    "$building/bin/python" $pip check
    rm -rf "$building/.build"
    share=$building/share/tank-mailer
    mkdir -p "$share"
    cp "$release"/systemd/*.service "$release"/systemd/*.timer "$release"/systemd/*.sysusers "$share/"
    [ ! -e "$release/systemd/tank-mailer-ctl" ] || cp "$release/systemd/tank-mailer-ctl" "$share/"
    [ -z "$home" ] || sed -i "s|^ExecPaths=.*|& \"$home\"|" "$share"/*.service
    ! command -v restorecon >/dev/null || restorecon -R "$building" # SELinux: what may be run is labelled so
    "$building/bin/tank-mailer" --version >/dev/null
    touch "$building/.complete"
    trap - EXIT INT TERM HUP
}

built() { # VERSION: the name of its directory, of two the newer one; nothing: there is none that is whole
    newest=$(find "$base/$1/.complete" "$base/$1.again/.complete" -printf '%T@ %h\n' 2>/dev/null | sort -rn | head -n 1)
    say "${newest##*/}"
}

# --- a release that is there into use -------------------------------------------------------------------------------

use() { # DIRECTORY
    link current "$1"
    link bin current/bin
    share=$base/current/share/tank-mailer
    install -D -m 0644 "$share/tank-mailer.sysusers" "$sysusers"
    systemd-sysusers "$sysusers"
    # As the service would make it: commands want it, such as the one that makes tables on PostgreSQL, before the first start.
    [ -e "$state" ] || install -d -m 0700 -o tank-mailer -g tank-mailer "$state"
    install -m 0644 "$share"/*.service "$share"/*.timer "$units/"
    [ ! -e "$share/tank-mailer-ctl" ] || install -D -m 0755 "$share/tank-mailer-ctl" "$command"
    systemctl daemon-reload
}

# One after the other: of several nodes the others send on. Each finishes what is in flight, for up to 45 s.
restart_running() {
    for unit in $(running); do
        say "restarting $unit"
        systemctl restart "$unit" || {
            systemctl --no-pager --lines=0 status "$unit" >&2 || true
            journalctl --unit "$unit" --lines 5 --no-pager --output cat >&2 || true
            fail 75 "$unit does not start with $(linked current); remedy: put right what it says, or $0 rollback"
        }
    done
}

install_release() {
    version=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' "$release/tank_mailer/__init__.py")
    [ -n "$version" ] || fail 75 "$release is no release of tank-mailer: it has no tank_mailer/__init__.py with a version"
    [ ! -e "$base/pyvenv.cfg" ] ||
        fail 75 "$base is a virtualenv itself; remedy: systemctl stop tank-mailer; mv $base $base.before; $0"
    before=$(linked current)
    mkdir -p "$base"
    there=$(built "$version")
    if [ -z "$again" ] && [ -n "$there" ]; then
        say "$base/$there is there already"
    else
        # What is in use stays as it is: a daemon loads parts of it later, and the build may fail.
        there=$version
        if [ "$before" = "$version" ] || [ "$(linked previous)" = "$version" ]; then there=$version.again; fi
        build "$there"
    fi
    if [ "$verb" = prepare ]; then
        say "$base/$there is ready; $0 takes it into use"
        return
    fi
    if [ -n "$before" ] && [ "${before%.again}" != "$version" ]; then
        look_before "$there"
        link previous "$before"
    fi
    use "$there"
    if [ ! -e "$settings/tank-mailer.env" ]; then
        install -d -m 0755 "$settings"
        install -m 0640 -g tank-mailer "$release/.env.example" "$settings/tank-mailer.env"
    fi
    restart_running
    tidy
    say "tank-mailer $version is installed"
    [ -n "$before" ] || next_steps
}

# as_service UNIT DIRECTORY ARGUMENT...: with the settings and credentials that the unit and its drop-ins give to the daemon.
# systemd-run takes a percent sign for what it is, a unit twice for one, and with a letter for the instance or the host.
as_service() {
    instance=${1#*@}
    instance=${instance%.service}
    given=$(systemctl cat "$1" |
        sed -n -E -e 's/%i/'"$instance"'/g' -e "s/%H/$(uname -n)/g" -e 's/%%/%/g' \
            -e 's/^((Load|Set)Credential(Encrypted)?|Environment|EnvironmentFile)=(.+)$/--property=\1=\4/p')
    program=$base/$2/bin/tank-mailer
    shift 2
    set -f
    old=$IFS
    IFS='
'
    result=0
    # shellcheck disable=SC2086 # a line, a word
    systemd-run --quiet --collect --wait --pipe --property=User=tank-mailer --property=StateDirectory=tank-mailer \
        --property=StateDirectoryMode=0700 --property="WorkingDirectory=$state" $given -- \
        "$program" "$@" --env-file "$settings/tank-mailer.env" || result=$?
    IFS=$old
    set +f
    return "$result"
}

# Before anything is touched: a release may refuse a setting that the one before took. Tables on PostgreSQL come before the
# first daemon of the new release, and those of the old one work on them; on SQLite the daemon sees to it. All instances have
# the same ones.
look_before() { # DIRECTORY
    asked=$(running)
    for unit in ${asked:-tank-mailer.service}; do
        as_service "$unit" "$1" config check >&2 ||
            fail 78 "nothing was changed; remedy: put the settings of $unit right for $1, then $0 once more"
    done
    if as_service "$unit" "$1" config show --json | grep -q '"postgresql+asyncpg:'; then
        as_service "$unit" "$1" db upgrade || fail 75 "nothing was changed; remedy: mend the database, then $0 once more"
    fi
}

tidy() { # keeps this release and the one before
    for directory in "$base"/*/; do
        directory=${directory%/}
        name=${directory##*/}
        if [ ! -L "$directory" ] && [ -e "$directory/pyvenv.cfg" ] &&
            [ "$name" != "$(linked current)" ] && [ "$name" != "$(linked previous)" ]; then
            say "removing $directory"
            rm -rf "$directory"
        fi
    done
}

next_steps() {
    say "next:"
    say "  \${EDITOR:-vi} $settings/tank-mailer.env"
    if [ -x "$command" ]; then
        say "  tank-mailer config check"
    fi
    say "  systemctl enable --now tank-mailer tank-mailer-report.timer"
}

roll_back() {
    to=$(linked previous)
    from=$(linked current)
    if [ -z "$to" ] || [ ! -e "$base/$to/.complete" ]; then
        fail 3 "there is no release before ${from:-one} here"
    fi
    "$base/$to/bin/tank-mailer" --version >/dev/null 2>&1 ||
        fail 75 "$to does not run any more: the system's Python has changed, perhaps; remedy: systemd/install.sh --again in the release $to"
    link previous "$from"
    use "$to"
    restart_running
    say "tank-mailer $to is in use again; $from stays in $base"
}

uninstall() {
    for unit in $(systemctl list-units --all --plain --no-legend tank-mailer-report.timer tank-mailer-report.service \
        tank-mailer.service 'tank-mailer@*.service' | cut -d' ' -f1); do
        systemctl disable --now "$unit" 2>/dev/null || systemctl stop "$unit" || true
    done
    systemctl disable tank-mailer tank-mailer-report.timer 2>/dev/null || true
    rm -rf "$base" "$sysusers" "$command" "$units"/tank-mailer.service "$units"/tank-mailer@.service \
        "$units"/tank-mailer-report.service "$units"/tank-mailer-report.timer "$units"/*.wants/tank-mailer@*.service
    if [ -n "$purge" ]; then
        rm -rf "$settings" "$state" "$units"/tank-mailer.service.d "$units"/tank-mailer@*.service.d \
            "$units"/tank-mailer-report.service.d "$units"/tank-mailer-report.timer.d
    fi
    systemctl daemon-reload
    systemctl reset-failed tank-mailer.service 'tank-mailer@*.service' tank-mailer-report.service 2>/dev/null || true
    if [ -n "$purge" ]; then
        if id tank-mailer >/dev/null 2>&1; then userdel tank-mailer; fi
        say "tank-mailer is gone, with its settings, its ledger and its user"
    else
        say "tank-mailer is gone; $settings, $state, drop-ins and the user tank-mailer stay"
    fi
}

again='' purge='' verb=install
for word; do
    case $word in
    --again) again=yes ;;
    --purge) purge=yes ;;
    install | prepare | rollback | uninstall) verb=$word ;;
    *) fail 2 "$0 [install | prepare] [--again] | rollback | uninstall [--purge]" ;;
    esac
done
case $verb in
install | prepare) install_release ;;
rollback) roll_back ;;
uninstall) uninstall ;;
esac
