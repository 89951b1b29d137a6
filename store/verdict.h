/* Which values of a dictionary fulfil a condition: worked out once a value and condition, kept by the process. Values get
 * ids in the order of their commits (see intern.c), so that "up to this id" is a complete answer. Any thread. */
#pragma once
#include "base/attr.h"
#include "kql/kql.h"
#include "store/db.h"

struct verdict_ids {
    enum kql_form form;
    const int32_t *ids; /* ascending; of KQL_AMONG and KQL_NOT_AMONG only */
    size_t count;
};

struct verdicts;
void verdicts_free(struct verdicts *verdicts);
OWNED_BY(verdicts_free) struct verdicts *verdicts_new(void);

/* One verdict a predicate of each program, as (*out)[program][predicate], in the arena. conn may be in a transaction:
 * events that its snapshot shows have only values that are decided here. */
bool verdicts_read(struct db_conn *conn, struct arena *arena, const struct kql_program *const *programs, size_t count,
                   struct verdict_ids ***out, int64_t deadline_ms, struct err *err);
/* Decides at most so many more values of each dictionary, and keeps that for whoever asks later. *more: some are left.
 */
bool verdicts_advance(struct db_conn *conn, const struct kql_program *const *programs, size_t count, int32_t most,
                      bool *more, int64_t deadline_ms, struct err *err);
/* The program's SQL with those verdicts. */
bool verdicts_bind(struct arena *arena, const struct kql_program *program, const struct verdict_ids *verdicts, struct str *sql,
                   struct str **params, size_t *param_count, struct err *err);
/* The same as a part of a statement: as->choices are the verdicts', its other members count. */
bool verdicts_bind_part(struct arena *arena, const struct kql_program *program, const struct verdict_ids *verdicts,
                        const struct kql_binding *as, struct str *sql, struct str **params, size_t *param_count,
                        struct err *err);
/* Both for one program, and runs it. Owned by the caller. */
struct db_rows *verdicts_query(struct db_conn *conn, struct arena *arena, const struct kql_program *program,
                               int64_t deadline_ms, struct err *err);
