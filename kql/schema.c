#include "kql/schema.h"


const char *kql_type_name(enum kql_type type) {
    static const char *const names[] = {"string",   "long", "int",     "bool", "datetime",
                                        "timespan", "real", "decimal", "guid", "dynamic"};
    return names[type];
}

const char *schema_sql_type(enum kql_type type) {
    switch (type) {
    case KQL_LONG:
    case KQL_DATETIME:
    case KQL_TIMESPAN:
        return "bigint";
    case KQL_INT:
        return "integer";
    case KQL_BOOL:
        return "boolean";
    case KQL_REAL:
        return "double precision";
    case KQL_STRING:
    case KQL_DECIMAL:
    case KQL_GUID:
    case KQL_DYNAMIC:
        break;
    }
    return "text";
}

/* Places of a table's first column and slot, and of a dictionary's first field, in the flat lists below. */
enum {
#define TABLE(name, sql_name) FIRST_##name, BEFORE_##name = FIRST_##name - 1,
#define TS_COLUMN(table, name, type, sql) AT_##table##_##name,
#define REPORT_COLUMN TS_COLUMN
#define PLAIN_COLUMN TS_COLUMN
#define COMMAND_COLUMN(table, name, type, sql, slot) AT_##table##_##name,
#define TUPLE_COLUMN(table, name, type, slot, dictionary, field) AT_##table##_##name,
#include "kql/schema.def"
#undef TABLE
#undef TS_COLUMN
#undef REPORT_COLUMN
#undef PLAIN_COLUMN
#undef COMMAND_COLUMN
#undef TUPLE_COLUMN
    COLUMN_COUNT
};

static const struct schema_field fields[] = {
#define FIELD(dictionary, sql_name, type) {DICT_##dictionary, #sql_name, KQL_##type},
#include "kql/schema.def"
#undef FIELD
};

static const struct {
    const char *table, *sql;
    enum schema_dictionary_id dictionary;
} slot_list[] = {
#define SLOT(table, slot, dictionary) {#table, #slot, DICT_##dictionary},
#include "kql/schema.def"
#undef SLOT
};

/* Filled once by schema_init, read-only afterwards. */
static struct schema_column columns[] = {
#define TABLE(name, sql_name)
#define TS_COLUMN(table, name, type, sql_name) {#name, KQL_##type, STORED_TS, #sql_name, NULL, 0, 0, 0, 0, false},
#define REPORT_COLUMN(table, name, type, sql_name)                                                                     \
    {#name, KQL_##type, STORED_REPORT, #sql_name, NULL, 0, 0, 0, 0, false},
#define PLAIN_COLUMN(table, name, type, sql_name) {#name, KQL_##type, STORED_PLAIN, #sql_name, NULL, 0, 0, 0, 0, false},
#define COMMAND_COLUMN(table, name, type, sql_name, slot)                                                              \
    {#name, KQL_##type, STORED_COMMAND, #sql_name, #slot, DICT_path, 0, 0, 0, false},
#define TUPLE_COLUMN(table, name, type, slot_name, dictionary, field)                                                  \
    {#name, KQL_##type, STORED_TUPLE, #field, #slot_name, DICT_##dictionary, 0, 0, 0, DICT_##dictionary == DICT_host},
#include "kql/schema.def"
#undef TABLE
#undef TS_COLUMN
#undef REPORT_COLUMN
#undef PLAIN_COLUMN
#undef COMMAND_COLUMN
#undef TUPLE_COLUMN
};

static struct schema_slot slots[sizeof slot_list / sizeof *slot_list];

static struct schema_table tables[] = {
#define TABLE(name, sql_name) {#name, #sql_name, columns + FIRST_##name, 0, NULL, 0},
#define TS_COLUMN(table, name, type, sql)
#define REPORT_COLUMN TS_COLUMN
#define PLAIN_COLUMN TS_COLUMN
#define COMMAND_COLUMN(table, name, type, sql, slot)
#define TUPLE_COLUMN(table, name, type, slot, dictionary, field)
#include "kql/schema.def"
#undef TABLE
#undef TS_COLUMN
#undef REPORT_COLUMN
#undef PLAIN_COLUMN
#undef COMMAND_COLUMN
#undef TUPLE_COLUMN
};

static struct schema_dictionary dictionaries[] = {
#define DICTIONARY(name) {#name, NULL, 0},
#include "kql/schema.def"
#undef DICTIONARY
};

static void dictionaries_init(void) {
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        struct schema_dictionary *dictionary = &dictionaries[fields[i].dictionary];
        if (!dictionary->fields)
            dictionary->fields = &fields[i];
        dictionary->field_count++;
    }
}

static void slots_init(struct schema_table *table) {
    for (size_t i = 0; i < sizeof slots / sizeof *slots; i++) {
        if (strcmp(slot_list[i].table, table->name) != 0)
            continue;
        slots[i] = (struct schema_slot){slot_list[i].sql, slot_list[i].dictionary};
        if (!table->slots)
            table->slots = &slots[i];
        table->slot_count++;
    }
}

static void column_init(const struct schema_table *table, struct schema_column *column) {
    const struct schema_dictionary *dictionary = &dictionaries[column->dictionary];
    for (uint8_t i = 0; i < table->slot_count; i++)
        if (strcmp(table->slots[i].sql, column->slot) == 0)
            column->slot_index = i;
    for (uint8_t i = 0; i < dictionary->field_count; i++)
        if (strcmp(dictionary->fields[i].sql, column->sql) == 0)
            column->field_index = i;
    for (uint8_t i = 0; column->storage == STORED_COMMAND && i < table->column_count; i++)
        if (table->columns[i].storage == STORED_TUPLE && !strcmp(table->columns[i].slot, column->slot) &&
            !strcmp(table->columns[i].sql, "folder_path"))
            column->path_index = i;
}

void schema_init(void) {
    if (dictionaries[0].fields)
        return;
    dictionaries_init();
    for (size_t t = 0; t < SCHEMA_TABLES; t++) {
        struct schema_table *table = &tables[t];
        const struct schema_column *end = t + 1 < SCHEMA_TABLES ? tables[t + 1].columns : columns + COLUMN_COUNT;
        table->column_count = (size_t)(end - table->columns);
        slots_init(table);
        for (struct schema_column *column = columns + (table->columns - columns); column < end; column++)
            if (column->slot)
                column_init(table, column);
    }
}

const struct schema_table *schema_tables(void) {
    return tables;
}

size_t schema_table_index(const struct schema_table *table) {
    return (size_t)(table - tables);
}

const struct schema_table *schema_table_find(struct str name) {
    for (size_t t = 0; t < SCHEMA_TABLES; t++)
        if (str_eq(name, str_from(tables[t].name)))
            return &tables[t];
    return NULL;
}

const struct schema_column *schema_column_find(const struct schema_table *table, struct str name) {
    if (str_eq(name, STR("TimeGenerated")))
        return &table->columns[0];
    for (size_t i = 0; i < table->column_count; i++)
        if (str_eq(name, str_from(table->columns[i].name)))
            return &table->columns[i];
    return NULL;
}

const struct schema_dictionary *schema_dictionary(enum schema_dictionary_id id) {
    return &dictionaries[id];
}

bool schema_column_in_row(const struct schema_column *column) {
    return column->storage == STORED_PLAIN || column->storage == STORED_COMMAND;
}
