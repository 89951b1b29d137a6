#include "hunts/summary.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/mem.h"
#include "store/array.h"

static bool report_add(struct arena *arena, struct summary *summary, int64_t report) {
    int64_t *grown =
        arena_grow(arena, summary->reports, summary->report_count, 1, &summary->report_room, sizeof *grown);
    if (!grown)
        return false;
    summary->reports = grown;
    summary->reports[summary->report_count++] = report;
    return true;
}

/* make_set's JSON array of integers. */
static bool reports_add(struct arena *arena, struct summary *summary, struct str json) {
    size_t at = 0;
    while (at < json.len) {
        size_t from = at;
        while (at < json.len && (json.ptr[at] == '-' || (json.ptr[at] >= '0' && json.ptr[at] <= '9')))
            at++;
        long long report;
        if (at > from && str_to_int64((struct str){json.ptr + from, at - from}, &report) &&
            !report_add(arena, summary, report))
            return false;
        at += at == from;
    }
    return true;
}

static void time_add(struct summary *summary, const struct db_rows *rows, size_t row, size_t column, bool first,
                     bool last) {
    if (db_is_null(rows, row, column))
        return;
    int64_t ticks = db_int(rows, row, column);
    if (first && (summary->first < 0 || ticks < summary->first))
        summary->first = ticks;
    if (last && ticks > summary->last)
        summary->last = ticks;
}

/* The latest time in the row; -1: it has none. */
static int64_t row_time(const struct summaries *table, size_t row) {
    const struct kql_program *program = table->context->program;
    int64_t latest = -1;
    for (size_t c = 0; c < program->column_count; c++) {
        enum kql_role role = program->columns[c].role;
        if ((role == ROLE_LAST || role == ROLE_TIMESTAMP) && !db_is_null(table->rows, row, c) &&
            db_int(table->rows, row, c) > latest)
            latest = db_int(table->rows, row, c);
    }
    return latest;
}

/* A device that was renamed goes by its newest name. */
static void name_add(const struct summaries *table, struct summary *summary, struct str name, size_t row) {
    int64_t time = name.len ? row_time(table, row) : -1;
    if (!name.len || (summary->device_name.len && time <= summary->named_at))
        return;
    summary->device_name = name;
    summary->named_at = time;
}

bool summary_add_row(const struct summaries *table, struct summary *summary, size_t row) {
    const struct kql_program *program = table->context->program;
    struct str name = {0};
    int64_t count = 1;
    bool ok = true, counted = false, named = false; /* a join has them of its right side, too, behind its left one's */
    for (size_t c = 0; c < program->column_count; c++)
        switch (program->columns[c].role) {
        case ROLE_DEVICE_ID:
            summary->device_id = named ? summary->device_id : db_text(table->rows, row, c);
            named = true;
            break;
        case ROLE_DEVICE_NAME:
            if (!name.len)
                name = db_text(table->rows, row, c);
            break;
        case ROLE_FIRST: time_add(summary, table->rows, row, c, true, false); break;
        case ROLE_LAST: time_add(summary, table->rows, row, c, false, true); break;
        case ROLE_TIMESTAMP: time_add(summary, table->rows, row, c, true, true); break;
        case ROLE_REPORTS: ok = ok && reports_add(table->arena, summary, db_text(table->rows, row, c)); break;
        case ROLE_REPORT:
            ok = ok && (db_is_null(table->rows, row, c) ||
                        report_add(table->arena, summary, db_int(table->rows, row, c)));
            break;
        case ROLE_COUNT:
            count = counted ? count : db_int(table->rows, row, c);
            counted = true;
            break;
        case ROLE_NONE:
        case ROLE_KEY: break;
        }
    name_add(table, summary, name, row);
    summary->count += count;
    return ok;
}

static int compare_int64(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

void summary_finish(struct summary *summary) {
    size_t kept = 0;
    mem_sort(summary->reports, summary->report_count, sizeof *summary->reports, compare_int64);
    for (size_t i = 0; i < summary->report_count; i++)
        if (!kept || summary->reports[kept - 1] != summary->reports[i])
            summary->reports[kept++] = summary->reports[i];
    summary->report_count = kept;
}

struct keyed_row {
    struct str key;
    size_t row;
};

/* Groups of a device come in the order of their keys, as the database gives rows in any order. */
static int compare_rows(const void *a, const void *b, void *arg) {
    const struct keyed_row *x = a, *y = b;
    const struct summaries *table = arg;
    const struct kql_program *program = table->context->program;
    int order = str_cmp(x->key, y->key);
    for (size_t c = 0; !order && c < program->column_count; c++)
        if (program->columns[c].role == ROLE_KEY || program->columns[c].role == ROLE_DEVICE_NAME)
            order = str_cmp(db_text(table->rows, x->row, c), db_text(table->rows, y->row, c));
    return order ? order : (x->row > y->row) - (x->row < y->row);
}

static bool summaries_fill(struct summaries *table, const struct keyed_row *keyed, size_t *places, size_t count) {
    struct device *device = NULL;
    for (size_t i = 0; i < count; i++) {
        places[i] = keyed[i].row;
        if (!device || !str_eq(keyed[i].key, keyed[i - 1].key)) {
            device = &table->devices[table->device_count++];
            *device = (struct device){.total = {.first = -1, .last = -1, .named_at = -1}, .rows = &places[i]};
        }
        device->row_count++;
        if (!summary_add_row(table, &device->total, keyed[i].row))
            return false;
    }
    for (size_t i = 0; i < table->device_count; i++)
        summary_finish(&table->devices[i].total);
    return true;
}

static int role_column(const struct kql_program *program, enum kql_role role) {
    for (size_t c = 0; c < program->column_count; c++)
        if (program->columns[c].role == role)
            return (int)c;
    return -1;
}

bool summaries_make(struct summaries *table, enum kql_role by, struct err *err) {
    size_t count = db_count(table->rows);
    int column = role_column(table->context->program, by);
    table->keyed = role_column(table->context->program, ROLE_KEY) >= 0;
    if (column < 0 || !count)
        return true;
    struct keyed_row *keyed = arena_array(table->arena, count, sizeof *keyed);
    size_t *places = arena_array(table->arena, count, sizeof *places);
    table->devices = arena_array(table->arena, count, sizeof *table->devices);
    if (!keyed || !places || !table->devices)
        return err_memory(err);
    for (size_t r = 0; r < count; r++)
        keyed[r] = (struct keyed_row){db_text(table->rows, r, (size_t)column), r};
    qsort_r(keyed, count, sizeof *keyed, compare_rows, table);
    return summaries_fill(table, keyed, places, count) || err_memory(err);
}
