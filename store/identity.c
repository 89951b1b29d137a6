#include "store/identity.h"

#include <sodium.h>

#include "base/json.h"

/* Names, not places, go into digests: a column may be added anywhere in the schema. FNV-1a, 32 bits. */
static uint32_t name_hash(const char *name) {
    uint32_t hash = 2166136261u;
    for (; *name; name++)
        hash = (hash ^ (unsigned char)*name) * 16777619u;
    return hash;
}

static void add_value(struct buf *out, const char *name, const struct value *value) {
    if (value->kind == VALUE_NULL)
        return;
    buf_add_be32(out, name_hash(name));
    if (value->kind == VALUE_NUMBER) {
        buf_add_be64(out, (uint64_t)value->number);
        return;
    }
    size_t before = out->len;
    buf_add_be32(out, 0);
    if (value->text.ptr[0] == '{' || value->text.ptr[0] == '[')
        json_add_minified(out, value->text);
    else
        buf_add_str(out, value->text);
    if (out->failed)
        return;
    uint32_t length = (uint32_t)(out->len - before - 4);
    memcpy(out->ptr + before, &length, sizeof length);
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
    scratch->len = 0;
    for (size_t i = 0; i < event->table->column_count; i++)
        if (event->values[i].kind != VALUE_NULL && is_identity(event->table, &event->table->columns[i]))
            add_value(scratch, event->table->columns[i].name, &event->values[i]);
    crypto_shorthash_siphash24((unsigned char *)&digest, (const unsigned char *)scratch->ptr, scratch->len, key);
    return is_certificates(event->table) ? digest ^ report_of(event) : digest;
}

struct tuple_digest identity_tuple(const struct schema_dictionary *dictionary, const struct value *members,
                                   const unsigned char key[IDENTITY_KEY_BYTES], struct buf *scratch) {
    struct tuple_digest digest = {{0}};
    scratch->len = 0;
    for (size_t i = 0; i < dictionary->field_count; i++)
        add_value(scratch, dictionary->fields[i].sql, &members[i]);
    if (scratch->len)
        crypto_shorthash_siphashx24(digest.bytes, (const unsigned char *)scratch->ptr, scratch->len, key);
    return digest;
}
