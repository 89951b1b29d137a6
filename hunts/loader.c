#include "hunts/loader.h"

#include <jansson.h>
#include <sodium.h>

#include "hunts/lines.h"
#include "hunts/yaml.h"

static const struct {
    const char *words, *signal;
} signals[] = {
    {"File Signature", "signature"},
    {"Create Process", "process"},
    {"Network Connection", "network"},
};

enum { HUNT_NAME_MAX = 200 }; /* bytes of a slug or a tool: indexes hold them */

static bool is_alnum(char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* Lower case, runs of anything else than letters and digits as one '-', none at the ends; cut to what an index takes. */
static struct str slug_make(struct arena *arena, struct str text) {
    char *out = arena_take(arena, text.len + 1);
    size_t length = 0;
    if (!out)
        return (struct str){0};
    for (size_t i = 0; i < text.len && length < HUNT_NAME_MAX; i++) {
        char c = text.ptr[i];
        if (c >= 'A' && c <= 'Z') c = (char)(c - 'A' + 'a');
        if (is_alnum(c)) out[length++] = c;
        else if (length && out[length - 1] != '-') out[length++] = '-';
    }
    while (length && out[length - 1] == '-') length--;
    return (struct str){out, length};
}

/* Cuts the text behind the last " - " off and gives it; the whole text when there is none. */
static struct str cut_last(struct str *text) {
    for (size_t i = text->len; i >= 3; i--) {
        if (memcmp(text->ptr + i - 3, " - ", 3) != 0)
            continue;
        struct str last = {text->ptr + i, text->len - i};
        text->len = i - 3;
        return str_trim(last);
    }
    struct str all = *text;
    text->len = 0;
    return str_trim(all);
}

void hunt_name_parse(struct arena *arena, struct hunt *hunt) {
    struct str rest = hunt->name, words = cut_last(&rest);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        if (!str_eq_nocase(words, str_from(signals[i].words)) || rest.len == 0)
            continue;
        struct str tool = cut_last(&rest);
        if (hunt->tool.len == 0) hunt->tool = tool;
        if (hunt->signal.len == 0) hunt->signal = str_from(signals[i].signal);
        if (hunt->slug.len == 0)
            hunt->slug = slug_make(arena, arena_printf(arena, "%.*s %.*s", STR_ARG(tool), STR_ARG(words)));
    }
    if (hunt->slug.len == 0) hunt->slug = slug_make(arena, hunt->name);
}

static bool is_guid(struct str id) {
    if (id.len != 36)
        return false;
    for (size_t i = 0; i < id.len; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        char c = id.ptr[i];
        bool hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
        if (dash ? c != '-' : !hex)
            return false;
    }
    return true;
}

static struct str lower(struct arena *arena, struct str text) {
    char *out = arena_take(arena, text.len + 1);
    if (!out)
        return (struct str){0};
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        out[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
    }
    return (struct str){out, text.len};
}

/* The same query gets the same id wherever it is loaded: 16 bytes of its BLAKE2b, dressed as a UUID of version 5. */
static struct str id_make(struct arena *arena, struct str query) {
    unsigned char d[16];
    if (sodium_init() < 0)
        return (struct str){0};
    crypto_generichash(d, sizeof d, (const unsigned char *)query.ptr, query.len, NULL, 0);
    d[6] = (unsigned char)((d[6] & 0x0f) | 0x50);
    d[8] = (unsigned char)((d[8] & 0x3f) | 0x80);
    return arena_printf(arena, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", d[0], d[1], d[2],
                        d[3], d[4], d[5], d[6], d[7], d[8], d[9], d[10], d[11], d[12], d[13], d[14], d[15]);
}

/* "rmm_X_filesig.yaml" without folders and extension: the name of a hunt that has none. */
static struct str file_stem(struct str file) {
    for (size_t i = file.len; i > 0; i--) {
        if (file.ptr[i - 1] != '/')
            continue;
        file = (struct str){file.ptr + i, file.len - i};
        break;
    }
    for (size_t i = file.len; i > 1; i--)
        if (file.ptr[i - 1] == '.')
            return (struct str){file.ptr, i - 1};
    return file;
}

static bool strict_read(struct arena *arena, struct str bytes, struct hunt *hunt, size_t *id_line, struct err *err) {
    yaml_document_t document;
    if (!yaml_open(&document, bytes, err))
        return false;
    const yaml_node_t *root = yaml_document_get_root_node(&document);
    const struct { const char *key; struct str *field; } fields[] = {
        {"id", &hunt->id}, {"name", &hunt->name}, {"description", &hunt->description}, {"query", &hunt->query},
        {"tactics", &hunt->tactics}, {"relevantTechniques", &hunt->techniques}, {"slug", &hunt->slug},
        {"signal", &hunt->signal}, {"why", &hunt->why},
    };
    bool ok = true;
    for (size_t i = 0; ok && i < sizeof fields / sizeof *fields; i++) {
        *fields[i].field = yaml_text(arena, &document, yaml_get(&document, root, fields[i].key));
        ok = fields[i].field->ptr || err_memory(err);
    }
    hunt->query_line = yaml_text_line(yaml_get(&document, root, "query"));
    *id_line = yaml_text_line(yaml_get(&document, root, "id"));
    hunt->shape = HUNT_STRICT;
    yaml_document_delete(&document);
    return ok;
}

/* A text of the object, or an array of texts joined with ", ". */
static struct str json_text(struct arena *arena, const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    if (json_is_string(value))
        return arena_copy(arena, (struct str){json_string_value(value), json_string_length(value)});
    struct str all = arena_copy(arena, STR(""));
    for (size_t i = 0; all.ptr && i < json_array_size(value); i++) {
        const char *one = json_string_value(json_array_get(value, i));
        if (one) all = arena_printf(arena, "%.*s%s%s", STR_ARG(all), all.len ? ", " : "", one);
    }
    return all;
}

static bool json_read(struct arena *arena, struct str bytes, struct hunt *hunt, struct err *err) {
    json_error_t fault;
    json_auto_t *root = json_loadb(bytes.ptr, bytes.len, JSON_REJECT_DUPLICATES, &fault);
    if (!root) {
        err_set(err, ERR_UNPROCESSABLE, "not valid JSON: %s", fault.text);
        err->line = fault.line > 0 ? (uint32_t)fault.line : 1;
        err->column = fault.column > 0 ? (uint32_t)fault.column : 1;
        return false;
    }
    const struct { const char *key; struct str *field; } fields[] = {
        {"id", &hunt->id}, {"name", &hunt->name}, {"description", &hunt->description}, {"query", &hunt->query},
        {"tactics", &hunt->tactics}, {"relevantTechniques", &hunt->techniques}, {"slug", &hunt->slug},
        {"signal", &hunt->signal}, {"why", &hunt->why},
    };
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        *fields[i].field = json_text(arena, root, fields[i].key);
        if (!fields[i].field->ptr)
            return err_memory(err);
    }
    hunt->shape = HUNT_JSON;
    return true;
}

/* Escapes of YAML can make a NUL, which PostgreSQL's text can't hold. */
static bool has_nul(const struct hunt *hunt) {
    const struct str texts[] = {hunt->name, hunt->description, hunt->query, hunt->tactics, hunt->techniques, hunt->why};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (str_find(texts[i], '\0'))
            return true;
    return false;
}

/* A signal that isn't one of the three counts as none; a slug of the file is brought into a slug's form. */
static void own_words_mend(struct arena *arena, struct hunt *hunt) {
    bool known = false;
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        known = known || str_eq(hunt->signal, str_from(signals[i].signal));
    if (!known) hunt->signal = STR("");
    if (hunt->slug.len) hunt->slug = slug_make(arena, hunt->slug);
}

/* What every shape owes: a query, an id that is a GUID, a slug. */
static bool hunt_complete(struct arena *arena, struct hunt *hunt, size_t id_line, struct err *err) {
    if (str_trim(hunt->query).len == 0) {
        err_set(err, ERR_UNPROCESSABLE, "the hunt has no query: put KQL under the key 'query'");
        err->line = hunt->query_line ? (uint32_t)hunt->query_line : 1;
        err->column = 1;
        return false;
    }
    if (hunt->id.len && !is_guid(str_trim(hunt->id))) {
        err_set(err, ERR_UNPROCESSABLE, "the id is not a GUID like 889cdb9b-ae6a-4bf5-9808-23e85367c6d0; leave it out to "
                                        "get one made from the query");
        err->line = id_line ? (uint32_t)id_line : 1;
        err->column = 1;
        return false;
    }
    if (has_nul(hunt)) {
        err_set(err, ERR_UNPROCESSABLE, "a text of the hunt has a NUL character in it");
        err->line = err->column = 1;
        return false;
    }
    own_words_mend(arena, hunt);
    hunt->id = hunt->id.len ? lower(arena, str_trim(hunt->id)) : id_make(arena, hunt->query);
    if (hunt->name.len == 0) hunt->name = arena_copy(arena, file_stem(hunt->source));
    hunt_name_parse(arena, hunt);
    if (hunt->slug.len == 0) hunt->slug = hunt->id;
    if (hunt->tool.len > HUNT_NAME_MAX) {
        err_set(err, ERR_UNPROCESSABLE, "the tool's name has %zu bytes; it may have %d", hunt->tool.len, HUNT_NAME_MAX);
        err->line = err->column = 1;
        return false;
    }
    return (hunt->id.ptr && hunt->name.ptr && hunt->slug.ptr) || err_memory(err);
}

static bool shape_read(struct arena *arena, struct str text, struct hunt *hunt, size_t *id_line, struct err *err) {
    const struct hunt empty = *hunt;
    struct str trimmed = str_trim(text);
    if (trimmed.len && trimmed.ptr[0] == '{')
        return json_read(arena, text, hunt, err);
    struct err strict = {0};
    if (strict_read(arena, text, hunt, id_line, &strict)) {
        if (hunt->query.len)
            return true;
    } else if (strict.code != ERR_UNPROCESSABLE) {
        *err = strict;
        return false;
    }
    struct hunt tolerant = empty;
    size_t line = 0;
    if (!lines_read(arena, text, &tolerant, &line, err)) {
        if (strict.code == ERR_UNPROCESSABLE && err->code == ERR_UNPROCESSABLE) *err = strict;
        return false;
    }
    if (strict.code == ERR_NONE && tolerant.query.len == 0) return true; /* strict, but without a query */
    *hunt = tolerant;
    *id_line = line;
    return true;
}

bool hunt_load(struct arena *arena, struct str bytes, struct str file_name, struct hunt *hunt, struct err *err) {
    *hunt = (struct hunt){.noise_level = -1, .noise = STR(""), .why = STR(""), .tool = STR(""), .signal = STR("")};
    if (bytes.len > HUNT_FILE_LIMIT)
        return err_set(err, ERR_TOO_LARGE, "a hunt file may have 4 MiB at most");
    if (!str_utf8_valid(bytes) || str_find(bytes, '\0')) {
        err_set(err, ERR_UNPROCESSABLE, "the file is not UTF-8 text");
        err->line = err->column = 1;
        return false;
    }
    hunt->source = arena_copy(arena, file_name);
    hunt->original = arena_copy(arena, bytes);
    if (!hunt->source.ptr || !hunt->original.ptr)
        return err_memory(err);
    struct str text = hunt->original;
    if (str_starts(text, STR("\xef\xbb\xbf"))) text = (struct str){text.ptr + 3, text.len - 3};
    size_t id_line = 0;
    return shape_read(arena, text, hunt, &id_line, err) && hunt_complete(arena, hunt, id_line, err);
}
