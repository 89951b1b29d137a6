#include "store/partition.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "store/internal.h"

enum { NAME_ROOM = 64, TRIES = 8, DAY_CAP = 1 << 20 };

static uint64_t key_of(const struct schema_table *table, int64_t day) {
    return (uint64_t)schema_table_index(table) << 32 | (uint32_t)day;
}

/* Place of the first key that isn't below; the lock is held. */
static size_t place_of(const struct db *db, uint64_t key) {
    size_t low = 0, high = db->day_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (db->days[middle] < key)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool known(struct db *db, uint64_t key) {
    pthread_mutex_lock(&db->days_lock);
    size_t place = place_of(db, key);
    bool found = place < db->day_count && db->days[place] == key;
    pthread_mutex_unlock(&db->days_lock);
    return found;
}

/* Best effort: without memory it is asked again next time. */
static void remember(struct db *db, uint64_t key) {
    pthread_mutex_lock(&db->days_lock);
    size_t place = place_of(db, key);
    bool there = place < db->day_count && db->days[place] == key;
    if (!there && db->day_count == db->day_room && db->day_room < DAY_CAP) {
        size_t room = db->day_room ? db->day_room * 2 : 256;
        uint64_t *days = realloc(db->days, room * sizeof *days);
        if (days) {
            db->days = days;
            db->day_room = room;
        }
    }
    if (!there && db->day_count < db->day_room) {
        memmove(db->days + place + 1, db->days + place, (db->day_count - place) * sizeof *db->days);
        db->days[place] = key;
        db->day_count++;
    }
    pthread_mutex_unlock(&db->days_lock);
}

void partition_forget(struct db_conn *conn) {
    pthread_mutex_lock(&conn->db->days_lock);
    conn->db->day_count = 0;
    pthread_mutex_unlock(&conn->db->days_lock);
}

static void name_print(const struct schema_table *table, int64_t day, char out[NAME_ROOM]) {
    int year, month, day_of_month;
    civil_from_days(day, &year, &month, &day_of_month);
    snprintf(out, NAME_ROOM, "%.40s_%04d%02d%02d", table->sql, year, month, day_of_month);
}

static bool is_attached(struct db_conn *conn, const char *name, bool *attached, int64_t deadline_ms, struct err *err) {
    struct str param = str_from(name);
    DB_ROWS_AUTO *rows =
        db_query(conn, "SELECT FROM pg_inherits WHERE inhrelid = to_regclass('data.' || quote_ident($1::text))", &param,
                 1, deadline_ms, err);
    *attached = rows && db_count(rows);
    return rows != NULL;
}

/* Rows only come, mostly within a day, and stay for months. A vacuum on the way freezes the pages while they are in memory
 * and were logged lately, for some 15 bytes of log a row; left to the limit of 200 million transactions, each would be
 * read again and logged as a whole. What a day's columns hold hardly changes while it grows: statistics are made anew at
 * each doubling instead of each tenth. */
static const char leaf_settings[] =
    "autovacuum_freeze_min_age = 0, autovacuum_vacuum_insert_scale_factor = 0.2, autovacuum_vacuum_insert_threshold = 20000, "
    "autovacuum_analyze_scale_factor = 1, autovacuum_analyze_threshold = 1000";

/* Made apart, then attached: readers and writers of the parent go on meanwhile, and the check spares the scan. Defaults
 * and comments stay with the parent, through which rows come. */
static bool create(struct db_conn *conn, const struct schema_table *table, const char *name, int64_t day,
                   int64_t deadline_ms, struct err *err) {
    char sql[2048];
    long long from = day * TICKS_DAY, to = from + TICKS_DAY;
    snprintf(sql, sizeof sql,
             "CREATE TABLE data.%s (LIKE data.%s INCLUDING INDEXES INCLUDING STORAGE INCLUDING COMPRESSION, "
             "CONSTRAINT day CHECK (ts >= %lld AND ts < %lld)) WITH (%s);"
             "ALTER TABLE data.%s ATTACH PARTITION data.%s FOR VALUES FROM (%lld) TO (%lld);"
             "ALTER TABLE data.%s DROP CONSTRAINT day",
             name, table->sql, from, to, leaf_settings, table->sql, name, from, to, name);
    return conn_script(conn, sql, deadline_ms, err);
}

/* What another server that makes the same partition causes, by how far it is. */
static bool is_race(const struct err *err) {
    static const char *const states[] = {"42P07", "42710", "23505", "40P01", "42P17", "XX000"};
    for (size_t i = 0; i < sizeof states / sizeof *states; i++)
        if (!strcmp(err->sqlstate, states[i]))
            return true;
    return false;
}

bool partition_ensure(struct db_conn *conn, const struct schema_table *table, int64_t day, int64_t deadline_ms,
                      struct err *err) {
    uint64_t key = key_of(table, day);
    char name[NAME_ROOM];
    if (known(conn->db, key))
        return true;
    name_print(table, day, name);
    for (int try = 0; try < TRIES; try++) {
        bool attached;
        if (!is_attached(conn, name, &attached, deadline_ms, err))
            return false;
        if (attached || create(conn, table, name, day, deadline_ms, err)) {
            remember(conn->db, key);
            return true;
        }
        if (!is_race(err))
            return false;
    }
    return false;
}

bool partition_drop(struct db_conn *conn, const struct schema_table *table, int64_t day, int64_t deadline_ms,
                    struct err *err) {
    char name[NAME_ROOM], sql[NAME_ROOM + 64];
    name_print(table, day, name);
    snprintf(sql, sizeof sql, "DROP TABLE IF EXISTS data.%s", name);
    return db_exec(conn, sql, NULL, 0, deadline_ms, NULL, err);
}
