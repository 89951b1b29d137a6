/* What a hunt needs, read off its query: tables and the columns of its where clauses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "hunts/needs.h"

static const struct needs_case {
    const char *query, *columns; /* in the query's order, a space behind each */
    const char *tables[2];
} cases[] = {
    {"DeviceFileCertificateInfo | where Signer has 'x' | project SHA1, Issuer", "Signer ", {"DeviceFileCertificateInfo"}},
    {"DeviceProcessEvents | where Timestamp > ago(5d) and (FileName =~ 'a' or isempty(AccountUpn))",
     "Timestamp FileName AccountUpn ", {"DeviceProcessEvents"}},
    {"let names = dynamic(['Signer']); DeviceProcessEvents | where FileName in (names) | where FileName != ''",
     "FileName ", {"DeviceProcessEvents"}},
    {"DeviceProcessEvents | where FileName == 'a' | join (DeviceNetworkEvents | where RemoteUrl has 'b' | project DeviceId) on "
     "DeviceId | where Mine == 1 | summarize count() by SHA1",
     "FileName RemoteUrl ", {"DeviceProcessEvents", "DeviceNetworkEvents"}},
    {"DeviceProcessEvents | extend SHA1 = 'where FileName' // | where FileName", "", {"DeviceProcessEvents"}},
    {"print 1", "", {NULL}},
};

static void tables_and_where_columns_are_found(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct arena *arena = arena_new(1 << 20);
        struct needs needs;
        char columns[256] = "";
        uint32_t tables = 0;
        assert_true(needs_read(arena, str_from(cases[i].query), &needs));
        for (size_t c = 0; c < needs.column_count; c++) {
            size_t length = strlen(columns);
            snprintf(columns + length, sizeof columns - length, "%.*s ", STR_ARG(needs.columns[c]));
        }
        for (size_t t = 0; t < 2 && cases[i].tables[t]; t++)
            tables |= 1u << schema_table_index(schema_table_find(str_from(cases[i].tables[t])));
        assert_string_equal(columns, cases[i].columns);
        assert_int_equal(needs.tables, tables);
        arena_free(arena);
    }
}

static void what_is_no_kql_needs_nothing(void **state) {
    (void)state;
    struct arena *arena = arena_new(1 << 20);
    struct needs needs;
    assert_false(needs_read(arena, STR("DeviceProcessEvents | where FileName == 'open"), &needs));
    arena_free(arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_and_where_columns_are_found),
        cmocka_unit_test(what_is_no_kql_needs_nothing),
    };
    schema_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
