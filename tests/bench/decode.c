/* decode FILE: MB/s of event_decode over the records' columns, beside jansson making its tree of the same bytes.
 * What both read is compared first. Prints "ours peer". */
#include <jansson.h>
#include <string.h>

#include "store/reader.h"
#include "tests/bench/bench.h"

enum { RECORDS = 10000, ROUNDS = 9, COMPARED = 2000, FILE_CAP = 1 << 30, ARENA_CAP = 64 << 20 };

struct decode {
    const struct schema_table *table;
    struct str objects[RECORDS];
    size_t count, bytes;
    struct arena *arena;
};

static void objects_find(struct decode *decode, struct str text) {
    static const char mark[] = "\"properties\":";
    while (text.len && decode->count < RECORDS) {
        const char *end = memchr(text.ptr, '\n', text.len);
        size_t length = end ? (size_t)(end - text.ptr) : text.len;
        const char *at = memmem(text.ptr, length, mark, sizeof mark - 1);
        if (at) {
            at += sizeof mark - 1;
            struct str object = {at, (size_t)(text.ptr + length - at) - 1}; /* without the envelope's brace */
            decode->objects[decode->count++] = object;
            decode->bytes += object.len;
        }
        text.ptr += end ? length + 1 : length;
        text.len -= end ? length + 1 : length;
    }
}

static bool value_agrees(const struct value *value, const json_t *theirs, enum kql_type type) {
    if (!theirs || json_is_null(theirs))
        return value->kind == VALUE_NULL;
    if (json_is_string(theirs) && type == KQL_STRING) {
        struct str text = {json_string_value(theirs), json_string_length(theirs)};
        return text.len ? value->kind == VALUE_TEXT && str_eq(value->text, text) : value->kind == VALUE_NULL;
    }
    if (json_is_integer(theirs))
        return value->kind == VALUE_NUMBER && value->number == json_integer_value(theirs);
    if (json_is_boolean(theirs))
        return value->kind == VALUE_NUMBER && value->number == json_is_true(theirs);
    return value->kind != VALUE_NULL || json_is_string(theirs); /* times: checked by the unit tests */
}

static bool agrees(struct decode *decode, struct str object) {
    struct err err = {0};
    struct event event = {0};
    json_t *root = json_loadb(object.ptr, object.len, 0, NULL);
    bool ok = root && event_decode(decode->table, object, decode->arena, &event, &err);
    if (!ok)
        fprintf(stderr, "decode: %s\n", err.text);
    for (size_t c = 0; ok && c < decode->table->column_count; c++) {
        const struct schema_column *column = &decode->table->columns[c];
        ok = value_agrees(&event.values[c], json_object_get(root, column->name), column->type);
        if (!ok)
            fprintf(stderr, "decode: %s differs from jansson's in %.*s\n", column->name, STR_ARG(object));
    }
    json_decref(root);
    arena_reset(decode->arena);
    return ok;
}

static double ours(struct decode *decode) {
    struct err err;
    static struct event event;
    double start = bench_seconds();
    for (size_t i = 0; i < decode->count; i++) {
        if (!event_decode(decode->table, decode->objects[i], decode->arena, &event, &err))
            return 0;
        arena_reset(decode->arena);
    }
    return (double)decode->bytes / 1e6 / (bench_seconds() - start);
}

static double peer(struct decode *decode) {
    double start = bench_seconds();
    for (size_t i = 0; i < decode->count; i++)
        json_decref(json_loadb(decode->objects[i].ptr, decode->objects[i].len, 0, NULL));
    return (double)decode->bytes / 1e6 / (bench_seconds() - start);
}

static int compare_doubles(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static bool file_read(const char *path, struct buf *out) {
    char piece[65536];
    FILE *file = fopen(path, "r");
    if (!file)
        return false;
    for (size_t got; out->len < (size_t)64 << 20 && (got = fread(piece, 1, sizeof piece, file)) > 0;)
        buf_add(out, piece, got);
    fclose(file);
    const char *last = out->failed || !out->len ? NULL : memrchr(out->ptr, '\n', out->len);
    out->len = last ? (size_t)(last - out->ptr) + 1 : 0;
    return out->len > 0;
}

int main(int argc, char **argv) {
    static struct decode decode;
    BUF_AUTO text = BUF(FILE_CAP);
    double mine[ROUNDS], theirs[ROUNDS];
    schema_init();
    decode.table = schema_table_find(STR("DeviceProcessEvents"));
    decode.arena = arena_new(ARENA_CAP);
    if (argc != 2 || !decode.arena || !file_read(argv[1], &text))
        return 2;
    objects_find(&decode, buf_str(&text));
    for (size_t i = 0; i < decode.count && i < COMPARED; i++)
        if (!agrees(&decode, decode.objects[i]))
            return 1;
    for (int i = 0; i < ROUNDS; i++) {
        mine[i] = ours(&decode);
        theirs[i] = peer(&decode);
    }
    qsort(mine, ROUNDS, sizeof *mine, compare_doubles);
    qsort(theirs, ROUNDS, sizeof *theirs, compare_doubles);
    printf("%.1f %.1f\n", mine[ROUNDS / 2], theirs[ROUNDS / 2]);
    arena_free(decode.arena);
    return decode.count && mine[0] > 0 ? 0 : 1;
}
