/* What a commit says of the rows it stores, beside the rows: which device reports on which day, how many rows a day and
 * device group got and how late, which columns have ever had a value. Coverage and retention live on it, so that neither
 * reads events. Written in the transaction of the rows, as
 * additions only, so that writers don't wait for each other; store/retention sums them up. One thread. */
#pragma once
#include "store/batch.h"
#include "store/db.h"

enum { TALLY_PLACES = 256 };

struct tally_count {
    int64_t day;
    const char *group; /* NULL: the place is free */
    int64_t rows, late_hour, late_day, delay, newest;
};

struct tally {
    int64_t batch, arrived; /* number and time (ticks) of the commit */
    size_t table;
    size_t host; /* the slot of the host */
    struct buf days, devices, hosts;
    uint64_t recent[1024]; /* a filter: most rows repeat a pair of day and device that was just seen */
    struct buf counts[7];  /* arrays of arrivals_insert, from its $4 on */
    struct tally_count places[TALLY_PLACES];
};

/* About 30 KB: on the stack. */
void tally_open(struct tally *tally, size_t table, int64_t batch, int64_t arrived);
/* stored: false for a row that was there already; known: that the device reports on that day. group: of the device, must
 * live until tally_write. */
void tally_add(struct tally *tally, const struct batch_row *row, const char *group, bool stored, bool known);
/* Writes it and frees what it holds, also on failure. */
bool tally_write(struct tally *tally, struct db_conn *conn, int64_t deadline_ms, struct err *err);

/* Notes columns (bit n: the n-th of the table) that have a value, unless this process knows them already. */
bool filled_write(struct db_conn *conn, size_t table, const uint64_t filled[BATCH_FILLED], int64_t deadline_ms,
                  struct err *err);
/* To be called once the commit that wrote them is through. */
void filled_remember(struct db_conn *conn, size_t table, const uint64_t filled[BATCH_FILLED]);
