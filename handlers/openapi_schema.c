#include "handlers/openapi_schema.h"

#include "base/json.h"

static const struct member {
    const char *schema, *name, *type, *description;
} members[] = {
#define MEMBER(schema, name, type, description) {#schema, #name, type, description},
#include "handlers/openapi.def"
};

enum { MEMBERS = sizeof members / sizeof *members };

static void add_reference(struct buf *out, struct str name, bool swagger) {
    buf_printf(out, "{\"$ref\":\"#/%s/%.*s\"}", swagger ? "definitions" : "components/schemas", STR_ARG(name));
}

/* "A|B". Swagger 2.0 can't say one of two. */
static void add_either(struct buf *out, struct str type, bool swagger) {
    struct str one, other;
    str_cut(type, '|', &one, &other);
    if (swagger) {
        buf_add_str(out, STR("{\"type\":\"object\"}"));
        return;
    }
    buf_add_str(out, STR("{\"anyOf\":["));
    add_reference(out, one, false);
    buf_add_char(out, ',');
    add_reference(out, other, false);
    buf_add_str(out, STR("]}"));
}

static void add_plain(struct buf *out, struct str type, bool nullable, const char *more, bool swagger) {
    bool time = str_eq(type, STR("time"));
    struct str name = time ? STR("string") : type;
    if (str_eq(type, STR("any"))) {
        buf_add_str(out, STR("{}"));
        return;
    }
    buf_add_str(out, STR("{\"type\":"));
    buf_printf(out, nullable && !swagger ? "[\"%.*s\",\"null\"]" : "\"%.*s\"", STR_ARG(name));
    buf_printf(out, "%s%s%s}", time ? ",\"format\":\"date-time\"" : "", nullable && swagger ? ",\"x-nullable\":true" : "",
               more);
}

void schema_add_type(struct buf *out, const char *type, const char *more, bool swagger) {
    struct str rest = str_from(type[0] == '~' ? type + 1 : type);
    size_t lists = 0;
    for (; str_starts(rest, STR("[]")); rest = (struct str){rest.ptr + 2, rest.len - 2}, lists++)
        buf_add_str(out, STR("{\"type\":\"array\",\"items\":"));
    bool nullable = str_ends(rest, STR("?"));
    rest.len -= nullable;
    bool schema = rest.ptr[0] >= 'A' && rest.ptr[0] <= 'Z';
    if (str_find(rest, '|'))
        add_either(out, rest, swagger);
    else if (!schema)
        add_plain(out, rest, nullable, more, swagger);
    else if (!nullable || swagger)
        add_reference(out, rest, swagger);
    else {
        buf_add_str(out, STR("{\"anyOf\":["));
        add_reference(out, rest, false);
        buf_add_str(out, STR(",{\"type\":\"null\"}]}"));
    }
    while (lists--)
        buf_add_char(out, '}');
}

static void add_required(struct buf *out, size_t from, size_t end) {
    buf_add_str(out, STR(",\"required\":["));
    for (size_t i = from; i < end; i++)
        if (members[i].type[0] != '~') {
            json_add_comma(out);
            json_add_string(out, str_from(members[i].name));
        }
    buf_add_char(out, ']');
}

/* The description goes into the schema where it holds nothing that would hide it. */
static void add_member(struct buf *out, const struct member *member, bool swagger) {
    json_add_key(out, member->name);
    size_t at = out->len;
    schema_add_type(out, member->type, "", swagger);
    if (!out->failed && out->len > at && strncmp(out->ptr + at, "{\"$ref", 6) != 0) {
        out->len--;
        json_add_string_member(out, "description", str_from(member->description));
        buf_add_char(out, '}');
    }
}

void schema_add_all(struct buf *out, bool swagger) {
    buf_add_char(out, '{');
    for (size_t i = 0, end; i < MEMBERS; i = end) {
        json_add_key(out, members[i].schema);
        buf_add_str(out, STR("{\"type\":\"object\",\"properties\":{"));
        for (end = i; end < MEMBERS && !strcmp(members[end].schema, members[i].schema); end++)
            add_member(out, &members[end], swagger);
        buf_add_char(out, '}');
        bool any = false;
        for (size_t k = i; k < end; k++)
            any = any || members[k].type[0] != '~';
        if (any)
            add_required(out, i, end);
        buf_add_char(out, '}');
    }
    buf_add_char(out, '}');
}
