# ciba-sandbox: the only command that is a server, and that has a page.

HTTPD_LIBS = $(shell $(PKG_CONFIG) --libs libmicrohttpd)
SANDBOX = $(patsubst lib/%.c,$(BUILD)/lib/%.o,$(wildcard lib/sandbox/*.c)) $(BUILD)/lib/sandbox/phone_page.o

# The phone's page, as bytes.
$(BUILD)/lib/sandbox/phone_page.c: lib/sandbox/phone.html
	$Qmkdir -p $(@D)
	$(call say,OD $<)(echo 'extern const unsigned char phone_page[]; extern const unsigned long phone_page_size;'; \
	 echo 'const unsigned char phone_page[] = {'; \
	 od -An -v -tx1 $< | sed 's/ \(..\)/0x\1,/g'; \
	 echo '}; const unsigned long phone_page_size = sizeof phone_page;') > $@

$(BUILD)/lib/sandbox/phone_page.o: $(BUILD)/lib/sandbox/phone_page.c
	$(call say,CC $<)$(CC) $(FEATURES) $(HARDENING) $(CFLAGS) -c -o $@ $<

$(BUILD)/ciba-sandbox: $(BUILD)/cmd/ciba-sandbox.o $(SANDBOX) $(BUILD)/lib/libciba.a
	$(call say,LD $@)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(HTTPD_LIBS) $(LIBS)
