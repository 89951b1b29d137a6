/* What a hunt needs to be able to find anything: the event tables that its query names, and the columns that its where
 * clauses look at. Read off the tokens, so that hundreds of hunts take milliseconds; no database. */
#pragma once
#include "base/arena.h"
#include "kql/schema.h"

enum { NEEDS_COLUMNS = 64 }; /* more than any hunt looks at; further ones are left out */

struct needs {
    uint32_t tables;                   /* bit schema_table_index(t) */
    struct str columns[NEEDS_COLUMNS]; /* columns of at least one of the tables, in the query's order; texts in the arena */
    size_t column_count;
};

/* False when the text is no KQL, or memory is out. */
bool needs_read(struct arena *arena, struct str query, struct needs *needs);
