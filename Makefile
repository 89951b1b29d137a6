# rmmhunt. `make help` lists the targets.
MODE ?= release
CC ?= gcc
# Reference material that some tests read when it is at hand.
RMMHUNT_REFERENCE ?= $(wildcard ../shared)
BUILD := build/$(MODE)
ifeq ($(MODE),release)
  BUILD := build
endif

WARN := -Wall -Wextra -Wpedantic -Wshadow -Wundef -Wvla -Wstrict-prototypes -Wmissing-prototypes -Wcast-qual -Wformat=2 \
  -Wnull-dereference -Wconversion -Wswitch-enum -Wimplicit-fallthrough -Werror
ifneq ($(findstring clang,$(CC)),clang)
  WARN += -Wlogical-op -Wduplicated-cond -Wduplicated-branches -Wjump-misses-init
endif
PG_INCLUDE := $(shell pkg-config --cflags libpq 2>/dev/null || echo -I/usr/include/postgresql)
CPPFLAGS += -I. -I$(BUILD) -D_GNU_SOURCE $(PG_INCLUDE)
HARDEN := -fstack-protector-strong -fstack-clash-protection -fcf-protection -fPIE
ifeq ($(findstring clang,$(CC)),)
  HARDEN += -ftrivial-auto-var-init=zero
endif
CFLAGS_release := -O2 -g -D_FORTIFY_SOURCE=3 $(HARDEN)
CFLAGS_debug := -O0 -g3 -fPIE
# The instrumentation makes gcc warn of paths that don't exist; the release build has these warnings on.
NO_FALSE := -Wno-null-dereference -Wno-format-truncation -Wno-maybe-uninitialized
CFLAGS_asan := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all -fPIE $(NO_FALSE)
CFLAGS_tsan := -O1 -g -fsanitize=thread -fPIE $(NO_FALSE)
LDFLAGS_release := -Wl,-z,relro,-z,now
LDFLAGS_asan := -fsanitize=address,undefined
LDFLAGS_tsan := -fsanitize=thread
CFLAGS += -std=gnu17 $(WARN) $(CFLAGS_$(MODE))
LDFLAGS += -pie $(LDFLAGS_$(MODE))
LDLIBS := -lmicrohttpd -ljansson -lpq -lyaml -lz -lzstd -lsodium -lgnutls -lcurl -lm -lpthread
TEST_LDLIBS := $(LDLIBS) -lcmocka

FOLDERS := base kql store hunts handlers server
LIB_SOURCES := $(filter-out server/main.c,$(foreach f,$(FOLDERS),$(wildcard $(f)/*.c)))
EMBED := $(BUILD)/embed/embedded.c
LIB_OBJECTS := $(LIB_SOURCES:%.c=$(BUILD)/%.o) $(BUILD)/embed/embedded.o
UNIT := $(patsubst tests/unit/%.c,$(BUILD)/tests/unit/%,$(wildcard tests/unit/*_test.c))
INTEGRATION := $(patsubst tests/integration/%.c,$(BUILD)/tests/integration/%,$(wildcard tests/integration/*_test.c))
SUPPORT_OBJECTS := $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/support/*.c))

.PHONY: all help deps run check units integration replay sanitize bench soak fuzz lint clean includes banned
all: $(BUILD)/rmmhunt ## build the service into build/rmmhunt

help: ## this list
	@grep -hE '^[a-z-]+:.*##' Makefile | sed -E 's/:[^#]*## /\t/' | expand -t 14

# What building, running and testing need. Installed by `make run` and `make check` when something is missing.
PACKAGES := gcc make pkg-config libc6-dev libmicrohttpd-dev libjansson-dev libpq-dev libcmocka-dev libyaml-dev zlib1g-dev \
  libzstd-dev libsodium-dev libgnutls28-dev libcurl4-openssl-dev ca-certificates postgresql-15 python3 curl
deps: ## install missing Debian packages (as root or through sudo)
	@missing=$$(dpkg-query -W -f='$${db:Status-Abbrev} $${Package}\n' $(PACKAGES) 2>/dev/null | awk '$$1=="ii"{print $$2}' > /tmp/.rmmhunt-have.$$$$; \
	  for p in $(PACKAGES); do grep -qx "$$p" /tmp/.rmmhunt-have.$$$$ || printf '%s ' "$$p"; done; rm -f /tmp/.rmmhunt-have.$$$$); \
	[ -z "$$missing" ] && exit 0; \
	if [ "$$(id -u)" = 0 ]; then as=; elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then as=sudo; \
	else echo "missing packages; run: sudo apt-get install -y --no-install-recommends $$missing"; exit 1; fi; \
	echo "installing $$missing"; $$as apt-get update -qq && \
	$$as env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null

# A second make, so that what deps installed is seen (pkg-config, compilers).
run: deps ## demo: install what is missing, build, fill a private database, serve on 127.0.0.1:8080
	@$(MAKE) --no-print-directory -s all
	@build/rmmhunt demo
	@exec build/rmmhunt serve

check: deps ## all tests: rules of the house, units, KQL cases, integration, and the same under sanitizers
	@$(MAKE) --no-print-directory -j$$(nproc) all includes banned
	@$(MAKE) --no-print-directory -j$$(nproc) tests
	@$(MAKE) --no-print-directory units integration
	@$(MAKE) --no-print-directory -j$$(nproc) MODE=asan all tests
	@$(MAKE) --no-print-directory MODE=asan replay units integration

# V=1 shows the commands.
Q := $(if $(V),,@)
LIB := $(BUILD)/librmmhunt.a
$(LIB): $(LIB_OBJECTS)
	$(Q)rm -f $@ && ar rcs $@ $^

$(BUILD)/rmmhunt: $(BUILD)/server/main.o $(LIB)
	@echo "  LD $@"
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $^ -o $@ $(LDLIBS)

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC $<"
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@

EMBEDDED := $(wildcard migrations/*.sql) $(wildcard store/sql/*.sql) $(wildcard hunts/catalogue/*.yaml)
# The list is a file of its own, so that a file which went or was renamed counts as a change.
EMBED_LIST := $(BUILD)/embed/list
.PHONY: embed-list
embed-list:
$(EMBED_LIST): embed-list
	@mkdir -p $(@D); echo '$(EMBEDDED)' | cmp -s - $@ || echo '$(EMBEDDED)' > $@
$(EMBED): base/embed.sh $(EMBEDDED) $(EMBED_LIST)
	@mkdir -p $(@D)
	@ls migrations | awk 'int($$1) != NR { print "migrations/" $$1 ": number " NR " is wanted here, each once"; exit 1 }'
	$(Q)sh base/embed.sh $(EMBEDDED) > $@.tmp && mv $@.tmp $@
$(BUILD)/embed/embedded.o: $(EMBED)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/tests/%: $(BUILD)/tests/%.o $(SUPPORT_OBJECTS) $(LIB)
	@echo "  LD $@"
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $^ -o $@ $(TEST_LDLIBS)

.PHONY: tests
tests: $(UNIT) $(INTEGRATION)
units: $(UNIT)
	@set -e; for t in $(UNIT); do echo "== $$t"; RMMHUNT_REFERENCE="$(RMMHUNT_REFERENCE)" $$t; done
# Two at a time, as they wait more than they work; what each says comes in one piece.
integration: $(INTEGRATION) $(BUILD)/rmmhunt
	@printf '%s\n' $(INTEGRATION) | RMMHUNT_BINARY=$(BUILD)/rmmhunt RMMHUNT_REFERENCE="$(RMMHUNT_REFERENCE)" xargs -P 2 -I TEST \
	  sh -c 'TEST > TEST.log 2>&1; code=$$?; exec 9> $(BUILD)/print.lock; flock 9; echo "== TEST"; cat TEST.log; exit $$code'
# Every harness over its corpus: files below tests/fuzz/corpus, and what else is at hand in its language.
CORPUS_reader_fuzz := $(wildcard tests/fuzz/corpus/reader_fuzz/*)
CORPUS_decode_fuzz := $(wildcard tests/fuzz/corpus/decode_fuzz/*)
CORPUS_loader_fuzz := $(wildcard hunts/catalogue/*.yaml)
CORPUS_kql_fuzz := $(wildcard tests/fuzz/corpus/kql_fuzz/* tests/kql/*.test hunts/catalogue/*.yaml)
REPLAYS := $(patsubst tests/fuzz/%.c,$(BUILD)/replay/%,$(wildcard tests/fuzz/*_fuzz.c))
$(BUILD)/replay/%: $(BUILD)/tests/fuzz/%.o $(BUILD)/tests/fuzz/replay.o $(LIB)
	@mkdir -p $(@D)
	@echo "  LD $@"
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $^ -o $@ $(LDLIBS)
replay: $(REPLAYS) ## every fuzz harness over its corpus
	@set -e; $(foreach r,$(REPLAYS),echo "== $(r)"; $(r) $(CORPUS_$(notdir $(r)));)
sanitize: ## units and integration under AddressSanitizer and UBSan
	@$(MAKE) --no-print-directory MODE=asan units integration

includes: ## refuse an include that points upwards
	@find $(BUILD) -name '*.d' -path '*/$(firstword $(FOLDERS))/*' >/dev/null; \
	awk 'BEGIN { n = split("$(FOLDERS)", f, " "); for (i = 1; i <= n; i++) rank[f[i]] = i } \
	  /^#include "/ { split(FILENAME, own, "/"); split($$2, p, "\""); split(p[2], dir, "/"); \
	    if (dir[1] in rank && rank[dir[1]] > rank[own[1]]) { print FILENAME ": includes " p[2] ", which is above it"; bad = 1 } } \
	  /^#include <libpq-fe.h>/ { split(FILENAME, own, "/"); if (own[1] != "store") { print FILENAME ": only store/ may include libpq"; bad = 1 } } \
	  /^#include <microhttpd.h>/ { split(FILENAME, own, "/"); if (own[1] != "server") { print FILENAME ": only server/ may include libmicrohttpd"; bad = 1 } } \
	  /^#include <curl/ && FILENAME != "hunts/webhook_send.c" { print FILENAME ": only hunts/webhook_send.c may include libcurl"; bad = 1 } \
	  END { exit bad }' $(wildcard $(FOLDERS:%=%/*.[ch]))
banned: ## refuse calls that the house bans
	@! grep -nE '\b(sprintf|strcpy|strcat|strtok|sscanf|atoi|gets|gmtime|localtime|alloca|system|popen|PQexec|PQescape[A-Za-z]*) *\(' $(wildcard $(FOLDERS:%=%/*.[ch]))

FUZZ_SECONDS ?= 60
FUZZERS := $(patsubst tests/fuzz/%.c,build/fuzz/%,$(wildcard tests/fuzz/*_fuzz.c))
build/fuzz/%: tests/fuzz/%.c $(LIB_SOURCES) $(EMBED)
	@mkdir -p $(@D)
	clang $(CPPFLAGS) -std=gnu17 -O1 -g -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all $< $(LIB_SOURCES) $(EMBED) -o $@ $(LDLIBS)
fuzz: ## coverage-guided fuzzing of every harness, FUZZ_SECONDS each (needs clang)
	@$(MAKE) --no-print-directory $(FUZZERS)
	@set -e; for f in $(FUZZERS); do mkdir -p $$f.corpus; $$f -max_total_time=$(FUZZ_SECONDS) -timeout=5 $$f.corpus $$(ls -d tests/fuzz/corpus/$$(basename $$f) 2>/dev/null); done
# A pipe gives the status of its last command: that of the measurements goes round it. Only a full run draws into docs/.
bench: deps ## figures beside peers as JSON lines (SIZE=small|medium|full ONLY=serve|ingest|hunts|growth)
	@$(MAKE) --no-print-directory -s all
	@mkdir -p build/bench
	@{ sh tests/bench/run.sh; echo $$? > build/bench/status; } | tee build/bench/last.jsonl
	@node tests/bench/plot.mjs build/bench/last.jsonl $(if $(filter full,$(SIZE)),docs,build/bench)
	@exit $$(cat build/bench/status)
soak: deps ## a steady load for MINUTES=30 at RATE=3000 rows/s while days come and go: latency as JSON lines
	@$(MAKE) --no-print-directory -s all
	@sh tests/bench/soak.sh
lint: ## clang-tidy over all sources
	clang-tidy --quiet $(LIB_SOURCES) server/main.c -- $(CPPFLAGS) -std=gnu17
clean: ## remove what was built
	rm -rf build

.SECONDARY:
-include $(shell find build -name '*.d' 2>/dev/null)
