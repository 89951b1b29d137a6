#include "store/commit_memory.h"

#include <stdlib.h>

enum { EVENT_BITS = 21, PRESENCE_BITS = 18 };

static void memory_clear(struct commit_memory *memory) {
    recent_free(memory->events);
    recent_free(memory->presence);
    flights_free(memory->flights);
}

void commit_memory_free(struct commit_memory *memory) {
    if (memory)
        memory_clear(memory);
    free(memory);
}

struct commit_memory *commit_memory_new(struct err *err) {
    struct commit_memory *memory = calloc(1, sizeof *memory);
    if (!memory) {
        err_memory(err);
        return NULL;
    }
    memory->events = recent_new(EVENT_BITS, err);
    memory->presence = recent_new(PRESENCE_BITS, err);
    memory->flights = flights_new(err);
    if (memory->events && memory->presence && memory->flights)
        return memory;
    memory_clear(memory);
    free(memory);
    return NULL;
}
