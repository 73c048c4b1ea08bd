# Checks of the project besides `make test`: tests/README.md describes each.

PRELOADED = $(patsubst tests/torture/%.c,$(BUILD)/tests/%.so,$(wildcard tests/torture/*.c))
HELPERS = $(patsubst tests/helpers/%.c,$(BUILD)/tests/%,$(wildcard tests/helpers/*.c))
APT_LINT = clang llvm clang-format cppcheck shellcheck mandoc valgrind libclang-rt-14-dev
PATH_OF_BUILD = PATH="$(CURDIR)/$(BUILD):$(CURDIR)/$(BUILD)/tests:$$PATH"

# Without the allocator that wipes memory for the whole process.
$(BUILD)/tests/bare-%: tests/helpers/bare-%.c
	$Qmkdir -p $(@D)
	$(call say,LD $@)$(COMPILE) $(LDFLAGS) -o $@ $< $(CURL_LIBS) $(CRYPTO_LIBS)

$(BUILD)/tests/%: tests/helpers/%.c $(BUILD)/lib/libciba.a
	$Qmkdir -p $(@D)
	$(call say,LD $@)$(COMPILE) $(LDFLAGS) -o $@ $^ $(LIBS)

$(BUILD)/tests/%.so: tests/torture/%.c
	$Qmkdir -p $(@D)
	$(call say,LD $@)$(CC) $(filter-out -Wpedantic,$(WARNINGS)) -O2 -fPIC -shared -o $@ $< -ldl

## Check
deps-lint: ## install what lint, the sanitizers, valgrind and fuzz need (apt)
	@$(call apt_install,$(APT_LINT))

SOURCES = $(wildcard cmd/*.c cmd/*/*.c lib/*/*.[ch] tests/*/*.c)
SCRIPTS = $(shell find .ci examples lib tests \( -name node_modules -o -name venv \) -prune -o -type f -perm -u+x -print | sort | \
	xargs awk 'FNR == 1 && /^\#!.*sh$$/ {print FILENAME}')
lint: ## format, shell, manual, C: clang-format, shellcheck, mandoc, cppcheck, and analyze
	clang-format --dry-run -Werror $(SOURCES)
	shellcheck -x $(SCRIPTS)
	tests/lint tests/*.bats tests/helper.bash tests/keycloak.bash tests/postgres.bash
	cd tests && shellcheck -x -s bats -e SC2154,SC2016,SC2030,SC2031,SC2034,SC2094 *.bats
	mandoc -Tlint -Wwarning $(MANUALS)
	cppcheck -j $$(nproc) --quiet --std=c11 --error-exitcode=1 --enable=warning,performance --suppress=nullPointerRedundantCheck \
		--inline-suppr --suppress=missingIncludeSystem -D__linux__ -Ilib cmd lib
	@$(MAKE) --no-print-directory analyze

# How far clang follows each function; a third of the depth takes a third of the time.
ANALYZED_NODES = 225000
CLANG_FLAGS = CC=clang LDFLAGS='-pie -Wl,-z,relro,-z,now'
analyze: ## what the analyzers of gcc and clang find is an error
	$(call compiler_build,gcc-O3) all
	printf '%s\n' $(filter cmd/%.c lib/%.c,$(SOURCES)) | xargs -P $$(nproc) -n 1 \
		clang --analyze -Xclang -analyzer-werror -Xclang -analyzer-output=text \
		-Xclang -analyzer-config -Xclang max-nodes=$(ANALYZED_NODES) $(FEATURES) $(INCLUDES) -DVERSION='""' -o /dev/null

# Warnings differ too. gcc's analyzer reads along.
compiler_build = $(PARALLEL_MAKE) BUILD=$(BUILD)/$(1) CC=$(firstword $(subst -, ,$(1))) \
	CFLAGS='-$(lastword $(subst -, ,$(1))) -g $(if $(findstring gcc,$(1)),-fanalyzer)'
COMPILERS = gcc-O3 clang-O2 clang-O3
compilers: ## the flow, built by gcc and clang, as optimized as they can: COMPILERS='gcc-O3 clang-O2 clang-O3'
	$(foreach build,$(COMPILERS),$(call compiler_build,$(build)) all &&) true
	@$(PARALLEL_MAKE) $(HELPERS)
	for build in $(COMPILERS); do \
		$(call run_tests,$(CURDIR)/$(BUILD)/$$build) tests/flow.bats tests/stream.bats || exit; done

COUNTED = -fprofile-instr-generate -fcoverage-mapping -Xclang -mllvm -Xclang -runtime-counter-relocation
COUNTS = $(CURDIR)/$(BUILD)/coverage
# Without those that test other things than the C code, or that such a build cannot run: it has no libpq.
NOT_ASAN = confine demo examples hardening hosts idpyoidc keycloak keycloak-channel keycloak-setup man mcp-peers \
	model-clients model-servers page postgres-machines postgres-spool postgres-store release static tests
ASAN_TESTS = $(if $(filter file,$(origin TESTS)),$(filter-out $(NOT_ASAN:%=tests/%.bats),$(wildcard tests/*.bats)),$(TESTS))
# A process starts in half the time with the few libraries of the static commands.
SLIM = $(CURDIR)/$(STATIC)/libs
SLIM_LIBS = INCLUDES='-Ilib -isystem $(SLIM)/include' CURL_LIBS='-L$(SLIM)/lib -l:libcurl.a -l:libnghttp2.a -l:libssl.a' \
	CRYPTO_LIBS=-l:libcrypto.a JQ_LIBS='-l:libjq.a -l:libonig.a' HTTPD_LIBS=-l:libmicrohttpd.so
asan: deps-static libraries-static ## the tests, in a build that finds wrong memory and undefined behaviour, and counts what is executed
	@rm -rf $(COUNTS)
	LLVM_PROFILE_FILE='$(COUNTS)/%c%m.profraw' \
	ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
	$(MAKE) BUILD=$(BUILD)/asan $(CLANG_FLAGS) $(SLIM_LIBS) HARDENING='-fPIE -fno-omit-frame-pointer -DSANITIZED' \
		CFLAGS='-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined $(COUNTED)' TESTS='$(ASAN_TESTS)' test

# With what a sanitized build lacks, and as far optimized as clang can; 90 % of the lines are required.
COVERED_LINES = 90
coverage: asan ## how much of lib/ the tests execute, with asan
	LLVM_PROFILE_FILE='$(COUNTS)/%c%m.profraw' $(MAKE) BUILD=$(BUILD)/counted $(CLANG_FLAGS) \
		CFLAGS='-O3 -g $(COUNTED)' TESTS='tests/confine.bats tests/options.bats tests/flow.bats tests/stream.bats tests/postgres-store.bats' test
	llvm-profdata merge -o $(COUNTS)/all $(COUNTS)/*.profraw
	llvm-cov report $(BUILD)/asan/llm-chat -instr-profile $(COUNTS)/all $(patsubst %,-object $(BUILD)/asan/%,$(COMMANDS) $(PARTS)) \
		$(patsubst %,-object $(BUILD)/counted/%,$(COMMANDS) $(PARTS)) -ignore-filename-regex='/cmd/' > $(COUNTS)/report
	@awk 'NF == 13 && $$1 != "Filename" {print $$10, $$13, $$1}' $(COUNTS)/report | sort -n
	@awk '$$1 == "TOTAL" {print "ok coverage of lib/: " $$10 " of lines, " $$13 " of branches"; exit $$10 + 0 < $(COVERED_LINES)}' $(COUNTS)/report

VALGRIND_TESTS = .
valgrind: all $(HELPERS) ## the commands of the flow under valgrind; some of it: VALGRIND_TESTS=WORDS
	$(PATH_OF_BUILD) UNDER_VALGRIND=1 $(AGAIN) $(BATS) -f '$(VALGRIND_TESTS)' tests/flow.bats

EVERY = 1
TORTURE = $(PATH_OF_BUILD) FAULTS=$(CURDIR)/$(BUILD)/tests/faults.so CLOCK=$(CURDIR)/$(BUILD)/tests/clock_step.so
torture: all $(PRELOADED) $(BUILD)/tests/mcp-server ## all that can go wrong at any call of the flow, one after the other; EVERY=10 tries a tenth
	$(TORTURE) tests/torture/run $(EVERY)
	$(TORTURE) tests/torture/crowd $$((59 / $(EVERY) + 1))
	$(TORTURE) tests/torture/gate $(EVERY)

TORTURE_SECONDS =
torture-postgresql: all $(PRELOADED) ## the same with a spool in PostgreSQL, whose server fails, too; EVERY=10 tries a tenth
	$(TORTURE) WHERE=postgresql TORTURE_SECONDS=$(TORTURE_SECONDS) tests/torture/run $(EVERY)

DOCUMENTS = 3000
SOAK_SECONDS = 900
soak: all $(PRELOADED) ## DOCUMENTS=3000 while all goes wrong that can: ten minutes on two cores
	$(TORTURE) DOCUMENTS=$(DOCUMENTS) SOAK_SECONDS=$(SOAK_SECONDS) tests/torture/soak

KILLS = 1000
RESTARTS = 5
FLEET_SECONDS = 600
fleet: all ## three workers on one spool, in a folder and in PostgreSQL, until KILLS=1000 were killed, or for FLEET_SECONDS=600
	for where in folder postgresql; do $(PATH_OF_BUILD) WHERE=$$where KILLS=$(KILLS) RESTARTS=$(RESTARTS) \
		FLEET_SECONDS=$(FLEET_SECONDS) tests/torture/fleet || exit; done

out-of-memory: all $(PRELOADED) ## each allocation failing, one after the other, in each command; EVERY=10 tries a tenth
	$(PATH_OF_BUILD) ALLOCATIONS=$(CURDIR)/$(BUILD)/tests/allocations.so tests/torture/out-of-memory $(EVERY)

# With libFuzzer, each with its seeds.
SECONDS = 10
FUZZ = $(BUILD)/fuzz
FUZZ_WITH = address,undefined
FUZZ_CC = clang $(FEATURES) $(INCLUDES) -DVERSION='"$(VERSION)"' -DSANITIZED -g -O1 -fno-omit-frame-pointer \
	-fno-sanitize-recover=all
FUZZERS = $(patsubst tests/fuzz/%.c,$(FUZZ)/%,$(wildcard tests/fuzz/*.c))
$(FUZZ)/lib/%.o: lib/%.c $(wildcard $(FUZZ)/libs/complete)
	$Qmkdir -p $(@D)
	$(call say,CC $<)$(FUZZ_CC) -fsanitize=fuzzer-no-link,$(FUZZ_WITH) -MMD -MP -c -o $@ $<
$(FUZZ)/%: tests/fuzz/%.c $(patsubst $(BUILD)/%,$(FUZZ)/%,$(LIBRARY))
	$(call say,LD $@)$(FUZZ_CC) -fsanitize=fuzzer,$(FUZZ_WITH) -o $@ $^ $(LIBS)

fuzz: ## each of tests/fuzz for SECONDS=10, under ASan and UBSan
	@$(PARALLEL_MAKE) $(FUZZERS)
	@printf '%s\n' $(notdir $(FUZZERS)) | xargs -P $$(nproc) -I {} sh -c 'mkdir -p $(FUZZ)/corpus/{}; \
	$(FUZZ)/{} -max_total_time=$(SECONDS) -timeout=10 -print_final_stats=1 -dict=tests/fuzz/json.dict -artifact_prefix=$(FUZZ)/ \
		$(FUZZ)/corpus/{} tests/fuzz/seeds/{} > $(FUZZ)/{}.log 2>&1 || { tail -n 40 $(FUZZ)/{}.log; exit 1; }; \
	sed -n "s/^stat::number_of_executed_units: */ok fuzz {}, $(FUZZ_WITH), executions: /p" $(FUZZ)/{}.log'

# Without the targets whose code has digests made: OpenSSL is not instrumented, what it writes counts as not written.
MSAN = $(BUILD)/msan
MSAN_FUZZERS = $(filter-out channel hook journal jwe together,$(FUZZERS:$(FUZZ)/%=%))
msan: deps-static libraries-msan ## the same under MSan, with libjq instrumented as well
	@$(MAKE) --no-print-directory fuzz FUZZ=$(MSAN) FUZZ_WITH=memory INCLUDES='-Ilib -isystem $(MSAN)/libs/include' \
		JQ_LIBS='$(MSAN)/libs/lib/libjq.a $(MSAN)/libs/lib/libonig.a' FUZZERS='$(MSAN_FUZZERS:%=$(MSAN)/%)'

bare: ## the README's two commands on a Debian 12 that has nothing else (as root)
	@$(call apt_install,debootstrap)
	@$(as_root) tests/bare

# For what runs at the same time as another target that needs them.
test-programs: all $(HELPERS) $(PRELOADED)

assurance: DOCUMENTS = 100
assurance: ## all of these, in figures, and the number of findings: EVERY=12 SECONDS=30 for 20 minutes
	@MAKE='$(MAKE) --no-print-directory EVERY=$(EVERY) SECONDS=$(SECONDS) DOCUMENTS=$(DOCUMENTS) KILLS=60 RESTARTS=1 FLEET_SECONDS=20 TORTURE_SECONDS=60' LOGS=$(BUILD)/assurance tests/assurance

%/node_modules: %/package-lock.json
	npm ci --prefix $* --no-audit --no-fund

# The minimum costs: without the wiping allocator; one of them with the distribution's OpenSSL.
BENCH_PEERS = peers peers/mcp bench/quickstart
BARE_MAKE = $(STATIC_MAKE) LDFLAGS='$(STATIC_LINK) -Wl,--gc-sections'
bench: all static $(HELPERS) $(BENCH_PEERS:%=tests/%/node_modules) ## what starting, the flow and waiting cost
	@$(BARE_MAKE) $(STATIC)/tests/bare-flow $(STATIC)/tests/bare-polls
	@$(BARE_MAKE) BUILD=$(STATIC)/plain CURL_LIBS='$(STATIC)/libs/lib/libcurl.a -lnghttp2 -lssl' $(STATIC)/plain/tests/bare-flow
	$(PATH_OF_BUILD) tests/bench/run

bench-spool: all $(HELPERS) $(PRELOADED) ## what agent-spool costs, next to pg-boss and graphile-worker: BEFORE=FOLDER DOCUMENTS=2000
	-@$(MAKE) --no-print-directory tests/peers/queues/node_modules
	$(PATH_OF_BUILD) KEEP=1 tests/bench/spool

.PHONY: deps-lint lint analyze compilers asan coverage valgrind torture torture-postgresql soak fleet out-of-memory fuzz msan bare test-programs assurance bench bench-spool
