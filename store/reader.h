/* Event records out of a request body or a file, in every shape real senders use: Defender streaming records, flat rows,
 * saved query answers, CSV exports, wrappers, arrays, NDJSON, concatenated objects. Knows no database.
 * The body must outlive the reader and the events it gave. One thread. */
#pragma once
#include "base/attr.h"
#include "base/arena.h"
#include "base/err.h"
#include "store/event.h"
#include "store/zone.h"

enum reader_format { READER_AUTO, READER_CSV }; /* AUTO: JSON shapes; CSV when the body starts like one */

struct reader_options {
    const struct schema_table *table; /* from the path or stream, for records that name none; NULL: none */
    enum reader_format format;
    const struct zone *zone;          /* for CSV's [Local Time] columns; NULL: refuse them */
};

enum verdict {
    VERDICT_EVENT,    /* *event is filled */
    VERDICT_IGNORED,  /* a table that we don't keep (AdvancedHunting-Email…) */
    VERDICT_REJECTED, /* err says why; *raw holds the record's own bytes, event->table its table when it is known */
    VERDICT_END,
};

struct reader;
void reader_free(struct reader *reader);
/* body: inflated, at most 64 MiB by the caller's limit. NULL when memory is out. */
OWNED_BY(reader_free)
struct reader *reader_open(struct str body, const struct reader_options *options, struct err *err);
/* The next record's verdict. event, raw and their text stay valid until reader_free. index counts records from 0 and is
 * the same for the same bytes. raw: the record as sent (for a wrapped one: what was inside). */
enum verdict reader_next(struct reader *reader, struct event *event, struct str *raw, size_t *index, struct err *err);

/* The header line of a body that is CSV, ptr NULL for JSON: with it and its raw bytes a row can be read again. */
struct str reader_csv_header(const struct reader *reader);

/* One JSON object of columns into event (table given). False with a record-level code when it must be rejected.
 * Strict: UTF-8, escapes, numbers, depth 64, 1 MiB, 512 keys; \u0000 refused. Extra text goes to the arena. */
bool event_decode(const struct schema_table *table, struct str object, struct arena *arena, struct event *event,
                  struct err *err);
