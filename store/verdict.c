#include "store/verdict.h"

#include <sodium.h>
#include <stdlib.h>

#include "base/mem.h"
#include "store/array.h"
#include "store/internal.h"
#include "store/verdict_scan.h"

enum { CHAINS = 4096, ENTRIES_MOST = 50000, IDS_MOST = 64 << 20, SQL_CAP = 4096, ADVANCE_ARENA = 64 << 20 };

struct entry {
    struct entry *next;
    unsigned char key[VERDICT_KEY];
    enum kql_form form;
    int32_t upto;
    int32_t *ids;
    size_t count;
};

struct verdicts {
    pthread_mutex_t lock;
    struct entry *chains[CHAINS];
    size_t entries, ids; /* kept in all */
};

/* A request: predicates of all programs, and the distinct ones among them. */
struct reading {
    struct verdicts *verdicts;
    struct arena *arena;
    const struct kql_predicate **predicates;
    struct verdict_want *wants;
    struct verdict_want **sorted; /* by key; room for all */
    size_t *want_of;              /* by predicate: place in wants */
    size_t count, want_count;
    int32_t last[DICT_COUNT];     /* newest id; -1: not asked for */
    int32_t most;                 /* values of a dictionary to decide; 0: all */
    bool more;                    /* values are left */
};

static void entries_clear(struct verdicts *verdicts) {
    for (size_t c = 0; c < CHAINS; c++)
        while (verdicts->chains[c]) {
            struct entry *next = verdicts->chains[c]->next;
            free(verdicts->chains[c]->ids);
            free(verdicts->chains[c]);
            verdicts->chains[c] = next;
        }
    verdicts->entries = verdicts->ids = 0;
}

void verdicts_free(struct verdicts *verdicts) {
    if (!verdicts)
        return;
    entries_clear(verdicts);
    pthread_mutex_destroy(&verdicts->lock);
    free(verdicts);
}

struct verdicts *verdicts_new(void) {
    struct verdicts *verdicts = calloc(1, sizeof *verdicts);
    if (verdicts)
        pthread_mutex_init(&verdicts->lock, NULL);
    return verdicts;
}

/* What makes a predicate the same one: dictionary, SQL and parameters. */
static void key_make(const struct kql_predicate *predicate, unsigned char key[VERDICT_KEY]) {
    crypto_generichash_state hash;
    const char *name = schema_dictionary(predicate->slot->dictionary)->name;
    crypto_generichash_init(&hash, NULL, 0, VERDICT_KEY);
    crypto_generichash_update(&hash, (const unsigned char *)name, strlen(name) + 1);
    crypto_generichash_update(&hash, (const unsigned char *)predicate->sql.ptr, predicate->sql.len);
    for (size_t i = 0; i < predicate->param_count; i++) {
        uint64_t length = predicate->params[i].ptr ? predicate->params[i].len : UINT64_MAX;
        crypto_generichash_update(&hash, (const unsigned char *)&length, sizeof length);
        if (predicate->params[i].len)
            crypto_generichash_update(&hash, (const unsigned char *)predicate->params[i].ptr, predicate->params[i].len);
    }
    crypto_generichash_final(&hash, key, VERDICT_KEY);
}

static struct entry **entry_find(struct verdicts *verdicts, const unsigned char *key) {
    struct entry **at = &verdicts->chains[(key[0] | (size_t)key[1] << 8) % CHAINS];
    while (*at && memcmp((*at)->key, key, VERDICT_KEY) != 0)
        at = &(*at)->next;
    return at;
}

static int compare_keys(const void *a, const void *b) {
    return memcmp(*(const unsigned char *const *)a, *(const unsigned char *const *)b, VERDICT_KEY);
}

/* Distinct predicates, with what is known of each. */
static bool wants_make(struct reading *reading) {
    unsigned char(*keys)[VERDICT_KEY] = arena_array(reading->arena, reading->count + 1, VERDICT_KEY);
    const unsigned char **order = arena_array(reading->arena, reading->count + 1, sizeof *order);
    reading->wants = arena_array(reading->arena, reading->count + 1, sizeof *reading->wants);
    reading->sorted = arena_array(reading->arena, reading->count + 1, sizeof *reading->sorted);
    reading->want_of = arena_array(reading->arena, reading->count + 1, sizeof *reading->want_of);
    if (!keys || !order || !reading->wants || !reading->sorted || !reading->want_of)
        return false;
    for (size_t i = 0; i < reading->count; i++) {
        key_make(reading->predicates[i], keys[i]);
        order[i] = keys[i];
    }
    mem_sort(order, reading->count, sizeof *order, compare_keys);
    for (size_t i = 0; i < reading->count; i++) {
        size_t place = (size_t)(order[i] - keys[0]) / VERDICT_KEY;
        if (!i || memcmp(order[i], order[i - 1], VERDICT_KEY) != 0) {
            struct verdict_want *want = &reading->wants[reading->want_count++];
            *want = (struct verdict_want){.predicate = reading->predicates[place], .form = KQL_AMONG, .upto = -1};
            memcpy(want->key, order[i], VERDICT_KEY);
        }
        reading->want_of[place] = reading->want_count - 1;
    }
    pthread_mutex_lock(&reading->verdicts->lock);
    for (size_t i = 0; i < reading->want_count; i++) {
        const struct entry *entry = *entry_find(reading->verdicts, reading->wants[i].key);
        if (entry) {
            reading->wants[i].form = entry->form;
            reading->wants[i].upto = entry->upto;
        }
    }
    pthread_mutex_unlock(&reading->verdicts->lock);
    return true;
}

/* The newest id of each dictionary that a predicate is over. */
static bool last_read(struct reading *reading, struct db_conn *conn, int64_t deadline_ms, struct err *err) {
    BUF_AUTO sql = BUF(SQL_CAP);
    for (size_t d = 0; d < DICT_COUNT; d++)
        reading->last[d] = -1;
    for (size_t i = 0; i < reading->want_count; i++)
        reading->last[reading->wants[i].predicate->slot->dictionary] = 0;
    for (size_t d = 0; d < DICT_COUNT; d++)
        if (reading->last[d] == 0)
            buf_printf(&sql, "%s(SELECT max(id) FROM dict.%s)", sql.len ? ", " : "SELECT ",
                       schema_dictionary((enum schema_dictionary_id)d)->name);
    DB_ROWS_AUTO *rows =
        buf_cstr(&sql) ? db_query_repeated(conn, sql.ptr, NULL, 0, deadline_ms, err) : (err_memory(err), NULL);
    for (size_t d = 0, column = 0; rows && d < DICT_COUNT; d++)
        if (reading->last[d] == 0)
            reading->last[d] = (int32_t)db_int(rows, 0, column++);
    return rows != NULL;
}

/* The values to decide begin with the oldest that a condition lacks. */
static void last_cap(struct reading *reading) {
    int32_t from[DICT_COUNT];
    mem_copy(from, reading->last, sizeof from);
    for (size_t i = 0; i < reading->want_count; i++) {
        const struct verdict_want *want = &reading->wants[i];
        int32_t *lowest = &from[want->predicate->slot->dictionary];
        if (want->form != KQL_HASHED && want->upto < *lowest)
            *lowest = want->upto;
    }
    for (size_t d = 0; d < DICT_COUNT; d++)
        if (reading->last[d] - from[d] > reading->most) {
            reading->last[d] = from[d] + reading->most;
            reading->more = true;
        }
}

static bool dictionary_scan(struct reading *reading, struct db_conn *conn, enum schema_dictionary_id dictionary,
                            int64_t deadline_ms, struct err *err) {
    size_t count = 0;
    for (size_t i = 0; i < reading->want_count; i++) {
        struct verdict_want *want = &reading->wants[i];
        if (want->predicate->slot->dictionary == dictionary && want->form != KQL_HASHED &&
            want->upto < reading->last[dictionary])
            reading->sorted[count++] = want;
    }
    return !count ||
           verdict_scan(conn, dictionary, reading->sorted, count, reading->last[dictionary], deadline_ms, err);
}

/* False when what others kept meanwhile and what we found can't be one list: they decided the other way round, or the
 * entry was cleared and doesn't reach up to where we began. */
static bool entry_continues(const struct entry *entry, const struct verdict_want *want, int32_t last) {
    if (!entry)
        return want->upto < 0;
    bool hashed = entry->form == KQL_HASHED || want->form == KQL_HASHED;
    return hashed || entry->upto >= last || (entry->form == want->form && entry->upto >= want->upto);
}

/* Appends what is new; another thread may have been quicker. The lock is held. */
static bool entry_keep(struct verdicts *verdicts, const struct verdict_want *want, int32_t last) {
    struct entry **at = entry_find(verdicts, want->key), *entry = *at;
    if (!entry) {
        entry = calloc(1, sizeof *entry);
        if (!entry)
            return false;
        memcpy(entry->key, want->key, VERDICT_KEY);
        entry->form = want->form;
        entry->upto = -1;
        *at = entry;
        verdicts->entries++;
    }
    if (entry->upto >= last || (entry->form != want->form && entry->form == KQL_HASHED))
        return true;
    int32_t *grown = reallocarray(entry->ids, entry->count + want->count + 1, sizeof *grown);
    if (!grown)
        return false;
    entry->ids = grown;
    for (size_t i = 0; i < want->count; i++)
        if (want->ids[i] > entry->upto)
            entry->ids[entry->count++] = want->ids[i];
    verdicts->ids += want->count;
    entry->form = entry->count > VERDICT_MOST ? KQL_HASHED : want->form;
    entry->upto = last;
    if (entry->form == KQL_HASHED)
        entry->count = 0;
    return true;
}

/* The entry as it is now, copied: what came meanwhile does no harm. The lock is held. */
static bool verdict_copy(struct arena *arena, const struct entry *entry, struct verdict_ids *verdict) {
    int32_t *ids = arena_array(arena, entry->count + 1, sizeof *ids);
    if (!ids)
        return false;
    mem_copy(ids, entry->ids, entry->count * sizeof *ids);
    *verdict = (struct verdict_ids){entry->form, ids, entry->count};
    return true;
}

/* all NULL: nobody asks for them now. */
static bool verdicts_publish(struct reading *reading, struct verdict_ids *all) {
    struct verdicts *verdicts = reading->verdicts;
    struct verdict_ids *own = arena_array(reading->arena, reading->want_count + 1, sizeof *own);
    bool ok = own != NULL;
    pthread_mutex_lock(&verdicts->lock);
    if (verdicts->entries > ENTRIES_MOST || verdicts->ids > IDS_MOST)
        entries_clear(verdicts);
    for (size_t i = 0; ok && i < reading->want_count; i++) {
        struct verdict_want *want = &reading->wants[i];
        int32_t last = reading->last[want->predicate->slot->dictionary];
        struct entry *entry = *entry_find(verdicts, want->key);
        if (!entry_continues(entry, want, last))
            own[i] = (struct verdict_ids){.form = KQL_INLINE}; /* decided in the program this time */
        else
            ok = entry_keep(verdicts, want, last) &&
                 (!all || verdict_copy(reading->arena, *entry_find(verdicts, want->key), &own[i]));
    }
    pthread_mutex_unlock(&verdicts->lock);
    for (size_t i = 0; ok && all && i < reading->count; i++)
        all[i] = own[reading->want_of[i]];
    return ok;
}

static bool reading_run(struct reading *reading, struct db_conn *conn, struct verdict_ids *all, int64_t deadline_ms,
                        struct err *err) {
    bool ok = wants_make(reading) || err_memory(err);
    ok = ok && (!reading->want_count || last_read(reading, conn, deadline_ms, err));
    if (ok && reading->most)
        last_cap(reading);
    for (size_t d = 0; ok && reading->want_count && d < DICT_COUNT; d++)
        if (reading->last[d] >= 0)
            ok = dictionary_scan(reading, conn, (enum schema_dictionary_id)d, deadline_ms, err);
    ok = ok && (verdicts_publish(reading, all) || err_memory(err));
    for (size_t i = 0; i < reading->want_count; i++)
        free(reading->wants[i].ids);
    return ok;
}

static bool predicates_gather(struct reading *reading, const struct kql_program *const *programs, size_t count,
                              struct err *err) {
    size_t total = 0;
    for (size_t p = 0; p < count; p++)
        total += programs[p] ? programs[p]->predicate_count : 0;
    reading->predicates = arena_array(reading->arena, total + 1, sizeof *reading->predicates);
    if (!reading->predicates)
        return err_memory(err);
    for (size_t p = 0; p < count; p++)
        for (size_t i = 0; programs[p] && i < programs[p]->predicate_count; i++)
            reading->predicates[reading->count++] = &programs[p]->predicates[i];
    return true;
}

bool verdicts_read(struct db_conn *conn, struct arena *arena, const struct kql_program *const *programs, size_t count,
                   struct verdict_ids ***out, int64_t deadline_ms, struct err *err) {
    struct reading reading = {.verdicts = conn->db->verdicts, .arena = arena};
    if (!predicates_gather(&reading, programs, count, err))
        return false;
    struct verdict_ids *all = arena_array(arena, reading.count + 1, sizeof *all);
    *out = arena_array(arena, count + 1, sizeof **out);
    if (!all || !*out)
        return err_memory(err);
    for (size_t p = 0, at = 0; p < count; p++) {
        (*out)[p] = all + at;
        at += programs[p] ? programs[p]->predicate_count : 0;
    }
    return reading_run(&reading, conn, all, deadline_ms, err);
}

bool verdicts_advance(struct db_conn *conn, const struct kql_program *const *programs, size_t count, int32_t most,
                      bool *more, int64_t deadline_ms, struct err *err) {
    struct reading reading = {.verdicts = conn->db->verdicts, .arena = arena_new(ADVANCE_ARENA), .most = most};
    bool ok = reading.arena ? predicates_gather(&reading, programs, count, err) &&
                                  reading_run(&reading, conn, NULL, deadline_ms, err)
                            : err_memory(err);
    *more = reading.more;
    arena_free(reading.arena);
    return ok;
}

static bool choice_make(struct arena *arena, const struct verdict_ids *verdict, struct kql_choice *choice) {
    BUF_AUTO ids = BUF(16u << 20);
    *choice = (struct kql_choice){.form = verdict->form};
    if (verdict->form != KQL_AMONG && verdict->form != KQL_NOT_AMONG)
        return true;
    for (size_t i = 0; i < verdict->count; i++)
        array_add_int(&ids, verdict->ids[i]);
    array_end(&ids);
    choice->ids = ids.failed ? (struct str){0} : arena_copy(arena, buf_str(&ids));
    return choice->ids.ptr != NULL;
}

bool verdicts_bind_part(struct arena *arena, const struct kql_program *program, const struct verdict_ids *verdicts,
                        const struct kql_binding *as, struct str *sql, struct str **params, size_t *param_count,
                        struct err *err) {
    struct kql_binding binding = *as;
    struct kql_choice *choices = arena_array(arena, program->predicate_count + 1, sizeof *choices);
    bool ok = choices != NULL;
    for (size_t i = 0; ok && i < program->predicate_count; i++)
        ok = choice_make(arena, &verdicts[i], &choices[i]);
    binding.choices = choices;
    return ok ? kql_program_bind(arena, program, &binding, sql, params, param_count, err) : err_memory(err);
}

bool verdicts_bind(struct arena *arena, const struct kql_program *program, const struct verdict_ids *verdicts, struct str *sql,
                   struct str **params, size_t *param_count, struct err *err) {
    const struct kql_binding alone = {0};
    return verdicts_bind_part(arena, program, verdicts, &alone, sql, params, param_count, err);
}

struct db_rows *verdicts_query(struct db_conn *conn, struct arena *arena, const struct kql_program *program,
                               int64_t deadline_ms, struct err *err) {
    struct verdict_ids **verdicts;
    struct str sql, *params;
    size_t param_count;
    if (!verdicts_read(conn, arena, &program, 1, &verdicts, deadline_ms, err) ||
        !verdicts_bind(arena, program, verdicts[0], &sql, &params, &param_count, err))
        return NULL;
    return db_query(conn, sql.ptr, params, param_count, deadline_ms, err); /* arena_copy puts a NUL behind it */
}
