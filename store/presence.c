#include "store/presence.h"

#include <inttypes.h>
#include <stdio.h>

#include "store/internal.h"

static bool memory_find(struct db *db, const struct presence_count *wanted, int64_t *devices) {
    bool found = false;
    pthread_mutex_lock(&db->presence_lock);
    for (size_t i = 0; !found && i < PRESENCE_COUNTS; i++) {
        const struct presence_count *one = &db->presence[i];
        found = one->rows == wanted->rows && one->table == wanted->table && one->from_day == wanted->from_day &&
                one->to_day == wanted->to_day;
        if (found)
            *devices = one->devices;
    }
    pthread_mutex_unlock(&db->presence_lock);
    return found;
}

static void memory_keep(struct db *db, const struct presence_count *count) {
    pthread_mutex_lock(&db->presence_lock);
    db->presence[db->presence_next++ % PRESENCE_COUNTS] = *count;
    pthread_mutex_unlock(&db->presence_lock);
}

/* A day's devices grow only with its rows. */
static bool devices_read(struct db_conn *conn, const struct str params[3], const struct presence_count *wanted,
                         int64_t *devices, int64_t deadline_ms, struct err *err) {
    if (memory_find(conn->db, wanted, devices))
        return true;
    DB_ROWS_AUTO *rows = db_query(conn, db_statement("presence_devices"), params, 3, deadline_ms, err);
    if (!rows)
        return false;
    struct presence_count count = *wanted;
    count.devices = *devices = db_int(rows, 0, 0);
    memory_keep(conn->db, &count);
    return true;
}

/* What the statements take: a table, and days from and to. */
static void params_set(char numbers[3][24], struct str params[3], size_t table, int64_t from_day, int64_t to_day) {
    snprintf(numbers[0], sizeof numbers[0], "%zu", table);
    snprintf(numbers[1], sizeof numbers[1], "%" PRId64, from_day);
    snprintf(numbers[2], sizeof numbers[2], "%" PRId64, to_day);
    for (size_t i = 0; i < 3; i++)
        params[i] = str_from(numbers[i]);
}

bool presence_gone_read(struct db_conn *conn, size_t table, int64_t from_day, int64_t to_day,
                        struct presence_gone *gone, int64_t deadline_ms, struct err *err) {
    char numbers[3][24];
    struct str params[3];
    params_set(numbers, params, table, from_day, to_day);
    DB_ROWS_AUTO *rows = db_query(conn, db_statement("dropped_days"), params, 3, deadline_ms, err);
    if (rows)
        *gone = (struct presence_gone){db_int(rows, 0, 0), db_int(rows, 0, 1), db_int(rows, 0, 2)};
    return rows != NULL;
}

bool presence_read(struct db_conn *conn, size_t table, int64_t from_day, int64_t to_day, struct presence *presence,
                   int64_t deadline_ms, struct err *err) {
    char numbers[3][24];
    struct str params[3];
    params_set(numbers, params, table, from_day, to_day);
    DB_ROWS_AUTO *rows = db_query(conn, db_statement("presence_counts"), params, 3, deadline_ms, err);
    if (!rows)
        return false;
    *presence = (struct presence){.newest_event = db_is_null(rows, 0, 0) ? -1 : db_int(rows, 0, 0),
                                  .newest_arrival = db_is_null(rows, 0, 1) ? -1 : db_int(rows, 0, 1),
                                  .rows = db_int(rows, 0, 2)};
    struct presence_count wanted = {
        .table = table, .from_day = from_day, .to_day = to_day, .rows = presence->rows};
    return !presence->rows || devices_read(conn, params, &wanted, &presence->devices, deadline_ms, err);
}
