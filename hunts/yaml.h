/* libyaml's document as hunt files need it: look up a key, copy a scalar, read a list of scalars, say where a node is.
 * Knows nothing of hunts. A document is one thread's; whoever opened it calls yaml_document_delete. */
#pragma once
#include <yaml.h>

#include "base/arena.h"
#include "base/err.h"

/* Parses strictly; false with ERR_UNPROCESSABLE, line and column, when the bytes aren't one YAML mapping. The bytes must
 * outlive the document. */
bool yaml_open(yaml_document_t *document, struct str bytes, struct err *err);
/* The mapping's value of that key, NULL when it has none. */
yaml_node_t *yaml_get(yaml_document_t *document, const yaml_node_t *mapping, const char *key);
/* A scalar's text, borrowed from the document; empty for NULL and for what isn't a scalar. */
struct str yaml_scalar(const yaml_node_t *node);
/* A scalar's text, copied; a sequence's scalars joined with ", "; ptr is NULL past the arena's cap. */
struct str yaml_text(struct arena *arena, yaml_document_t *document, const yaml_node_t *node);
/* The scalars of a sequence (or the one scalar), copied. False when memory is out or an item is not a scalar. */
bool yaml_list(struct arena *arena, yaml_document_t *document, const yaml_node_t *node, struct str **items,
               size_t *count, struct err *err);
/* Line (1-based) of the first line of a scalar's text: below the indicator for block scalars. */
size_t yaml_text_line(const yaml_node_t *node);
/* Sets err's place to where the node starts. */
void yaml_place(struct err *err, const yaml_node_t *node);
