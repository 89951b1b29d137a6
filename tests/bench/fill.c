/* fill TABLE ROWS ROUND ROUNDS FOLDER: one round's share of the estate as files, made before anything is timed:
 * TABLE.ROUND.ndjson   what senders post
 * TABLE.ROUND.tsv      the same records parsed, in PostgreSQL's COPY text form: what the peers load
 * TABLE.sql, .columns  the peers' plain wide table: a column a column, times as ticks */
#include <string.h>

#include "store/reader.h"
#include "tests/bench/bench.h"

enum { CHUNK_CAP = 64 << 20 };

struct fill {
    const struct schema_table *table;
    FILE *records, *rows;
};

static FILE *file_open(const char *folder, const char *name, const char *rest) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s.%s", folder, name, rest);
    FILE *file = fopen(path, "w");
    if (!file)
        perror(path);
    return file;
}

static const char *sql_type(enum kql_type type) {
    switch (type) {
    case KQL_LONG:
    case KQL_DATETIME:
    case KQL_TIMESPAN:
        return "bigint";
    case KQL_INT:
        return "integer";
    case KQL_BOOL:
        return "boolean";
    case KQL_REAL:
        return "double precision";
    case KQL_STRING:
    case KQL_DECIMAL:
    case KQL_GUID:
    case KQL_DYNAMIC:
        break;
    }
    return "text";
}

static bool columns_write(const struct schema_table *table, const char *folder) {
    FILE *sql = file_open(folder, table->name, "sql"), *names = file_open(folder, table->name, "columns");
    if (!sql || !names)
        return false;
    fprintf(sql, "SET client_min_messages = warning;\nCREATE SCHEMA IF NOT EXISTS bench;\nCREATE TABLE bench.\"%s\" (", table->name);
    for (size_t c = 0; c < table->column_count; c++) {
        const char *type = sql_type(table->columns[c].type);
        fprintf(sql, "%s\"%s\" %s", c ? ", " : "", table->columns[c].name, type);
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

static void row_write(FILE *out, const struct event *event) {
    for (size_t c = 0; c < event->table->column_count; c++) {
        const struct value *value = &event->values[c];
        if (c)
            putc('\t', out);
        if (value->kind == VALUE_NULL)
            fputs("\\N", out);
        else if (value->kind == VALUE_TEXT)
            text_write(out, value->text);
        else if (event->table->columns[c].type == KQL_BOOL)
            putc(value->number ? 't' : 'f', out);
        else
            fprintf(out, "%lld", (long long)value->number);
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
        row_write(fill->rows, &event);
        fwrite(raw.ptr, 1, raw.len, fill->records);
        putc('\n', fill->records);
    }
    if (verdict != VERDICT_END)
        fprintf(stderr, "record %zu of the estate is no event: %s\n", index, err.text);
    reader_free(reader);
    return verdict == VERDICT_END && !ferror(fill->records) && !ferror(fill->rows);
}

static bool round_write(struct fill *fill, uint64_t rows, uint64_t round, uint64_t rounds) {
    BUF_AUTO chunk = BUF(CHUNK_CAP);
    struct estate *estate = bench_estate(fill->table, rows);
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

int main(int argc, char **argv) {
    struct fill fill = {0};
    char rest[64];
    schema_init();
    fill.table = argc == 6 ? schema_table_find(str_from(argv[1])) : NULL;
    if (!fill.table) {
        fprintf(stderr, "usage: fill TABLE ROWS ROUND ROUNDS FOLDER\n");
        return 2;
    }
    uint64_t rows = strtoull(argv[2], NULL, 10), round = strtoull(argv[3], NULL, 10);
    uint64_t rounds = strtoull(argv[4], NULL, 10);
    snprintf(rest, sizeof rest, "%llu.ndjson", (unsigned long long)round);
    fill.records = file_open(argv[5], fill.table->name, rest);
    snprintf(rest, sizeof rest, "%llu.tsv", (unsigned long long)round);
    fill.rows = file_open(argv[5], fill.table->name, rest);
    bool ok = fill.records && fill.rows && rounds && columns_write(fill.table, argv[5]) &&
              round_write(&fill, rows, round, rounds);
    ok = fill.records && fclose(fill.records) == 0 && ok;
    ok = fill.rows && fclose(fill.rows) == 0 && ok;
    return ok ? 0 : 1;
}
