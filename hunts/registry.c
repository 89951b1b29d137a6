#include "hunts/registry.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "hunts/ledger.h"
#include "hunts/result.h"
#include "store/array.h"
#include "store/pulse.h"

static void add_error(struct buf *out, const struct err *err, struct str text, size_t first_line) {
    char excerpt[512];
    buf_add_char(out, '{');
    json_add_string_member(out, "code", str_from(err_name(err->code)));
    json_add_string_member(out, "message", str_from(err->text));
    if (err->line) {
        err_excerpt(err, text, excerpt, sizeof excerpt);
        buf_printf(out, ",\"line\":%u,\"column\":%u", err->line, err->column);
        if (first_line)
            buf_printf(out, ",\"file_line\":%zu", first_line + err->line - 1);
        json_add_string_member(out, "excerpt", str_from(excerpt));
    }
    buf_add_char(out, '}');
}

void registry_add_error(struct buf *out, const struct err *err, struct str query) {
    add_error(out, err, query, 0);
}

void registry_add_file_error(struct buf *out, const struct err *err, struct str file) {
    add_error(out, err, file, 1);
}

void registry_add_hunt_error(struct buf *out, const struct err *err, const struct hunt *hunt) {
    add_error(out, err, hunt->query, hunt->query_line);
}

void registry_add_warnings(struct buf *out, const struct kql_program *program, size_t query_line) {
    buf_add_char(out, '[');
    result_add_warnings(out, program, query_line);
    buf_add_char(out, ']');
}

void registry_add_scenarios(struct buf *out, const struct hunt *hunt) {
    buf_add_char(out, '[');
    for (size_t i = 0; i < hunt->scenario_count; i++) {
        const struct hunt_scenario *scenario = &hunt->scenarios[i];
        json_add_comma(out);
        buf_add_str(out, STR("{\"scenario\":"));
        json_add_string(out, scenario->title);
        json_add_string_member(out, "description", scenario->description);
        json_add_string_member(out, "filter", scenario->filter);
        buf_add_char(out, '}');
    }
    buf_add_char(out, ']');
}

static bool save_hunt(struct db_conn *conn, const struct hunt *hunt, const char *origin,
                      const struct hunt_check *check, int64_t deadline_ms, bool *saved, struct err *err) {
    char level[16];
    int64_t count = 0;
    snprintf(level, sizeof level, "%d", hunt->noise_level);
    struct str params[] = {hunt->id,          hunt->slug,   hunt->name,       hunt->tool,
                           hunt->signal,      hunt->tactics, hunt->techniques, hunt->noise,
                           str_from(level),   hunt->why,    hunt->description, hunt->source,
                           str_from(origin),  str_from(hunt_shape_name(hunt->shape)),
                           str_from(hunt_state_name(check->state))};
    for (size_t i = 0; i < sizeof params / sizeof *params; i++)
        if (!params[i].ptr)
            params[i] = STR("");
    bool ok = db_exec(conn, db_statement("hunt_save"), params, sizeof params / sizeof *params, deadline_ms, &count, err);
    *saved = count > 0;
    if (ok)
        return true;
    if (strcmp(err->sqlstate, "23505") == 0)
        err_set(err, ERR_CONFLICT, "another hunt has the slug '%.*s'; rename this one", STR_ARG(hunt->slug));
    return false;
}

static void add_bytea(struct buf *out, struct str bytes) {
    buf_add_str(out, STR("\\x"));
    for (size_t i = 0; i < bytes.len; i++)
        buf_printf(out, "%02x", (unsigned char)bytes.ptr[i]);
}

static bool save_version(struct db_conn *conn, const struct hunt *hunt, struct str original,
                         const struct hunt_check *check, int64_t deadline_ms, int *version, struct err *err) {
    BUF_AUTO error = BUF(64 * 1024), warnings = BUF(1u << 20), columns = BUF(1u << 20), scenarios = BUF(64u << 20);
    bool ready = check->state == HUNT_READY;
    registry_add_scenarios(&scenarios, hunt);
    if (ready) {
        registry_add_warnings(&warnings, check->program, hunt->query_line);
        result_add_columns(&columns, check->program);
    } else {
        registry_add_hunt_error(&error, &check->error, hunt);
    }
    if (error.failed || warnings.failed || columns.failed || scenarios.failed)
        return err_memory(err);
    struct str params[] = {hunt->id, hunt->query, original, buf_str(&error), ready ? buf_str(&warnings) : STR("[]"),
                           ready ? buf_str(&columns) : STR("[]"), buf_str(&scenarios)};
    DB_ROWS_AUTO *rows =
        db_query(conn, db_statement("hunt_version_save"), params, sizeof params / sizeof *params, deadline_ms, err);
    if (rows)
        *version = (int)db_int(rows, 0, 0);
    return rows != NULL;
}

static bool outcome_find(struct db_conn *conn, const struct hunt *hunt, struct str original, int64_t deadline_ms,
                         enum registry_outcome *outcome, struct err *err) {
    struct str params[] = {hunt->id, hunt->slug, original};
    DB_ROWS_AUTO *rows = db_query(conn, db_statement("hunt_known"), params, 3, deadline_ms, err);
    if (rows)
        *outcome = !db_count(rows) ? REGISTRY_CREATED
                   : str_eq(db_text(rows, 0, 0), STR("t")) ? REGISTRY_UNCHANGED
                                                            : REGISTRY_UPDATED;
    return rows != NULL;
}

/* The tool and signal that the hunt is to leave, under the lock of the ledger; no row when it keeps them. */
static struct db_rows *tag_leave(struct db_conn *conn, const struct hunt *hunt, int64_t deadline_ms, struct err *err) {
    struct str params[] = {hunt->id, hunt->tool, hunt->signal, hunt->slug};
    for (size_t i = 0; i < sizeof params / sizeof *params; i++)
        if (!params[i].ptr)
            params[i] = STR("");
    struct db_rows *tag = db_query(conn, db_statement("hunt_tag"), params, 4, deadline_ms, err);
    if (!tag || !db_count(tag) || ledger_lock(conn, deadline_ms, err))
        return tag;
    db_rows_free(tag);
    return NULL;
}

static bool tag_move(struct db_conn *conn, const struct db_rows *tag, int64_t deadline_ms, struct err *err) {
    if (!db_count(tag))
        return true;
    const struct str left[] = {db_text(tag, 0, 0), db_text(tag, 0, 1), db_text(tag, 0, 2)};
    return ledger_retag(conn, left, deadline_ms, err);
}

const char *registry_outcome_name(enum registry_outcome outcome) {
    static const char *const names[] = {"checked", "created", "updated", "unchanged"};
    return names[outcome];
}

bool registry_save(struct db_conn *conn, const struct hunt *hunt, const char *origin, const struct hunt_check *check,
                   int64_t deadline_ms, struct registry_saved *saved, struct err *err) {
    bool mine;
    BUF_AUTO original = BUF(16u << 20);
    add_bytea(&original, hunt->original);
    if (original.failed)
        return err_memory(err);
    struct str bytes = buf_str(&original);
    if (!db_begin(conn, "", deadline_ms, err))
        return false;
    DB_ROWS_AUTO *tag = tag_leave(conn, hunt, deadline_ms, err);
    if (tag && outcome_find(conn, hunt, bytes, deadline_ms, &saved->outcome, err) &&
        save_hunt(conn, hunt, origin, check, deadline_ms, &mine, err) &&
        (!mine || (save_version(conn, hunt, bytes, check, deadline_ms, &saved->version, err) &&
                   tag_move(conn, tag, deadline_ms, err))))
        return pulse_commit(conn, deadline_ms, err);
    db_rollback(conn);
    return false;
}

static bool sync_tool(struct db_conn *conn, const struct tool *tool, int64_t deadline_ms, struct err *err) {
    struct registry_saved saved;
    for (size_t i = 0; i < tool->hunt_count; i++) {
        struct arena *arena = arena_new(64u << 20);
        struct hunt_check check;
        if (!arena)
            return err_memory(err);
        hunt_check(arena, &tool->hunts[i], &check);
        bool ok = registry_save(conn, &tool->hunts[i], "catalogue", &check, deadline_ms, &saved, err);
        arena_free(arena);
        if (!ok && err->code == ERR_CONFLICT)
            log_err("catalogue.conflict", "", err); /* a user's hunt has the slug: it stays */
        else if (!ok)
            return false;
    }
    return true;
}

static void add_texts(struct buf *out, const char *name, const struct str *texts, size_t count) {
    json_add_key(out, name);
    buf_add_char(out, '[');
    for (size_t i = 0; i < count; i++) {
        json_add_comma(out);
        json_add_string(out, texts[i]);
    }
    buf_add_char(out, ']');
}

static void add_facts(struct buf *out, const struct tool *tool) {
    const struct {
        const char *name;
        struct str text;
    } texts[] = {{"vendor", tool->vendor}, {"description", tool->description}, {"also_matches", tool->also_matches}};
    buf_add_char(out, '{');
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        json_add_string_member(out, texts[i].name, texts[i].text);
    }
    add_texts(out, "aliases", tool->aliases, tool->alias_count);
    add_texts(out, "signers", tool->signers, tool->signer_count);
    add_texts(out, "companies", tool->companies, tool->company_count);
    add_texts(out, "products", tool->products, tool->product_count);
    add_texts(out, "domains", tool->domains, tool->domain_count);
    add_texts(out, "processes", tool->processes, tool->process_count);
    add_texts(out, "serials", tool->serials, tool->serial_count);
    buf_add_char(out, '}');
}

static bool facts_save(struct db_conn *conn, const struct tool *tool, int64_t deadline_ms, struct err *err) {
    BUF_AUTO facts = BUF(1u << 20);
    add_facts(&facts, tool);
    struct str params[] = {tool->name, tool->id, buf_str(&facts)};
    return facts.failed ? err_memory(err) : db_exec(conn, db_statement("tool_save"), params, 3, deadline_ms, NULL, err);
}

static bool processes_add(struct db_conn *conn, const struct tool *tool, int64_t deadline_ms, struct err *err) {
    BUF_AUTO names = BUF(1u << 20);
    for (size_t i = 0; i < tool->process_count; i++)
        array_add(&names, tool->processes[i]);
    array_end(&names);
    struct str params[] = {tool->name, buf_str(&names)};
    return names.failed ? err_memory(err)
                        : db_exec(conn, db_statement("tool_processes_add"), params, 2, deadline_ms, NULL, err);
}

/* What a flag compares a program's name with, and what /v1/tools shows. */
static bool facts_sync(struct db_conn *conn, const struct catalogue *catalogue, int64_t deadline_ms, struct err *err) {
    bool unknown, ok = db_begin(conn, "", deadline_ms, err) &&
                       db_exec(conn, db_statement("tool_processes_clear"), NULL, 0, deadline_ms, NULL, err) &&
                       db_exec(conn, db_statement("tools_clear"), NULL, 0, deadline_ms, NULL, err);
    for (size_t i = 0; ok && i < catalogue->tool_count; i++)
        ok = processes_add(conn, &catalogue->tools[i], deadline_ms, err) &&
             facts_save(conn, &catalogue->tools[i], deadline_ms, err);
    if (ok)
        return db_commit(conn, deadline_ms, &unknown, err);
    db_rollback(conn);
    return false;
}

bool registry_sync(struct db *db, int64_t deadline_ms, struct err *err) {
    struct catalogue catalogue;
    struct arena *arena = arena_new(64u << 20);
    struct db_conn *conn = NULL;
    bool ok = arena ? catalogue_load(arena, &catalogue, err) : err_memory(err);
    if (ok)
        conn = db_take(db, deadline_ms, err);
    ok = conn != NULL;
    for (size_t i = 0; ok && i < catalogue.tool_count; i++)
        ok = sync_tool(conn, &catalogue.tools[i], deadline_ms, err);
    ok = ok && facts_sync(conn, &catalogue, deadline_ms, err);
    db_give(conn);
    arena_free(arena);
    return ok;
}
