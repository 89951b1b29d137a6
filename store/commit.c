#include "store/commit.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "store/array.h"
#include "store/commit_memory.h"
#include "store/copy.h"
#include "store/letters.h"
#include "store/partition.h"
#include "store/tally.h"

/* A row of the group: where it came from, for counting. */
struct member {
    const struct batch_row *row;
    const char *plain;
    uint32_t part;
    bool duplicate; /* was there already */
};

struct group {
    struct commit_part *const *parts;
    size_t part_count;
    const struct schema_table *table;
    size_t table_index;
    struct member *members;
    size_t count;
    int64_t *batches; /* upper parts of arrival numbers: the first is the commit's, the next for every 2^20 rows of a table */
    int64_t arrived; /* ticks */
    int64_t epoch;   /* of dictionary ids */
    struct commit_memory *memory;
};

enum { COPY_CHUNK = 1 << 20, ARRIVAL_SHIFT = 20, ARRIVAL_MASK = (1 << ARRIVAL_SHIFT) - 1, DEVICE_BITS = 32, DAY_BITS = 22 };

static uint64_t event_key(const struct batch_row *row, size_t table) {
    uint64_t key = (uint64_t)row->digest ^ (uint64_t)row->ts * UINT64_C(0xD6E8FEB86659FD93) ^
                   ((uint64_t)table << DEVICE_BITS | (uint32_t)row->ids[0]) * UINT64_C(0xA0761D6478BD642F);
    return key ? key : 1;
}

/* Table, day and device in one number, never 0. */
static uint64_t presence_key(const struct batch_row *row, size_t table) {
    return (uint64_t)(table + 1) << (DAY_BITS + DEVICE_BITS) | (uint64_t)(row->ts / TICKS_DAY) << DEVICE_BITS |
           (uint32_t)row->ids[0];
}

static int compare_members(const void *a, const void *b) {
    const struct batch_row *x = ((const struct member *)a)->row, *y = ((const struct member *)b)->row;
    if (x->ts != y->ts)
        return x->ts < y->ts ? -1 : 1;
    if (x->ids[0] != y->ids[0])
        return x->ids[0] < y->ids[0] ? -1 : 1;
    return (x->digest > y->digest) - (x->digest < y->digest);
}

/* Sorts by key (so that concurrent writers lock in one order) and drops repeats within the group. */
static void members_sort(struct group *group) {
    size_t kept = 0;
    mem_sort(group->members, group->count, sizeof *group->members, compare_members);
    for (size_t i = 0; i < group->count; i++) {
        if (kept && compare_members(&group->members[kept - 1], &group->members[i]) == 0)
            group->parts[group->members[i].part]->duplicate[group->table_index]++;
        else
            group->members[kept++] = group->members[i];
    }
    group->count = kept;
}

static bool members_gather(struct group *group, struct err *err) {
    size_t total = 0;
    for (size_t p = 0; p < group->part_count; p++)
        total += group->parts[p]->batch.tables[group->table_index].count;
    group->count = 0;
    group->members = calloc(total ? total : 1, sizeof *group->members);
    if (!group->members)
        return err_memory(err);
    for (size_t p = 0; p < group->part_count; p++) {
        const struct batch_table *from = &group->parts[p]->batch.tables[group->table_index];
        for (size_t i = 0; i < from->count; i++)
            group->members[group->count++] =
                (struct member){&from->rows[i], from->plain.ptr + from->rows[i].plain_offset, (uint32_t)p, false};
    }
    members_sort(group);
    return true;
}

/* A staged row begins with its place. */
static void copy_row(struct buf *out, const struct group *group, size_t place, uint16_t fields, bool staged) {
    const struct member *member = &group->members[place];
    const struct batch_row *row = member->row;
    buf_add_be16(out, fields);
    if (staged)
        copy_int32(out, (int32_t)place);
    copy_int64(out, row->ts);
    if (row->has_report)
        copy_int64(out, row->report_id);
    else
        copy_null(out);
    copy_int64(out, row->digest);
    copy_int64(out, group->batches[place >> ARRIVAL_SHIFT] << ARRIVAL_SHIFT | (int64_t)(place & ARRIVAL_MASK));
    for (size_t s = 0; s < group->table->slot_count; s++)
        copy_int32(out, row->ids[s]);
    buf_add(out, member->plain, row->plain_length);
}

/* ", name" for each column behind the fixed ones, in COPY's order; returns how many. */
static uint16_t add_columns(struct buf *out, const struct schema_table *table) {
    uint16_t count = 0;
    for (size_t s = 0; s < table->slot_count; s++, count++)
        buf_printf(out, ", %s", table->slots[s].sql);
    for (size_t c = 0; c < table->column_count; c++)
        if (schema_column_in_row(&table->columns[c])) {
            buf_printf(out, ", %s", table->columns[c].sql);
            count++;
        }
    buf_printf(out, ", extra");
    return (uint16_t)(count + 1);
}

/* The group's rows by COPY: into the staging table, or straight into the event table. */
static bool copy_rows(struct db_conn *conn, const struct group *group, bool staged, int64_t deadline_ms,
                      struct err *err) {
    BUF_AUTO sql = BUF(64 * 1024), data = BUF(16u << 20);
    buf_printf(&sql, staged ? "COPY pg_temp.stage_%s (n, ts" : "COPY data.%s (ts", group->table->sql);
    buf_printf(&sql, ", report_id, digest, arrived");
    uint16_t fields = (uint16_t)(add_columns(&sql, group->table) + 4 + staged);
    buf_printf(&sql, ") FROM STDIN (FORMAT binary)");
    if (!buf_cstr(&sql) || !db_copy_start(conn, sql.ptr, deadline_ms, err))
        return false;
    copy_header(&data);
    for (size_t i = 0; i < group->count; i++) {
        copy_row(&data, group, i, fields, staged);
        if (data.len < COPY_CHUNK)
            continue;
        if (data.failed || !db_copy_data(conn, buf_str(&data), deadline_ms, err))
            return data.failed ? err_memory(err) : false;
        data.len = 0;
    }
    copy_trailer(&data);
    if (data.failed)
        return err_memory(err);
    return db_copy_data(conn, buf_str(&data), deadline_ms, err) && db_copy_end(conn, deadline_ms, err);
}

static bool stage(struct db_conn *conn, const struct group *group, int64_t deadline_ms, struct err *err) {
    BUF_AUTO sql = BUF(4096);
    buf_printf(&sql,
               "CREATE TEMP TABLE IF NOT EXISTS stage_%s (n integer, LIKE data.%s INCLUDING DEFAULTS) ON COMMIT DELETE "
               "ROWS",
               group->table->sql, group->table->sql);
    if (!buf_cstr(&sql))
        return err_memory(err);
    return db_exec(conn, sql.ptr, NULL, 0, deadline_ms, NULL, err) && copy_rows(conn, group, true, deadline_ms, err);
}

static void count_stored(struct group *group) {
    for (size_t i = 0; i < group->count; i++)
        group->parts[group->members[i].part]->stored[group->table_index]++;
}

/* Moves the staged rows over and counts those that were there already, a part each. */
static bool insert_staged(struct db_conn *conn, struct group *group, int64_t deadline_ms, struct err *err) {
    BUF_AUTO sql = BUF(64 * 1024);
    const char *name = group->table->sql;
    buf_printf(&sql, "WITH new AS (INSERT INTO data.%s (ts, report_id, digest, arrived", name);
    add_columns(&sql, group->table);
    buf_printf(&sql, ") SELECT ts, report_id, digest, arrived");
    add_columns(&sql, group->table);
    buf_printf(&sql,
               " FROM pg_temp.stage_%s ORDER BY n ON CONFLICT DO NOTHING RETURNING arrived) SELECT s.n FROM "
               "pg_temp.stage_%s s WHERE NOT EXISTS (SELECT FROM new WHERE new.arrived = s.arrived)",
               name, name);
    if (!buf_cstr(&sql))
        return err_memory(err);
    DB_ROWS_AUTO *rows = db_query(conn, sql.ptr, NULL, 0, deadline_ms, err);
    if (!rows)
        return false;
    count_stored(group);
    for (size_t i = 0; i < db_count(rows); i++) {
        struct member *member = &group->members[db_int(rows, i, 0)];
        struct commit_part *part = group->parts[member->part];
        member->duplicate = true;
        part->stored[group->table_index]--;
        part->duplicate[group->table_index]++;
    }
    return true;
}

/* Those of the suspects, places in the group, that the database holds. Bounds in the text let the planner leave out the
 * other days; OFFSET 0 keeps it at one index probe a suspect. */
static struct db_rows *find_stored(struct db_conn *conn, const struct group *group, const uint32_t *suspects,
                                   size_t count, int64_t deadline_ms, struct err *err) {
    BUF_AUTO places = BUF(16u << 20), times = BUF(64u << 20), devices = BUF(16u << 20), digests = BUF(64u << 20);
    BUF_AUTO sql = BUF(4096);
    for (size_t i = 0; i < count; i++) {
        const struct batch_row *row = group->members[suspects[i]].row;
        array_add_int(&places, suspects[i]);
        array_add_int(&times, row->ts);
        array_add_int(&devices, row->ids[0]);
        array_add_int(&digests, row->digest);
    }
    array_end(&places);
    array_end(&times);
    array_end(&devices);
    array_end(&digests);
    buf_printf(&sql,
               "SELECT k.n FROM unnest($1::integer[], $2::bigint[], $3::integer[], $4::bigint[]) AS k (n, ts, device, "
               "digest) WHERE EXISTS (SELECT FROM data.%s d WHERE d.ts = k.ts AND d.device = k.device AND d.digest = "
               "k.digest AND d.ts BETWEEN %" PRId64 " AND %" PRId64 " OFFSET 0) ORDER BY k.n",
               group->table->sql, group->members[suspects[0]].row->ts, group->members[suspects[count - 1]].row->ts);
    struct str params[] = {buf_str(&places), buf_str(&times), buf_str(&devices), buf_str(&digests)};
    if (!buf_cstr(&sql) || places.failed || times.failed || devices.failed || digests.failed) {
        err_memory(err);
        return NULL;
    }
    return db_query(conn, sql.ptr, params, 4, deadline_ms, err);
}

/* Takes the members at these places (ascending) out of the group, as duplicates. */
static void members_drop(struct group *group, const struct db_rows *places) {
    size_t kept = 0, next = 0;
    for (size_t i = 0; i < group->count; i++)
        if (next < db_count(places) && db_int(places, next, 0) == (int64_t)i) {
            group->parts[group->members[i].part]->duplicate[group->table_index]++;
            next++;
        } else {
            group->members[kept++] = group->members[i];
        }
    group->count = kept;
}

/* Looks up those that the memory has (known true) or lacks, and drops what is there: how many, -1 on failure. */
static int64_t drop_found(struct db_conn *conn, struct group *group, bool known, int64_t deadline_ms, struct err *err) {
    size_t count = 0;
    uint32_t *suspects = reallocarray(NULL, group->count + 1, sizeof *suspects);
    if (!suspects)
        return err_memory(err), -1;
    for (size_t i = 0; i < group->count; i++)
        if (recent_has(group->memory->events, event_key(group->members[i].row, group->table_index)) == known)
            suspects[count++] = (uint32_t)i;
    DB_ROWS_AUTO *found = count ? find_stored(conn, group, suspects, count, deadline_ms, err) : NULL;
    free(suspects);
    if (found)
        members_drop(group, found);
    return found ? (int64_t)db_count(found) : count ? -1 : 0;
}

/* Repeats mostly follow soon: what was committed lately is looked up first, so that they don't spoil the COPY. And they
 * come in clumps: where most are repeats, the rest is looked up too. */
static bool drop_repeats(struct db_conn *conn, struct group *group, int64_t deadline_ms, struct err *err) {
    int64_t found = drop_found(conn, group, true, deadline_ms, err);
    return found >= 0 &&
           (found <= (int64_t)group->count || drop_found(conn, group, false, deadline_ms, err) >= 0);
}

static bool partitions_ensure(struct db_conn *conn, struct commit_part *const *parts, size_t count,
                              int64_t deadline_ms, struct err *err) {
    for (size_t p = 0; p < count; p++)
        for (size_t t = 0; t < SCHEMA_TABLES; t++) {
            const struct batch_table *table = &parts[p]->batch.tables[t];
            int64_t last = -1;
            for (size_t i = 0; i < table->count; i++) {
                int64_t day = table->rows[i].ts / TICKS_DAY;
                if (day != last && !partition_ensure(conn, &schema_tables()[t], day, deadline_ms, err))
                    return false;
                last = day;
            }
        }
    return true;
}

/* What coverage counts: devices, rows, how late they came, columns that have values. */
static bool tally_group(struct db_conn *conn, const struct group *group, int64_t deadline_ms, struct err *err) {
    uint64_t filled[BATCH_FILLED] = {0};
    struct tally tally;
    tally_open(&tally, group->table_index, group->batches[0], group->arrived);
    for (size_t i = 0; i < group->count; i++) {
        const struct member *member = &group->members[i];
        const struct groups *groups = &group->parts[member->part]->batch.groups;
        bool known = recent_has(group->memory->presence, presence_key(member->row, group->table_index));
        tally_add(&tally, member->row, groups->names[member->row->group], !member->duplicate, known);
    }
    for (size_t p = 0; p < group->part_count; p++)
        for (size_t i = 0; i < BATCH_FILLED; i++)
            filled[i] |= group->parts[p]->batch.tables[group->table_index].filled[i];
    return tally_write(&tally, conn, deadline_ms, err) &&
           filled_write(conn, group->table_index, filled, deadline_ms, err);
}

/* What the batch's row says of all parts: which tables get rows, and between which event times. */
struct extent {
    unsigned tables;
    int64_t from, to; /* from > to: no rows */
    size_t most;      /* rows of one table */
};

static struct extent extent_of(struct commit_part *const *parts, size_t count) {
    struct extent extent = {.from = INT64_MAX, .to = INT64_MIN};
    size_t rows[SCHEMA_TABLES] = {0};
    for (size_t p = 0; p < count; p++)
        for (size_t t = 0; t < SCHEMA_TABLES; t++) {
            const struct batch_table *table = &parts[p]->batch.tables[t];
            rows[t] += table->count;
            extent.most = rows[t] > extent.most ? rows[t] : extent.most;
            extent.tables |= (unsigned)(table->count > 0) << t;
            for (size_t i = 0; i < table->count; i++) {
                extent.from = table->rows[i].ts < extent.from ? table->rows[i].ts : extent.from;
                extent.to = table->rows[i].ts > extent.to ? table->rows[i].ts : extent.to;
            }
        }
    return extent;
}

static bool batch_open(struct db_conn *conn, struct group *group, int64_t deadline_ms, struct err *err) {
    struct extent extent = extent_of(group->parts, group->part_count);
    char numbers[4][24];
    bool empty = extent.from > extent.to;
    snprintf(numbers[0], sizeof numbers[0], "%u", extent.tables);
    snprintf(numbers[1], sizeof numbers[1], "%" PRId64, extent.from);
    snprintf(numbers[2], sizeof numbers[2], "%" PRId64, extent.to);
    snprintf(numbers[3], sizeof numbers[3], "%zu", 1 + (extent.most >> ARRIVAL_SHIFT));
    struct str params[] = {str_from(numbers[0]), empty ? (struct str){0} : str_from(numbers[1]),
                           empty ? (struct str){0} : str_from(numbers[2]), str_from(numbers[3])};
    DB_ROWS_AUTO *batch = db_query(conn, db_statement("batch_open"), params, 4, deadline_ms, err);
    if (!batch)
        return false;
    free(group->batches); /* of an attempt before */
    group->batches = calloc(db_count(batch), sizeof *group->batches);
    if (!group->batches)
        return err_memory(err);
    for (size_t r = 0; r < db_count(batch); r++)
        group->batches[r] = db_int(batch, r, 0);
    group->arrived = db_int(batch, 0, 1);
    group->epoch = db_int(batch, 0, 2);
    return true;
}

/* Straight into the event table, which fails on a repeat that the memory doesn't know, or by way of staging. */
static bool write_rows(struct db_conn *conn, struct group *group, bool staged, int64_t deadline_ms, struct err *err) {
    if (staged)
        return stage(conn, group, deadline_ms, err) && insert_staged(conn, group, deadline_ms, err);
    if (!drop_repeats(conn, group, deadline_ms, err) ||
        (group->count && !copy_rows(conn, group, false, deadline_ms, err)))
        return false;
    count_stored(group);
    return true;
}

static bool write_table(struct db_conn *conn, struct group *group, bool staged, int64_t deadline_ms,
                        struct err *err) {
    if (!members_gather(group, err))
        return false;
    bool ok = !group->count || (write_rows(conn, group, staged, deadline_ms, err) &&
                                tally_group(conn, group, deadline_ms, err));
    free(group->members);
    return ok;
}

static bool is_stale(const struct group *group) {
    for (size_t p = 0; p < group->part_count; p++)
        if (group->parts[p]->batch.epoch != group->epoch)
            return true;
    return false;
}

static bool write_all(struct db_conn *conn, struct group *group, bool staged, int64_t deadline_ms, struct err *err) {
    if (!batch_open(conn, group, deadline_ms, err))
        return false;
    if (is_stale(group))
        return err_set(err, ERR_DATABASE_RETRY, "dictionary values were deleted meanwhile");
    for (size_t p = 0; p < group->part_count; p++) {
        memset(group->parts[p]->stored, 0, sizeof group->parts[p]->stored);
        memset(group->parts[p]->duplicate, 0, sizeof group->parts[p]->duplicate);
    }
    if (!letters_write(conn, group->parts, group->part_count, deadline_ms, err))
        return false;
    for (size_t t = 0; t < SCHEMA_TABLES; t++) {
        group->table = &schema_tables()[t];
        group->table_index = t;
        if (!write_table(conn, group, staged, deadline_ms, err))
            return false;
    }
    return true;
}

static void remember(const struct group *group) {
    for (size_t p = 0; p < group->part_count; p++)
        for (size_t t = 0; t < SCHEMA_TABLES; t++) {
            const struct batch_table *table = &group->parts[p]->batch.tables[t];
            for (size_t i = 0; i < table->count; i++) {
                recent_add(group->memory->events, event_key(&table->rows[i], t));
                recent_add(group->memory->presence, presence_key(&table->rows[i], t));
            }
        }
}

/* Waits for those under way that bring rows of its own. */
static struct flight *take_off(const struct group *group, int64_t deadline_ms, struct err *err) {
    size_t total = 0;
    for (size_t p = 0; p < group->part_count; p++)
        for (size_t t = 0; t < SCHEMA_TABLES; t++)
            total += group->parts[p]->batch.tables[t].count;
    struct flight *flight = flight_new(total, err);
    for (size_t p = 0; flight && p < group->part_count; p++)
        for (size_t t = 0; t < SCHEMA_TABLES; t++)
            for (size_t i = 0; i < group->parts[p]->batch.tables[t].count; i++)
                flight_add(flight, event_key(&group->parts[p]->batch.tables[t].rows[i], t));
    if (flight)
        flight_start(group->memory->flights, flight, deadline_ms);
    return flight;
}

static bool write_or_roll_back(struct db_conn *conn, struct group *group, bool staged, int64_t deadline_ms,
                               struct err *err) {
    if (!db_begin(conn, "", deadline_ms, err))
        return false;
    if (write_all(conn, group, staged, deadline_ms, err))
        return true;
    db_rollback(conn);
    return false;
}

/* Straight, or by way of staging where that met a repeat. */
static bool write_group(struct db_conn *conn, struct group *group, int64_t deadline_ms, struct commit_end *end,
                        struct err *err) {
    bool ok = write_or_roll_back(conn, group, false, deadline_ms, err);
    if (!ok && strcmp(err->sqlstate, "23505") == 0)
        ok = write_or_roll_back(conn, group, true, deadline_ms, err);
    if (!ok && strcmp(err->sqlstate, "23505") == 0) /* someone wrote the same keys meanwhile */
        err->code = ERR_DATABASE_RETRY;
    if (!ok && strcmp(err->sqlstate, "23514") == 0) { /* a partition that was there has been dropped by someone */
        partition_forget(conn);
        recent_clear(group->memory->presence);
        err->code = ERR_DATABASE_RETRY;
    }
    *end = (struct commit_end){.stale = !ok && group->epoch >= 0 && is_stale(group), .epoch = group->epoch};
    return ok;
}

struct commit {
    struct db_conn *conn;
    struct group group;
    struct flight *flight;
};

static void commit_free(struct commit *commit) {
    flight_end(commit->group.memory->flights, commit->flight);
    free(commit->group.batches);
    free(commit);
}

struct commit *commit_write(struct db_conn *conn, struct commit_memory *memory, struct commit_part *const *parts,
                            size_t count, int64_t deadline_ms, struct commit_end *end, struct err *err) {
    *end = (struct commit_end){0};
    if (!partitions_ensure(conn, parts, count, deadline_ms, err))
        return NULL;
    struct commit *commit = calloc(1, sizeof *commit);
    if (!commit) {
        err_memory(err);
        return NULL;
    }
    commit->conn = conn;
    commit->group = (struct group){.parts = parts, .part_count = count, .memory = memory, .epoch = -1};
    commit->flight = take_off(&commit->group, deadline_ms, err);
    if (commit->flight && write_group(conn, &commit->group, deadline_ms, end, err))
        return commit;
    commit_free(commit);
    return NULL;
}

bool commit_finish(struct commit *commit, int64_t deadline_ms, struct commit_end *end, struct err *err) {
    const struct group *group = &commit->group;
    bool ok = db_commit(commit->conn, deadline_ms, &end->unknown, err);
    if (ok)
        remember(group);
    for (size_t p = 0; ok && p < group->part_count; p++)
        for (size_t t = 0; t < SCHEMA_TABLES; t++)
            filled_remember(commit->conn, t, group->parts[p]->batch.tables[t].filled);
    commit_free(commit);
    return ok;
}
