#include "handlers/device_page.h"

#include "handlers/list.h"

enum { TEXT_CAP = 16 << 20, PAGE_CAP = 512 << 20, WIDE = 120, IDS_WIDE = 4, MOST_COLUMNS = 8 };

static const char *text_of(const json_t *object, const char *name) {
    const char *text = json_string_value(json_object_get(object, name));
    return text ? text : "";
}

/* A text of what the buffer has. */
static json_t *text_make(const struct buf *out) {
    return out->failed ? NULL : json_stringn(out->len ? out->ptr : "", out->len);
}

static void add_texts(struct buf *out, const json_t *texts) {
    size_t i;
    const json_t *text;
    json_array_foreach(texts, i, text) buf_printf(out, "%s%s", i ? ", " : "", json_string_value(text));
}

static void add_flag(struct buf *out, const json_t *flag) {
    const char *kind = text_of(flag, "flag");
    if (strcmp(kind, "several_tools") == 0) {
        buf_add_str(out, STR("several tools: "));
        add_texts(out, json_object_get(flag, "tools"));
    } else if (strcmp(kind, "signed_as_other") == 0) {
        buf_printf(out, "signed as %s, runs as %s: file %s", text_of(flag, "signed_as"), text_of(flag, "named_as"),
                   text_of(flag, "sha1"));
    } else {
        buf_printf(out, "domain of %s reached by another program: %s, file %s", text_of(flag, "tool"),
                   text_of(flag, "file_name"), text_of(flag, "sha1"));
    }
}

static json_t *flags_text(const json_t *flags) {
    BUF_AUTO out = BUF(TEXT_CAP);
    size_t i;
    const json_t *flag;
    json_array_foreach(flags, i, flag) {
        buf_add_str(&out, i ? STR("; ") : STR(""));
        add_flag(&out, flag);
    }
    if (!out.len)
        buf_add_str(&out, STR("none"));
    return text_make(&out);
}

/* The values of what a device had, one behind the other: [{"value":"a",…},…]. */
static json_t *values_text(const json_t *list) {
    BUF_AUTO out = BUF(TEXT_CAP);
    size_t i;
    const json_t *item;
    json_array_foreach(list, i, item) buf_printf(&out, "%s%s", i ? ", " : "", text_of(item, "value"));
    return text_make(&out);
}

static bool head_add(struct request *request, const json_t *device, struct buf *out, struct err *err) {
    static const char *const members[] = {"device_name", "device_id", "machine_group",  "names", "machine_groups",
                                          "first_seen",  "last_seen", "last_event_day", "flags"};
    json_auto_t *head = json_object();
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        json_t *value = json_object_get(device, members[i]);
        bool flags = strcmp(members[i], "flags") == 0, list = json_is_array(value);
        if (list && !flags && json_array_size(value) < 2)
            continue; /* what the device is called now stands above */
        json_t *shown = flags ? flags_text(value) : list ? values_text(value) : json_incref(value);
        if (json_object_set_new(head, members[i], shown))
            return err_memory(err);
    }
    return list_pairs(request, head, out, err);
}

/* "40200", or the first of many and how many more there are. */
static json_t *reports_text(const json_t *ids, size_t most) {
    BUF_AUTO out = BUF(TEXT_CAP);
    size_t count = json_array_size(ids), shown = count < most ? count : most;
    for (size_t i = 0; i < shown; i++)
        buf_printf(&out, "%s%s", i ? ", " : "", json_string_value(json_array_get(ids, i)));
    if (count > shown)
        buf_printf(&out, " +%zu", count - shown);
    return text_make(&out);
}

/* One member of a row under the name of its column. */
static bool row_name(json_t *row, const char *column, const char *member, size_t most) {
    json_t *value = json_object_get(row, member);
    if (strcmp(member, "report_ids") == 0)
        return json_object_set_new(row, column, reports_text(value, most)) == 0;
    if (strcmp(member, "serials") == 0)
        return json_object_set_new(row, column, values_text(value)) == 0;
    return json_object_set(row, column, value) == 0;
}

/* A table: what each tool has of a member, which may be one of its signals'. */
struct section {
    const char *list, *inner;          /* "by_signal", "hunts"; inner NULL: the list's own items */
    const char *columns[MOST_COLUMNS]; /* NULL-ended; the tool is added when there are several */
    const char *members[MOST_COLUMNS]; /* what they are in JSON */
};

static const struct section sections[] = {
    {NULL,
     NULL,
     {"tool", "state", "signals", "count", "first_seen", "last_seen"},
     {"tool", "state", "seen_by", "count", "first_seen", "last_seen"}},
    {"by_signal",
     "hunts",
     {"hunt", "count", "first_seen", "last_seen", "report_ids"},
     {"slug", "count", "first_seen", "last_seen", "report_ids"}},
    {"files", NULL, {"sha1", "names", "paths"}, {"sha1", "names", "paths"}},
    {"accounts", NULL, {"account", "first_seen", "last_seen"}, {"value", "first_seen", "last_seen"}},
    {"signers", NULL, {"signer", "issuer", "serials"}, {"signer", "issuer", "serials"}},
    {"domains", NULL, {"domain", "first_seen", "last_seen"}, {"value", "first_seen", "last_seen"}},
};

static bool row_add(json_t *rows, const struct section *section, const json_t *item, const char *tool, size_t most) {
    json_t *row = json_copy((json_t *)(uintptr_t)item);
    bool ok = row && json_object_set_new(row, "tool", json_string(tool)) == 0;
    for (size_t c = 0; ok && section->columns[c]; c++)
        ok = row_name(row, section->columns[c], section->members[c], most);
    return json_array_append_new(rows, row) == 0 && ok;
}

static bool rows_add(json_t *rows, const struct section *section, const json_t *list, const char *inner,
                     const char *tool, size_t most) {
    size_t i;
    const json_t *item;
    bool ok = true;
    json_array_foreach(list, i, item) ok =
        ok && (inner ? rows_add(rows, section, json_object_get(item, inner), NULL, tool, most)
                     : row_add(rows, section, item, tool, most));
    return ok;
}

static bool section_add(struct request *request, const struct section *section, const json_t *tools, struct buf *out,
                        struct err *err) {
    const char *columns[MOST_COLUMNS + 1] = {0};
    size_t i, count = 0, most = request->width >= WIDE ? IDS_WIDE : 1;
    const json_t *tool;
    json_auto_t *rows = json_array();
    json_array_foreach(tools, i, tool) {
        const char *name = text_of(tool, "tool");
        if (!(section->list ? rows_add(rows, section, json_object_get(tool, section->list), section->inner, name, most)
                            : row_add(rows, section, tool, name, most)))
            return err_memory(err);
    }
    for (; section->columns[count]; count++)
        columns[count] = section->columns[count];
    if (section->list && !section->inner && json_array_size(tools) > 1) /* a hunt names its tool */
        columns[count] = "tool";
    if (!json_array_size(rows))
        return true;
    buf_add_char(out, '\n');
    return list_table(request, rows, columns, 1, FORMAT_TABLE, out, err);
}

bool device_page(struct request *request, struct reply *reply, struct str json, struct err *err) {
    json_auto_t *device = json_loadb(json.ptr, json.len, JSON_ALLOW_NUL, NULL);
    if (!device)
        return err_set(err, ERR_INTERNAL, "a device is not JSON");
    reply->body.cap = PAGE_CAP;
    reply->content_type = format_content_type(FORMAT_TABLE);
    bool ok = head_add(request, device, &reply->body, err);
    for (size_t i = 0; ok && i < sizeof sections / sizeof *sections; i++)
        ok = section_add(request, &sections[i], json_object_get(device, "tools"), &reply->body, err);
    return ok;
}
