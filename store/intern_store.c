#include "store/intern_store.h"

#include <stdlib.h>

#include "base/mem.h"
#include "store/array.h"
#include "store/copy.h"

/* COPY_ROWS: COPY makes a slot for each of its first thousand rows and notes it in a table where all of them collide, so
 * that until there its time grows with the square of the rows. */
enum { SQL_CAP = 8192, DATA_CAP = 256 << 20, COPY_ROWS = 256 };

static void digest_text(const struct tuple_digest *digest, char out[33]) {
    static const char hex[] = "0123456789abcdef";
    for (size_t i = 0; i < 16; i++) {
        out[2 * i] = hex[digest->bytes[i] >> 4];
        out[2 * i + 1] = hex[digest->bytes[i] & 15];
    }
    out[32] = '\0';
}

/* PostgreSQL prints a uuid with dashes. */
static void digest_read(struct str text, struct tuple_digest *digest) {
    unsigned nibbles = 0;
    *digest = (struct tuple_digest){{0}};
    for (size_t i = 0; i < text.len && nibbles < 32; i++) {
        char c = text.ptr[i];
        if (c == '-')
            continue;
        unsigned value = (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
        digest->bytes[nibbles / 2] = (unsigned char)(digest->bytes[nibbles / 2] | value << (nibbles % 2 ? 0 : 4));
        nibbles++;
    }
}

static int compare_digest(const void *digest, const void *miss) {
    return memcmp(digest, &((const struct intern_miss *)miss)->digest, sizeof(struct tuple_digest));
}

/* Rows of id and digest. */
static void take_ids(const struct db_rows *rows, struct intern_miss *misses, size_t count) {
    for (size_t row = 0; row < db_count(rows); row++) {
        struct tuple_digest digest;
        digest_read(db_text(rows, row, 1), &digest);
        struct intern_miss *miss = bsearch(&digest, misses, count, sizeof *misses, compare_digest);
        if (miss)
            miss->id = (int32_t)db_int(rows, row, 0);
    }
}

bool intern_look(struct db_conn *conn, const struct schema_dictionary *dictionary, struct intern_miss *misses, size_t count,
                 int64_t deadline_ms, struct err *err) {
    BUF_AUTO sql = BUF(SQL_CAP), digests = BUF(DATA_CAP);
    char text[33];
    for (size_t i = 0; i < count; i++) {
        if (misses[i].id)
            continue;
        digest_text(&misses[i].digest, text);
        array_add(&digests, (struct str){text, 32});
    }
    array_end(&digests);
    /* OFFSET 0 keeps it at one index probe a value: the planner would rather read a whole small dictionary each time */
    buf_printf(&sql, "SELECT d.id, d.digest FROM unnest($1::uuid[]) AS k (digest) CROSS JOIN LATERAL (SELECT id, digest FROM "
               "dict.%s WHERE digest = k.digest OFFSET 0) d", dictionary->name);
    struct str param = buf_str(&digests);
    DB_ROWS_AUTO *rows = sql.failed || digests.failed ? (err_memory(err), NULL)
                                                      : db_query(conn, buf_cstr(&sql), &param, 1, deadline_ms, err);
    take_ids(rows, misses, count);
    return rows != NULL;
}

/* Makes this the dictionary's only writer and takes that many ids off its sequence in one step; gives the first. */
static bool ids_take(struct db_conn *conn, const struct schema_dictionary *dictionary, size_t count, int32_t *first,
                     int64_t deadline_ms, struct err *err) {
    BUF_AUTO sql = BUF(SQL_CAP), number = BUF(24);
    buf_printf(&number, "%zu", count);
    buf_printf(&sql,
               "SELECT setval(s.name, nextval(s.name) + $1::bigint - 1) - $1::bigint + 1 FROM (SELECT FROM dict.%s WHERE id = 0 "
               "FOR UPDATE) held CROSS JOIN (SELECT pg_get_serial_sequence('dict.%s', 'id')::regclass) AS s (name)",
               dictionary->name, dictionary->name);
    struct str param = buf_str(&number);
    if (number.failed || !buf_cstr(&sql))
        return err_memory(err);
    DB_ROWS_AUTO *rows = db_query(conn, sql.ptr, &param, 1, deadline_ms, err);
    if (rows && !db_count(rows))
        return err_set(err, ERR_DATABASE, "dict.%s has no row 0: the database is not whole", dictionary->name);
    *first = rows ? (int32_t)db_int(rows, 0, 0) : 0;
    return rows != NULL;
}

static void copy_row(struct buf *data, const struct schema_dictionary *dictionary, const struct intern_miss *miss, int32_t id) {
    buf_add_be16(data, (uint16_t)(dictionary->field_count + 2));
    copy_int32(data, id);
    buf_add_be32(data, sizeof miss->digest);
    buf_add(data, miss->digest.bytes, sizeof miss->digest);
    for (size_t f = 0; f < dictionary->field_count; f++)
        if (miss->members[f].kind == VALUE_NULL && dictionary->fields[f].type == KQL_STRING)
            buf_add_be32(data, 0);
        else
            copy_value(data, dictionary->fields[f].type, &miss->members[f]);
}

static bool copy_send(struct db_conn *conn, const char *sql, struct buf *data, int64_t deadline_ms, struct err *err) {
    copy_trailer(data);
    if (data->failed)
        return err_memory(err);
    bool ok = db_copy_start(conn, sql, deadline_ms, err) && db_copy_data(conn, buf_str(data), deadline_ms, err) &&
              db_copy_end(conn, deadline_ms, err);
    data->len = 0;
    return ok;
}

/* Those without an id, under ids from this one on. */
static bool copy_rows(struct db_conn *conn, const struct schema_dictionary *dictionary, const struct intern_miss *misses,
                      size_t count, int32_t id, int64_t deadline_ms, struct err *err) {
    BUF_AUTO sql = BUF(SQL_CAP), data = BUF(DATA_CAP);
    size_t rows = 0;
    bool ok = true;
    buf_printf(&sql, "COPY dict.%s (id, digest", dictionary->name);
    for (size_t f = 0; f < dictionary->field_count; f++)
        buf_printf(&sql, ", %s", dictionary->fields[f].sql);
    buf_printf(&sql, ") FROM STDIN (FORMAT binary)");
    if (!buf_cstr(&sql))
        return err_memory(err);
    for (size_t i = 0; ok && i < count; i++) {
        if (misses[i].id)
            continue;
        if (!data.len)
            copy_header(&data);
        copy_row(&data, dictionary, &misses[i], id++);
        if (++rows % COPY_ROWS == 0)
            ok = copy_send(conn, sql.ptr, &data, deadline_ms, err);
    }
    return ok && ((!data.len && !data.failed) || copy_send(conn, sql.ptr, &data, deadline_ms, err));
}

bool intern_copy(struct db_conn *conn, const struct schema_dictionary *dictionary, struct intern_miss *misses, size_t count,
                 bool *repeat, int64_t deadline_ms, struct err *err) {
    size_t wanted = 0;
    int32_t id = 0;
    bool unknown = false;
    for (size_t i = 0; i < count; i++)
        wanted += misses[i].id == 0;
    /* flushed when it ends: this process keeps ids in memory, so they must outlive a crash of PostgreSQL */
    bool ok = db_begin_briefly(conn, "", deadline_ms, err) &&
              ids_take(conn, dictionary, wanted, &id, deadline_ms, err) &&
              copy_rows(conn, dictionary, misses, count, id, deadline_ms, err);
    *repeat = !ok && strcmp(err->sqlstate, "23505") == 0;
    if (!ok || !db_commit(conn, deadline_ms, &unknown, err)) {
        db_rollback(conn);
        return false;
    }
    for (size_t i = 0; i < count; i++)
        if (!misses[i].id)
            misses[i].id = id++;
    return true;
}

static const char *array_type(enum kql_type type) {
    if (type == KQL_STRING)
        return "text[]";
    return type == KQL_BOOL ? "boolean[]" : "bigint[]";
}

static bool insert_sql(const struct schema_dictionary *dictionary, struct buf *sql) {
    buf_printf(sql, "INSERT INTO dict.%s (digest", dictionary->name);
    for (size_t f = 0; f < dictionary->field_count; f++)
        buf_printf(sql, ", %s", dictionary->fields[f].sql);
    buf_printf(sql, ") SELECT u.* FROM (SELECT FROM dict.%s WHERE id = 0 FOR UPDATE) held CROSS JOIN unnest($1::uuid[]",
               dictionary->name);
    for (size_t f = 0; f < dictionary->field_count; f++)
        buf_printf(sql, ", $%zu::%s", f + 2, array_type(dictionary->fields[f].type));
    buf_printf(sql, ") AS u(digest) ORDER BY u.digest ON CONFLICT (digest) DO NOTHING RETURNING id, digest");
    return buf_cstr(sql) != NULL;
}

static void add_member(struct buf *array, const struct schema_field *field, const struct value *value) {
    if (value->kind == VALUE_TEXT)
        array_add(array, value->text);
    else if (value->kind == VALUE_NULL)
        field->type == KQL_STRING ? array_add(array, STR("")) : array_add_null(array);
    else if (field->type == KQL_BOOL)
        array_add(array, value->number ? STR("t") : STR("f"));
    else
        array_add_int(array, value->number);
}

/* An array a column: digests, then the fields. */
static bool arrays_fill(struct buf *arrays, const struct schema_dictionary *dictionary, const struct intern_miss *misses,
                        size_t count) {
    char text[33];
    bool ok = true;
    for (size_t i = 0; i < count; i++) {
        if (misses[i].id)
            continue;
        digest_text(&misses[i].digest, text);
        array_add(&arrays[0], (struct str){text, 32});
        for (size_t f = 0; f < dictionary->field_count; f++)
            add_member(&arrays[f + 1], &dictionary->fields[f], &misses[i].members[f]);
    }
    for (size_t f = 0; f <= dictionary->field_count; f++) {
        array_end(&arrays[f]);
        ok = ok && !arrays[f].failed;
    }
    return ok;
}

static bool arrays_insert(struct db_conn *conn, const struct schema_dictionary *dictionary, const struct buf *arrays,
                          struct intern_miss *misses, size_t count, int64_t deadline_ms, struct err *err) {
    BUF_AUTO sql = BUF(SQL_CAP);
    struct str params[SCHEMA_MAX_FIELDS + 1];
    bool unknown = false;
    for (size_t f = 0; f <= dictionary->field_count; f++)
        params[f] = buf_str(&arrays[f]);
    if (!insert_sql(dictionary, &sql))
        return err_memory(err);
    DB_ROWS_AUTO *rows = db_begin_briefly(conn, "", deadline_ms, err)
                             ? db_query(conn, sql.ptr, params, dictionary->field_count + 1, deadline_ms, err)
                             : NULL;
    if (!rows || !db_commit(conn, deadline_ms, &unknown, err)) {
        db_rollback(conn);
        return false;
    }
    take_ids(rows, misses, count);
    return true;
}

bool intern_insert(struct db_conn *conn, const struct schema_dictionary *dictionary, struct intern_miss *misses,
                   size_t count, int64_t deadline_ms, struct err *err) {
    struct buf arrays[SCHEMA_MAX_FIELDS + 1];
    for (size_t f = 0; f <= dictionary->field_count; f++)
        arrays[f] = BUF(DATA_CAP);
    bool ok = arrays_fill(arrays, dictionary, misses, count)
                  ? arrays_insert(conn, dictionary, arrays, misses, count, deadline_ms, err)
                  : err_memory(err);
    for (size_t f = 0; f <= dictionary->field_count; f++)
        buf_free(&arrays[f]);
    return ok;
}
