# ciba-tools: human approval for software agents, as Unix filters.
#
#   make deps demo     install what is missing, build, and watch "Buy 3 stocks of Google"
#   make deps test     the same, and run the tests
#   make install       PREFIX=/usr/local DESTDIR=

VERSION = 0.1.0
PREFIX = /usr/local
DESTDIR =
BINDIR = $(PREFIX)/bin
DATADIR = $(PREFIX)/share
MANDIR = $(DATADIR)/man
BUILD = build
SOURCE_DATE_EPOCH = $(shell git log -1 --format=%ct 2>/dev/null || date +%s)

FILTERS = llm-chat ciba-authorize ciba-poll ciba-notify ciba-run ciba-doctor stock-buy tool-run jwt-verify dpop-proof \
	agent-spool audit-verify
COMMANDS = $(FILTERS) ciba-sandbox
MANUALS = $(wildcard man/*.[157])

PKG_CONFIG = pkg-config
CFLAGS = -O2 -g
HARDENING = -fstack-protector-strong -fstack-clash-protection -fcf-protection -fPIE \
	-ftrivial-auto-var-init=zero -D_FORTIFY_SOURCE=2
WARNINGS = -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wformat=2 -Wstrict-prototypes \
	-Wmissing-prototypes -Wwrite-strings -Wimplicit-fallthrough -Werror
LDFLAGS = -pie -Wl,-z,relro,-z,now,-z,noexecstack -Wl,--as-needed,-O1
FEATURES = -std=c11 -D_POSIX_C_SOURCE=200809L -D_DEFAULT_SOURCE -D_FILE_OFFSET_BITS=64 -D_TIME_BITS=64
# What only some machines' compilers and linkers know is left out there.
try = $(shell printf 'int main(void){return 0;}\n' | $(CC) -Werror $(1) -x c - -o /dev/null 2>/dev/null && echo '$(1)')
ifeq ($(origin HARDENING),file)
HARDENING := $(foreach flag,$(HARDENING),$(call try,$(flag)))
endif
ifeq ($(origin LDFLAGS),file)
LDFLAGS := $(foreach flag,$(LDFLAGS),$(call try,$(flag)))
endif

CURL_LIBS = $(shell $(PKG_CONFIG) --libs libcurl)
# libjq has a pkg-config file from 1.7 on.
JQ_LIBS = $(shell $(PKG_CONFIG) --libs libjq 2>/dev/null || echo -ljq)
CRYPTO_LIBS = $(shell $(PKG_CONFIG) --libs libssl libcrypto)
HTTPD_LIBS = $(shell $(PKG_CONFIG) --libs libmicrohttpd)
INCLUDES = -Ilib $(shell $(PKG_CONFIG) --cflags libcurl libssl) \
	$(shell $(PKG_CONFIG) --cflags libjq 2>/dev/null)

LIBRARY = $(patsubst lib/%.c,$(BUILD)/lib/%.o,$(wildcard lib/*.c))
SANDBOX = $(patsubst lib/%.c,$(BUILD)/lib/%.o,$(wildcard lib/sandbox/*.c)) $(BUILD)/lib/sandbox/phone_page.o
PRELOADED = $(patsubst tests/torture/%.c,$(BUILD)/tests/%.so,$(wildcard tests/torture/*.c))
HELPERS = $(patsubst tests/helpers/%.c,$(BUILD)/tests/%,$(wildcard tests/helpers/*.c))

all: $(COMMANDS:%=$(BUILD)/%)

$(BUILD)/lib/libciba.a: $(LIBRARY)
	@rm -f $@
	$(AR) rc $@ $^

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(FEATURES) $(INCLUDES) -DVERSION='"$(VERSION)"' $(WARNINGS) $(HARDENING) $(CFLAGS) -MMD -c -o $@ $<

# The phone's page, as bytes.
$(BUILD)/lib/sandbox/phone_page.c: lib/sandbox/phone.html
	@mkdir -p $(@D)
	(echo 'extern const unsigned char phone_page[]; extern const unsigned long phone_page_size;'; \
	 echo 'const unsigned char phone_page[] = {'; \
	 od -An -v -tx1 lib/sandbox/phone.html | sed 's/ \(..\)/0x\1,/g'; \
	 echo '}; const unsigned long phone_page_size = sizeof phone_page;') > $@

$(BUILD)/lib/sandbox/phone_page.o: $(BUILD)/lib/sandbox/phone_page.c
	$(CC) $(FEATURES) $(HARDENING) $(CFLAGS) -c -o $@ $<

$(FILTERS:%=$(BUILD)/%): $(BUILD)/%: $(BUILD)/cmd/%.o $(BUILD)/lib/libciba.a
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(CURL_LIBS) $(JQ_LIBS) $(CRYPTO_LIBS) -lm

$(BUILD)/ciba-sandbox: $(BUILD)/cmd/ciba-sandbox.o $(SANDBOX) $(BUILD)/lib/libciba.a
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(HTTPD_LIBS) $(CURL_LIBS) $(JQ_LIBS) $(CRYPTO_LIBS) -lm

# Without the library, which has the whole process wipe what it frees.
$(BUILD)/tests/bare-%: tests/helpers/bare-%.c
	@mkdir -p $(@D)
	$(CC) $(FEATURES) $(INCLUDES) $(WARNINGS) $(HARDENING) $(CFLAGS) $(LDFLAGS) -o $@ $< $(CURL_LIBS) $(CRYPTO_LIBS)

$(BUILD)/tests/%: tests/helpers/%.c $(BUILD)/lib/libciba.a
	@mkdir -p $(@D)
	$(CC) $(FEATURES) $(INCLUDES) $(WARNINGS) $(HARDENING) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(CURL_LIBS) $(JQ_LIBS) $(CRYPTO_LIBS) -lm

-include $(shell find $(BUILD) -name libs -prune -o -type f -name '*.d' -print 2>/dev/null)

# What the build, the demo and the tests need. sudo is used only by who is not root.
APT = gcc make pkg-config libcurl4-openssl-dev libjq-dev libssl-dev libmicrohttpd-dev \
	bash jq curl ca-certificates openssl bats mandoc parallel procps strace
APT_LINT = clang llvm clang-format cppcheck shellcheck mandoc valgrind libclang-rt-14-dev
as_root = $(shell test "$$(id -u)" = 0 || echo sudo)
apt_install = dpkg-query -W -f '$${Status}\n' $(1) 2>/dev/null | grep -c 'install ok installed' \
	| grep -qx $(words $(1)) || { $(as_root) apt-get -q update && \
	DEBIAN_FRONTEND=noninteractive $(as_root) apt-get -q install -y --no-install-recommends $(1); } || \
	{ echo 'make: the packages could not be installed; is the package registry reached?' >&2; exit 1; }

# The same by other systems' names, as far as they are known.
DNF = gcc make pkgconf-pkg-config libcurl-devel jq-devel openssl-devel libmicrohttpd-devel bash jq curl \
	ca-certificates openssl bats mandoc parallel procps-ng strace
APK = build-base linux-headers pkgconf curl-dev jq-dev openssl-dev libmicrohttpd-dev bash jq curl \
	ca-certificates openssl bats mandoc parallel procps strace coreutils findutils grep sed util-linux
PACMAN = base-devel curl jq openssl libmicrohttpd bash bats mandoc parallel procps-ng strace
BREW = pkgconf curl jq openssl@3 libmicrohttpd bash bats-core mandoc parallel coreutils findutils

deps:
	@if command -v apt-get >/dev/null; then $(call apt_install,$(APT)); \
	elif command -v dnf >/dev/null; then $(as_root) dnf -q -y install $(DNF); \
	elif command -v apk >/dev/null; then $(as_root) apk add -q $(APK); \
	elif command -v pacman >/dev/null; then $(as_root) pacman -S --needed --noconfirm $(PACMAN); \
	elif command -v brew >/dev/null; then brew install -q $(BREW); \
	else \
	echo 'This system has none of apt-get, dnf, apk, pacman and brew. Please install: a C11 compiler,' >&2; \
	echo 'GNU make, pkg-config, bash, jq, curl, bats, mandoc, procps, strace, and the development files of' >&2; \
	echo 'libcurl (with OpenSSL), libjq, OpenSSL 3 and libmicrohttpd; then run make without deps.' >&2; exit 1; fi

deps-lint:
	@$(call apt_install,$(APT_LINT))

# A make of their own: deps may have brought the compiler a moment ago.
demo:
	@$(PARALLEL_MAKE) all
	@PATH="$(CURDIR)/$(BUILD):$$PATH" ciba-sandbox --interval 1 -- examples/buy-stock 'Buy 3 stocks of Google'

# BATS_ARGS=-f PATTERN runs some of them; TESTS names files. With GNU parallel several run at a time. None takes longer
# than TEST_LIMIT seconds, 300 unless the environment says more.
TESTS = tests
BATS = bats $(shell command -v parallel >/dev/null && echo --jobs $$(($$(nproc) * 4)))
test:
	@$(PARALLEL_MAKE) all $(HELPERS) $(PRELOADED)
	LC_ALL=C.UTF-8 PATH="$(CURDIR)/$(BUILD):$(CURDIR)/$(BUILD)/tests:$$PATH" $(BATS) $(BATS_ARGS) $(TESTS)

# The README's two commands on a Debian 12 that has nothing else.
bare:
	@$(call apt_install,debootstrap)
	@$(as_root) tests/bare

SOURCES = $(wildcard cmd/*.c lib/*.[ch] lib/sandbox/*.[ch] tests/*/*.c)
SCRIPTS = $(filter-out %.yml %.mk %/systemd %/fleet,$(wildcard examples/*)) examples/fleet/fleet tests/bare tests/lint tests/bench/run tests/bench/curl-jq-flow tests/torture/run tests/torture/out-of-memory tests/assurance lib/static/build lib/static/sbom .ci/run
lint:
	clang-format --dry-run -Werror $(SOURCES)
	shellcheck $(SCRIPTS)
	tests/lint tests/*.bats tests/helper.bash
	cd tests && shellcheck -x -s bats -e SC2154,SC2016,SC2030,SC2031,SC2034,SC2094 *.bats
	mandoc -Tlint -Wwarning $(MANUALS)
	cppcheck -j $$(nproc) --quiet --std=c11 --error-exitcode=1 --enable=warning,performance --suppress=nullPointerRedundantCheck \
		--inline-suppr --suppress=missingIncludeSystem -D__linux__ -Ilib cmd lib
	@$(MAKE) --no-print-directory analyze

# What the analyzers of gcc and clang find is an error.
PARALLEL_MAKE = $(MAKE) --no-print-directory -j$(shell nproc)
CLANG_FLAGS = CC=clang LDFLAGS='-pie -Wl,-z,relro,-z,now'
analyze:
	$(PARALLEL_MAKE) BUILD=$(BUILD)/analyzer CC=gcc CFLAGS='-O2 -g -fanalyzer' all
	printf '%s\n' $(filter cmd/%.c lib/%.c,$(SOURCES)) | xargs -P $$(nproc) -n 1 \
		clang --analyze -Xclang -analyzer-werror -Xclang -analyzer-output=text $(FEATURES) $(INCLUDES) -DVERSION='""' -o /dev/null

# The flow, built by each compiler at each level of optimization; warnings differ too.
compilers:
	$(PARALLEL_MAKE) BUILD=$(BUILD)/gcc-O3 CC=gcc CFLAGS='-O3 -g' all
	$(PARALLEL_MAKE) BUILD=$(BUILD)/clang-O2 $(CLANG_FLAGS) all
	$(PARALLEL_MAKE) BUILD=$(BUILD)/clang-O3 $(CLANG_FLAGS) CFLAGS='-O3 -g' all
	@$(MAKE) --no-print-directory $(HELPERS)
	for build in gcc-O3 clang-O2 clang-O3; do LC_ALL=C.UTF-8 \
		PATH="$(CURDIR)/$(BUILD)/$$build:$(CURDIR)/$(BUILD)/tests:$$PATH" $(BATS) tests/flow.bats tests/stream.bats || exit; done

# The tests again, in a build that finds wrong memory and undefined behaviour, and counts what is executed.
COUNTED = -fprofile-instr-generate -fcoverage-mapping -Xclang -mllvm -Xclang -runtime-counter-relocation
COUNTS = $(CURDIR)/$(BUILD)/coverage
asan:
	@rm -rf $(COUNTS)
	LLVM_PROFILE_FILE='$(COUNTS)/%c%m.profraw' \
	ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
	$(MAKE) BUILD=$(BUILD)/asan $(CLANG_FLAGS) HARDENING='-fPIE -fno-omit-frame-pointer -DSANITIZED' \
		CFLAGS='-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined $(COUNTED)' test

# How much of lib/ the tests execute, with what a sanitized build has not; 90 % of the lines are needed.
COVERED_LINES = 90
coverage: asan
	LLVM_PROFILE_FILE='$(COUNTS)/%c%m.profraw' $(MAKE) BUILD=$(BUILD)/counted $(CLANG_FLAGS) HARDENING=-fPIE \
		CFLAGS='-O1 -g $(COUNTED)' TESTS='tests/confine.bats tests/options.bats' test
	llvm-profdata merge -o $(COUNTS)/all $(COUNTS)/*.profraw
	llvm-cov report $(BUILD)/asan/llm-chat -instr-profile $(COUNTS)/all $(patsubst %,-object $(BUILD)/asan/%,$(COMMANDS)) \
		$(patsubst %,-object $(BUILD)/counted/%,$(COMMANDS)) -ignore-filename-regex='/cmd/' > $(COUNTS)/report
	@awk 'NF == 13 && $$1 != "Filename" {print $$10, $$13, $$1}' $(COUNTS)/report | sort -n
	@awk '$$1 == "TOTAL" {print "ok coverage of lib/: " $$10 " of lines, " $$13 " of branches"; exit $$10 + 0 < $(COVERED_LINES)}' $(COUNTS)/report

# The commands of the flow under valgrind.
valgrind: all $(HELPERS)
	PATH="$(CURDIR)/$(BUILD):$(CURDIR)/$(BUILD)/tests:$$PATH" UNDER_VALGRIND=1 $(BATS) tests/flow.bats

# Fully static commands, with a slim libcurl, OpenSSL and libjq of their own (lib/static), and what release tarballs carry:
# dist/ciba-tools-VERSION-ARCH.tar.gz, the same bytes from the same source.
STATIC = $(BUILD)/static
APT_STATIC = libnghttp2-dev autoconf automake libtool bison flex dpkg-dev xz-utils
STATIC_FILTERS = $(FILTERS:%=$(STATIC)/%)
# The addresses that a start sets right are packed: 6 KB of them instead of 480, and a start costs a tenth less.
STATIC_LINK = -static-pie -Wl,-z,pack-relative-relocs
STATIC_MAKE = $(PARALLEL_MAKE) BUILD=$(STATIC) INCLUDES='-Ilib -isystem $(STATIC)/libs/include' \
	CURL_LIBS='-L$(STATIC)/libs/lib -l:libcurl.a -lnghttp2 -lssl' CRYPTO_LIBS=-lcrypto JQ_LIBS='-l:libjq.a -l:libonig.a' \
	CFLAGS='-O2 -ffunction-sections -fdata-sections -ffile-prefix-map=$(CURDIR)=. -DSTATIC' \
	LDFLAGS='$(STATIC_LINK) -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=free,--gc-sections,--build-id=none,-z,relro,-z,now,-z,noexecstack'

deps-static:
	@$(call apt_install,$(APT_STATIC))

# The libraries of each kind of build, which take half a minute each; several at a time.
libraries-static:
	lib/static/build $(BUILD)/static/libs
libraries-msan:
	CC=clang STATIC_LIBRARIES='libonig jq' STATIC_CFLAGS='-g -fsanitize=memory -U_FORTIFY_SOURCE' lib/static/build $(MSAN)/libs
libraries-%:
	STATIC_LIBRARIES='$(LIBRARIES_$*)' lib/static/build $(BUILD)/$*/libs $(HOST_$*) $*
libraries: deps-static
	@$(call apt_install,$(foreach other,i386 s390x,gcc-$(HOST_$(other)) libc6-dev-$(other)-cross))
	@$(PARALLEL_MAKE) libraries-static libraries-msan libraries-i386 libraries-s390x

static: deps-static libraries-static
	@$(STATIC_MAKE) $(STATIC_FILTERS)
	strip --remove-section=.comment $(STATIC_FILTERS)

# What differs there: libraries, certificates, names of hosts.
test-static: static
	@$(MAKE) --no-print-directory all $(HELPERS)
	LC_ALL=C.UTF-8 PATH="$(CURDIR)/$(STATIC):$(CURDIR)/$(BUILD):$(CURDIR)/$(BUILD)/tests:$$PATH" \
		$(BATS) $(BATS_ARGS) tests/flow.bats tests/http.bats tests/document.bats tests/options.bats tests/ciba-poll.bats \
		tests/exact.bats tests/gate.bats tests/grant.bats tests/once.bats

# The same by cross compilers: static-arm64, static-i386 (32 bits), static-s390x (big-endian).
HOST_arm64 = aarch64-linux-gnu
HOST_i386 = i686-linux-gnu
HOST_s390x = s390x-linux-gnu
# Where nothing is released from, OpenSSL is the distribution's.
LIBRARIES_i386 = libonig jq curl
LIBRARIES_s390x = $(LIBRARIES_i386)
static-%: STATIC = $(BUILD)/$*
static-arm64: STATIC_LINK = -static-pie
static-i386 static-s390x: STATIC_LINK = -static
static-%: deps-static
	@$(call apt_install,gcc-$(HOST_$*) libc6-dev-$*-cross)
	@$(MAKE) --no-print-directory libraries-$*
	@$(STATIC_MAKE) CC=$(HOST_$*)-gcc AR=$(HOST_$*)-ar $(STATIC_FILTERS)
	$(HOST_$*)-strip --remove-section=.comment $(STATIC_FILTERS)

# Run by the kernel, which knows i386, or by qemu; the sandbox is the ordinary one.
EMULATOR_arm64 = qemu-aarch64-static
EMULATOR_s390x = qemu-s390x-static
EMULATED_TESTS = tests/flow.bats tests/http.bats tests/document.bats tests/jwt-verify.bats tests/journal.bats tests/tool-run.bats
test-static-%: static-%
	@$(if $(EMULATOR_$*),$(call apt_install,qemu-user-static))
	@$(PARALLEL_MAKE) all $(HELPERS) $(PRELOADED)
	@rm -rf $(BUILD)/$*/run && mkdir $(BUILD)/$*/run
	@for name in $(FILTERS); do printf '#!/bin/sh\nexec $(EMULATOR_$*) %s/$(BUILD)/$*/%s "$$@"\n' "$(CURDIR)" $$name > $(BUILD)/$*/run/$$name; done
	@chmod +x $(BUILD)/$*/run/*
	LC_ALL=C.UTF-8 PATH="$(CURDIR)/$(BUILD)/$*/run:$(CURDIR)/$(BUILD):$(CURDIR)/$(BUILD)/tests:$$PATH" \
		$(BATS) $(BATS_ARGS) $(EMULATED_TESTS)

RELEASE = ciba-tools-$(VERSION)-$(shell uname -m)
release: static
	@rm -rf $(STATIC)/$(RELEASE)
	@$(MAKE) --no-print-directory install DESTDIR=$(STATIC)/$(RELEASE) PREFIX= COMMANDS='$(FILTERS)' BUILD=$(STATIC) \
		INSTALL_NEEDS= >/dev/null
	cp -r LICENSE README.md examples $(STATIC)/$(RELEASE)
	lib/static/sbom ciba-tools $(VERSION) $(SOURCE_DATE_EPOCH) < lib/static/sources > $(STATIC)/$(RELEASE)/sbom.spdx.json
	@mkdir -p dist
	tar --sort=name --owner=0 --group=0 --numeric-owner --mtime=@$(SOURCE_DATE_EPOCH) -C $(STATIC) -c $(RELEASE) | \
		gzip -n9 > dist/$(RELEASE).tar.gz
	@sha256sum dist/$(RELEASE).tar.gz

# Everything that can go wrong at any call of the flow, one after the other; EVERY=10 tries a tenth.
EVERY = 1
$(BUILD)/tests/%.so: tests/torture/%.c
	@mkdir -p $(@D)
	$(CC) $(filter-out -Wpedantic,$(WARNINGS)) -O2 -fPIC -shared -o $@ $< -ldl

torture: all $(PRELOADED)
	PATH="$(CURDIR)/$(BUILD):$$PATH" FAULTS=$(CURDIR)/$(BUILD)/tests/faults.so tests/torture/run $(EVERY)

# Each allocation failing, one after the other, in each command.
out-of-memory: all $(PRELOADED)
	PATH="$(CURDIR)/$(BUILD):$$PATH" ALLOCATIONS=$(CURDIR)/$(BUILD)/tests/allocations.so tests/torture/out-of-memory $(EVERY)

# Each of tests/fuzz for that time, by libFuzzer, with its seeds, under ASan and UBSan.
SECONDS = 10
FUZZ = $(BUILD)/fuzz
FUZZ_WITH = address,undefined
FUZZ_CC = clang $(FEATURES) $(INCLUDES) -DVERSION='"$(VERSION)"' -DSANITIZED -g -O1 -fno-omit-frame-pointer \
	-fno-sanitize-recover=all
FUZZERS = $(patsubst tests/fuzz/%.c,$(FUZZ)/%,$(wildcard tests/fuzz/*.c))
$(FUZZ)/lib/%.o: lib/%.c
	@mkdir -p $(@D)
	$(FUZZ_CC) -fsanitize=fuzzer-no-link,$(FUZZ_WITH) -MMD -c -o $@ $<
$(FUZZ)/%: tests/fuzz/%.c $(patsubst lib/%.c,$(FUZZ)/lib/%.o,$(wildcard lib/*.c))
	$(FUZZ_CC) -fsanitize=fuzzer,$(FUZZ_WITH) -o $@ $^ $(CURL_LIBS) $(JQ_LIBS) $(CRYPTO_LIBS) -lm

fuzz:
	@$(PARALLEL_MAKE) $(FUZZERS)
	@printf '%s\n' $(notdir $(FUZZERS)) | xargs -P $$(nproc) -I {} sh -c 'mkdir -p $(FUZZ)/corpus/{}; \
	$(FUZZ)/{} -max_total_time=$(SECONDS) -timeout=10 -print_final_stats=1 -dict=tests/fuzz/json.dict -artifact_prefix=$(FUZZ)/ \
		$(FUZZ)/corpus/{} tests/fuzz/seeds/{} > $(FUZZ)/{}.log 2>&1 || { tail -n 40 $(FUZZ)/{}.log; exit 1; }; \
	sed -n "s/^stat::number_of_executed_units: */ok fuzz {}, $(FUZZ_WITH), executions: /p" $(FUZZ)/{}.log'

# The same under MSan, with libjq instrumented as well; not what is OpenSSL's work, which is not.
MSAN = $(BUILD)/msan
msan: deps-static libraries-msan
	@$(MAKE) --no-print-directory fuzz FUZZ=$(MSAN) FUZZ_WITH=memory INCLUDES='-Ilib -isystem $(MSAN)/libs/include' \
		JQ_LIBS='$(MSAN)/libs/lib/libjq.a $(MSAN)/libs/lib/libonig.a' FUZZERS='$(filter-out %/journal,$(FUZZERS:$(FUZZ)/%=$(MSAN)/%))'

# What is tried, in figures, and the number of findings: 20 minutes with EVERY=12 SECONDS=30.
assurance:
	@MAKE='$(MAKE) --no-print-directory EVERY=$(EVERY) SECONDS=$(SECONDS)' LOGS=$(BUILD)/assurance tests/assurance

%/node_modules: %/package-lock.json
	npm ci --prefix $* --no-audit --no-fund

# The floors: without the library's own memory; one of them with the distribution's OpenSSL.
BARE_MAKE = $(STATIC_MAKE) LDFLAGS='$(STATIC_LINK) -Wl,--gc-sections'
bench: all static $(HELPERS) tests/peers/node_modules tests/bench/quickstart/node_modules
	@$(BARE_MAKE) $(STATIC)/tests/bare-flow $(STATIC)/tests/bare-polls
	@$(BARE_MAKE) BUILD=$(STATIC)/plain CURL_LIBS='$(STATIC)/libs/lib/libcurl.a -lnghttp2 -lssl' $(STATIC)/plain/tests/bare-flow
	PATH="$(CURDIR)/$(BUILD):$(CURDIR)/$(BUILD)/tests:$$PATH" tests/bench/run

INSTALL_NEEDS = all
install: $(INSTALL_NEEDS)
	install -d $(DESTDIR)$(BINDIR) $(DESTDIR)$(MANDIR)/man1 $(DESTDIR)$(MANDIR)/man5 $(DESTDIR)$(MANDIR)/man7
	install -m 755 $(COMMANDS:%=$(BUILD)/%) $(DESTDIR)$(BINDIR)
	for page in $(MANUALS); do install -m 644 $$page $(DESTDIR)$(MANDIR)/man$${page##*.}/; done
	install -d $(DESTDIR)$(DATADIR)/bash-completion/completions $(DESTDIR)$(DATADIR)/zsh/site-functions \
		$(DESTDIR)$(DATADIR)/fish/vendor_completions.d
	for name in $(COMMANDS); do \
		$(BUILD)/$$name --completion bash > $(DESTDIR)$(DATADIR)/bash-completion/completions/$$name && \
		$(BUILD)/$$name --completion zsh > $(DESTDIR)$(DATADIR)/zsh/site-functions/_$$name && \
		$(BUILD)/$$name --completion fish > $(DESTDIR)$(DATADIR)/fish/vendor_completions.d/$$name.fish || exit; done

uninstall:
	rm -f $(COMMANDS:%=$(DESTDIR)$(DATADIR)/bash-completion/completions/%)
	rm -f $(COMMANDS:%=$(DESTDIR)$(DATADIR)/zsh/site-functions/_%)
	rm -f $(COMMANDS:%=$(DESTDIR)$(DATADIR)/fish/vendor_completions.d/%.fish)
	rm -f $(COMMANDS:%=$(DESTDIR)$(BINDIR)/%)
	for page in $(MANUALS); do rm -f $(DESTDIR)$(MANDIR)/man$${page##*.}/$${page##*/}; done

# The manual, for reading on the web: dist/html.
html:
	@mkdir -p dist/html
	for page in $(MANUALS); do mandoc -Thtml -O toc,man=%N.%S.html $$page > dist/html/$${page##*/}.html || exit; done
	@echo dist/html/ciba-tools.7.html

# A Debian package for this machine's architecture: dist/ciba-tools_VERSION_ARCH.deb
DEB = $(BUILD)/deb
deb: all
	@rm -rf $(DEB)
	@$(MAKE) --no-print-directory install DESTDIR=$(DEB)/root PREFIX=/usr >/dev/null
	strip --remove-section=.comment --remove-section=.note $(COMMANDS:%=$(DEB)/root/usr/bin/%)
	gzip -n9 $(DEB)/root/usr/share/man/man*/*
	mkdir -p $(DEB)/debian $(DEB)/root/DEBIAN $(DEB)/root/usr/share/doc/ciba-tools/examples dist
	mv $(DEB)/root/usr/share/zsh/site-functions $(DEB)/root/usr/share/zsh/vendor-completions
	cp -r examples/* $(DEB)/root/usr/share/doc/ciba-tools/examples
	{ echo 'Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/'; echo; \
	echo 'Files: *'; echo 'Copyright: 2026 The ciba-tools authors'; echo 'License: Expat'; \
	sed -n '5,$$s/^$$/./; 5,$$s/^/ /p' LICENSE; } > $(DEB)/root/usr/share/doc/ciba-tools/copyright
	printf 'ciba-tools (%s) stable; urgency=medium\n\n  * See the project for what is new.\n\n -- %s  %s\n' '$(VERSION)' \
		'The ciba-tools authors <ciba-tools@example.org>' "$$(date -R -d @$(SOURCE_DATE_EPOCH))" | \
		gzip -n9 > $(DEB)/root/usr/share/doc/ciba-tools/changelog.gz
	printf 'Source: ciba-tools\n\nPackage: ciba-tools\nArchitecture: any\n' > $(DEB)/debian/control
	{ printf 'Package: ciba-tools\nVersion: %s\nArchitecture: %s\n' '$(VERSION)' "$$(dpkg --print-architecture)"; \
	printf 'Maintainer: The ciba-tools authors <ciba-tools@example.org>\nSection: utils\nPriority: optional\n'; \
	printf 'Installed-Size: %s\n' "$$(du -sk $(DEB)/root/usr | cut -f1)"; \
	(cd $(DEB) && dpkg-shlibdeps -O $(COMMANDS:%=-eroot/usr/bin/%)) | sed 's/^shlibs:Depends=/Depends: /'; \
	printf 'Recommends: jq\nDescription: human approval for software agents, as Unix filters\n'; \
	printf ' Before an agent buys, deploys, pays or deletes, the right person is asked\n'; \
	printf ' on the phone (OpenID Connect CIBA) and says yes or no, minutes or hours\n'; \
	printf ' later. Each command does one step, JSON in and JSON out.\n'; } > $(DEB)/root/DEBIAN/control
	cd $(DEB)/root && find usr -type f | LC_ALL=C sort | xargs md5sum > DEBIAN/md5sums
	chmod -R u=rwX,go=rX $(DEB)/root
	SOURCE_DATE_EPOCH=$(SOURCE_DATE_EPOCH) dpkg-deb --root-owner-group --build $(DEB)/root dist >/dev/null
	@ls dist/ciba-tools_*.deb

# The same commit gives the same bytes.
dist:
	@mkdir -p dist
	git archive --format=tar --prefix=ciba-tools-$(VERSION)/ HEAD | gzip -n9 > dist/ciba-tools-$(VERSION).tar.gz
	@sha256sum dist/ciba-tools-$(VERSION).tar.gz

clean:
	rm -rf $(BUILD) dist

.PHONY: all deps deps-lint demo test bare lint analyze compilers asan coverage valgrind torture out-of-memory fuzz msan assurance libraries libraries-static libraries-msan static test-static deps-static release bench install uninstall html deb dist clean
.SECONDARY:
