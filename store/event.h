/* One event, decoded: what the reader hands to the batch. Text is borrowed from the body or the reader's arena, so an
 * event is good as long as those are. Says nothing of where it is stored. */
#pragma once
#include "kql/schema.h"

enum value_kind { VALUE_NULL, VALUE_TEXT, VALUE_NUMBER }; /* "" is VALUE_NULL for string columns */

struct value {
    enum value_kind kind;
    struct str text;    /* VALUE_TEXT: string columns (UTF-8 without NUL) */
    int64_t number;     /* VALUE_NUMBER: long, int, bool (0/1), datetime (ticks) */
};

struct event {
    const struct schema_table *table;
    struct value values[SCHEMA_MAX_COLUMNS]; /* by place in table->columns */
    struct str tenant;                       /* the tenant that sent it, "" when unknown */
    struct str extra;                        /* JSON object with the columns we don't know; len 0: none */
};
