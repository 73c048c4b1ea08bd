# What the build, the demo and the tests need, by each system's package names. sudo is used unless root.

APT = gcc make pkg-config libcurl4-openssl-dev libjq-dev libssl-dev libmicrohttpd-dev libpq-dev \
	bash jq curl ca-certificates openssl bats mandoc parallel procps strace
# The other systems, as far as known.
DNF = gcc make pkgconf-pkg-config libcurl-devel jq-devel openssl-devel libmicrohttpd-devel libpq-devel bash jq curl \
	ca-certificates openssl bats mandoc parallel procps-ng strace
APK = build-base linux-headers pkgconf curl-dev jq-dev openssl-dev libmicrohttpd-dev libpq-dev bash jq curl \
	ca-certificates openssl bats mandoc parallel procps strace coreutils findutils grep sed util-linux
PACMAN = base-devel curl jq openssl libmicrohttpd postgresql-libs bash bats mandoc parallel procps-ng strace
BREW = pkgconf curl jq openssl@3 libmicrohttpd libpq bash bats-core mandoc parallel coreutils findutils
NEEDED = a C11 compiler, GNU make, pkg-config, bash, jq, curl, bats, mandoc, procps, strace, and the development \
	files of libcurl (with OpenSSL), libjq, OpenSSL 3 and libmicrohttpd; for a spool in PostgreSQL, of libpq

as_root = $(shell test "$$(id -u)" = 0 || echo sudo)
apt_install = dpkg-query -W -f '$${Status}\n' $(1) 2>/dev/null | grep -c 'install ok installed' \
	| grep -qx $(words $(1)) || { $(as_root) apt-get -q update && \
	DEBIAN_FRONTEND=noninteractive $(as_root) apt-get -q install -y --no-install-recommends $(1); } || \
	{ echo 'make: the packages could not be installed; is the package registry reached?' >&2; exit 1; }
