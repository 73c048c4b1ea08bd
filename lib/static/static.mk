# All commands in one static file, with a slim libcurl, OpenSSL and libjq of their own, and what release tarballs carry.

STATIC = $(BUILD)/static
APT_STATIC = libnghttp2-dev autoconf automake libtool bison flex dpkg-dev xz-utils
# Relative relocations are packed: 6 KB instead of 480, and starting takes a tenth less time.
STATIC_LINK = -static-pie -Wl,-z,pack-relative-relocs
STATIC_MAKE = $(PARALLEL_MAKE) BUILD=$(STATIC) INCLUDES='-Ilib -isystem $(STATIC)/libs/include' \
	CURL_LIBS='-L$(STATIC)/libs/lib -l:libcurl.a -lnghttp2 -lssl' CRYPTO_LIBS=-lcrypto JQ_LIBS='-l:libjq.a -l:libonig.a' HTTPD_LIBS=-l:libmicrohttpd.a \
	CFLAGS='-O2 -ffunction-sections -fdata-sections -ffile-prefix-map=$(CURDIR)=. -DSTATIC' \
	LDFLAGS='$(STATIC_LINK) -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=free -Wl,--gc-sections,--build-id=none,-z,relro,-z,now,-z,noexecstack'

# All commands in one file: the objects of each command, whose main() is renamed, and a table of them.
ONE_FILE = $(BUILD)/one-file
OBJCOPY = objcopy
main_of = main_$(subst -,_,$(1))
$(ONE_FILE)/commands.c: lib/static/static.mk $(COMMANDS:%=cmd/%.c) $(PARTS:%=cmd/%.c)
	$Qmkdir -p $(@D)
	$(call say,PRINTF $@)(echo '#include "commands.h"'; \
	 $(foreach name,$(notdir $(COMMANDS) $(PARTS)),echo 'int $(call main_of,$(name))(int, char **);';) \
	 echo 'const struct one_file_command one_file_commands[] = {'; \
	 $(foreach name,$(COMMANDS),echo '{"$(name)", $(call main_of,$(name))},';) echo '{0, 0}};'; \
	 echo 'const struct one_file_command one_file_parts[] = {'; \
	 $(foreach name,$(notdir $(PARTS)),echo '{"$(name)", $(call main_of,$(name))},';) echo '{0, 0}};'; \
	 echo '__asm__(".section .rodata; .globl one_file_guard; .globl one_file_guard_end; .balign 16; one_file_guard:");'; \
	 echo '__asm__(".incbin " GUARD "; one_file_guard_end: .byte 0; .previous");') > $@

# The guard is also a file of its own, within the one file: with libc alone, not even our allocator.
comma = ,
$(ONE_FILE)/guard: $(BUILD)/cmd/ciba-hook.o $(BUILD)/lib/hook/guard.o $(BUILD)/lib/base/clock.o
	$Qmkdir -p $(@D)
	$(call say,LD $@)$(CC) $(CFLAGS) $(filter-out -Wl$(comma)--wrap%,$(LDFLAGS)) -o $@ $^
	$Q$(OBJCOPY) --strip-all --remove-section=.comment $@

$(ONE_FILE)/commands.o: $(ONE_FILE)/commands.c $(ONE_FILE)/guard cmd/one-file/commands.h
	$(call say,CC $<)$(COMPILE) -Icmd/one-file -DGUARD='"\"$(ONE_FILE)/guard\""' -c -o $@ $<

$(ONE_FILE)/%.o: $(BUILD)/cmd/%.o
	$Qmkdir -p $(@D)
	$(call say,OBJCOPY $@)$(OBJCOPY) --redefine-sym main=$(call main_of,$(notdir $*)) $< $@

$(BUILD)/ciba-tools: $(BUILD)/cmd/one-file/ciba-tools.o $(ONE_FILE)/commands.o $(COMMANDS:%=$(ONE_FILE)/%.o) $(PARTS:%=$(ONE_FILE)/%.o) $(SANDBOX) $(BUILD)/lib/libciba.a
	$(call say,LD $@)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(HTTPD_LIBS) $(LIBS)

deps-static:
	@$(call apt_install,$(APT_STATIC))

# The libraries of each kind of build, half a minute each; several at a time.
libraries-static:
	lib/static/build $(BUILD)/static/libs
libraries-msan:
	CC=clang STATIC_LIBRARIES='libonig jq' STATIC_CFLAGS='-g -fsanitize=memory -U_FORTIFY_SOURCE' lib/static/build $(MSAN)/libs
libraries-%:
	STATIC_LIBRARIES='$(LIBRARIES_$*)' STATIC_CFLAGS='$(if $(LIBRARIES_$*),-O1)' lib/static/build $(BUILD)/$*/libs $(HOST_$*) $*
libraries: deps-static
	@$(call apt_install,$(foreach other,i386 s390x,gcc-$(HOST_$(other)) libc6-dev-$(other)-cross))
	@$(PARALLEL_MAKE) libraries-static libraries-msan libraries-i386 libraries-s390x

## Package
# The tests' sandbox is the ordinary one: that of the one file has no TLS.
static: deps-static libraries-static ## all commands in one file that needs no library: build/static/ciba-tools, and links
	@$(STATIC_MAKE) $(STATIC)/ciba-tools
	strip --remove-section=.comment $(STATIC)/ciba-tools
	@$(STATIC)/ciba-tools --install $(STATIC)
	@rm $(STATIC)/ciba-sandbox

# What differs in static builds: certificates, host names, memory. The libraries are those of `make asan`.
STATIC_TESTS = tests/flow.bats tests/http.bats tests/document.bats tests/options.bats tests/static.bats
test-static: static ## these, and the tests where they differ
	@$(PARALLEL_MAKE) all $(HELPERS)
	$(call run_tests,$(CURDIR)/$(STATIC):$(CURDIR)/$(BUILD)) $(STATIC_TESTS)

# With cross compilers. For targets without releases, OpenSSL is the distribution's, and the others are made faster.
HOST_arm64 = aarch64-linux-gnu
HOST_i386 = i686-linux-gnu
HOST_s390x = s390x-linux-gnu
LIBRARIES_i386 = libonig jq libmicrohttpd curl
LIBRARIES_s390x = $(LIBRARIES_i386)
static-%: STATIC = $(BUILD)/$*
static-arm64: STATIC_LINK = -static-pie
static-i386 static-s390x: STATIC_LINK = -static
static-%: deps-static ## the same for arm64, i386 (32 bits) and s390x (big-endian)
	@$(call apt_install,gcc-$(HOST_$*) libc6-dev-$*-cross)
	@$(MAKE) --no-print-directory libraries-$*
	@$(STATIC_MAKE) CC=$(HOST_$*)-gcc AR=$(HOST_$*)-ar OBJCOPY=$(HOST_$*)-objcopy $(STATIC)/ciba-tools
	$(HOST_$*)-strip --remove-section=.comment $(STATIC)/ciba-tools

# Run by the kernel, which supports i386, or by qemu; the sandbox is the ordinary one.
EMULATOR_arm64 = qemu-aarch64-static
EMULATOR_s390x = qemu-s390x-static
EMULATED_TESTS = tests/flow.bats tests/http.bats tests/document.bats tests/jwt-verify.bats tests/journal.bats tests/tool-run.bats
# An emulated process starts slowly; byte order matters for what is hashed, signed and stored.
test-static-s390x: EMULATED_TESTS = tests/flow.bats tests/document.bats tests/jwt-verify.bats tests/journal.bats
test-static-%: static-% ## these, and tests, by the kernel or by qemu
	@$(if $(EMULATOR_$*),$(call apt_install,qemu-user-static))
	@$(PARALLEL_MAKE) all $(HELPERS) $(PRELOADED)
	@rm -rf $(BUILD)/$*/run && mkdir $(BUILD)/$*/run
	@for name in $(FILTERS); do printf '#!/bin/sh\nexec $(EMULATOR_$*) %s/$(BUILD)/$*/ciba-tools %s "$$@"\n' "$(CURDIR)" $$name > $(BUILD)/$*/run/$$name; done
	@chmod +x $(BUILD)/$*/run/*
	$(call run_tests,$(CURDIR)/$(BUILD)/$*/run:$(CURDIR)/$(BUILD)) $(EMULATED_TESTS)

# The same bytes from the same source. The one file is all that a machine needs; what is to be read is beside it.
RELEASE = ciba-tools-$(VERSION)-$(shell uname -m)
release: static ## the one file: dist/ciba-tools-VERSION-ARCH; and .tar.gz, for /usr/local, with manual, examples and SBOM
	@rm -rf $(STATIC)/$(RELEASE) $(STATIC)/root
	@mkdir -p dist $(STATIC)/root/usr/local/bin $(STATIC)/root/usr/local/share/doc/ciba-tools
	@install -m 755 $(STATIC)/ciba-tools $(STATIC)/root/usr/local/bin
	@$(STATIC)/root/usr/local/bin/ciba-tools --install $(STATIC)/root/usr/local/bin
	@$(MAKE) --no-print-directory install-files DESTDIR='$(CURDIR)/$(STATIC)/root' PREFIX=/usr/local \
		BUILD=$(STATIC)/root/usr/local/bin INSTALL_NEEDS= >/dev/null
	@cp LICENSE README.md $(STATIC)/root/usr/local/share/doc/ciba-tools
	@lib/static/sbom ciba-tools $(VERSION) $(SOURCE_DATE_EPOCH) $(STATIC)/libs > $(STATIC)/root/usr/local/share/doc/ciba-tools/sbom.spdx.json
	@mv $(STATIC)/root/usr/local $(STATIC)/$(RELEASE)
	@install -m 755 $(STATIC)/ciba-tools dist/$(RELEASE)
	@tar --sort=name --owner=0 --group=0 --numeric-owner --mtime=@$(SOURCE_DATE_EPOCH) -C $(STATIC) -c $(RELEASE) | \
		gzip -n9 > dist/$(RELEASE).tar.gz
	@cd dist && sha256sum $(RELEASE) $(RELEASE).tar.gz | tee SHA256SUMS

.PHONY: deps-static libraries libraries-static libraries-msan static test-static release
