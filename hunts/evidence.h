/* Evidence: the events on a device that hunts counted, from the tables themselves, each once however many hunts counted it.
 * Pages go by event time, arrival number and table, so that no number of events is too many. Knows no HTTP. */
#pragma once
#include "base/buf.h"
#include "store/db.h"

struct evidence_key {
    int64_t ts, arrived; /* ticks; an arrival number is unique within a table */
    int table;           /* place in the schema; -1: before all */
};

struct evidence_request {
    struct str device;
    struct str run;         /* number as text; ptr NULL: each hunt's latest result, and the ledger */
    struct str hunt, tool;  /* id or slug, name; ptr NULL: any */
    int64_t until_us;       /* results finished by then, microseconds since 1970; 0: now, put in by evidence_read */
    struct evidence_key after; /* the page starts behind this event; {-1, -1, -1}: at the front */
    size_t limit;
    bool flat;              /* one object an event, for tables; else {"table","hunts","event":{…}} */
};

struct evidence {
    struct str *events;     /* JSON objects in the arena, by time */
    size_t count;
    bool more;
    struct evidence_key last;
    uint32_t tables;        /* bit a table of the schema that the hunts read */
    struct str warnings;    /* [{"hunt","message"},…]: hunts that can't show events */
};

/* One page. ERR_NOT_FOUND says which of device, run, hunt, tool isn't there, or that no result is finished yet. */
bool evidence_read(struct db *db, struct arena *arena, struct evidence_request *request, int64_t deadline_ms,
                   struct evidence *evidence, struct err *err);
