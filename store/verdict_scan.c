#include "store/verdict_scan.h"

#include <stdlib.h>

#include "base/automaton.h"
#include "base/mem.h"
#include "store/array.h"

/* Fewer wants than that are put to the database one by one: it may have an index, and the values stay where they are. */
enum { PAGE_ROWS = 20000, SQL_CAP = 4 << 20, SEARCH_WANTS = 5 };

/* Words of all wants, and whose each is. */
struct search {
    struct automaton *automaton;
    struct str *words;
    struct verdict_want **owners;
    uint32_t *seen, *found;
    size_t word_count;
    uint32_t stamp;
};

/* Only what fulfils a condition has its words: what doesn't, where that is kept, can't be searched for. */
static size_t words_of(const struct verdict_want *want) {
    return want->form == KQL_NOT_AMONG ? 0 : want->predicate->needle_count;
}

static bool id_add(struct verdict_want *want, int32_t id) {
    if (want->count && want->ids[want->count - 1] == id)
        return true;
    if (want->count == want->room) {
        size_t room = want->room ? want->room * 2 : 64;
        int32_t *grown = reallocarray(want->ids, room, sizeof *grown);
        if (!grown)
            return false;
        want->ids = grown;
        want->room = room;
    }
    want->ids[want->count++] = id;
    return true;
}

static void search_close(struct search *search) {
    automaton_free(search->automaton);
    free(search->words);
    free(search->owners);
    free(search->seen);
    free(search->found);
}

static bool search_open(struct search *search, struct verdict_want *const *wants, size_t count) {
    size_t words = 0, at = 0;
    for (size_t i = 0; i < count; i++)
        words += words_of(wants[i]);
    *search = (struct search){.words = calloc(words + 1, sizeof *search->words),
                              .owners = calloc(words + 1, sizeof *search->owners),
                              .seen = calloc(words + 1, sizeof *search->seen),
                              .found = calloc(words + 1, sizeof *search->found),
                              .word_count = words};
    if (!search->words || !search->owners || !search->seen || !search->found)
        return false;
    for (size_t i = 0; i < count; i++)
        for (size_t n = 0; n < words_of(wants[i]); n++) {
            search->words[at] = wants[i]->predicate->needles[n];
            search->owners[at++] = wants[i];
        }
    search->automaton = automaton_new(search->words, words);
    return search->automaton != NULL;
}

static bool is_ascii(struct str text) {
    unsigned char any = 0;
    for (size_t i = 0; i < text.len; i++)
        any |= (unsigned char)text.ptr[i];
    return any < 0x80;
}

/* Values beyond ASCII fold in ways that the words don't: each is a candidate for all. */
static bool value_look(struct search *search, struct verdict_want *const *wants, size_t count, int32_t id, struct str text) {
    if (!is_ascii(text)) {
        for (size_t i = 0; i < count; i++)
            if (words_of(wants[i]) && id > wants[i]->upto && !id_add(wants[i], id))
                return false;
        return true;
    }
    size_t found = automaton_find(search->automaton, text, search->seen, ++search->stamp, search->found);
    for (size_t i = 0; i < found; i++) {
        struct verdict_want *want = search->owners[search->found[i]];
        if (id > want->upto && !id_add(want, id))
            return false;
    }
    return true;
}

/* Texts of values id > $1 and <= $2, one line a member. */
static void page_sql(struct buf *sql, const struct schema_dictionary *dictionary) {
    buf_add_str(sql, STR("SELECT id, concat_ws(E'\\n'"));
    for (size_t f = 0; f < dictionary->field_count; f++)
        if (dictionary->fields[f].type == KQL_STRING)
            buf_printf(sql, ", %s", dictionary->fields[f].sql);
    buf_printf(sql, ") FROM dict.%s WHERE id > $1::integer AND id <= $2::integer ORDER BY id LIMIT %d", dictionary->name,
               PAGE_ROWS);
}

/* Candidates: values that hold a word of the want, into its ids. */
static bool candidates_find(struct db_conn *conn, const struct schema_dictionary *dictionary,
                            struct verdict_want *const *wants, size_t count, int32_t first, int32_t last,
                            int64_t deadline_ms, struct err *err) {
    struct search search;
    BUF_AUTO sql = BUF(SQL_CAP), from = BUF(16), to = BUF(16);
    bool ok = search_open(&search, wants, count) || err_memory(err), more = search.word_count > 0;
    page_sql(&sql, dictionary);
    buf_printf(&to, "%d", last);
    while (ok && more) {
        from.len = 0;
        buf_printf(&from, "%d", first);
        struct str params[] = {buf_str(&from), buf_str(&to)};
        DB_ROWS_AUTO *rows = db_query(conn, buf_cstr(&sql), params, 2, deadline_ms, err);
        ok = rows != NULL;
        for (size_t r = 0; ok && r < db_count(rows); r++)
            ok = value_look(&search, wants, count, (int32_t)db_int(rows, r, 0), db_text(rows, r, 1)) || err_memory(err);
        more = ok && db_count(rows) == PAGE_ROWS;
        first = more ? (int32_t)db_int(rows, PAGE_ROWS - 1, 0) : first;
    }
    search_close(&search);
    return ok;
}

/* ids: '{…}' of candidates, or len 0: all above want->upto. Replaces the want's ids by what fulfils it, or, for
 * KQL_NOT_AMONG, what doesn't. */
static bool want_ask(struct db_conn *conn, struct verdict_want *want, struct str ids, int32_t last, int64_t deadline_ms,
                     struct err *err) {
    const struct kql_predicate *predicate = want->predicate;
    const char *slot = predicate->slot->sql;
    size_t n = predicate->param_count;
    BUF_AUTO sql = BUF(SQL_CAP), from = BUF(16), to = BUF(16);
    struct str *params = calloc(n + 2, sizeof *params);
    if (!params)
        return err_memory(err);
    mem_copy(params, predicate->params, n * sizeof *params);
    buf_printf(&sql, "SELECT %s.id FROM dict.%s %s WHERE ", slot, schema_dictionary(predicate->slot->dictionary)->name, slot);
    if (ids.len)
        buf_printf(&sql, "%s.id = ANY($%zu::integer[]) AND (", slot, n + 1);
    else
        buf_printf(&sql, "%s.id > $%zu::integer AND %s.id <= $%zu::integer AND (", slot, n + 1, slot, n + 2);
    buf_add_str(&sql, predicate->sql);
    buf_printf(&sql, ")%s ORDER BY 1 LIMIT %d", want->form == KQL_NOT_AMONG ? " IS NOT TRUE" : "", VERDICT_MOST + 1);
    buf_printf(&from, "%d", want->upto);
    buf_printf(&to, "%d", last);
    params[n] = ids.len ? ids : buf_str(&from);
    params[n + 1] = buf_str(&to);
    DB_ROWS_AUTO *rows = buf_cstr(&sql) ? db_query(conn, sql.ptr, params, ids.len ? n + 1 : n + 2, deadline_ms, err)
                                        : (err_memory(err), NULL);
    free(params);
    want->count = 0;
    for (size_t r = 0; rows && r < db_count(rows); r++)
        if (!id_add(want, (int32_t)db_int(rows, r, 0)))
            return err_memory(err);
    return rows != NULL;
}

/* A condition that most values fulfil is kept by those that don't; one that many do and many don't isn't kept. searched:
 * the want's ids are the candidates. */
static bool want_decide(struct db_conn *conn, struct verdict_want *want, bool searched, int32_t last,
                        int64_t deadline_ms, struct err *err) {
    BUF_AUTO ids = BUF(1u << 30);
    for (size_t i = 0; i < want->count; i++)
        array_add_int(&ids, want->ids[i]);
    array_end(&ids);
    bool words = searched && words_of(want) > 0;
    if (words && !want->count)
        return true;
    if (ids.failed)
        return err_memory(err);
    if (!want_ask(conn, want, words ? buf_str(&ids) : (struct str){0}, last, deadline_ms, err))
        return false;
    if (want->upto < 0 && !words && want->count > (size_t)last / 2) {
        want->form = KQL_NOT_AMONG;
        if (!want_ask(conn, want, (struct str){0}, last, deadline_ms, err))
            return false;
    }
    if (want->count > VERDICT_MOST)
        want->form = KQL_HASHED;
    return true;
}

bool verdict_scan(struct db_conn *conn, enum schema_dictionary_id dictionary, struct verdict_want *const *wants,
                  size_t count, int32_t last, int64_t deadline_ms, struct err *err) {
    int32_t first = last;
    size_t worded = 0;
    for (size_t i = 0; i < count; i++) {
        if (!words_of(wants[i]))
            continue;
        worded++;
        first = wants[i]->upto < first ? wants[i]->upto : first;
    }
    bool search = worded >= SEARCH_WANTS;
    if (search && !candidates_find(conn, schema_dictionary(dictionary), wants, count, first, last, deadline_ms, err))
        return false;
    for (size_t i = 0; i < count; i++)
        if (!want_decide(conn, wants[i], search, last, deadline_ms, err))
            return false;
    return true;
}
