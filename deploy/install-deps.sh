#!/usr/bin/env bash
# Installs the Debian packages that parts of this repository need; what is there already is left alone.
#
#   deploy/install-deps.sh [demo|test|generate|bench]...      default: all of them
set -euo pipefail

packages_of() {
  case "$1" in
    # tshark decodes, tcpdump captures, iperf3 measures; iproute2 is for people who want to look around.
    demo)     echo iproute2 iperf3 tcpdump tshark ;;
    # scapy is the second opinion on wire formats; a KDC is what Kerberos is tried against.
    test)     echo "$(packages_of demo)" python3-scapy krb5-kdc krb5-admin-server ;;
    # The eBPF programs are compiled with Debian's clang against libbpf's headers.
    generate) echo clang libbpf-dev linux-libc-dev llvm ;;
    # nftables and Open vSwitch are what ours is compared with.
    bench)    echo ethtool iperf3 nftables openvswitch-switch ;;
    *)        echo "install-deps.sh: unknown section '$1': want demo, test, generate or bench" >&2; return 2 ;;
  esac
}

installed() { [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

[ $# -gt 0 ] || set -- demo test generate bench
wanted=()
for section in "$@"; do
  packages=$(packages_of "$section")
  # shellcheck disable=SC2206 # a list of words is what it is
  wanted+=($packages)
done

if ! command -v dpkg-query >/dev/null; then
  echo "install-deps.sh: this is not a Debian system; needed are the equivalents of: ${wanted[*]}" >&2
  exit 0
fi
missing=()
for package in "${wanted[@]}"; do
  installed "$package" || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

if [ "$(id -u)" -ne 0 ]; then
  echo "install-deps.sh: these packages are missing, and installing them needs root: ${missing[*]}" >&2
  exit 1
fi
echo "install-deps.sh: installing ${missing[*]}" >&2
export DEBIAN_FRONTEND=noninteractive # tshark and iperf3 would ask; their defaults are right
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! { apt-get update -qq && apt-get install -qq -y --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
  tail -n 30 "$log" >&2
  exit 1
fi
