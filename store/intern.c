#include "store/intern.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "store/array.h"
#include "store/id_cache.h"

enum { TRIES = 4, SHARED_PLACES = 3 << 20 };

struct cache {
    pthread_mutex_t lock;
    struct id_cache *ids;
};

struct intern {
    _Atomic int64_t epoch; /* changed under all locks */
    atomic_llong spare;    /* places that caches may still take */
    struct cache caches[DICT_COUNT];
};

static void caches_free(struct intern *intern) {
    for (size_t i = 0; intern && i < DICT_COUNT; i++)
        id_cache_free(intern->caches[i].ids);
}

static bool caches_init(struct intern *intern, struct err *err) {
    for (size_t i = 0; i < DICT_COUNT; i++) {
        pthread_mutex_init(&intern->caches[i].lock, NULL);
        intern->caches[i].ids = id_cache_new(&intern->spare, err);
        if (!intern->caches[i].ids)
            return false;
    }
    return true;
}

struct intern *intern_new(struct err *err) {
    struct intern *intern = calloc(1, sizeof *intern);
    if (!intern) {
        err_memory(err);
        return NULL;
    }
    intern->spare = SHARED_PLACES;
    if (caches_init(intern, err))
        return intern;
    caches_free(intern);
    free(intern);
    return NULL;
}

void intern_free(struct intern *intern) {
    caches_free(intern);
    free(intern);
}

int64_t intern_epoch(const struct intern *intern) {
    return atomic_load(&intern->epoch);
}

void intern_renew(struct intern *intern, int64_t epoch) {
    for (size_t i = 0; i < DICT_COUNT; i++)
        pthread_mutex_lock(&intern->caches[i].lock);
    if (atomic_load(&intern->epoch) != epoch) {
        for (size_t i = 0; i < DICT_COUNT; i++)
            id_cache_clear(intern->caches[i].ids);
        atomic_store(&intern->epoch, epoch);
    }
    for (size_t i = DICT_COUNT; i > 0; i--)
        pthread_mutex_unlock(&intern->caches[i - 1].lock);
}

void intern_prefetch(const struct intern *intern, enum schema_dictionary_id dictionary, const struct tuple_digest *digest) {
    id_cache_prefetch(intern->caches[dictionary].ids, digest);
}

bool intern_find(struct intern *intern, enum schema_dictionary_id dictionary, const struct tuple_digest *digest,
                 int32_t *id) {
    static const struct tuple_digest empty;
    struct cache *cache = &intern->caches[dictionary];
    *id = 0;
    if (memcmp(digest, &empty, sizeof empty) == 0)
        return true;
    pthread_mutex_lock(&cache->lock);
    *id = id_cache_find(cache->ids, digest);
    pthread_mutex_unlock(&cache->lock);
    return *id != 0;
}

static void cache_add(struct intern *intern, enum schema_dictionary_id dictionary, const struct tuple_digest *digest,
                      int32_t id, int64_t epoch) {
    struct cache *cache = &intern->caches[dictionary];
    pthread_mutex_lock(&cache->lock);
    if (atomic_load(&intern->epoch) == epoch) /* else the id may have been deleted meanwhile */
        id_cache_add(cache->ids, digest, id);
    pthread_mutex_unlock(&cache->lock);
}

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

static void take_ids(struct intern *intern, int64_t epoch, enum schema_dictionary_id dictionary, const struct db_rows *rows,
                     struct intern_miss *misses, size_t count) {
    for (size_t row = 0; row < db_count(rows); row++) {
        struct tuple_digest digest;
        digest_read(db_text(rows, row, 1), &digest);
        struct intern_miss *miss = bsearch(&digest, misses, count, sizeof *misses, compare_digest);
        if (!miss)
            continue;
        miss->id = (int32_t)db_int(rows, row, 0);
        cache_add(intern, dictionary, &digest, miss->id, epoch);
    }
}

static bool find_known(struct intern *intern, int64_t epoch, struct db_conn *conn, enum schema_dictionary_id dictionary,
                       struct intern_miss *misses, size_t count, int64_t deadline_ms, struct err *err) {
    BUF_AUTO sql = BUF(4096), digests = BUF(256u << 20);
    char text[33];
    for (size_t i = 0; i < count; i++) {
        if (misses[i].id)
            continue;
        digest_text(&misses[i].digest, text);
        array_add(&digests, (struct str){text, 32});
    }
    if (!digests.len)
        return true;
    array_end(&digests);
    /* OFFSET 0 keeps it at one index probe a value: the planner would rather read a whole small dictionary each time */
    buf_printf(&sql, "SELECT d.id, d.digest FROM unnest($1::uuid[]) AS k (digest) CROSS JOIN LATERAL (SELECT id, digest FROM "
               "dict.%s WHERE digest = k.digest OFFSET 0) d", schema_dictionary(dictionary)->name);
    struct str param = buf_str(&digests);
    DB_ROWS_AUTO *rows = sql.failed || digests.failed ? (err_memory(err), NULL)
                                                      : db_query(conn, buf_cstr(&sql), &param, 1, deadline_ms, err);
    if (rows)
        take_ids(intern, epoch, dictionary, rows, misses, count);
    return rows != NULL;
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
    /* One writer at a time, so that ids come in the order of commits: "all up to this id" is what verdict.c goes by. */
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

/* Inserts what has no id yet. The transaction needs no flush of its own: the events' COMMIT comes later in the log. */
static bool insert_new(struct intern *intern, int64_t epoch, struct db_conn *conn, enum schema_dictionary_id id,
                       struct intern_miss *misses, size_t count, int64_t deadline_ms, struct err *err) {
    const struct schema_dictionary *dictionary = schema_dictionary(id);
    BUF_AUTO sql = BUF(8192);
    struct buf arrays[SCHEMA_MAX_FIELDS + 1];
    struct str params[SCHEMA_MAX_FIELDS + 1];
    char text[33];
    bool ok = insert_sql(dictionary, &sql), unknown = false;
    for (size_t f = 0; f <= dictionary->field_count; f++)
        arrays[f] = BUF(256u << 20);
    for (size_t i = 0; i < count; i++) {
        if (misses[i].id)
            continue;
        digest_text(&misses[i].digest, text);
        array_add(&arrays[0], (struct str){text, 32});
        for (size_t f = 0; f < dictionary->field_count; f++)
            add_member(&arrays[f + 1], &dictionary->fields[f], &misses[i].members[f]);
    }
    bool any = arrays[0].len > 0;
    for (size_t f = 0; f <= dictionary->field_count; f++) {
        array_end(&arrays[f]);
        params[f] = buf_str(&arrays[f]);
        ok = ok && !arrays[f].failed;
    }
    if (!ok)
        err_memory(err);
    if (ok && any) {
        ok = db_begin(conn, "", deadline_ms, err) &&
             db_exec(conn, "SET LOCAL synchronous_commit = off", NULL, 0, deadline_ms, NULL, err);
        DB_ROWS_AUTO *rows =
            ok ? db_query(conn, sql.ptr, params, dictionary->field_count + 1, deadline_ms, err) : NULL;
        ok = rows && db_commit(conn, deadline_ms, &unknown, err);
        if (ok)
            take_ids(intern, epoch, id, rows, misses, count);
        else
            db_rollback(conn);
    }
    for (size_t f = 0; f <= dictionary->field_count; f++)
        buf_free(&arrays[f]);
    return ok;
}

static bool is_resolved(const struct intern_miss *misses, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (!misses[i].id)
            return false;
    return true;
}

/* A value that another writer inserted first is found the next time round, unless it has been collected meanwhile. */
bool intern_resolve(struct intern *intern, int64_t epoch, struct db_conn *conn, enum schema_dictionary_id dictionary,
                    struct intern_miss *misses, size_t count, int64_t deadline_ms, struct err *err) {
    for (int try = 0; try < TRIES && !is_resolved(misses, count); try++)
        if (!find_known(intern, epoch, conn, dictionary, misses, count, deadline_ms, err) ||
            !insert_new(intern, epoch, conn, dictionary, misses, count, deadline_ms, err))
            return false;
    return is_resolved(misses, count) ||
           err_set(err, ERR_DATABASE_RETRY, "dict.%s: values are deleted as fast as they come; send the body again",
                   schema_dictionary(dictionary)->name);
}
