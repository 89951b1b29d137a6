/* What found events say beside that they were found: names, accounts, files, certificates, domains. One list says which
 * columns of Kusto's tables tell what. */
#pragma once
#include "store/db.h"

/* Fills rmm.ledger_facts from the events of rmm.ledger_new. tables: bit schema_table_index(t). */
bool ledger_facts_collect(struct db_conn *conn, uint32_t tables, int64_t deadline_ms, struct err *err);
