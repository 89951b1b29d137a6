/* Looks new values of a dictionary through for many conditions at once: by their words first, in one pass, then by SQL
 * for the few that are left. Only store/verdict uses it, which keeps what comes of it. One thread. */
#pragma once
#include "store/verdict.h"

enum { VERDICT_KEY = 16, VERDICT_MOST = 50000 };

/* A condition and what is known of it. */
struct verdict_want {
    unsigned char key[VERDICT_KEY];
    const struct kql_predicate *predicate;
    enum kql_form form;
    int32_t upto;  /* ids up to here are decided; -1: nothing is */
    int32_t *ids;  /* new ones that belong to the form's list, ascending; malloc */
    size_t count, room;
};

/* Fills ids of each want, whose predicate is over this dictionary, for values up to `last`. A form may change while
 * nothing is decided. */
bool verdict_scan(struct db_conn *conn, enum schema_dictionary_id dictionary, struct verdict_want *const *wants,
                  size_t count, int32_t last, int64_t deadline_ms, struct err *err);
