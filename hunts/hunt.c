#include "hunts/hunt.h"

#include "base/clock.h"

const char *hunt_shape_name(enum hunt_shape shape) {
    static const char *const names[] = {
        [HUNT_STRICT] = "strict",
        [HUNT_MISINDENTED] = "mis-indented",
        [HUNT_FLATTENED] = "flattened",
        [HUNT_CARD] = "card",
        [HUNT_JSON] = "json",
    };
    return (size_t)shape < sizeof names / sizeof *names ? names[shape] : "unknown";
}

const char *hunt_state_name(enum hunt_state state) {
    static const char *const names[] = {
        [HUNT_READY] = "ready",
        [HUNT_BROKEN] = "broken",
        [HUNT_DISABLED] = "disabled",
    };
    return (size_t)state < sizeof names / sizeof *names ? names[state] : "unknown";
}

void hunt_check(struct arena *arena, const struct hunt *hunt, struct hunt_check *check) {
    const struct kql_options options = {.strict = false, .now = ticks_now(), .from = -1, .to = -1};
    *check = (struct hunt_check){.state = HUNT_BROKEN};
    check->program = kql_compile(arena, hunt->query, &options, &check->error);
    if (check->program) check->state = HUNT_READY;
}
