/* fill TABLE ROWS ROUNDS FOLDER [REPEATS [all|others|hostile]]: the estate's records of a table as files, a round's share
 * at a time, made before anything is timed. Each line on stdin has the next round written; its number on stdout says that
 * it is. REPEATS of 100 records come twice (BENCH_REPEATS). others: without the devices that the RemotePC hunt finds;
 * hostile: no estate, but certificates of which none repeats a device, a signer or a file.
 * TABLE.ROUND.ndjson   what senders post
 * TABLE.ROUND.wide     the same records parsed, in PostgreSQL's COPY text form, times as RFC 3339: what PostgreSQL loads
 * TABLE.ROUND.tsv      the same with times as ticks, and
 * TABLE.columns        their names and types: what DuckDB loads
 * TABLE.sql            PostgreSQL's plain wide table: a column a column, no index */
#include <string.h>

#include "store/reader.h"
#include "tests/bench/bench.h"

enum { CHUNK_CAP = 64 << 20 };
static const char avoided_hunt[] = "remotepc-file-signature";

struct fill {
    const struct schema_table *table;
    const char *folder;
    struct estate *estate; /* NULL: hostile */
    bool others;
    uint64_t made, total;
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

/* True for a device on which the avoided hunt finds something. */
static bool planted(const struct fill *fill, const struct event *event) {
    size_t count, id = (size_t)(schema_column_find(fill->table, STR("DeviceId")) - fill->table->columns);
    const struct estate_plant *plants = estate_plants(fill->estate, &count);
    for (size_t i = 0; i < count; i++)
        if (!strcmp(plants[i].hunt_slug, avoided_hunt) && str_eq(event->values[id].text, str_from(plants[i].device_id)))
            return true;
    return false;
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
        if (event.table != fill->table || (fill->others && planted(fill, &event)))
            continue;
        row_write(fill->rows, &event, false);
        row_write(fill->wide, &event, true);
        fwrite(raw.ptr, 1, raw.len, fill->records);
        putc('\n', fill->records);
    }
    if (verdict != VERDICT_END)
        fprintf(stderr, "record %zu of the estate is no event: %s\n", index, err.text);
    reader_free(reader);
    return verdict == VERDICT_END && !ferror(fill->records) && !ferror(fill->rows) && !ferror(fill->wide);
}

/* Certificates over one day, each of a device, a signer and a file of its own. */
static size_t hostile_next(struct fill *fill, struct buf *out, size_t max_records) {
    size_t count = 0;
    for (; count < max_records && fill->made + count < fill->total; count++) {
        unsigned long long n = fill->made + count, second = n * 86400 / fill->total;
        buf_printf(out,
                   "{\"category\":\"AdvancedHunting-DeviceFileCertificateInfo\",\"properties\":{\"Timestamp\":"
                   "\"2026-07-18T%02llu:%02llu:%02lluZ\",\"DeviceId\":\"%040llx\",\"DeviceName\":\"host%llu.example\","
                   "\"ReportId\":%llu,\"SHA1\":\"%040llx\",\"IsSigned\":true,\"Signer\":\"Maker %llu\"}}\n",
                   second / 3600, second / 60 % 60, second % 60, n, n, n, n, n);
    }
    return count;
}

static bool round_write(struct fill *fill, uint64_t to) {
    BUF_AUTO chunk = BUF(CHUNK_CAP);
    bool ok = true;
    while (ok && fill->made < to) {
        size_t wanted = to - fill->made < BENCH_BODY ? (size_t)(to - fill->made) : BENCH_BODY;
        chunk.len = 0;
        size_t got = fill->estate ? estate_next(fill->estate, &chunk, wanted) : hostile_next(fill, &chunk, wanted);
        ok = got && !chunk.failed && chunk_write(fill, buf_str(&chunk));
        fill->made += got;
    }
    return ok;
}

static FILE *round_file(const struct fill *fill, uint64_t round, const char *kind) {
    char rest[64];
    snprintf(rest, sizeof rest, "%llu.%s", (unsigned long long)round, kind);
    return file_open(fill->folder, fill->table->name, rest);
}

static bool round_files(struct fill *fill, uint64_t round, uint64_t rounds) {
    fill->records = round_file(fill, round, "ndjson");
    fill->rows = round_file(fill, round, "tsv");
    fill->wide = round_file(fill, round, "wide");
    bool ok = fill->records && fill->rows && fill->wide && round_write(fill, fill->total * (round + 1) / rounds);
    ok = fill->records && fclose(fill->records) == 0 && ok;
    ok = fill->rows && fclose(fill->rows) == 0 && ok;
    return fill->wide && fclose(fill->wide) == 0 && ok;
}

/* Who gave the order went away: what is left isn't wanted. */
static bool order_wait(void) {
    int c;
    while ((c = getchar()) != EOF && c != '\n') {
    }
    return c != EOF;
}

static bool fill_open(struct fill *fill, int argc, char **argv) {
    const char *kind = argc == 7 ? argv[6] : "all";
    uint64_t rows = strtoull(argv[2], NULL, 10);
    double repeats = (argc >= 6 ? strtod(argv[5], NULL) : BENCH_REPEATS) / 100;
    fill->table = schema_table_find(str_from(argv[1]));
    fill->folder = argv[4];
    fill->others = !strcmp(kind, "others");
    fill->total = rows;
    if (!fill->table || !strcmp(kind, "hostile"))
        return fill->table != NULL;
    fill->estate = bench_estate(fill->table, rows, repeats);
    fill->total = fill->estate ? estate_total(fill->estate) : 0;
    return fill->estate != NULL;
}

int main(int argc, char **argv) {
    struct fill fill = {0};
    schema_init();
    if (argc < 5 || argc > 7 || !fill_open(&fill, argc, argv)) {
        fprintf(stderr, "usage: fill TABLE ROWS ROUNDS FOLDER [REPEATS [all|others|hostile]]\n");
        return 2;
    }
    uint64_t rounds = strtoull(argv[3], NULL, 10);
    bool ok = rounds && columns_write(fill.table, fill.folder);
    for (uint64_t round = 0; ok && round < rounds && order_wait(); round++) {
        ok = round_files(&fill, round, rounds);
        printf("%llu\n", (unsigned long long)round);
        fflush(stdout);
    }
    estate_free(fill.estate);
    return ok ? 0 : 1;
}
