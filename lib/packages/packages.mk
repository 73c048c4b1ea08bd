# A Debian package, recipes for other systems, and the manual for reading on the web.

MAINTAINER = The ciba-tools authors <ciba-tools@example.org>

# For this machine's architecture.
DEB = $(BUILD)/deb
DEB_DOC = $(DEB)/root/usr/share/doc/ciba-tools
deb: all ## a Debian package: dist/ciba-tools_VERSION_ARCH.deb
	@rm -rf $(DEB)
	@$(MAKE) --no-print-directory install DESTDIR=$(DEB)/root PREFIX=/usr >/dev/null
	strip --remove-section=.comment --remove-section=.note $(COMMANDS:%=$(DEB)/root/usr/bin/%) \
		$(PARTS:libexec/%=$(DEB)/root/usr/libexec/ciba-tools/%)
	gzip -n9 $(DEB)/root/usr/share/man/man*/*
	mkdir -p $(DEB)/debian $(DEB)/root/DEBIAN $(DEB_DOC) dist
	mv $(DEB)/root/usr/share/zsh/site-functions $(DEB)/root/usr/share/zsh/vendor-completions
	ln -s ../../ciba-tools/examples $(DEB_DOC)/examples
	{ echo 'Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/'; echo; \
	echo 'Files: *'; echo 'Copyright: 2026 The ciba-tools authors'; echo 'License: Expat'; \
	sed -n '5,$$s/^$$/./; 5,$$s/^/ /p' LICENSE; } > $(DEB_DOC)/copyright
	lib/packages/changelog $(VERSION) $(SOURCE_DATE_EPOCH) '$(MAINTAINER)' man/ciba-changes.7 | gzip -n9 > $(DEB_DOC)/changelog.gz
	printf 'Source: ciba-tools\n\nPackage: ciba-tools\nArchitecture: any\n' > $(DEB)/debian/control
	{ printf 'Package: ciba-tools\nVersion: %s\nArchitecture: %s\n' '$(VERSION)' "$$(dpkg --print-architecture)"; \
	printf 'Maintainer: $(MAINTAINER)\nSection: utils\nPriority: optional\n'; \
	printf 'Installed-Size: %s\n' "$$(du -sk $(DEB)/root/usr | cut -f1)"; \
	(cd $(DEB) && dpkg-shlibdeps -O $(COMMANDS:%=-eroot/usr/bin/%) $(PARTS:libexec/%=-eroot/usr/libexec/ciba-tools/%)) | sed 's/^shlibs:Depends=/Depends: /'; \
	printf 'Recommends: jq\nSuggests: libpq5\nDescription: human approval for software agents, as Unix filters\n'; \
	printf ' Before an agent buys, deploys, pays or deletes, the right person is asked\n'; \
	printf ' on the phone (OpenID Connect CIBA) and says yes or no, minutes or hours\n'; \
	printf ' later. Each command does one step, JSON in and JSON out.\n'; } > $(DEB)/root/DEBIAN/control
	cd $(DEB)/root && find usr -type f | LC_ALL=C sort | xargs md5sum > DEBIAN/md5sums
	chmod -R u=rwX,go=rX $(DEB)/root
	SOURCE_DATE_EPOCH=$(SOURCE_DATE_EPOCH) dpkg-deb --root-owner-group --build $(DEB)/root dist >/dev/null
	@ls dist/ciba-tools_*.deb

# From the source, for systems that build their packages from it.
HOMEPAGE = https://example.org/ciba-tools
SOURCE = $(HOMEPAGE)/ciba-tools-$(VERSION).tar.gz
recipes: dist ## for Homebrew and Alpine: dist/ciba-tools.rb, dist/APKBUILD (HOMEPAGE=, SOURCE=: where the source is)
	@for recipe in ciba-tools.rb APKBUILD; do \
		sed 's|@VERSION@|$(VERSION)|g; s|@MAINTAINER@|$(MAINTAINER)|; s|@HOMEPAGE@|$(HOMEPAGE)|; s|@SOURCE@|$(SOURCE)|'"; \
			s|@SHA256@|$$(sha256sum < dist/ciba-tools-$(VERSION).tar.gz | cut -d' ' -f1)|; \
			s|@SHA512@|$$(sha512sum < dist/ciba-tools-$(VERSION).tar.gz | cut -d' ' -f1)|" lib/packages/$$recipe.in > dist/$$recipe || exit; \
		echo dist/$$recipe; done

html: ## the manual for the web: dist/html
	@mkdir -p dist/html
	for page in $(MANUALS); do mandoc -Thtml -O toc,man=%N.%S.html $$page > dist/html/$${page##*/}.html || exit; done
	@echo dist/html/ciba-tools.7.html

.PHONY: deb recipes html
