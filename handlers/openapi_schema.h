/* Types of openapi.def as JSON schemas, for OpenAPI 3.1 and for Swagger 2.0, which knows less: no null, no one-of-two.
 * Knows nothing of routes. Constant text into the caller's buffer. */
#pragma once
#include "base/buf.h"

/* The schema of a type, written as openapi.def has it; more: further members. */
void schema_add_type(struct buf *out, const char *type, const char *more, bool swagger);
/* {"Problem":{…},…} */
void schema_add_all(struct buf *out, bool swagger);
