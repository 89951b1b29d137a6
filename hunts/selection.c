#include "hunts/selection.h"

#include "base/json.h"

enum { MAX_HUNTS = 1000 };

static bool parse_hunts(struct arena *arena, const json_t *hunts, struct run_request *request, struct err *err) {
    size_t index;
    const json_t *item;
    if (!json_is_array(hunts) || !json_array_size(hunts) || json_array_size(hunts) > MAX_HUNTS)
        return err_set(err, ERR_BAD_REQUEST, "hunts must be a list of 1 to %d ids or slugs", MAX_HUNTS);
    struct str *names = arena_array(arena, json_array_size(hunts), sizeof *names);
    if (!names)
        return err_memory(err);
    json_array_foreach(hunts, index, item) {
        if (!json_is_string(item))
            return err_set(err, ERR_BAD_REQUEST, "hunts must hold ids or slugs as strings");
        names[index] = arena_copy(arena, str_from(json_string_value(item)));
        if (!names[index].ptr)
            return err_memory(err);
    }
    request->hunts = names;
    request->hunt_count = json_array_size(hunts);
    return true;
}

static const json_t *member(const json_t *root, const char *name) {
    const json_t *value = json_object_get(root, name);
    return json_is_null(value) ? NULL : value;
}

bool selection_parse(struct arena *arena, const json_t *root, struct run_request *request, const char **field,
                     struct err *err) {
    const json_t *hunts = member(root, "hunts"), *tool = member(root, "tool"), *all = member(root, "all");
    *field = hunts ? "hunts" : tool ? "tool" : "all";
    request->all = json_is_true(all);
    if (tool && (!json_is_string(tool) || !json_string_length(tool)))
        return err_set(err, ERR_BAD_REQUEST, "tool must be a tool's name, such as \"RemotePC\"");
    if (all && !json_is_boolean(all))
        return err_set(err, ERR_BAD_REQUEST, "all must be true or false");
    if ((hunts != NULL) + (tool != NULL) + request->all != 1)
        return err_set(err, ERR_BAD_REQUEST, "name one of \"hunts\":[…], \"tool\":\"…\" or \"all\":true");
    if (tool)
        request->tool = arena_copy(arena, str_from(json_string_value(tool)));
    return hunts ? parse_hunts(arena, hunts, request, err) : (!tool || request->tool.ptr || err_memory(err));
}

void selection_add(struct buf *out, const struct run_request *request) {
    buf_add_char(out, '{');
    if (request->all) {
        buf_add_str(out, STR("\"all\":true"));
    } else if (request->tool.len) {
        buf_add_str(out, STR("\"tool\":"));
        json_add_string(out, request->tool);
    } else {
        buf_add_str(out, STR("\"hunts\":["));
        for (size_t i = 0; i < request->hunt_count; i++) {
            json_add_comma(out);
            json_add_string(out, request->hunts[i]);
        }
        buf_add_char(out, ']');
    }
    buf_add_char(out, '}');
}
