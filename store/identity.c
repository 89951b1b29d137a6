#include "store/identity.h"

#include <pthread.h>
#include <sodium.h>

#include "base/json.h"

/* Names, not places, go into digests: a column may be added anywhere in the schema. FNV-1a, 32 bits. */
static uint32_t name_hash(const char *name) {
    uint32_t hash = 2166136261u;
    for (; *name; name++)
        hash = (hash ^ (unsigned char)*name) * 16777619u;
    return hash;
}

/* Of all columns and dictionary fields, worked out once, constant after that. */
static uint32_t column_hashes[SCHEMA_TABLES][SCHEMA_MAX_COLUMNS], field_hashes[DICT_COUNT][SCHEMA_MAX_FIELDS];
static bool identities[SCHEMA_TABLES][SCHEMA_MAX_COLUMNS]; /* whether the column is part of an event's digest */
static pthread_once_t hashes_once = PTHREAD_ONCE_INIT;

static void add_json(struct buf *out, struct str text) {
    size_t before = out->len;
    buf_add_be32(out, 0);
    json_add_minified(out, text);
    if (out->failed)
        return;
    uint32_t length = (uint32_t)(out->len - before - sizeof length);
    memcpy(out->ptr + before, &length, sizeof length);
}

/* The name's hash, then a number big-endian, or a text behind its length. */
static void add_value(struct buf *out, uint32_t hash, const struct value *value) {
    if (value->kind == VALUE_NULL)
        return;
    char *at = buf_reserve(out, sizeof hash + sizeof(uint64_t) + value->text.len);
    if (!at)
        return;
    memcpy(at, &hash, sizeof hash);
    out->len += sizeof hash;
    if (value->kind == VALUE_NUMBER) {
        uint64_t number = __builtin_bswap64((uint64_t)value->number);
        memcpy(at + sizeof hash, &number, sizeof number);
        out->len += sizeof number;
    } else if (value->text.ptr[0] == '{' || value->text.ptr[0] == '[') {
        add_json(out, value->text);
    } else {
        uint32_t length = (uint32_t)value->text.len;
        memcpy(at + sizeof hash, &length, sizeof length);
        memcpy(at + sizeof hash + sizeof length, value->text.ptr, length);
        out->len += sizeof length + length;
    }
}

static bool is_certificates(const struct schema_table *table) {
    return strcmp(table->name, "DeviceFileCertificateInfo") == 0;
}

static bool is_identity(const struct schema_table *table, const struct schema_column *column) {
    if (column->decoration || column->storage == STORED_TS)
        return false;
    if (!is_certificates(table))
        return true;
    return !strcmp(column->name, "SHA1") || !strcmp(column->name, "Signer") ||
           !strcmp(column->name, "CertificateSerialNumber");
}

static void hashes_make(void) {
    for (size_t t = 0; t < SCHEMA_TABLES; t++)
        for (size_t c = 0; c < schema_tables()[t].column_count; c++) {
            column_hashes[t][c] = __builtin_bswap32(name_hash(schema_tables()[t].columns[c].name));
            identities[t][c] = is_identity(&schema_tables()[t], &schema_tables()[t].columns[c]);
        }
    for (enum schema_dictionary_id d = 0; d < DICT_COUNT; d++)
        for (size_t f = 0; f < schema_dictionary(d)->field_count; f++)
            field_hashes[d][f] = __builtin_bswap32(name_hash(schema_dictionary(d)->fields[f].sql));
}

/* A certificate's report: as another number in place of a hash, so that a migration could add it in SQL. Digests that
 * differ without it differ with it but for a chance of 1 in 2^64, since they are keyed. */
static int64_t report_of(const struct event *event) {
    for (size_t i = 0; i < event->table->column_count; i++)
        if (event->table->columns[i].storage == STORED_REPORT && event->values[i].kind != VALUE_NULL)
            return event->values[i].number;
    return INT64_MIN;
}

int64_t identity_event(const struct event *event, const unsigned char key[IDENTITY_KEY_BYTES], struct buf *scratch) {
    int64_t digest;
    size_t table = schema_table_index(event->table);
    pthread_once(&hashes_once, hashes_make);
    scratch->len = 0;
    for (size_t i = 0; i < event->table->column_count; i++)
        if (identities[table][i])
            add_value(scratch, column_hashes[table][i], &event->values[i]);
    crypto_shorthash_siphash24((unsigned char *)&digest, (const unsigned char *)scratch->ptr, scratch->len, key);
    return is_certificates(event->table) ? digest ^ report_of(event) : digest;
}

struct tuple_digest identity_tuple(const struct schema_dictionary *dictionary, const struct value *members,
                                   const unsigned char key[IDENTITY_KEY_BYTES], struct buf *scratch) {
    struct tuple_digest digest = {{0}};
    pthread_once(&hashes_once, hashes_make);
    scratch->len = 0;
    for (size_t i = 0; i < dictionary->field_count; i++)
        add_value(scratch, field_hashes[dictionary->fields[0].dictionary][i], &members[i]);
    if (scratch->len)
        crypto_shorthash_siphashx24(digest.bytes, (const unsigned char *)scratch->ptr, scratch->len, key);
    return digest;
}
