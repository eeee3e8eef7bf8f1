#!/usr/bin/env bash
# Prepares this folder on a fresh Debian or Ubuntu machine. Called by the Makefile; what is already done is skipped.
#
#   tools/setup.sh run     for running: Python, tshark, .venv with requirements.txt and the package
#   tools/setup.sh dev     for developing: also the browser, PostgreSQL and network tools that the tests and the lab use
#
# Only Python is indispensable. Anything else that is missing and cannot be installed is named in one sentence.
set -euo pipefail
cd "$(dirname "$0")/.."

what=${1:-}
case $what in
    run) requirements=requirements.txt ;;
    dev) requirements=requirements-dev.txt ;;
    *) echo "usage: tools/setup.sh run|dev" >&2; exit 2 ;;
esac

say() { echo "setup: $*" >&2; }

# --- System packages ---------------------------------------------------------------------------------------------------

# Root, or sudo that asks for no password.
if [ "$(id -u)" = 0 ]; then as_root=()
elif sudo -n true 2>/dev/null; then as_root=(sudo -n)
else as_root=(false)
fi

apt_install() {
    command -v apt-get >/dev/null && [ "${as_root[*]:-}" != false ] || return 1
    say "installing $*"
    local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=120)
    "${apt[@]}" update >&2 || true
    if [[ " $* " == *" postgresql "* ]]; then
        # The lab starts servers of its own: the package must not start one.
        "${apt[@]}" install -y --no-install-recommends postgresql-common >&2 &&
            "${as_root[@]}" sed -ri 's/^#?\s*create_main_cluster.*/create_main_cluster = false/' \
                /etc/postgresql-common/createcluster.conf || return 1
    fi
    keep_services_quiet "${apt[@]}" install -y --no-install-recommends "$@" >&2 || return 1
    # Nor may one start with the machine from now on. What was installed before is left as it is.
    ! command -v systemctl >/dev/null || "${as_root[@]}" systemctl --quiet disable "$@" 2>/dev/null || true
}

# The lab starts servers of its own: no package may start one while it is installed.
keep_services_quiet() {
    local policy=/usr/sbin/policy-rc.d status=0
    [ ! -e $policy ] || { "$@"; return; }
    printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee $policy >/dev/null
    "${as_root[@]}" chmod +x $policy
    "$@" || status=$?
    "${as_root[@]}" rm -f $policy
    return $status
}

# Debian keeps some programs outside an ordinary user's PATH.
have() { PATH="$PATH:/usr/sbin:/sbin:$(echo /usr/lib/postgresql/*/bin | tr ' ' ':')" command -v "$1" >/dev/null; }

# What is needed, as program:package.
tools=(tshark:tshark)
if [ "$what" = dev ]; then
    tools+=(tcpdump:tcpdump ip:iproute2 ethtool:ethtool sysctl:procps)
    tools+=(iptables:iptables nft:nftables conntrack:conntrack postgres:postgresql)
    # What the lab's cases are about.
    tools+=(pgbouncer:pgbouncer haproxy:haproxy nginx:nginx mariadbd:mariadb-server redis-server:redis-server)
    tools+=(stunnel:stunnel4 openssl:openssl curl:curl node:nodejs locale-gen:locales)
    # Ubuntu has Chromium as a snap only, which cannot be driven from tests: there Playwright brings one, at the end.
    ubuntu=$(grep -s '^ID=ubuntu' /etc/os-release || true)
    [ -n "$ubuntu" ] || tools+=(chromium:chromium)
fi
missing_packages() { local tool; for tool in "${tools[@]}"; do have "${tool%%:*}" || echo "${tool##*:}"; done; }

missing=$(missing_packages)
if [ -n "$missing" ]; then
    # shellcheck disable=SC2086  # one word per package
    apt_install $missing || true
    missing=$(missing_packages | paste -sd ' ')
    [ -z "$missing" ] || say "please install $missing (Debian, Ubuntu: sudo apt-get install $missing); what depends on it is left out."
fi

# The languages of the lab's servers.
if [ "$what" = dev ]; then
    for language in ja_JP zh_CN de_DE; do
        locale -a | grep -qi "^$language.utf-\?8$" || "${as_root[@]}" localedef -i $language -f UTF-8 $language.UTF-8 ||
            say "the locale $language.UTF-8 is missing; what depends on it is left out."
    done
fi

# --- Python and the virtual environment ----------------------------------------------------------------------------------

# ensurepip: Debian's Python can only make a virtual environment with the package python3-venv.
find_python() {
    local name
    for name in python3 python3.14 python3.13 python3.12 python3.11; do
        if "$name" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$name"
            return
        fi
    done
    return 1
}

if ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    python=$(find_python) || { apt_install python3 python3-venv && python=$(find_python); } || {
        say "please install Python 3.11 or later with its venv module (Debian 12, Ubuntu 24.04 and later: sudo apt-get install python3 python3-venv)."
        exit 1
    }
    rm -rf .venv
    "$python" -m venv .venv
fi

# A stamp holds the checksum of what was installed from; the requirements for developing contain those for running.
wanted=$(cat requirements.txt "$requirements" pyproject.toml | cksum)
stamp=.venv/installed-$what
if [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ]; then
    say "installing $requirements into .venv"
    pip=(.venv/bin/python -m pip --quiet --disable-pip-version-check install)
    "${pip[@]}" --require-hashes -r "$requirements"
    "${pip[@]}" --no-deps --no-build-isolation -e .
    echo "$wanted" >"$stamp"
fi

if [ -n "${ubuntu:-}" ] && ! have google-chrome && ! compgen -G "$HOME/.cache/ms-playwright/chromium-*" >/dev/null; then
    with_deps=(--with-deps)
    [ "${as_root[*]:-}" != false ] || with_deps=()
    .venv/bin/python -m playwright install "${with_deps[@]}" chromium >&2 ||
        say "please install Chromium; the tests that open a report in a browser are left out."
fi
