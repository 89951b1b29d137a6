/* The events of one body, ready to be written: keys, dictionary ids and the rest of each row already in COPY's binary
 * form. Filled by one thread, written by a committer. */
#pragma once
#include "store/groups.h"
#include "store/intern.h"

enum { BATCH_FILLED = (SCHEMA_MAX_COLUMNS + 63) / 64 };

struct batch_row {
    int64_t ts, report_id, digest;
    bool has_report;
    uint16_t group; /* place in the batch's groups */
    int32_t ids[SCHEMA_MAX_SLOTS]; /* by place in table->slots; slot 0 is the device */
    uint32_t plain_offset, plain_length;
};

struct batch_table {
    struct batch_row *rows;
    size_t count, room;
    uint64_t filled[BATCH_FILLED]; /* bit n: the n-th column has a value in some row */
    struct buf plain; /* plain columns and `extra` of all rows, binary COPY fields */
};

struct batch {
    struct batch_table tables[SCHEMA_TABLES];
    struct batch_misses *misses;
    struct groups groups; /* names of device groups */
    struct buf scratch;
    int64_t epoch; /* of the ids: intern_epoch when the batch began */
    size_t bytes; /* about what it holds in memory */
};

void batch_free(struct batch *batch);
/* An empty batch under the cache's epoch. batch_free is safe after a failure. */
bool batch_init(struct batch *batch, const struct intern *intern, struct err *err);
/* Adds one event; tuples that the cache lacks are noted and resolved later. The event's text must live until then. */
bool batch_add(struct batch *batch, struct intern *intern, const unsigned char *key, const struct event *event,
               struct err *err);
/* Gives ids to what was noted. */
bool batch_resolve(struct batch *batch, struct intern *intern, struct db_conn *conn, int64_t deadline_ms,
                   struct err *err);
