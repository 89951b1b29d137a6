/* The event tables as KQL sees them and as they are stored, from schema.def: the one list that the DDL, the decoder, the
 * binder and the views follow. Const data once schema_init has run, no I/O, any thread. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

/* Scalar types of Kusto. DATETIME and TIMESPAN are int64 ticks of 100 ns; INT is a 32-bit LONG. */
enum kql_type { KQL_STRING, KQL_LONG, KQL_INT, KQL_BOOL, KQL_DATETIME, KQL_TIMESPAN, KQL_REAL, KQL_DECIMAL, KQL_GUID, KQL_DYNAMIC };

const char *kql_type_name(enum kql_type type); /* "string", "long", … */
/* PostgreSQL's type for stored values of that type: "bigint", "text", … (KQL_DYNAMIC: JSON as text). */
const char *schema_sql_type(enum kql_type type);

enum schema_storage {
    STORED_TS,      /* data.<table>.ts */
    STORED_REPORT,  /* data.<table>.report_id, NULL when the record has none */
    STORED_PLAIN,   /* a column of the row; a string column holds NULL for "" */
    STORED_TUPLE,   /* a field of the dictionary row that the slot points at; strings there are never NULL */
    STORED_COMMAND, /* a command line: `program` of the dictionary row that the slot points at, then a column of the
                       row; which of its bytes are where is the writer's choice (store/command.h) */
};

enum schema_dictionary_id {
#define DICTIONARY(name) DICT_##name,
#include "kql/schema.def"
#undef DICTIONARY
    DICT_COUNT
};

struct schema_field {
    enum schema_dictionary_id dictionary;
    const char *sql; /* column of dict.<dictionary> */
    enum kql_type type;
};

struct schema_dictionary {
    const char *name; /* table dict.<name>(id integer, digest uuid, fields…); id 0 is the all-empty tuple */
    const struct schema_field *fields;
    size_t field_count;
};

struct schema_column {
    const char *name; /* Kusto's */
    enum kql_type type;
    enum schema_storage storage;
    const char *sql;                        /* STORED_TUPLE: the dictionary's field, else the row's column */
    const char *slot;                       /* STORED_TUPLE, STORED_COMMAND: the row's integer column */
    enum schema_dictionary_id dictionary;   /* STORED_TUPLE */
    uint8_t slot_index;                     /* STORED_TUPLE, STORED_COMMAND: place in table->slots */
    uint8_t field_index;                    /* STORED_TUPLE: place in dictionary->fields */
    uint8_t path_index;                     /* STORED_COMMAND: place in table->columns of the program's path */
    bool decoration;                        /* not part of an event's identity */
};

struct schema_slot {
    const char *sql;
    enum schema_dictionary_id dictionary;
};

struct schema_table {
    const char *name; /* Kusto's */
    const char *sql;  /* table data.<sql>: ts bigint, device integer, report_id bigint, digest bigint, arrived bigint,
                         extra text (JSON object of unknown columns, NULL: none), slots, plain columns */
    const struct schema_column *columns;
    size_t column_count;
    const struct schema_slot *slots;
    size_t slot_count;
};

enum { SCHEMA_TABLES = 10, SCHEMA_MAX_COLUMNS = 80, SCHEMA_MAX_SLOTS = 14, SCHEMA_MAX_FIELDS = 16 };

/* Must run once before anything else here, from main or a test's start: resolves slot and field places. */
void schema_init(void);
const struct schema_table *schema_tables(void); /* SCHEMA_TABLES of them */
size_t schema_table_index(const struct schema_table *table);
/* By Kusto's name, exact; NULL when there is none. */
const struct schema_table *schema_table_find(struct str name);
/* By Kusto's name, exact; "TimeGenerated" is Timestamp. NULL when there is none. */
const struct schema_column *schema_column_find(const struct schema_table *table, struct str name);
const struct schema_dictionary *schema_dictionary(enum schema_dictionary_id id);
/* Whether the row itself has a column data.<table>.<column->sql> for it, apart from time and report. */
bool schema_column_in_row(const struct schema_column *column);
