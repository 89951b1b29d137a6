# rmmhunt. `make help` lists the targets.
MODE ?= release
CC ?= gcc
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
CFLAGS_release := -O2 -g -D_FORTIFY_SOURCE=2 $(HARDEN) -ftrivial-auto-var-init=zero
CFLAGS_debug := -O0 -g3 -fPIE
CFLAGS_asan := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all -fPIE
CFLAGS_tsan := -O1 -g -fsanitize=thread -fPIE
LDFLAGS_release := -Wl,-z,relro,-z,now
LDFLAGS_asan := -fsanitize=address,undefined
LDFLAGS_tsan := -fsanitize=thread
CFLAGS += -std=gnu17 $(WARN) $(CFLAGS_$(MODE))
LDFLAGS += -pie $(LDFLAGS_$(MODE))
LDLIBS := -lmicrohttpd -ljansson -lpq -lyaml -lz -lzstd -lsodium -lgnutls -lm -lpthread
TEST_LDLIBS := $(LDLIBS) -lcmocka -lcurl

FOLDERS := base kql store hunts handlers server
LIB_SOURCES := $(filter-out server/main.c,$(foreach f,$(FOLDERS),$(wildcard $(f)/*.c)))
EMBED := $(BUILD)/embed/embedded.c
LIB_OBJECTS := $(LIB_SOURCES:%.c=$(BUILD)/%.o) $(BUILD)/embed/embedded.o
UNIT := $(patsubst tests/unit/%.c,$(BUILD)/tests/unit/%,$(wildcard tests/unit/*_test.c))
INTEGRATION := $(patsubst tests/integration/%.c,$(BUILD)/tests/integration/%,$(wildcard tests/integration/*_test.c))
SUPPORT_OBJECTS := $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/support/*.c))

.PHONY: all
all: $(BUILD)/rmmhunt

$(BUILD)/rmmhunt: $(LIB_OBJECTS) $(BUILD)/server/main.o
	$(CC) $(CFLAGS) $(LDFLAGS) $^ -o $@ $(LDLIBS)

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@

EMBEDDED := $(wildcard migrations/*.sql) $(wildcard store/sql/*.sql) $(wildcard hunts/catalogue/*.yaml)
$(EMBED): base/embed.sh $(EMBEDDED)
	@mkdir -p $(@D)
	sh base/embed.sh $(EMBEDDED) > $@.tmp && mv $@.tmp $@
$(BUILD)/embed/embedded.o: $(EMBED)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/tests/%: $(BUILD)/tests/%.o $(LIB_OBJECTS) $(SUPPORT_OBJECTS)
	$(CC) $(CFLAGS) $(LDFLAGS) $^ -o $@ $(TEST_LDLIBS)

.SECONDARY:
-include $(shell find build -name '*.d' 2>/dev/null)
