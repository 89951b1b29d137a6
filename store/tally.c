#include "store/tally.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "store/array.h"
#include "store/internal.h"

enum { ARRAY_CAP = 64 << 20 };

void tally_open(struct tally *tally, size_t table, int64_t batch, int64_t arrived) {
    const struct schema_table *schema = &schema_tables()[table];
    *tally = (struct tally){.batch = batch, .arrived = arrived, .table = table};
    tally->days = tally->devices = tally->hosts = BUF(ARRAY_CAP);
    for (size_t i = 0; i < sizeof tally->counts / sizeof *tally->counts; i++)
        tally->counts[i] = BUF(ARRAY_CAP);
    while (tally->host < schema->slot_count && schema->slots[tally->host].dictionary != DICT_host)
        tally->host++;
}

/* The same day and group may come several times: the statement sums them. */
static void count_flush(struct tally *tally, struct tally_count *count) {
    const int64_t numbers[] = {count->rows, count->late_hour, count->late_day, count->delay, count->newest};
    if (!count->group)
        return;
    array_add_int(&tally->counts[0], count->day);
    array_add(&tally->counts[1], str_from(count->group));
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        array_add_int(&tally->counts[2 + i], numbers[i]);
    count->group = NULL;
}

static void count_add(struct tally *tally, int64_t ts, const char *group) {
    int64_t day = ts / TICKS_DAY, delay = tally->arrived - ts;
    uint64_t mixed = ((uint64_t)(uintptr_t)group ^ (uint64_t)day << 20) * UINT64_C(0x9E3779B97F4A7C15);
    struct tally_count *count = &tally->places[mixed >> 56];
    if (count->group != group || count->day != day) {
        count_flush(tally, count);
        *count = (struct tally_count){.day = day, .group = group, .delay = delay, .newest = ts};
    }
    count->rows++;
    count->late_hour += delay > TICKS_HOUR;
    count->late_day += delay > TICKS_DAY;
    count->delay = delay > count->delay ? delay : count->delay;
    count->newest = ts > count->newest ? ts : count->newest;
}

void tally_add(struct tally *tally, const struct batch_row *row, const char *group, bool stored, bool known) {
    uint64_t pair = (uint64_t)(row->ts / TICKS_DAY) << 32 | (uint32_t)row->ids[0];
    uint64_t *seen = &tally->recent[(pair * UINT64_C(0x9E3779B97F4A7C15)) >> 54];
    if (stored)
        count_add(tally, row->ts, group);
    if (known || *seen == pair)
        return;
    *seen = pair;
    array_add_int(&tally->devices, row->ids[0]);
    array_add_int(&tally->days, row->ts / TICKS_DAY);
    array_add_int(&tally->hosts, row->ids[tally->host]);
}

static struct str array_close(struct buf *array, bool *failed) {
    array_end(array);
    *failed = *failed || array->failed;
    return buf_str(array);
}

static bool write_all(struct tally *tally, struct db_conn *conn, int64_t deadline_ms, struct err *err) {
    char table[24], batch[24], arrived[24];
    bool failed = false;
    snprintf(table, sizeof table, "%zu", tally->table);
    snprintf(batch, sizeof batch, "%" PRId64, tally->batch);
    snprintf(arrived, sizeof arrived, "%" PRId64, tally->arrived);
    struct str counted[10] = {str_from(batch), str_from(table), str_from(arrived)};
    for (size_t i = 0; i < TALLY_PLACES; i++)
        count_flush(tally, &tally->places[i]);
    bool any = tally->counts[0].len > 0, fresh = tally->devices.len > 0;
    struct str seen[] = {str_from(table), array_close(&tally->days, &failed), array_close(&tally->devices, &failed),
                         array_close(&tally->hosts, &failed), str_from(batch)};
    for (size_t i = 0; i < 7; i++)
        counted[3 + i] = array_close(&tally->counts[i], &failed);
    if (failed)
        return err_memory(err);
    return (!fresh || db_exec(conn, db_statement("presence_insert"), seen, 5, deadline_ms, NULL, err)) &&
           (!any || db_exec(conn, db_statement("arrivals_insert"), counted, 10, deadline_ms, NULL, err));
}

bool tally_write(struct tally *tally, struct db_conn *conn, int64_t deadline_ms, struct err *err) {
    bool ok = write_all(tally, conn, deadline_ms, err);
    buf_free(&tally->days);
    buf_free(&tally->devices);
    buf_free(&tally->hosts);
    for (size_t i = 0; i < sizeof tally->counts / sizeof *tally->counts; i++)
        buf_free(&tally->counts[i]);
    return ok;
}

bool filled_write(struct db_conn *conn, size_t table, const uint64_t filled[BATCH_FILLED], int64_t deadline_ms,
                  struct err *err) {
    const struct schema_table *schema = &schema_tables()[table];
    BUF_AUTO names = BUF(64 * 1024);
    char number[24];
    uint64_t known[BATCH_FILLED];
    pthread_mutex_lock(&conn->db->days_lock);
    memcpy(known, conn->db->filled[table], sizeof known);
    pthread_mutex_unlock(&conn->db->days_lock);
    for (size_t c = 0; c < schema->column_count; c++)
        if (filled[c / 64] & ~known[c / 64] & UINT64_C(1) << c % 64)
            array_add(&names, str_from(schema->columns[c].name));
    if (!names.len)
        return true;
    array_end(&names);
    snprintf(number, sizeof number, "%zu", table);
    struct str params[] = {str_from(number), buf_str(&names)};
    return !names.failed ? db_exec(conn, db_statement("filled_insert"), params, 2, deadline_ms, NULL, err)
                         : err_memory(err);
}

void filled_remember(struct db_conn *conn, size_t table, const uint64_t filled[BATCH_FILLED]) {
    pthread_mutex_lock(&conn->db->days_lock);
    for (size_t i = 0; i < BATCH_FILLED; i++)
        conn->db->filled[table][i] |= filled[i];
    pthread_mutex_unlock(&conn->db->days_lock);
}
