/* fill TABLE ROWS ROUND ROUNDS FOLDER [REPEATS]: one round's share of the estate as files, made before anything is timed.
 * REPEATS of 100 records come twice (BENCH_REPEATS).
 * TABLE.ROUND.ndjson   what senders post
 * TABLE.ROUND.wide     the same records parsed, in PostgreSQL's COPY text form, times as RFC 3339: what PostgreSQL loads
 * TABLE.ROUND.tsv      the same with times as ticks, and
 * TABLE.columns        their names and types: what DuckDB loads
 * TABLE.sql            PostgreSQL's plain wide table: a column a column, no index */
#include <string.h>

#include "store/reader.h"
#include "tests/bench/bench.h"

enum { CHUNK_CAP = 64 << 20 };

struct fill {
    const struct schema_table *table;
    FILE *records, *rows, *wide;
};

static FILE *file_open(const char *folder, const char *name, const char *rest) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s.%s", folder, name, rest);
    FILE *file = fopen(path, "w");
    if (!file)
        perror(path);
    return file;
}

static bool columns_write(const struct schema_table *table, const char *folder) {
    FILE *sql = file_open(folder, table->name, "sql"), *names = file_open(folder, table->name, "columns");
    if (!sql || !names)
        return false;
    fprintf(sql, "SET client_min_messages = warning;\nCREATE SCHEMA IF NOT EXISTS bench;\nCREATE TABLE bench.\"%s\" (", table->name);
    for (size_t c = 0; c < table->column_count; c++) {
        const char *type = schema_sql_type(table->columns[c].type);
        bool time = table->columns[c].type == KQL_DATETIME;
        fprintf(sql, "%s\"%s\" %s", c ? ", " : "", table->columns[c].name, time ? "timestamptz" : type);
        fprintf(names, "%s\t%s\n", table->columns[c].name, type);
    }
    fprintf(sql, ");\n");
    return fclose(sql) == 0 && fclose(names) == 0;
}

static void text_write(FILE *out, struct str text) {
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '\\' || c == '\t' || c == '\n' || c == '\r') {
            putc('\\', out);
            c = c == '\t' ? 't' : c == '\n' ? 'n' : c == '\r' ? 'r' : c;
        }
        putc(c, out);
    }
}

static void number_write(FILE *out, enum kql_type type, int64_t number, bool times) {
    char text[TICKS_TEXT];
    if (type == KQL_BOOL) {
        putc(number ? 't' : 'f', out);
    } else if (type == KQL_DATETIME && times) {
        ticks_print(number, text);
        fputs(text, out);
    } else {
        fprintf(out, "%lld", (long long)number);
    }
}

static void row_write(FILE *out, const struct event *event, bool times) {
    for (size_t c = 0; c < event->table->column_count; c++) {
        const struct value *value = &event->values[c];
        if (c)
            putc('\t', out);
        if (value->kind == VALUE_NULL)
            fputs("\\N", out);
        else if (value->kind == VALUE_TEXT)
            text_write(out, value->text);
        else
            number_write(out, event->table->columns[c].type, value->number, times);
    }
    putc('\n', out);
}

/* The estate plants its attacks in every table: only the table's own records are kept. False when a record of the estate
 * isn't an event: then the figures would mean nothing. */
static bool chunk_write(struct fill *fill, struct str body) {
    struct reader_options options = {0};
    struct err err = {0};
    struct event event;
    struct str raw;
    size_t index;
    enum verdict verdict;
    struct reader *reader = reader_open(body, &options, &err);
    if (!reader)
        return false;
    while ((verdict = reader_next(reader, &event, &raw, &index, &err)) == VERDICT_EVENT) {
        if (event.table != fill->table)
            continue;
        row_write(fill->rows, &event, false);
        row_write(fill->wide, &event, true);
        fwrite(raw.ptr, 1, raw.len, fill->records);
        putc('\n', fill->records);
    }
    if (verdict != VERDICT_END)
        fprintf(stderr, "record %zu of the estate is no event: %s\n", index, err.text);
    reader_free(reader);
    return verdict == VERDICT_END && !ferror(fill->records) && !ferror(fill->rows) &&
           !ferror(fill->wide);
}

static bool round_write(struct fill *fill, uint64_t rows, uint64_t round, uint64_t rounds, double repeats) {
    BUF_AUTO chunk = BUF(CHUNK_CAP);
    struct estate *estate = bench_estate(fill->table, rows, repeats);
    bool ok = estate != NULL;
    uint64_t total = ok ? estate_total(estate) : 0, at = 0;
    uint64_t from = total * round / rounds, to = total * (round + 1) / rounds;
    while (ok && at < to) {
        uint64_t end = at < from ? from : to;
        size_t wanted = end - at < BENCH_BODY ? (size_t)(end - at) : BENCH_BODY;
        chunk.len = 0;
        size_t got = estate_next(estate, &chunk, wanted);
        ok = !chunk.failed && (at < from || !got || chunk_write(fill, buf_str(&chunk)));
        if (!got)
            break;
        at += got;
    }
    estate_free(estate);
    return ok;
}

static FILE *round_file(const char *folder, const struct schema_table *table, const char *round, const char *kind) {
    char rest[64];
    snprintf(rest, sizeof rest, "%s.%s", round, kind);
    return file_open(folder, table->name, rest);
}

int main(int argc, char **argv) {
    struct fill fill = {0};
    schema_init();
    fill.table = argc == 6 || argc == 7 ? schema_table_find(str_from(argv[1])) : NULL;
    if (!fill.table) {
        fprintf(stderr, "usage: fill TABLE ROWS ROUND ROUNDS FOLDER [REPEATS]\n");
        return 2;
    }
    uint64_t rows = strtoull(argv[2], NULL, 10), round = strtoull(argv[3], NULL, 10);
    uint64_t rounds = strtoull(argv[4], NULL, 10);
    double repeats = (argc == 7 ? strtod(argv[6], NULL) : BENCH_REPEATS) / 100;
    fill.records = round_file(argv[5], fill.table, argv[3], "ndjson");
    fill.rows = round_file(argv[5], fill.table, argv[3], "tsv");
    fill.wide = round_file(argv[5], fill.table, argv[3], "wide");
    bool ok = fill.records && fill.rows && fill.wide && rounds && columns_write(fill.table, argv[5]) &&
              round_write(&fill, rows, round, rounds, repeats);
    ok = fill.records && fclose(fill.records) == 0 && ok;
    ok = fill.rows && fclose(fill.rows) == 0 && ok;
    ok = fill.wide && fclose(fill.wide) == 0 && ok;
    return ok ? 0 : 1;
}
