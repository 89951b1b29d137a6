#include "store/decode.h"

#include <pthread.h>

#include "base/clock.h"
#include "store/extra.h"

enum { HASH_SLOTS = 1024, DEVICE_ID_MAX = 1024 }; /* bytes: indexes of the ledger hold whole ids, and Defender's have 40 */

/* Column places by hash of the name, made once, constant after that. */
static uint8_t places[SCHEMA_TABLES][HASH_SLOTS]; /* place + 1, 0: free */
static uint8_t lengths[SCHEMA_TABLES][SCHEMA_MAX_COLUMNS];
static pthread_once_t places_once = PTHREAD_ONCE_INIT;

static uint64_t eight_bytes(const char *at) {
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return word;
}

/* Beginning, middle, end and length tell all names of a table apart; a clash would only cost a comparison. */
static uint32_t hash_name(struct str name) {
    uint64_t hash = name.len * UINT64_C(0x9E3779B97F4A7C15);
    if (name.len >= 8) {
        hash ^= eight_bytes(name.ptr) * UINT64_C(0xD6E8FEB86659FD93);
        hash ^= eight_bytes(name.ptr + name.len / 2 - 4) * UINT64_C(0xA0761D6478BD642F);
        hash ^= eight_bytes(name.ptr + name.len - 8) * UINT64_C(0xE7037ED1A0B428DB);
    } else {
        for (size_t i = 0; i < name.len; i++)
            hash = (hash ^ (unsigned char)name.ptr[i]) * UINT64_C(0xD6E8FEB86659FD93);
    }
    return (uint32_t)(hash >> 32 ^ hash >> 52);
}

static void places_make(void) {
    for (size_t t = 0; t < SCHEMA_TABLES; t++)
        for (size_t c = 0; c < schema_tables()[t].column_count; c++) {
            struct str name = str_from(schema_tables()[t].columns[c].name);
            uint32_t at = hash_name(name) % HASH_SLOTS;
            while (places[t][at])
                at = (at + 1) % HASH_SLOTS;
            places[t][at] = (uint8_t)(c + 1);
            lengths[t][c] = (uint8_t)name.len;
        }
}

int decode_column(const struct schema_table *table, struct str name) {
    size_t t = schema_table_index(table);
    pthread_once(&places_once, places_make);
    for (uint32_t at = hash_name(name) % HASH_SLOTS; places[t][at]; at = (at + 1) % HASH_SLOTS) {
        int place = places[t][at] - 1;
        if (lengths[t][place] == name.len && memcmp(table->columns[place].name, name.ptr, name.len) == 0)
            return place;
    }
    return -1;
}

static enum err_code code_of(const struct schema_column *column) {
    if (column->storage == STORED_TS)
        return ERR_BAD_TIMESTAMP;
    return column->storage == STORED_REPORT ? ERR_BAD_REPORT_ID : ERR_BAD_VALUE;
}

static bool refuse(const struct schema_column *column, struct str text, const char *wanted, struct err *err) {
    int shown = text.len > 80 ? 80 : (int)text.len;
    while (shown && !str_utf8_valid((struct str){text.ptr, (size_t)shown}))
        shown--;
    return err_set(err, code_of(column), "%s: '%.*s' is not %s", column->name, shown, text.ptr, wanted);
}

/* "12.0" counts as 12, "12.5" doesn't. */
static bool whole_number(struct str text, long long *out) {
    size_t digits = 0;
    *out = 0;
    for (; digits < text.len && digits < 18 && text.ptr[digits] >= '0' && text.ptr[digits] <= '9'; digits++)
        *out = *out * 10 + (text.ptr[digits] - '0');
    if (digits == text.len)
        return true; /* nearly all of them */
    const char *dot = str_find(text, '.');
    if (!dot)
        return str_to_int64(text, out);
    for (const char *at = dot + 1; at < text.ptr + text.len; at++)
        if (*at != '0')
            return false;
    return str_to_int64((struct str){text.ptr, (size_t)(dot - text.ptr)}, out);
}

static bool text_number(const struct schema_column *column, struct str text, struct value *value, struct err *err) {
    long long number;
    if (!whole_number(text, &number))
        return refuse(column, text, "an integer of 64 bits", err);
    if (column->type == KQL_INT && (number > INT32_MAX || number < INT32_MIN))
        return refuse(column, text, "an integer of 32 bits", err);
    *value = (struct value){.kind = VALUE_NUMBER, .number = number};
    return true;
}

static bool text_bool(const struct schema_column *column, struct str text, struct value *value, struct err *err) {
    bool yes = str_eq_nocase(text, STR("true")) || str_eq(text, STR("1"));
    if (!yes && !str_eq_nocase(text, STR("false")) && !str_eq(text, STR("0")))
        return refuse(column, text, "true or false", err);
    *value = (struct value){.kind = VALUE_NUMBER, .number = yes};
    return true;
}

bool decode_text(const struct schema_column *column, struct str text, struct value *value, struct err *err) {
    int64_t ticks;
    *value = (struct value){.kind = VALUE_NULL};
    if (!text.len)
        return true;
    switch (column->type) {
    case KQL_LONG:
    case KQL_INT: return text_number(column, text, value, err);
    case KQL_BOOL: return text_bool(column, text, value, err);
    case KQL_DATETIME:
        if (str_eq(text, STR("{}")))
            return true;
        if (!ticks_parse(text, &ticks))
            return refuse(column, text, "RFC 3339", err);
        *value = (struct value){.kind = VALUE_NUMBER, .number = ticks};
        return true;
    case KQL_STRING:
    case KQL_DYNAMIC:
    case KQL_TIMESPAN:
    case KQL_REAL:
    case KQL_DECIMAL:
    case KQL_GUID: break;
    }
    if (str_find(text, '\0'))
        return refuse(column, STR(""), "text without NUL", err);
    *value = (struct value){.kind = VALUE_TEXT, .text = text};
    return true;
}

static bool decode_value(const struct schema_column *column, const struct scan_value *from, struct arena *arena,
                         struct value *value, struct err *err) {
    *value = (struct value){.kind = VALUE_NULL};
    if (from->kind == SCAN_NULL)
        return true;
    if (from->kind != SCAN_OBJECT && from->kind != SCAN_ARRAY)
        return decode_text(column, from->text, value, err);
    struct str minified = scan_minify(arena, from->raw);
    if (!minified.ptr)
        return err_memory(err);
    if (column->type == KQL_STRING) {
        *value = (struct value){.kind = VALUE_TEXT, .text = minified};
        return true;
    }
    return str_eq(minified, STR("{}")) || refuse(column, minified, kql_type_name(column->type), err);
}

/* The column of "ReportId_long", as unions of tables write it. */
static int suffixed_column(const struct schema_table *table, struct str name) {
    static const char *const suffixes[] = {"_string", "_long", "_dynamic", "_int", "_bool", "_datetime"};
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++)
        if (str_ends(name, str_from(suffixes[i])))
            return decode_column(table, (struct str){name.ptr, name.len - strlen(suffixes[i])});
    return -1;
}

/* Names of the envelope, which say nothing of the event. */
static bool is_envelope(struct str name) {
    static const char *const names[] = {"TimeGenerated", "Type", "@timestamp", "@version"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (str_eq(name, str_from(names[i])))
            return true;
    return false;
}

static bool is_empty(const struct scan_value *value) {
    return value->kind == SCAN_NULL || (value->kind == SCAN_STRING && !value->text.len);
}

static bool member_take(struct event *event, struct arena *arena, struct str name, const struct scan_value *value,
                        struct extra *extra, struct err *err) {
    int place = decode_column(event->table, name);
    if (place == 0 && is_empty(value))
        return true; /* TimeGenerated may have been there before an empty Timestamp */
    if (place >= 0)
        return decode_value(&event->table->columns[place], value, arena, &event->values[place], err);
    if (str_eq(name, STR("TimeGenerated")) && event->values[0].kind == VALUE_NULL)
        return decode_value(&event->table->columns[0], value, arena, &event->values[0], err);
    if (is_envelope(name) || is_empty(value))
        return true;
    if (str_eq(name, STR("TenantId")) && value->kind == SCAN_STRING) {
        event->tenant = value->text;
        return true;
    }
    place = suffixed_column(event->table, name);
    if (place >= 0 && event->values[place].kind == VALUE_NULL)
        return decode_value(&event->table->columns[place], value, arena, &event->values[place], err);
    if (place >= 0)
        return true;
    bool nested = value->kind == SCAN_OBJECT || value->kind == SCAN_ARRAY;
    struct str json = nested ? scan_minify(arena, value->raw) : value->raw;
    if (!json.ptr)
        return err_memory(err);
    extra_add(extra, name, json);
    return true;
}

/* Not blank, nor an object or array, which text columns otherwise keep. */
static bool device_usable(const struct value *id) {
    struct str text = str_trim(id->text);
    return id->kind == VALUE_TEXT && text.len && text.ptr[0] != '{' && text.ptr[0] != '[';
}

bool decode_finish(const struct event *event, struct err *err) {
    static const struct schema_column device = {.name = "DeviceId"};
    if (event->values[0].kind == VALUE_NULL)
        return err_set(err, ERR_BAD_TIMESTAMP, "Timestamp is missing");
    int place = decode_column(event->table, str_from(device.name));
    if (place < 0 || !device_usable(&event->values[place]))
        return err_set(err, ERR_BAD_DEVICE_ID, "DeviceId is missing, or no text");
    size_t length = event->values[place].text.len;
    return length <= DEVICE_ID_MAX ||
           err_set(err, ERR_BAD_DEVICE_ID, "DeviceId has %zu bytes; it may have %d", length, DEVICE_ID_MAX);
}

static bool members_take(struct event *event, struct str object, struct arena *arena, struct extra *extra,
                         struct err *err) {
    struct scan scan = {object.ptr, object.ptr + object.len, arena};
    struct scan_value value;
    struct str name;
    bool first = true;
    size_t keys = 0;
    if (!scan_take(&scan, '{'))
        return err_set(err, ERR_BAD_RECORD, "a record must be a JSON object");
    while (scan_member(&scan, &first, 1, &name, &value, err)) {
        if (++keys > SCAN_MAX_KEYS)
            return err_set(err, ERR_BAD_RECORD, "more than %d members", SCAN_MAX_KEYS);
        if (!member_take(event, arena, name, &value, extra, err))
            return false;
    }
    if (err->code != ERR_NONE)
        return false;
    scan_space(&scan);
    return scan.at == scan.end || err_set(err, ERR_BAD_JSON, "not valid JSON: something behind the object");
}

bool event_decode(const struct schema_table *table, struct str object, struct arena *arena, struct event *event,
                  struct err *err) {
    NOT_ZEROED struct extra extra;
    extra.count = 0;
    *event = (struct event){.table = table};
    if (object.len > RECORD_MAX_BYTES)
        return err_set(err, ERR_RECORD_TOO_LARGE, "the record has %zu bytes; 1 MiB is the limit", object.len);
    if (!members_take(event, object, arena, &extra, err) || !decode_finish(event, err))
        return false;
    return extra_take(&extra, arena, &event->extra) || err_memory(err);
}
