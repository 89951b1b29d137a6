/* rmmhunt query and explain: ad-hoc KQL, and what it becomes. */
#include <ctype.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "hunts/catalogue.h"
#include "hunts/explain.h"
#include "hunts/loader.h"
#include "hunts/names.h"
#include "hunts/query.h"
#include "server/cli.h"
#include "server/commands.h"

enum { ARENA = 256 << 20, ANSWER = 256 << 20, QUERY_MS = 60000, MAX_ROWS = 100000 };

/* "hunts/mine.yaml", "./q.kql": no KQL ends like that; any other name only when there is a file of it. */
static bool is_file(const char *text) {
    struct str name = str_from(text);
    return str_ends(name, STR(".kql")) || str_ends(name, STR(".yaml")) ||
           (strpbrk(text, "./") && !strchr(text, '\n') && access(text, R_OK) == 0);
}

/* The query from the first plain argument, from the file that it names, or from standard input. */
static bool query_read(int argc, char **argv, struct buf *query, bool *strict, struct err *err) {
    const char *text = "-";
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--strict") == 0)
            *strict = true;
        else
            text = argv[i];
    if (strcmp(text, "-") == 0 || is_file(text))
        return cli_read(text, query, err);
    buf_add_str(query, str_from(text));
    return !query->failed || err_memory(err);
}

static void print_warnings(const struct kql_program *program) {
    for (size_t i = 0; i < program->warning_count; i++)
        cli_say(stderr, "warning: line %u, column %u: %.*s\n", program->warnings[i].line, program->warnings[i].column,
                STR_ARG(program->warnings[i].text));
}

int command_query(int argc, char **argv) {
    BUF_AUTO query = BUF(1 << 20), out = BUF(ANSWER);
    struct kql_options options = {.now = ticks_now(), .from = -1, .to = -1, .max_rows = MAX_ROWS};
    struct kql_program *program = NULL;
    struct database database = {0};
    struct err err = {0};
    if (!query_read(argc, argv, &query, &options.strict, &err) || !cli_open(&database, DATABASE_READS, &err))
        return cli_fail("query", &err, STR(""));
    struct arena *arena = arena_new(ARENA);
    buf_add_char(&out, '{');
    bool ok = (arena || err_memory(&err)) && query_run(database.db, arena, buf_str(&query), &options, mono_ms() + QUERY_MS, &out, &program, &err);
    if (ok) {
        print_warnings(program);
        printf("%.*s}\n", STR_ARG(buf_str(&out)));
    }
    int code = ok ? 0 : cli_fail("query", &err, buf_str(&query));
    arena_free(arena);
    database_close(&database);
    return code;
}

/* A slug or an id, and no table. */
static bool is_hunt_name(struct str text) {
    for (size_t i = 0; i < text.len; i++)
        if (!isalnum((unsigned char)text.ptr[i]) && text.ptr[i] != '-')
            return false;
    return text.len && !schema_table_find(text);
}

/* A database is looked into, but none is made. */
static bool database_is_there(void) {
    const char *url = getenv("DATABASE_URL"), *data = getenv("RMMHUNT_DATA");
    return (url && url[0]) || cluster_made(data && data[0] ? data : "./.rmmhunt");
}

static bool text_replace(struct buf *text, struct str query, struct err *err) {
    text->len = 0;
    buf_add_str(text, query);
    return !text->failed || err_memory(err);
}

/* As it is stored, which may be a later version than the catalogue's. *found: it is there. */
static bool stored_find(struct buf *text, bool *found, struct err *err) {
    struct database database = {0};
    struct str name = str_trim(buf_str(text));
    DB_ROWS_AUTO *rows = cli_open(&database, DATABASE_READS, err)
                             ? db_query_alone(database.db, "hunt_read", &name, 1, QUERY_MS, err)
                             : NULL;
    *found = rows && db_count(rows);
    bool ok = rows && (!*found || text_replace(text, db_text(rows, 0, 1), err));
    database_close(&database);
    return ok;
}

static bool hunt_refuse_near(struct str name, struct err *err) {
    struct database database = {0};
    if (!database_is_there())
        return err_set(err, ERR_NOT_FOUND, "no hunt '%.*s'; 'rmmhunt hunts list' shows them", STR_ARG(name));
    struct db_conn *conn =
        cli_open(&database, DATABASE_READS, err) ? db_take(database.db, mono_ms() + QUERY_MS, err) : NULL;
    bool ok = conn && name_refuse_hunt(conn, ERR_NOT_FOUND, name, err);
    db_give(conn);
    database_close(&database);
    return ok;
}

/* The query of a hunt by its slug or id, stored or in the catalogue, or of a hunt's file; else the text itself as KQL. */
static bool hunt_or_query(struct arena *arena, struct buf *text, struct err *err) {
    struct str name = str_trim(buf_str(text));
    struct catalogue catalogue;
    struct hunt hunt;
    struct err no_hunt = {0};
    bool found = false;
    if (!arena)
        return err_memory(err);
    if (!is_hunt_name(name))
        return !hunt_load(arena, arena_copy(arena, name), STR("explain"), &hunt, &no_hunt) || text_replace(text, hunt.query, err);
    if (database_is_there() && !stored_find(text, &found, err))
        return false;
    if (found)
        return true;
    if (!catalogue_load(arena, &catalogue, err))
        return false;
    const struct hunt *known = catalogue_hunt_find(&catalogue, name);
    if (!known && str_find(name, '-'))
        return hunt_refuse_near(name, err);
    return !known || text_replace(text, known->query, err);
}

static void print_program(const struct kql_program *program) {
    print_warnings(program);
    cli_say(stdout, "%.*s\n\n", STR_ARG(program->sql));
    for (size_t i = 0; i < program->param_count; i++)
        if (program->params[i].ptr)
            cli_say(stdout, "$%zu = %.*s\n", i + 1, STR_ARG(program->params[i]));
        else
            printf("$%zu = NULL\n", i + 1);
    printf("\n");
    for (size_t i = 0; i < program->predicate_count; i++)
        cli_say(stdout, "%s.%s, dictionary %s: %s\n", program->predicates[i].table->name, program->predicates[i].slot->sql,
                schema_dictionary(program->predicates[i].slot->dictionary)->name,
                explain_way(program, &program->predicates[i]));
    for (size_t i = 0; i < program->column_count; i++)
        cli_say(stdout, "%s%.*s:%s", i ? ", " : "columns: ", STR_ARG(program->columns[i].name),
               kql_type_name(program->columns[i].type));
    printf("\n");
}

int command_explain(int argc, char **argv) {
    BUF_AUTO query = BUF(1 << 20);
    struct kql_options options = {.now = ticks_now(), .from = -1, .to = -1};
    struct err err = {0};
    if (!query_read(argc, argv, &query, &options.strict, &err))
        return cli_fail("explain", &err, STR(""));
    struct arena *arena = arena_new(ARENA);
    bool ok = hunt_or_query(arena, &query, &err);
    struct kql_program *program = ok ? kql_compile(arena, buf_str(&query), &options, &err) : NULL;
    if (program)
        print_program(program);
    int code = program ? 0 : cli_fail("explain", &err, buf_str(&query));
    arena_free(arena);
    return code;
}
