/* Which way a compiled program goes, for people: what its dictionaries decide and how it reaches events. Reads the
 * program only; runs nothing. */
#pragma once
#include "base/buf.h"
#include "kql/kql.h"

/* A sentence on a predicate: when it is decided, and what it saves. Constant text. */
const char *explain_way(const struct kql_program *program, const struct kql_predicate *predicate);
/* ,"predicates":[{"table","slot","dictionary","condition","words","way"},…],"skipped_without_events":… */
void explain_add_predicates(struct buf *out, const struct kql_program *program);
