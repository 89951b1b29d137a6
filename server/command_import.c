/* rmmhunt import: events from files, folders and standard input, in the formats of POST /v1/events. */
#include <fts.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "server/cli.h"
#include "server/commands.h"
#include "store/inflate.h"
#include "store/ingest.h"

enum {
    FILE_CAP = 2000 << 20,
    PIECE = 16 << 20,
    COMMIT_MS = 120000,
    PATIENCE_MS = 10 * 60 * 1000, /* how long a passing fault may last */
    PAUSE_MS = 1000,
    REASONS = 5, /* a file */
};

struct import {
    struct db *db;
    struct ingest *ingest;
    struct arena *arena;
    struct zone zone;
    struct reader_options options;
    struct ingest_result total;
    size_t files;
};

/* One file under way. */
struct source {
    const char *path;
    int64_t records, told; /* of it so far: stored one way or another; rejections that were printed */
};

static void reasons_tell(struct source *source, const struct ingest_result *result) {
    for (size_t i = 0; i < result->error_count && source->told < REASONS; i++, source->told++) {
        const struct ingest_error *error = &result->errors[i];
        cli_progress_end();
        fprintf(stderr, "%s: record %lld: %s: %s", source->path, (long long)(source->records + (int64_t)error->index),
                err_name(error->code), error->message);
        if (error->dead_letter)
            fprintf(stderr, " (dead letter %lld)", (long long)error->dead_letter);
        fputc('\n', stderr);
    }
}

static void total_add(struct import *import, struct source *source, const struct ingest_result *result) {
    import->total.received += result->received;
    import->total.stored += result->stored;
    import->total.duplicate += result->duplicate;
    import->total.ignored += result->ignored;
    import->total.rejected += result->rejected;
    reasons_tell(source, result);
    source->records += result->received;
    cli_progress("%lld stored, %lld duplicate, %lld rejected  %s", (long long)import->total.stored,
                 (long long)import->total.duplicate, (long long)import->total.rejected, source->path);
}

static bool is_passing(const struct err *err) {
    return err->code != ERR_OUT_OF_MEMORY && (err_status(err->code) == 503 || err_status(err->code) == 429);
}

/* A passing fault, such as the database away, is waited out: the same bytes again are safe, whatever became of them. */
static bool piece_store(struct import *import, const struct source *source, struct str piece,
                        struct ingest_result *result, struct err *err) {
    int64_t patience_ms = mono_ms() + PATIENCE_MS;
    bool unknown, told = false;
    while (!ingest_body(import->ingest, piece, &import->options, false, mono_ms() + COMMIT_MS, result, &unknown, err)) {
        if (!is_passing(err) || !ms_left(patience_ms))
            return false;
        cli_progress_end();
        if (!told)
            fprintf(stderr, "rmmhunt import: %s: %s; trying again\n", source->path, err->text);
        told = true;
        sleep_ms(PAUSE_MS);
        *err = (struct err){0};
    }
    return true;
}

static bool import_piece(struct import *import, struct source *source, struct str piece, struct err *err) {
    struct ingest_result *result = calloc(1, sizeof *result);
    if (!result)
        return err_memory(err);
    bool ok = piece_store(import, source, piece, result, err);
    if (ok)
        total_add(import, source, result);
    else
        reasons_tell(source, result);
    free(result);
    return ok;
}

/* A line end between two objects that begin and end their lines. */
static bool is_between(struct str body, size_t at) {
    size_t before = at;
    while (before && (body.ptr[before - 1] == '\r' || body.ptr[before - 1] == ' '))
        before--;
    return before && body.ptr[before - 1] == '}' && at + 1 < body.len && body.ptr[at + 1] == '{';
}

/* How much of the body goes together: whole lines up to PIECE where it has one record a line, else all. */
static size_t piece_size(struct str body) {
    const char *end = body.ptr + (body.len > PIECE ? PIECE : 0);
    if (body.len <= PIECE || body.ptr[0] != '{')
        return body.len;
    while ((end = memrchr(body.ptr, '\n', (size_t)(end - body.ptr))) != NULL)
        if (is_between(body, (size_t)(end - body.ptr)))
            return (size_t)(end - body.ptr) + 1;
    return body.len;
}

static bool import_body(struct import *import, struct source *source, struct str body, struct err *err) {
    if (str_starts(body, STR("\xEF\xBB\xBF")))
        body = (struct str){body.ptr + 3, body.len - 3};
    while (str_trim(body).len) {
        size_t take = piece_size(body);
        if (!import_piece(import, source, (struct str){body.ptr, take}, err))
            return false;
        body = (struct str){body.ptr + take, body.len - take};
    }
    return true;
}

static struct str encoding_of(struct str bytes) {
    if (str_starts(bytes, STR("\x1f\x8b")))
        return STR("gzip");
    return str_starts(bytes, STR("\x28\xb5\x2f\xfd")) ? STR("zstd") : STR("");
}

static bool import_file(struct import *import, const char *path, struct err *err) {
    BUF_AUTO bytes = BUF(FILE_CAP), inflated = BUF(FILE_CAP);
    if (!cli_read(path, &bytes, err))
        return false;
    struct str encoding = encoding_of(buf_str(&bytes)), body = buf_str(&bytes);
    if (encoding.len) {
        if (!inflate_body(encoding, body, &inflated, err))
            return false;
        body = buf_str(&inflated);
    }
    struct source source = {.path = path};
    import->files++;
    return import_body(import, &source, body, err);
}

/* Files of a folder in the order of their names, so that a Storage account's hours come in their order. */
static int by_name(const FTSENT **a, const FTSENT **b) {
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

/* One file's fault is told and doesn't keep the others out. */
static bool import_told(struct import *import, const char *path) {
    struct err err = {0};
    if (import_file(import, path, &err))
        return true;
    cli_progress_end();
    fprintf(stderr, "rmmhunt import: %s: %s\n", path, err.text);
    return false;
}

static bool import_path(struct import *import, char *path) {
    char *paths[] = {path, NULL};
    bool ok = true;
    if (strcmp(path, "-") == 0)
        return import_told(import, path);
    FTS *walk = fts_open(paths, FTS_LOGICAL | FTS_NOCHDIR, by_name);
    for (FTSENT *entry; walk && (entry = fts_read(walk));) {
        if (entry->fts_info == FTS_F) {
            ok = import_told(import, entry->fts_path) && ok;
        } else if (entry->fts_info == FTS_NS || entry->fts_info == FTS_DNR || entry->fts_info == FTS_ERR) {
            fprintf(stderr, "rmmhunt import: %s: %s\n", entry->fts_path, strerror(entry->fts_errno));
            ok = false;
        }
    }
    if (walk)
        fts_close(walk);
    return ok;
}

static bool import_all(struct import *import, int argc, char **argv, struct err *err) {
    bool ok = true;
    for (int i = 1; i < argc; i++) {
        const char *value;
        if ((value = cli_option(argc, argv, &i, "--table"))) {
            import->options.table = schema_table_find(str_from(value));
            if (!import->options.table)
                return err_set(err, ERR_UNKNOWN_TABLE, "%s is no table; the tables are DeviceProcessEvents and its kin",
                               value);
        } else if ((value = cli_option(argc, argv, &i, "--tz"))) {
            if (!zone_find(import->db, str_from(value), import->arena, mono_ms() + COMMIT_MS, &import->zone,
                           err))
                return false;
            import->options.zone = &import->zone;
        } else {
            ok = import_path(import, argv[i]) && ok;
        }
    }
    return ok;
}

static void total_print(const struct import *import) {
    const struct ingest_result *total = &import->total;
    printf("%zu file%s: %lld received, %lld stored, %lld duplicate, %lld ignored, %lld rejected\n", import->files,
           import->files == 1 ? "" : "s", (long long)total->received, (long long)total->stored,
           (long long)total->duplicate, (long long)total->ignored, (long long)total->rejected);
}

int command_import(int argc, char **argv) {
    struct import import = {.arena = arena_new(1 << 20)};
    struct database database = {0};
    struct err err = {0};
    bool ok = false;
    if (argc < 2 || !import.arena) {
        arena_free(import.arena);
        return cli_usage("import");
    }
    if (cli_open(&database, DATABASE_WRITES, &err)) {
        import.db = database.db;
        import.ingest = ingest_open(database.db, &err);
        ok = import.ingest && import_all(&import, argc, argv, &err);
    }
    cli_progress_end();
    if (err.code != ERR_NONE)
        cli_fail("import", &err, STR(""));
    if (import.ingest)
        total_print(&import);
    ingest_close(import.ingest);
    database_close(&database);
    arena_free(import.arena);
    return ok && !import.total.rejected ? 0 : 1;
}
