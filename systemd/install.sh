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
# PYTHON=/path/to/python3.12 takes another Python. pip heeds its own variables: without a way to a package index
# PIP_NO_INDEX=1 PIP_FIND_LINKS=/path/to/wheels (docs/install.md). What goes where: docs/upgrade.md.
set -eu
umask 022

base=/opt/tank-mailer
settings=/etc/tank-mailer
state=/var/lib/tank-mailer
units=/etc/systemd/system
sysusers=/etc/sysusers.d/tank-mailer.conf
command=/usr/local/bin/tank-mailer
release=$(cd "$(dirname "$0")/.." && pwd)

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
command -v systemctl >/dev/null || fail 75 "there is no systemd here; remedy: docs/install.md, as a container"

# --- a release into its own directory -------------------------------------------------------------------------------

find_python() {
    for python in ${PYTHON-} python3 python3.13 python3.12 python3.11; do
        if "$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            return
        fi
    done
    fail 75 "there is no Python 3.11 or later with venv; remedy: apt-get install python3-venv, or PYTHON=/path/to/python3"
}

build() { # VERSION
    find_python
    say "building $base/$1 with $("$python" --version)"
    rm -rf "${base:?}/$1"
    "$python" -m venv "$base/$1"
    set -- "$1" "$base/$1/bin/python" -m pip --disable-pip-version-check --quiet --no-cache-dir
    version=$1
    shift
    "$@" install --require-hashes -r "$release/config/requirements.txt"
    # A wheel beside the sources spares the build, which would fetch its tools.
    wheel=$(find "$release/dist" -name "tank_mailer-$version-*.whl" 2>/dev/null | head -n 1)
    "$@" install --no-deps "${wheel:-$release}"
    "$@" check
    mkdir -p "$base/$version/share/tank-mailer"
    cp "$release"/systemd/*.service "$release"/systemd/*.timer "$release"/systemd/*.sysusers "$base/$version/share/tank-mailer/"
    [ ! -e "$release/systemd/tank-mailer-ctl" ] || cp "$release/systemd/tank-mailer-ctl" "$base/$version/share/tank-mailer/"
    "$base/$version/bin/tank-mailer" --version >/dev/null
    touch "$base/$version/.complete"
}

# --- a release that is there into use -------------------------------------------------------------------------------

use() { # VERSION
    link current "$1"
    link bin current/bin
    share=$base/current/share/tank-mailer
    install -D -m 0644 "$share/tank-mailer.sysusers" "$sysusers"
    systemd-sysusers "$sysusers"
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
    if [ -z "$again" ] && [ -e "$base/$version/.complete" ]; then
        say "$base/$version is there already"
    else
        build "$version"
    fi
    if [ "$verb" = prepare ]; then
        say "$base/$version is ready; $0 takes it into use"
        return
    fi
    if [ -n "$before" ] && [ "$before" != "$version" ]; then
        look_before "$version"
        link previous "$before"
    fi
    use "$version"
    if [ ! -e "$settings/tank-mailer.env" ]; then
        install -d -m 0755 "$settings"
        install -m 0640 -g tank-mailer "$release/.env.example" "$settings/tank-mailer.env"
    fi
    restart_running
    tidy
    say "tank-mailer $version is installed"
    [ -n "$before" ] || next_steps
}

# as_service VERSION ARGUMENT...: with the settings and credentials that the unit and its drop-ins give to the daemon.
as_service() {
    program=$base/$1/bin/tank-mailer
    shift
    unit=$(running | head -n 1)
    given=$(systemctl cat "${unit:-tank-mailer.service}" |
        sed -n -E 's/^((Load|Set)Credential|Environment|EnvironmentFile)=(.+)$/--property=\1=\3/p')
    set -f
    old=$IFS
    IFS='
'
    # shellcheck disable=SC2086 # a line, a word
    systemd-run --quiet --collect --wait --pipe --property=User=tank-mailer --property=StateDirectory=tank-mailer \
        --property=StateDirectoryMode=0700 --property="WorkingDirectory=$state" $given -- \
        "$program" "$@" --env-file "$settings/tank-mailer.env"
    IFS=$old
    set +f
}

# Before anything is touched: a release may refuse a setting that the one before took. Tables on PostgreSQL come before the
# first daemon of the new release, and those of the old one work on them; on SQLite the daemon sees to it.
look_before() { # VERSION
    as_service "$1" config check >&2 ||
        fail 78 "nothing was changed; remedy: put the settings right for $1, then $0 once more"
    if as_service "$1" config show --json | grep -q '"postgresql+asyncpg:'; then
        as_service "$1" db upgrade || fail 75 "nothing was changed; remedy: mend the database, then $0 once more"
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
        fail 3 "there is no release before $from here"
    fi
    link previous "$from"
    use "$to"
    restart_running
    say "tank-mailer $to is in use again; $from stays in $base"
}

uninstall() {
    for unit in $(systemctl list-units --all --plain --no-legend 'tank-mailer*' | cut -d' ' -f1); do
        case $unit in
        *.service | *.timer) systemctl disable --now "$unit" 2>/dev/null || systemctl stop "$unit" || true ;;
        esac
    done
    systemctl disable tank-mailer tank-mailer-report.timer 2>/dev/null || true
    rm -rf "$base" "$sysusers" "$command" "$units"/tank-mailer.service "$units"/tank-mailer@.service \
        "$units"/tank-mailer-report.service "$units"/tank-mailer-report.timer
    systemctl daemon-reload
    systemctl reset-failed 'tank-mailer*' 2>/dev/null || true
    if [ -n "$purge" ]; then
        rm -rf "$settings" "$state" "$units"/tank-mailer*.d
        systemctl daemon-reload
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
