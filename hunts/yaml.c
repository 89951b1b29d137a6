#include "hunts/yaml.h"

static bool parse_failed(const yaml_parser_t *parser, struct err *err) {
    err_set(err, ERR_UNPROCESSABLE, "not valid YAML: %s", parser->problem ? parser->problem : "it can't be read");
    err->line = (uint32_t)parser->problem_mark.line + 1;
    err->column = (uint32_t)parser->problem_mark.column + 1;
    return false;
}

bool yaml_open(yaml_document_t *document, struct str bytes, struct err *err) {
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser))
        return err_memory(err);
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *)bytes.ptr, bytes.len);
    bool ok = yaml_parser_load(&parser, document) != 0;
    if (!ok) {
        parse_failed(&parser, err);
    } else {
        const yaml_node_t *root = yaml_document_get_root_node(document);
        if (!root || root->type != YAML_MAPPING_NODE) {
            ok = err_set(err, ERR_UNPROCESSABLE, "the file is not a mapping of keys to values");
            yaml_place(err, root);
            yaml_document_delete(document);
        }
    }
    yaml_parser_delete(&parser);
    return ok;
}

struct str yaml_scalar(const yaml_node_t *node) {
    if (!node || node->type != YAML_SCALAR_NODE)
        return STR("");
    return (struct str){(const char *)node->data.scalar.value, node->data.scalar.length};
}

yaml_node_t *yaml_get(yaml_document_t *document, const yaml_node_t *mapping, const char *key) {
    if (!mapping || mapping->type != YAML_MAPPING_NODE)
        return NULL;
    const yaml_node_pair_t *pair = mapping->data.mapping.pairs.start;
    for (; pair < mapping->data.mapping.pairs.top; pair++) {
        const yaml_node_t *name = yaml_document_get_node(document, pair->key);
        if (name && name->type == YAML_SCALAR_NODE && str_eq(yaml_scalar(name), str_from(key)))
            return yaml_document_get_node(document, pair->value);
    }
    return NULL;
}

struct str yaml_text(struct arena *arena, yaml_document_t *document, const yaml_node_t *node) {
    if (!node || node->type != YAML_SEQUENCE_NODE)
        return arena_copy(arena, yaml_scalar(node));
    struct str all = arena_copy(arena, STR(""));
    const yaml_node_item_t *item = node->data.sequence.items.start;
    for (; all.ptr && item < node->data.sequence.items.top; item++) {
        struct str one = yaml_scalar(yaml_document_get_node(document, *item));
        if (one.len == 0)
            continue;
        all = arena_printf(arena, "%.*s%s%.*s", STR_ARG(all), all.len ? ", " : "", STR_ARG(one));
    }
    return all;
}

bool yaml_list(struct arena *arena, yaml_document_t *document, const yaml_node_t *node, struct str **items,
               size_t *count, struct err *err) {
    *items = NULL;
    *count = 0;
    if (!node)
        return true;
    if (node->type != YAML_SEQUENCE_NODE) {
        err_set(err, ERR_UNPROCESSABLE, "a list belongs here");
        yaml_place(err, node);
        return false;
    }
    const yaml_node_item_t *item = node->data.sequence.items.start;
    size_t length = (size_t)(node->data.sequence.items.top - item);
    struct str *list = arena_array(arena, length + 1, sizeof *list);
    if (!list)
        return err_memory(err);
    for (size_t i = 0; i < length; i++) {
        const yaml_node_t *one = yaml_document_get_node(document, item[i]);
        if (!one || one->type != YAML_SCALAR_NODE) {
            err_set(err, ERR_UNPROCESSABLE, "a list of texts belongs here");
            yaml_place(err, one ? one : node);
            return false;
        }
        list[i] = arena_copy(arena, yaml_scalar(one));
        if (!list[i].ptr)
            return err_memory(err);
    }
    *items = list;
    *count = length;
    return true;
}

size_t yaml_text_line(const yaml_node_t *node) {
    if (!node || node->type != YAML_SCALAR_NODE)
        return 0;
    yaml_scalar_style_t style = node->data.scalar.style;
    bool block = style == YAML_LITERAL_SCALAR_STYLE || style == YAML_FOLDED_SCALAR_STYLE;
    return node->start_mark.line + (block ? 2 : 1);
}

void yaml_place(struct err *err, const yaml_node_t *node) {
    err->line = node ? (uint32_t)node->start_mark.line + 1 : 1;
    err->column = node ? (uint32_t)node->start_mark.column + 1 : 1;
}
