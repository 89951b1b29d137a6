#include "hunts/ledger_facts.h"

#include <stdio.h>

#include "base/buf.h"
#include "kql/schema.h"

enum { SQL_CAP = 64 * 1024 };

/* A column that a table lacks is looked for as its initiating process's. */
static const struct fact {
    const char *kind, *column, *of;
} facts[] = {{"device_name", "DeviceName", NULL}, {"machine_group", "MachineGroup", NULL}, {"sha1", "SHA1", NULL},
             {"file_name", "FileName", "SHA1"},   {"folder_path", "FolderPath", "SHA1"},   {"signer", "Signer", NULL}};
enum { FACTS = sizeof facts / sizeof *facts };

static const struct schema_column *column_find(const struct schema_table *table, const char *name) {
    char initiating[96];
    const struct schema_column *column = schema_column_find(table, str_from(name));
    if (column)
        return column;
    int length = snprintf(initiating, sizeof initiating, "InitiatingProcess%s", name);
    return schema_column_find(table, (struct str){initiating, (size_t)length});
}

/* The column's SQL, '' when the table has none. */
static void add_column(struct buf *sql, const struct schema_column *column) {
    if (!column)
        buf_add_str(sql, STR("''"));
    else if (column->storage == STORED_TUPLE)
        buf_printf(sql, "%s.%s", column->slot, column->sql);
    else
        buf_printf(sql, "coalesce(t.%s, '')", column->sql);
}

static void add_value(struct buf *sql, const struct schema_table *table, const char *kind, const char *name) {
    buf_printf(sql, "('%s', ", kind);
    add_column(sql, column_find(table, name));
}

/* The UPN, else domain\name. */
static void add_account(struct buf *sql, const struct schema_table *table) {
    buf_add_str(sql, STR("('account', coalesce(nullif("));
    add_column(sql, column_find(table, "AccountUpn"));
    buf_add_str(sql, STR(", ''), concat_ws('\\', nullif("));
    add_column(sql, column_find(table, "AccountDomain"));
    buf_add_str(sql, STR(", ''), nullif("));
    add_column(sql, column_find(table, "AccountName"));
    buf_add_str(sql, STR(", ''))), ''), "));
}

static void add_certificate(struct buf *sql, const struct schema_table *table) {
    add_value(sql, table, "serial", "CertificateSerialNumber");
    buf_add_str(sql, STR(", "));
    add_column(sql, column_find(table, "Signer"));
    buf_add_str(sql, STR(" || E'\\n' || "));
    add_column(sql, column_find(table, "Issuer"));
    buf_add_str(sql, STR("), "));
}

/* A program by its file name, of the host that it reached and its SHA1. */
static void add_program(struct buf *sql, const struct schema_table *table) {
    const struct schema_column *url = schema_column_find(table, STR("RemoteUrl"));
    if (!url)
        return;
    add_value(sql, table, "program", "FileName");
    buf_add_str(sql, STR(", rmm.url_host("));
    add_column(sql, url);
    buf_add_str(sql, STR(") || E'\\n' || "));
    add_column(sql, column_find(table, "SHA1"));
    buf_add_str(sql, STR("), "));
}

static void add_values(struct buf *sql, const struct schema_table *table) {
    for (size_t i = 0; i < FACTS; i++) {
        const struct schema_column *of = facts[i].of ? column_find(table, facts[i].of) : NULL;
        add_value(sql, table, facts[i].kind, facts[i].column);
        buf_add_str(sql, STR(", "));
        add_column(sql, of);
        buf_add_str(sql, STR("), "));
    }
    add_account(sql, table);
    add_certificate(sql, table);
    add_program(sql, table);
    buf_add_str(sql, STR("('domain', rmm.url_host("));
    add_column(sql, column_find(table, "RemoteUrl"));
    buf_add_str(sql, STR("), '')"));
}

static void add_joins(struct buf *sql, const struct schema_table *table) {
    for (size_t s = 0; s < table->slot_count; s++) {
        const char *slot = table->slots[s].sql;
        buf_printf(sql, " JOIN dict.%s %s ON %s.id = t.%s", schema_dictionary(table->slots[s].dictionary)->name, slot,
                   slot, slot);
    }
}

static bool table_collect(struct db_conn *conn, size_t t, int64_t deadline_ms, struct err *err) {
    const struct schema_table *table = &schema_tables()[t];
    BUF_AUTO sql = BUF(SQL_CAP);
    buf_add_str(&sql, STR("INSERT INTO rmm.ledger_facts (device, tool, signal, kind, value, of, first_seen, last_seen) "
                          "SELECT n.device, n.tool, n.signal, v.kind, v.value, v.of, min(n.ts), max(n.ts) FROM "
                          "rmm.ledger_new n "));
    buf_printf(&sql,
               "JOIN data.%s t ON t.ts = n.ts AND t.device = n.device AND t.digest = n.digest AND t.report_id IS "
               "NOT DISTINCT FROM n.report_id",
               table->sql);
    add_joins(&sql, table);
    buf_add_str(&sql, STR(" CROSS JOIN LATERAL (VALUES "));
    add_values(&sql, table);
    buf_printf(&sql,
               ") v (kind, value, of) WHERE n.event_table = %zu AND v.value <> '' GROUP BY n.device, n.tool, n.signal, "
               "v.kind, v.value, v.of",
               t);
    return buf_cstr(&sql) ? db_exec(conn, sql.ptr, NULL, 0, deadline_ms, NULL, err) : err_memory(err);
}

bool ledger_facts_collect(struct db_conn *conn, uint32_t tables, int64_t deadline_ms, struct err *err) {
    for (size_t t = 0; t < SCHEMA_TABLES; t++)
        if (tables >> t & 1 && !table_collect(conn, t, deadline_ms, err))
            return false;
    return true;
}
