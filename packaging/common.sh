# Shell functions shared by the set-up scripts; to be sourced.
#
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh

# Packages that building and running the plugin takes on Debian 12 and later.
# shellcheck disable=SC2034 # used by the scripts that source this
build_packages="tshark wireshark-dev libglib2.0-dev cmake ninja-build gcc libc6-dev pkg-config"

# Installs the packages that are missing, as root or through sudo.
install_packages() {
    missing=
    for package in "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' ||
            missing="$missing $package"
    done
    [ -n "$missing" ] || return 0
    sudo=
    [ "$(id -u)" -eq 0 ] || sudo=sudo
    echo "installing$missing" >&2
    # shellcheck disable=SC2086 # both are lists of words
    {
        $sudo apt-get update -q >&2
        $sudo env DEBIAN_FRONTEND=noninteractive \
            apt-get install -q -y --no-install-recommends $missing >&2
    }
}

# build_plugin SOURCE BUILD-DIRECTORY [CMAKE-OPTION ...]
build_plugin() {
    source=$1
    build=$2
    shift 2
    cmake -S "$source" -B "$source/$build" -G Ninja "$@" >&2
    cmake --build "$source/$build" >&2
}

# run_tshark PLUGIN ARGUMENT ...
# Runs tshark with the plugin in a home directory of its own, so that it needs no installation and
# changes no settings. For root Wireshark ignores every personal plugin: become nobody then.
run_tshark() (
    plugin=$1
    shift
    home=$(mktemp -d)
    trap 'rm -rf "$home"' EXIT
    series=$(tshark --version 2>/dev/null | sed -n '1s/.* \([0-9]*\.[0-9]*\)\..*/\1/p')
    mkdir -p "$home/.local/lib/wireshark/plugins/$series/epan"
    cp "$plugin" "$home/.local/lib/wireshark/plugins/$series/epan/"
    drop=
    if [ "$(id -u)" -eq 0 ]; then
        chown -R nobody:nogroup "$home"
        drop="setpriv --reuid=nobody --regid=nogroup --clear-groups"
    fi
    cd "$home" || exit 1
    $drop env HOME="$home" XDG_CONFIG_HOME="$home/.config" tshark "$@"
)
