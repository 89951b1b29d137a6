/* One transaction for the batches of several requests: partitions first, then dead letters, then each table's rows by
 * COPY. A repeat that nobody expected fails that transaction, and the batches go once more by way of a staging table and
 * an insert that skips what is already there: the counts are the same on both ways. */
#pragma once
#include "store/batch.h"
#include "store/ingest.h"

struct rejected {
    int64_t index;
    enum err_code code;
    struct str message; /* NUL behind it */
    const struct schema_table *table; /* NULL: unknown */
    struct str raw;
    int64_t dead_letter;
};

/* One request's part of a commit. */
struct commit_part {
    struct batch batch;
    struct rejected *rejected;
    size_t rejected_count, rejected_room, rejected_bytes;
    struct arena *messages;    /* theirs */
    struct str csv_header;     /* ptr NULL: JSON */
    const struct zone *zone;   /* what the CSV's local times were read by; NULL: none */
    int64_t stored[SCHEMA_TABLES], duplicate[SCHEMA_TABLES]; /* filled by commit_write */
};

/* What was committed lately, bounded; shared by all committers of a database. */
struct commit_memory;
void commit_memory_free(struct commit_memory *memory);
OWNED_BY(commit_memory_free) struct commit_memory *commit_memory_new(struct err *err);

/* How a commit failed. */
struct commit_end {
    bool unknown; /* it may have been stored all the same */
    bool stale;   /* ids were read under another epoch than this: the bodies must be read anew */
    int64_t epoch;
};

/* A transaction that has written its rows. */
struct commit;
/* All but COMMIT. NULL: nothing is stored; may be run again with the same parts, unless end->stale. */
struct commit *commit_write(struct db_conn *conn, struct commit_memory *memory, struct commit_part *const *parts,
                            size_t count, int64_t deadline_ms, struct commit_end *end, struct err *err);
/* COMMIT, which waits for the disk; frees it. False: nothing is stored, unless end->unknown. */
bool commit_finish(struct commit *commit, int64_t deadline_ms, struct commit_end *end, struct err *err);
