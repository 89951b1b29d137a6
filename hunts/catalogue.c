#include "hunts/catalogue.h"

#include "base/embed.h"
#include "hunts/yaml.h"

#define CATALOGUE_FOLDER "hunts/catalogue/"

struct parsing {
    struct arena *arena;
    yaml_document_t document;
    struct str file;
};

static bool parse_fault(const struct parsing *p, const yaml_node_t *node, const char *what, const char *key,
                        struct err *err) {
    err_set(err, ERR_INTERNAL, "%.*s: %s '%s'", STR_ARG(p->file), what, key);
    yaml_place(err, node);
    return false;
}

/* A text under a key; required ones may be neither missing nor empty. */
static bool text_read(struct parsing *p, const yaml_node_t *in, const char *key, bool required, struct str *out,
                      struct err *err) {
    const yaml_node_t *node = yaml_get(&p->document, in, key);
    if (node && node->type != YAML_SCALAR_NODE)
        return parse_fault(p, node, "a text belongs under", key, err);
    *out = yaml_text(p->arena, &p->document, node);
    if (!out->ptr)
        return err_memory(err);
    if (required && str_trim(*out).len == 0)
        return parse_fault(p, in, "missing key", key, err);
    return true;
}

static bool texts_read(struct parsing *p, const yaml_node_t *in, const char *key, struct str **items, size_t *count,
                       struct err *err) {
    const yaml_node_t *node = yaml_get(&p->document, in, key);
    struct err cause = {0};
    if (yaml_list(p->arena, &p->document, node, items, count, &cause))
        return true;
    if (cause.code == ERR_OUT_OF_MEMORY)
        return err_memory(err);
    return parse_fault(p, node, "a list of texts belongs under", key, err);
}

static bool noise_read(struct parsing *p, const yaml_node_t *in, struct hunt *hunt, struct err *err) {
    const yaml_node_t *node = yaml_get(&p->document, in, "noise");
    struct str text = yaml_scalar(node);
    hunt->noise_level = -1;
    if (!node)
        return true;
    if (text.len != 1 || text.ptr[0] < '0' || text.ptr[0] > '3') return parse_fault(p, node, "0 to 3 belongs under",
                                                                                    "noise", err);
    hunt->noise_level = text.ptr[0] - '0';
    return true;
}

static bool signal_check(struct parsing *p, const yaml_node_t *in, struct str signal, struct err *err) {
    if (str_eq(signal, STR("signature")) || str_eq(signal, STR("process")) || str_eq(signal, STR("network")))
        return true;
    return parse_fault(p, yaml_get(&p->document, in, "signal"), "signature, process or network belongs under", "signal",
                       err);
}

static bool hunt_read(struct parsing *p, const yaml_node_t *in, const struct tool *tool, struct hunt *hunt,
                      struct err *err) {
    *hunt = (struct hunt){
        .tool = tool->name,
        .description = tool->description,
        .tactics = STR("CommandAndControl"),
        .techniques = STR("T1219"),
        .source = STR("catalogue"),
        .shape = HUNT_STRICT,
    };
    if (!in || in->type != YAML_MAPPING_NODE)
        return parse_fault(p, in, "a mapping belongs into", "hunts", err);
    const yaml_node_t *query = yaml_get(&p->document, in, "query");
    hunt->query_line = yaml_text_line(query);
    return text_read(p, in, "id", true, &hunt->id, err) && text_read(p, in, "slug", true, &hunt->slug, err) &&
           text_read(p, in, "signal", true, &hunt->signal, err) && signal_check(p, in, hunt->signal, err) &&
           text_read(p, in, "name", true, &hunt->name, err) && text_read(p, in, "query", true, &hunt->query, err) &&
           noise_read(p, in, hunt, err) && text_read(p, in, "noise_note", false, &hunt->noise, err) &&
           text_read(p, in, "why", true, &hunt->why, err);
}

static bool hunts_read(struct parsing *p, const yaml_node_t *root, struct tool *tool, struct err *err) {
    const yaml_node_t *list = yaml_get(&p->document, root, "hunts");
    if (!list || list->type != YAML_SEQUENCE_NODE)
        return parse_fault(p, list, "a list belongs under", "hunts", err);
    const yaml_node_item_t *items = list->data.sequence.items.start;
    tool->hunt_count = (size_t)(list->data.sequence.items.top - items);
    if (tool->hunt_count == 0)
        return parse_fault(p, list, "no hunt under", "hunts", err);
    tool->hunts = arena_array(p->arena, tool->hunt_count, sizeof *tool->hunts);
    if (!tool->hunts)
        return err_memory(err);
    for (size_t i = 0; i < tool->hunt_count; i++) {
        const yaml_node_t *in = yaml_document_get_node(&p->document, items[i]);
        if (!hunt_read(p, in, tool, &tool->hunts[i], err))
            return false;
    }
    return true;
}

static bool facts_read(struct parsing *p, const yaml_node_t *root, struct tool *tool, struct err *err) {
    const struct {
        const char *key;
        struct str **items;
        size_t *count;
    } lists[] = {
        {"aliases", &tool->aliases, &tool->alias_count},       {"signers", &tool->signers, &tool->signer_count},
        {"companies", &tool->companies, &tool->company_count}, {"products", &tool->products, &tool->product_count},
        {"domains", &tool->domains, &tool->domain_count},      {"processes", &tool->processes, &tool->process_count},
        {"serials", &tool->serials, &tool->serial_count},
    };
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        if (!texts_read(p, root, lists[i].key, lists[i].items, lists[i].count, err))
            return false;
    return text_read(p, root, "name", true, &tool->name, err) && text_read(p, root, "id", true, &tool->id, err) &&
           text_read(p, root, "vendor", false, &tool->vendor, err) &&
           text_read(p, root, "description", true, &tool->description, err) &&
           text_read(p, root, "also_matches", false, &tool->also_matches, err);
}

bool catalogue_parse(struct arena *arena, struct str bytes, struct str file_name, struct tool *tool, struct err *err) {
    struct parsing p = {.arena = arena, .file = file_name};
    struct err cause = {0};
    *tool = (struct tool){0};
    if (!yaml_open(&p.document, bytes, &cause)) {
        if (cause.code == ERR_OUT_OF_MEMORY)
            return err_memory(err);
        err_set(err, ERR_INTERNAL, "%.*s: %s", STR_ARG(file_name), cause.text);
        err->line = cause.line;
        err->column = cause.column;
        return false;
    }
    const yaml_node_t *root = yaml_document_get_root_node(&p.document);
    struct str original = arena_copy(arena, bytes);
    bool ok = original.ptr ? facts_read(&p, root, tool, err) && hunts_read(&p, root, tool, err) : err_memory(err);
    for (size_t i = 0; ok && i < tool->hunt_count; i++) tool->hunts[i].original = original;
    yaml_document_delete(&p.document);
    return ok;
}

static bool is_catalogue_file(const struct embedded_file *file) {
    return strncmp(file->name, CATALOGUE_FOLDER, sizeof CATALOGUE_FOLDER - 1) == 0;
}

bool catalogue_load(struct arena *arena, struct catalogue *catalogue, struct err *err) {
    size_t count = 0;
    for (const struct embedded_file *file = embedded_files; file->name; file++) count += is_catalogue_file(file);
    *catalogue = (struct catalogue){.tools = arena_array(arena, count + 1, sizeof *catalogue->tools)};
    if (!catalogue->tools)
        return err_memory(err);
    for (const struct embedded_file *file = embedded_files; file->name; file++) {
        if (!is_catalogue_file(file))
            continue;
        struct str bytes = {(const char *)file->bytes, file->length};
        struct tool *tool = &catalogue->tools[catalogue->tool_count];
        if (!catalogue_parse(arena, bytes, str_from(file->name), tool, err))
            return false;
        catalogue->tool_count++;
    }
    return true;
}

const struct hunt *catalogue_hunt_find(const struct catalogue *catalogue, struct str id_or_slug) {
    for (size_t t = 0; t < catalogue->tool_count; t++) {
        const struct tool *tool = &catalogue->tools[t];
        for (size_t h = 0; h < tool->hunt_count; h++)
            if (str_eq_nocase(tool->hunts[h].id, id_or_slug) || str_eq(tool->hunts[h].slug, id_or_slug))
                return &tool->hunts[h];
    }
    return NULL;
}
