#include "store/letters.h"

#include "store/array.h"

enum { LETTER_FIELDS = 6 };

static void letter_add(struct buf arrays[LETTER_FIELDS], const struct commit_part *part,
                       const struct rejected *rejected) {
    array_add(&arrays[0], str_from(err_name(rejected->code)));
    array_add(&arrays[1], rejected->message);
    array_add(&arrays[2], str_from(rejected->table ? rejected->table->name : ""));
    array_add_bytea(&arrays[3], part->csv_header);
    array_add(&arrays[4], str_from(part->zone ? part->zone->name : ""));
    array_add_bytea(&arrays[5], rejected->raw);
}

static bool letters_insert(struct db_conn *conn, struct commit_part *const *parts, size_t count,
                           const struct str *params, int64_t deadline_ms, struct err *err) {
    DB_ROWS_AUTO *rows = db_query(conn, db_statement("dead_letters_insert"), params, LETTER_FIELDS, deadline_ms, err);
    size_t next = 0;
    for (size_t p = 0; rows && p < count; p++)
        for (size_t i = 0; i < parts[p]->rejected_count && next < db_count(rows); i++)
            parts[p]->rejected[i].dead_letter = db_int(rows, next++, 0);
    return rows != NULL;
}

bool letters_write(struct db_conn *conn, struct commit_part *const *parts, size_t count, int64_t deadline_ms,
                   struct err *err) {
    struct buf arrays[LETTER_FIELDS];
    struct str params[LETTER_FIELDS];
    size_t total = 0;
    bool ok = true;
    for (size_t i = 0; i < LETTER_FIELDS; i++)
        arrays[i] = BUF(512u << 20);
    for (size_t p = 0; p < count; p++)
        for (size_t i = 0; i < parts[p]->rejected_count; i++, total++)
            letter_add(arrays, parts[p], &parts[p]->rejected[i]);
    for (size_t i = 0; i < LETTER_FIELDS; i++) {
        array_end(&arrays[i]);
        ok = ok && !arrays[i].failed;
        params[i] = buf_str(&arrays[i]);
    }
    if (!ok)
        err_memory(err);
    else if (total)
        ok = letters_insert(conn, parts, count, params, deadline_ms, err);
    for (size_t i = 0; i < LETTER_FIELDS; i++)
        buf_free(&arrays[i]);
    return ok;
}
