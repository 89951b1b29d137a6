/* rmmhunt hunts list|check|import|export. */
#include <errno.h>
#include <fts.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/log.h"
#include "handlers/format.h"
#include "hunts/loader.h"
#include "hunts/registry.h"
#include "server/cli.h"
#include "server/commands.h"

enum { FILE_CAP = HUNT_FILE_LIMIT + (1 << 17), OUT_CAP = 64 << 20, ARENA = 64 << 20, WAIT_MS = 60000 };

struct loading {
    struct db_conn *conn; /* NULL: check only */
    bool quiet;           /* nothing on stdout */
    size_t ready, broken, unreadable;
};

static void report(const char *path, const struct hunt *hunt, const struct hunt_check *check) {
    char excerpt[512];
    cli_say(stdout, "%s: %.*s: %s (%s)\n", path, STR_ARG(hunt->slug), hunt_state_name(check->state),
           hunt_shape_name(hunt->shape));
    if (check->state == HUNT_BROKEN) {
        err_excerpt(&check->error, hunt->query, excerpt, sizeof excerpt);
        cli_say(stdout, "%s:%zu:%u: error: %s\n%s\n", path, hunt->query_line + check->error.line - (hunt->query_line > 0),
               check->error.column, check->error.text, excerpt);
        return;
    }
    for (size_t i = 0; i < check->program->warning_count; i++)
        cli_say(stdout, "%s:%zu:%u: warning: %.*s\n", path,
               hunt->query_line + check->program->warnings[i].line - (hunt->query_line > 0),
               check->program->warnings[i].column, STR_ARG(check->program->warnings[i].text));
}

static bool load_file(struct loading *loading, const char *path, struct err *err) {
    BUF_AUTO bytes = BUF(FILE_CAP);
    struct hunt hunt;
    struct hunt_check check;
    struct registry_saved saved;
    struct arena *arena = arena_new(ARENA);
    bool ok = arena && cli_read(path, &bytes, err) && hunt_load(arena, buf_str(&bytes), str_from(path), &hunt, err);
    if (ok) {
        hunt_check(arena, &hunt, &check);
        if (!loading->quiet)
            report(path, &hunt, &check);
        loading->ready += check.state == HUNT_READY;
        loading->broken += check.state == HUNT_BROKEN;
        ok = !loading->conn || registry_save(loading->conn, &hunt, "user", &check, mono_ms() + WAIT_MS, &saved, err);
    }
    if (!ok) {
        if (!loading->quiet)
            cli_say(stdout, "%s:%u:%u: error: %s\n", path, err->line, err->column, err->text);
        loading->unreadable++;
    }
    arena_free(arena);
    return ok;
}

static bool is_hunt_file(const char *path) {
    struct str name = str_from(path);
    return str_ends(name, STR(".yaml")) || str_ends(name, STR(".yml")) || str_ends(name, STR(".json")) ||
           str_ends(name, STR(".txt"));
}

static int by_name(const FTSENT **a, const FTSENT **b) {
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

static void load_path(struct loading *loading, char *path) {
    char *paths[] = {path, NULL};
    struct err err = {0};
    FTS *walk = fts_open(paths, FTS_LOGICAL | FTS_NOCHDIR, by_name);
    for (FTSENT *entry; walk && (entry = fts_read(walk));) {
        if (entry->fts_info == FTS_F && (entry->fts_level == 0 || is_hunt_file(entry->fts_path)))
            load_file(loading, entry->fts_path, &err);
        else if (entry->fts_info == FTS_NS || entry->fts_info == FTS_DNR) {
            fprintf(stderr, "%s: %s\n", entry->fts_path, strerror(entry->fts_errno));
            loading->unreadable++;
        }
    }
    if (walk)
        fts_close(walk);
}

bool hunts_import_folder(struct db *db, const char *folder, struct err *err) {
    struct loading loading = {.conn = db_take(db, mono_ms() + WAIT_MS, err), .quiet = true};
    char *path = loading.conn ? strdup(folder) : NULL;
    if (!path)
        return loading.conn ? err_memory(err) : false;
    load_path(&loading, path);
    free(path);
    db_give(loading.conn);
    log_line(loading.broken || loading.unreadable ? LOG_WARN : LOG_INFO, "hunts.loaded",
             "%s: %zu ready, %zu broken, %zu unreadable; rmmhunt hunts check %s tells why", folder, loading.ready,
             loading.broken, loading.unreadable, folder);
    return true;
}

static int hunts_load(int argc, char **argv, bool save) {
    struct loading loading = {0};
    struct database database = {0};
    struct err err = {0};
    if (save && (!cli_open(&database, DATABASE_WRITES, &err) ||
                 !(loading.conn = db_take(database.db, mono_ms() + WAIT_MS, &err))))
        return cli_fail("hunts import", &err, STR(""));
    for (int i = 2; i < argc; i++)
        load_path(&loading, argv[i]);
    db_give(loading.conn);
    database_close(&database);
    printf("%zu ready, %zu broken, %zu unreadable\n", loading.ready, loading.broken, loading.unreadable);
    return loading.broken || loading.unreadable ? 1 : 0;
}

static struct db_rows *hunts_read(struct database *database, const char *statement, const struct str *params,
                                  size_t count, struct err *err) {
    if (!cli_open(database, DATABASE_WRITES, err) || !registry_sync(database->db, mono_ms() + WAIT_MS, err))
        return NULL;
    struct db_conn *conn = db_take(database->db, mono_ms() + WAIT_MS, err);
    struct db_rows *rows = conn ? db_query(conn, db_statement(statement), params, count, mono_ms() + WAIT_MS, err) : NULL;
    db_give(conn);
    return rows;
}

static bool hunts_print(const struct db_rows *rows, struct err *err) {
    static const struct str columns[] = {{"slug", 4}, {"tool", 4}, {"signal", 6}, {"state", 5}};
    enum { COLUMNS = sizeof columns / sizeof *columns };
    BUF_AUTO out = BUF(OUT_CAP);
    struct cell *cells = calloc(db_count(rows) * COLUMNS + 1, sizeof *cells);
    const struct format_table table = {
        .columns = columns, .column_count = COLUMNS, .cells = cells, .row_count = db_count(rows), .width = cli_width()};
    for (size_t i = 0; cells && i < table.row_count * COLUMNS; i++)
        cells[i] = (struct cell){CELL_TEXT, db_text(rows, i / COLUMNS, i % COLUMNS)};
    if (cells)
        format_write(FORMAT_TABLE, &table, &out);
    bool ok = (cells && !out.failed) || err_memory(err);
    free(cells);
    if (ok)
        cli_print(buf_str(&out));
    return ok;
}

static int hunts_list(void) {
    struct database database = {0};
    struct err err = {0};
    DB_ROWS_AUTO *rows = hunts_read(&database, "hunts_table", NULL, 0, &err);
    int code = rows && hunts_print(rows, &err) ? 0 : cli_fail("hunts list", &err, STR(""));
    database_close(&database);
    return code;
}

static bool export_file(const char *folder, struct str slug, struct str text, struct err *err) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%.*s.json", folder, STR_ARG(slug));
    FILE *file = fopen(path, "wb");
    bool ok = file && fwrite(text.ptr, 1, text.len, file) == text.len && fputc('\n', file) != EOF;
    if (file && fclose(file) != 0)
        ok = false;
    return ok || err_set(err, ERR_BAD_REQUEST, "%s: %s", path, strerror(errno));
}

static int hunts_export(const char *folder) {
    struct database database = {0};
    struct err err = {0};
    DB_ROWS_AUTO *rows = hunts_read(&database, "hunts_export", NULL, 0, &err);
    bool ok = rows != NULL;
    if (ok && mkdir(folder, 0777) != 0 && errno != EEXIST)
        ok = err_set(&err, ERR_BAD_REQUEST, "%s: %s", folder, strerror(errno));
    for (size_t r = 0; ok && r < db_count(rows); r++)
        ok = export_file(folder, db_text(rows, r, 0), db_text(rows, r, 1), &err);
    if (ok)
        printf("%zu hunts written to %s\n", db_count(rows), folder);
    int code = ok ? 0 : cli_fail("hunts export", &err, STR(""));
    database_close(&database);
    return code;
}

int command_hunts(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "list") == 0)
        return hunts_list();
    if (argc > 2 && strcmp(argv[1], "check") == 0)
        return hunts_load(argc, argv, false);
    if (argc > 2 && strcmp(argv[1], "import") == 0)
        return hunts_load(argc, argv, true);
    if (argc == 3 && strcmp(argv[1], "export") == 0)
        return hunts_export(argv[2]);
    return cli_usage("hunts");
}
