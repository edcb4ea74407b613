# shellcheck shell=bash
# What the scripts of this folder share: finding and installing the servers natswarm needs.
# Sourced, never run. Everything is idempotent and works without a terminal.

REPO=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# Binaries that are ours, not the package manager's (see install_nats).
NATSWARM_BIN=${NATSWARM_BIN:-/usr/local/lib/natswarm/bin}
NODE_MIN=20
DOCKER_MIN=28
NATS_MIN=2.12
# The Debian suite that has what Debian 12 is too old for. Its packages run on Debian 12.
SUITE=forky
SUITE_PACKAGES='docker.io docker-cli containerd tini-static nats-server'

# root's PATH is without these after a plain su
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

say() { printf '%s\n' "$*"; }
heading() { printf '\n== %s\n' "$*"; }
die() {
  printf 'natswarm: %s\n' "$*" >&2
  exit 1
}
have() { command -v "$1" >/dev/null 2>&1; }

# at_least 28.5.2 28 -> true
at_least() { [ -n "$1" ] && [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }

# The first thing that looks like a version number in the output of a command; empty when it fails.
version_of() { "$@" 2>/dev/null | grep -oE '[0-9]+\.[0-9]+(\.[0-9]+)?' | head -n 1 || true; }

need_root() { [ "$(id -u)" = 0 ] || die "run this as root"; }

# ---------------------------------------------------------------------------------------- Node

need_node() {
  local found=''
  have node && found=$(version_of node --version)
  at_least "$found" "$NODE_MIN" && have npm && return
  cat >&2 <<TEXT
natswarm needs Node.js $NODE_MIN or newer with npm; found: ${found:-none}.
Get it in one of these ways, then run this again:
  - Debian 13 and newer:  apt-get install nodejs npm
  - any Linux:            https://nodejs.org/en/download (unpack the archive, add its bin/ to the PATH)
  - with a version manager:  nvm install $NODE_MIN
TEXT
  exit 1
}

# ------------------------------------------------------------------------------- what is there

docker_engine_version() { have dockerd && version_of dockerd --version; }
docker_cli_version() { have docker && version_of docker --version; }

have_engine() { at_least "$(docker_engine_version)" "$DOCKER_MIN"; }
have_docker_cli() { at_least "$(docker_cli_version)" "$DOCKER_MIN"; }

# Path of a nats-server that is new enough; fails when there is none.
nats_path() {
  local candidate
  for candidate in "$NATSWARM_BIN/nats-server" "$(command -v nats-server || true)"; do
    [ -x "$candidate" ] || continue
    at_least "$(version_of "$candidate" --version)" "$NATS_MIN" || continue
    printf '%s\n' "$candidate"
    return
  done
  return 1
}

# Which packages are missing, one a line. dockerd needs iptables, the tests need ip.
missing_packages() {
  have_engine || printf '%s\n' docker.io containerd tini-static runc
  have_docker_cli || printf '%s\n' docker-cli
  have iptables || printf '%s\n' iptables
  have ip || printf '%s\n' iproute2
}

# A busybox without shared libraries: all that is in the test images, and our HTTP client.
static_busybox() {
  local candidate
  for candidate in "$NATSWARM_BIN/busybox" /usr/bin/busybox /bin/busybox; do
    [ -x "$candidate" ] || continue
    # a dynamic program names its loader in its first page
    ! head -c 4096 "$candidate" | grep -qa 'ld-linux\|ld-musl' || continue
    printf '%s\n' "$candidate"
    return
  done
  return 1
}

# ----------------------------------------------------------------------------------------- apt

# Version apt would install, without Debian's epoch.
apt_candidate() { apt-cache policy "$1" 2>/dev/null | sed -n 's/^ *Candidate: *//p' | sed 's/^[0-9]*://; s/(none)//'; }

# "URI|signed-by" of this machine's own Debian archive, from either format of apt's sources.
# Security and other partial archives do not carry the suite, so they are left out.
apt_archive() {
  local files=() file
  for file in /etc/apt/sources.list.d/*.sources; do [ -f "$file" ] && files+=("$file"); done
  {
    [ ${#files[@]} = 0 ] || awk '
      function flush() { if (uri != "" && types ~ /deb/ && enabled !~ /no/) print suites "|" uri "|" key; types = uri = suites = key = enabled = "" }
      FNR == 1 { flush() }
      /^[[:space:]]*$/ { flush(); next }
      /^#/ { next }
      tolower($1) == "types:"     { types = $0 }
      tolower($1) == "uris:"      { uri = $2 }
      tolower($1) == "suites:"    { $1 = ""; suites = $0 }
      tolower($1) == "signed-by:" { key = $2 }
      tolower($1) == "enabled:"   { enabled = tolower($2) }
      END { flush() }' "${files[@]}"
    { cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null || true; } | awk '
      $1 == "deb" {
        key = ""; i = 2
        if ($2 ~ /^\[/) { for (; i <= NF; i++) { option = $i; gsub(/[][]/, "", option); if (option ~ /^signed-by=/) key = substr(option, 11); if ($i ~ /\]$/) { i++; break } } }
        print " " $(i + 1) "|" $i "|" key
      }'
  } | awk -F'|' -v codename="$(. /etc/os-release && printf %s "${VERSION_CODENAME:-}")" '
      { n = split($1, suite, " "); for (i = 1; i <= n && !found; i++) if (suite[i] == codename || suite[i] == "stable" || suite[i] == "testing" || suite[i] == "unstable" || suite[i] == "sid") { print $2 "|" $3; found = 1 } }'
}

# Adds the suite, pinned so low that apt takes nothing from it but the packages named.
# It is left in place: without it these packages would get no updates.
add_suite() {
  local archive uri key
  archive=$(apt_archive)
  [ -n "$archive" ] || die "found no Debian archive in this machine's apt sources; install Docker Engine >= $DOCKER_MIN and nats-server >= $NATS_MIN yourself, then run this again"
  uri=${archive%%|*} key=${archive#*|}
  say "adding Debian suite $SUITE from this machine's own mirror, pinned so that only these come from it: $SUITE_PACKAGES"
  {
    say "# Written by natswarm. Pinned in /etc/apt/preferences.d/natswarm."
    say "Types: deb"
    say "URIs: $uri"
    say "Suites: $SUITE"
    say "Components: main"
    [ -z "$key" ] || say "Signed-By: $key"
  } >/etc/apt/sources.list.d/natswarm.sources
  {
    say "Package: *"
    say "Pin: release n=$SUITE"
    say "Pin-Priority: 50"
    say ""
    say "Package: $SUITE_PACKAGES"
    say "Pin: release n=$SUITE"
    say "Pin-Priority: 990"
  } >/etc/apt/preferences.d/natswarm
  apt_get update
}

# Waits for another apt instead of failing, asks nothing, shows what it does.
apt_get() { DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@" </dev/null; }

# Installing docker.io must not start an engine: whoever installs decides (quickstart starts
# one, tests start their own). policy-rc.d is Debian's way to say so; an existing one is kept.
with_no_service_start() {
  local policy=/usr/sbin/policy-rc.d mine='' code=0
  if [ ! -e "$policy" ]; then
    mine=1
    printf '#!/bin/sh\n# natswarm: no service starts while its packages are installed\nexit 101\n' >"$policy"
    chmod 755 "$policy"
  fi
  "$@" || code=$?
  [ -z "$mine" ] || rm -f "$policy"
  return "$code"
}

# ------------------------------------------------------------------------------------- install

# Takes one binary out of a package, into our own folder, without installing the package:
#   nats-server cannot be configured on Debian 12 (its post-install script fails), and its
#   service is not wanted anyway; busybox-static would push out a busybox that is installed.
unpack_binary() {
  local package=$1 binary=$2 work
  work=$(mktemp -d)
  # apt fetches as user _apt, which must be able to write here
  chmod 755 "$work"
  ! id _apt >/dev/null 2>&1 || chown _apt "$work"
  (cd "$work" && apt_get download "$package" && dpkg-deb -x "$package"_*.deb tree) || {
    rm -rf "$work"
    die "could not get $package"
  }
  mkdir -p "$NATSWARM_BIN"
  # moved into place in one step: a running server keeps its file
  find "$work/tree" -type f -name "$binary" -perm -u+x -exec install -m 755 {} "$NATSWARM_BIN/.$binary.new" \;
  mv -f "$NATSWARM_BIN/.$binary.new" "$NATSWARM_BIN/$binary"
  rm -rf "$work"
}

# Packages whose installed candidate would be too old without the extra suite.
suite_needed() {
  if ! have_engine || ! have_docker_cli; then at_least "$(apt_candidate docker.io)" "$DOCKER_MIN" || return 0; fi
  nats_path >/dev/null || ! at_least "$(apt_candidate nats-server)" "$NATS_MIN"
}

# Brings the machine to: Docker Engine, docker CLI, nats-server and the small tools.
install_servers() {
  local packages=() binaries=()
  mapfile -t packages < <(missing_packages)
  nats_path >/dev/null || binaries+=(nats-server)
  static_busybox >/dev/null || binaries+=(busybox-static)
  if [ $((${#packages[@]} + ${#binaries[@]})) -gt 0 ]; then
    need_root
    have apt-get || die "this is no Debian: install Docker Engine >= $DOCKER_MIN with its CLI, nats-server >= $NATS_MIN, iptables, iproute2 and a static busybox yourself, then run this again"
    install_packages
  fi
  hash -r
  have_engine || die "no Docker Engine >= $DOCKER_MIN after the installation; found: $(docker_engine_version)"
  nats_path >/dev/null || die "no nats-server >= $NATS_MIN after the installation"
  say "Docker Engine $(docker_engine_version) ($(command -v dockerd)), docker CLI $(docker_cli_version) ($(command -v docker))"
  say "nats-server $(version_of "$(nats_path)" --version) ($(nats_path))"
}

# Uses install_servers' lists.
install_packages() {
  [ ${#packages[@]} = 0 ] || say "to install with apt: ${packages[*]}"
  [ ${#binaries[@]} = 0 ] || say "to take out of their Debian packages into $NATSWARM_BIN: ${binaries[*]}"
  apt_get update
  ! suite_needed || add_suite
  # --no-remove: a Docker from elsewhere is never thrown out for Debian's
  [ ${#packages[@]} = 0 ] || with_no_service_start apt_get install --no-install-recommends --no-remove "${packages[@]}" ||
    die "apt-get could not install: ${packages[*]}"
  local binary
  for binary in ${binaries[@]+"${binaries[@]}"}; do unpack_binary "$binary" "${binary%-static}"; done
}

# npm packages; skipped while every package that package-lock.json names is there.
install_node_modules() {
  if node -e '
    const packages = (file) => JSON.parse(require("fs").readFileSync(file)).packages;
    const found = packages("node_modules/.package-lock.json");
    for (const [path, wanted] of Object.entries(packages("package-lock.json")))
      if (path && !wanted.optional && found[path]?.version !== wanted.version) process.exit(1);
    ' 2>/dev/null; then
    say "npm packages are up to date"
  else
    say "installing npm packages"
    # A lock file written behind a registry without other platforms' optional packages does not
    # name them, and npm ci refuses that. npm install --no-save installs the same versions.
    npm ci --ignore-scripts --no-audit --no-fund </dev/null >/dev/null 2>&1 ||
      npm install --no-save --ignore-scripts --no-audit --no-fund </dev/null
  fi
}
