# ciba-tools: human approval for software agents, as Unix filters.
#
#   make deps demo     install what is missing, build, and watch "Buy 3 stocks of Google"
#   make deps test     the same, and run the tests
#   make install       PREFIX=/usr/local DESTDIR=
#   make help          all targets

VERSION = 0.1.0
PREFIX = /usr/local
DESTDIR =
BINDIR = $(PREFIX)/bin
LIBEXECDIR = $(PREFIX)/libexec/ciba-tools
DATADIR = $(PREFIX)/share
MANDIR = $(DATADIR)/man
EXAMPLEDIR = $(DATADIR)/ciba-tools/examples
BUILD = build
# In a tarball the files have the commit's time.
SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || date -r Makefile +%s)

# Each file of cmd/ is a command; one of them is a server.
COMMANDS = $(sort $(patsubst cmd/%.c,%,$(wildcard cmd/*.c)))
# Each file of cmd/libexec/ is a program that a command starts.
PARTS = $(patsubst cmd/%.c,%,$(wildcard cmd/libexec/*.c))
FILTERS = $(filter-out ciba-sandbox,$(COMMANDS))
MANUALS = $(wildcard man/*.[157])

PKG_CONFIG = pkg-config
CFLAGS = -O2 -g
HARDENING = -fstack-protector-strong -fstack-clash-protection -fcf-protection -fPIE \
	-ftrivial-auto-var-init=zero -D_FORTIFY_SOURCE=2
WARNINGS = -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wformat=2 -Wstrict-prototypes \
	-Wmissing-prototypes -Wwrite-strings -Wimplicit-fallthrough -Werror
LDFLAGS = -pie -Wl,-z,relro,-z,now,-z,noexecstack -Wl,--as-needed,-O1
FEATURES = -std=c11 -D_POSIX_C_SOURCE=200809L -D_DEFAULT_SOURCE -D_FILE_OFFSET_BITS=64 -D_TIME_BITS=64
# Options that this compiler or linker does not know are left out.
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
INCLUDES = -Ilib $(shell $(PKG_CONFIG) --cflags libcurl libssl) \
	$(shell $(PKG_CONFIG) --cflags libjq 2>/dev/null) $(POSTGRES_INCLUDES)
# A spool can be in PostgreSQL where libpq's header is there; the library is loaded when it is used. POSTGRES=no: without.
POSTGRES = yes
POSTGRES_INCLUDES = $(if $(filter no,$(POSTGRES)),-DNO_POSTGRES,$(shell $(PKG_CONFIG) --cflags libpq 2>/dev/null))
COMPILE = $(CC) $(FEATURES) $(INCLUDES) -DVERSION='"$(VERSION)"' $(WARNINGS) $(HARDENING) $(CFLAGS)
LIBS = $(CURL_LIBS) $(JQ_LIBS) $(CRYPTO_LIBS) -lm

LIBRARY = $(patsubst lib/%.c,$(BUILD)/lib/%.o,$(filter-out lib/sandbox/%,$(wildcard lib/*/*.c)))

# A rule prints a word and its target; V=1 prints the command instead.
V = 0
Q = $(if $(filter 0,$(V)),@)
say = $(if $(filter 0,$(V)),@echo '$(1)';)
# Several jobs, unless the caller has set a number.
PARALLEL_MAKE = $(MAKE) --no-print-directory $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(shell nproc))

## Use
all: $(COMMANDS:%=$(BUILD)/%) $(PARTS:%=$(BUILD)/%) ## build the commands, into build/; V=1 prints how
	@:

$(BUILD)/lib/libciba.a: $(LIBRARY)
	$Qrm -f $@
	$(call say,AR $@)$(AR) rc $@ $^

# Rebuilt if linked with other libraries (lib/static).
$(BUILD)/%.o: %.c $(wildcard $(BUILD)/libs/complete)
	$Qmkdir -p $(@D)
	$(call say,CC $<)$(COMPILE) -MMD -MP -c -o $@ $<

$(FILTERS:%=$(BUILD)/%) $(PARTS:%=$(BUILD)/%): $(BUILD)/%: $(BUILD)/cmd/%.o $(BUILD)/lib/libciba.a
	$Qmkdir -p $(@D)
	$(call say,LD $@)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS)

$(BUILD)/lib/hook/guard.o: COMPILE += -DLIBEXECDIR='"$(LIBEXECDIR)"'

-include $(shell find $(BUILD) -name libs -prune -o -type f -name '*.d' -print 2>/dev/null)

deps: ## install what building, demo and test need (apt, dnf, apk, pacman or brew)
	@if command -v apt-get >/dev/null; then $(call apt_install,$(APT)); \
	elif command -v dnf >/dev/null; then $(as_root) dnf -q -y install $(DNF); \
	elif command -v apk >/dev/null; then $(as_root) apk add -q $(APK); \
	elif command -v pacman >/dev/null; then $(as_root) pacman -S --needed --noconfirm $(PACMAN); \
	elif command -v brew >/dev/null; then brew install -q $(BREW); \
	else echo 'This system has none of apt-get, dnf, apk, pacman and brew. Please install: $(NEEDED); then run make without deps.' >&2; exit 1; fi

# A separate make: deps may have just installed the compiler. V=1 prints how it builds.
DEMO_OPTIONS =
quiet = $(if $(filter 0,$(V)),say=@)
demo: ## "Buy 3 stocks of Google" in a sandbox, where you are asked (DEMO_OPTIONS='--approve no': it says no by itself)
	@$(MAKE) -q --no-print-directory all 2>/dev/null || { echo 'Building the commands, about ten seconds on two cores ...'; $(PARALLEL_MAKE) all $(quiet); }
	@PATH="$(CURDIR)/$(BUILD):$$PATH" examples/demo $(DEMO_OPTIONS)

install: all install-files ## install commands, manual, completions and examples (PREFIX=/usr/local, DESTDIR=)
	install -d $(DESTDIR)$(BINDIR) $(DESTDIR)$(LIBEXECDIR)
	install -m 755 $(COMMANDS:%=$(BUILD)/%) $(DESTDIR)$(BINDIR)
	install -m 755 $(PARTS:%=$(BUILD)/%) $(DESTDIR)$(LIBEXECDIR)

# All but the programs. The examples name the place where they are.
INSTALL_NEEDS = all
install-files: $(INSTALL_NEEDS)
	install -d $(DESTDIR)$(MANDIR)/man1 $(DESTDIR)$(MANDIR)/man5 $(DESTDIR)$(MANDIR)/man7
	for page in $(MANUALS); do install -m 644 $$page $(DESTDIR)$(MANDIR)/man$${page##*.}/ || exit; done
	install -d $(DESTDIR)$(DATADIR)/bash-completion/completions $(DESTDIR)$(DATADIR)/zsh/site-functions \
		$(DESTDIR)$(DATADIR)/fish/vendor_completions.d
	for name in $(COMMANDS); do \
		$(BUILD)/$$name --completion bash > $(DESTDIR)$(DATADIR)/bash-completion/completions/$$name && \
		$(BUILD)/$$name --completion zsh > $(DESTDIR)$(DATADIR)/zsh/site-functions/_$$name && \
		$(BUILD)/$$name --completion fish > $(DESTDIR)$(DATADIR)/fish/vendor_completions.d/$$name.fish || exit; done
	find examples -type f | while read -r file; do mode=644; [ ! -x "$$file" ] || mode=755; \
		to="$(DESTDIR)$(EXAMPLEDIR)/$${file#examples/}"; install -d "$${to%/*}" && \
		sed 's,/usr/local/share/ciba-tools/examples,$(EXAMPLEDIR),g; s,^PATH=/usr/local/bin:/usr/bin:/bin$$,PATH=$(BINDIR):/usr/local/bin:/usr/bin:/bin,' \
		"$$file" > "$$to" && chmod $$mode "$$to" || exit; done

uninstall: ## remove them
	rm -f $(COMMANDS:%=$(DESTDIR)$(DATADIR)/bash-completion/completions/%)
	rm -f $(COMMANDS:%=$(DESTDIR)$(DATADIR)/zsh/site-functions/_%)
	rm -f $(COMMANDS:%=$(DESTDIR)$(DATADIR)/fish/vendor_completions.d/%.fish)
	rm -f $(COMMANDS:%=$(DESTDIR)$(BINDIR)/%) $(PARTS:libexec/%=$(DESTDIR)$(LIBEXECDIR)/%)
	rm -rf $(DESTDIR)$(EXAMPLEDIR)
	for page in $(MANUALS); do rm -f $(DESTDIR)$(MANDIR)/man$${page##*.}/$${page##*/}; done

clean: ## remove all that was made
	rm -rf $(BUILD) dist

help: ## this list
	@awk '/^## / {group = substr($$0, 4); if (!(group in text)) order[++groups] = group} \
	/^[a-z][a-z0-9%-]*:.*## / {name = words = $$0; sub(/:.*/, "", name); sub(/.*## /, "", words); \
	text[group] = text[group] sprintf("  %-18s %s\n", name, words)} \
	END {for (i = 1; i <= groups; i++) printf "%s%s:\n%s", (i > 1 ? "\n" : ""), order[i], text[order[i]]}' \
	$(filter Makefile %.mk,$(MAKEFILE_LIST))

## Check
# A separate make as well. With GNU parallel, runs several tests at a time.
TESTS = tests
BATS = bats $(shell command -v parallel >/dev/null && echo --jobs $$(($$(nproc) * 4)))
run_tests = LC_ALL=C.UTF-8 PATH="$(1):$(CURDIR)/$(BUILD)/tests:$$PATH" $(AGAIN) $(BATS) $(BATS_ARGS)
test: ## run the tests; some of them: TESTS='tests/flow.bats tests/gate.bats', BATS_ARGS='-f WORDS' (tests/README.md)
	@$(PARALLEL_MAKE) all $(HELPERS) $(PRELOADED)
	$Q$(call run_tests,$(CURDIR)/$(BUILD)) $(TESTS)

## Package
# The same commit gives the same bytes.
dist: ## the source: dist/ciba-tools-VERSION.tar.gz
	@mkdir -p dist
	$Qgit archive --format=tar --prefix=ciba-tools-$(VERSION)/ HEAD | gzip -n9 > dist/ciba-tools-$(VERSION).tar.gz
	@sha256sum dist/ciba-tools-$(VERSION).tar.gz

include lib/sandbox/sandbox.mk lib/packages/needed.mk tests/tests.mk lib/static/static.mk lib/packages/packages.mk

.PHONY: all deps demo install install-files uninstall test dist clean help
.SECONDARY:
