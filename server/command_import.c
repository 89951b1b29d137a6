/* rmmhunt import: events from files, folders and standard input, in the formats of POST /v1/events. */
#include <fts.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "server/cli.h"
#include "server/commands.h"
#include "store/inflate.h"
#include "store/ingest.h"

static const char usage[] = "import [--table TABLE] [--tz Z|+HH:MM] FILE|DIR|- …";

enum {
    FILE_CAP = 2000 << 20,
    PIECE = 16 << 20,
    COMMIT_MS = 120000,
};

struct import {
    struct ingest *ingest;
    struct reader_options options;
    struct ingest_result total;
    size_t files;
};

static void total_add(struct import *import, const struct ingest_result *result, const char *path) {
    import->total.received += result->received;
    import->total.stored += result->stored;
    import->total.duplicate += result->duplicate;
    import->total.ignored += result->ignored;
    import->total.rejected += result->rejected;
    for (size_t i = 0; i < result->error_count && i < 5; i++)
        fprintf(stderr, "%s: record %zu: %s: %s (dead letter %lld)\n", path, result->errors[i].index,
                err_name(result->errors[i].code), result->errors[i].message,
                (long long)result->errors[i].dead_letter);
    if (result->rejected > 5)
        fprintf(stderr, "%s: %lld more rejected\n", path, (long long)result->rejected - 5);
}

static bool import_piece(struct import *import, const char *path, struct str piece, struct err *err) {
    struct ingest_result *result = calloc(1, sizeof *result);
    bool unknown;
    if (!result)
        return err_memory(err);
    bool ok = ingest_body(import->ingest, piece, &import->options, false, mono_ms() + COMMIT_MS, result, &unknown, err);
    if (ok)
        total_add(import, result, path);
    free(result);
    cli_progress("%lld stored, %lld duplicate, %lld rejected  %s", (long long)import->total.stored,
                 (long long)import->total.duplicate, (long long)import->total.rejected, path);
    return ok;
}

/* One record a line: whole lines up to PIECE may go together. Anything else goes as one. */
static bool is_lines(struct str body) {
    const char *end = memchr(body.ptr, '\n', body.len);
    while (end && end > body.ptr && (end[-1] == '\r' || end[-1] == ' '))
        end--;
    return body.len && body.ptr[0] == '{' && end && end > body.ptr && end[-1] == '}';
}

static bool import_body(struct import *import, const char *path, struct str body, struct err *err) {
    if (str_starts(body, STR("\xEF\xBB\xBF")))
        body = (struct str){body.ptr + 3, body.len - 3};
    if (!is_lines(body))
        return import_piece(import, path, body, err);
    while (body.len) {
        size_t take = body.len;
        if (take > PIECE) {
            const char *end = memrchr(body.ptr, '\n', PIECE);
            end = end ? end : memchr(body.ptr, '\n', body.len);
            take = end ? (size_t)(end - body.ptr) + 1 : body.len;
        }
        if (!import_piece(import, path, (struct str){body.ptr, take}, err))
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
    import->files++;
    return !body.len || import_body(import, path, body, err);
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
            import->options.tz_utc_offset = value;
        } else {
            ok = import_path(import, argv[i]) && ok;
        }
    }
    return ok;
}

int command_import(int argc, char **argv) {
    struct import import = {0};
    struct database database = {0};
    struct err err = {0};
    if (argc < 2)
        return cli_usage(usage);
    if (!cli_open(&database, &err))
        return cli_fail("import", &err, STR(""));
    import.ingest = ingest_open(database.db, &err);
    bool ok = import.ingest && import_all(&import, argc, argv, &err);
    int code = !import.ingest || err.code != ERR_NONE ? cli_fail("import", &err, STR("")) : 0;
    ingest_close(import.ingest);
    database_close(&database);
    cli_progress_end();
    printf("%zu files: %lld received, %lld stored, %lld duplicate, %lld ignored, %lld rejected\n", import.files,
           (long long)import.total.received, (long long)import.total.stored, (long long)import.total.duplicate,
           (long long)import.total.ignored, (long long)import.total.rejected);
    return code || !ok || import.total.rejected ? 1 : 0;
}
