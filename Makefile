# ciba-tools: human approval for software agents, as Unix filters.
#
#   make deps demo     install what is missing, build, and watch "Buy 3 stocks of Google"
#   make deps test     the same, and run the tests
#   make install       PREFIX=/usr/local DESTDIR=

VERSION = 0.1.0
PREFIX = /usr/local
DESTDIR =
BINDIR = $(PREFIX)/bin
MANDIR = $(PREFIX)/share/man
BUILD = build

FILTERS = llm-chat ciba-authorize ciba-poll stock-buy
COMMANDS = $(FILTERS) ciba-sandbox
MANUALS = $(wildcard man/*.[157])

PKG_CONFIG = pkg-config
CFLAGS = -O2 -g
HARDENING = -fstack-protector-strong -fstack-clash-protection -fcf-protection -fPIE \
	-ftrivial-auto-var-init=zero -D_FORTIFY_SOURCE=2
WARNINGS = -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wformat=2 -Wstrict-prototypes \
	-Wmissing-prototypes -Wwrite-strings -Wimplicit-fallthrough -Werror
LDFLAGS = -pie -Wl,-z,relro,-z,now,-z,noexecstack,--as-needed,-O1
FEATURES = -std=c11 -D_POSIX_C_SOURCE=200809L -D_DEFAULT_SOURCE
# What only some machines' compilers and linkers know is left out there.
try = $(shell printf 'int main(void){return 0;}\n' | $(CC) -Werror $(1) -x c - -o /dev/null 2>/dev/null && echo '$(1)')
HARDENING := $(foreach flag,$(HARDENING),$(call try,$(flag)))

CURL_LIBS = $(shell $(PKG_CONFIG) --libs libcurl)
CRYPTO_LIBS = $(shell $(PKG_CONFIG) --libs libcrypto)
HTTPD_LIBS = $(shell $(PKG_CONFIG) --libs libmicrohttpd)
INCLUDES = -Ilib $(shell $(PKG_CONFIG) --cflags libcurl libcrypto)

LIBRARY = $(patsubst lib/%.c,$(BUILD)/lib/%.o,$(wildcard lib/*.c))
SANDBOX = $(patsubst lib/%.c,$(BUILD)/lib/%.o,$(wildcard lib/sandbox/*.c)) $(BUILD)/lib/sandbox/phone_page.o
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
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(CURL_LIBS) -ljq $(CRYPTO_LIBS) -lm

$(BUILD)/ciba-sandbox: $(BUILD)/cmd/ciba-sandbox.o $(SANDBOX) $(BUILD)/lib/libciba.a
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(HTTPD_LIBS) -ljq $(CRYPTO_LIBS) -lm

$(BUILD)/tests/%: tests/helpers/%.c $(BUILD)/lib/libciba.a
	@mkdir -p $(@D)
	$(CC) $(FEATURES) $(INCLUDES) $(WARNINGS) $(HARDENING) $(CFLAGS) $(LDFLAGS) -o $@ $^ -ljq $(CRYPTO_LIBS) -lm

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)

clean:
	rm -rf $(BUILD) dist

.PHONY: all clean
.SECONDARY:
