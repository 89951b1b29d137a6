/* What makes an event the same event. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/identity.h"

static const unsigned char key[IDENTITY_KEY_BYTES] = {1, 2, 3};

static void set_text(struct event *event, const char *column, struct str text) {
    const struct schema_column *found = schema_column_find(event->table, str_from(column));
    assert_non_null(found);
    event->values[found - event->table->columns] =
        (struct value){text.len ? VALUE_TEXT : VALUE_NULL, text, 0};
}

static int64_t digest_with(const char *table, const char *column, struct str text) {
    struct event event = {.table = schema_table_find(str_from(table))};
    BUF_AUTO scratch = BUF(1000);
    set_text(&event, "DeviceName", STR("host"));
    set_text(&event, column, text);
    return identity_event(&event, key, &scratch);
}

static void decoration_does_not_make_another_event(void **state) {
    (void)state;
    assert_true(digest_with("DeviceProcessEvents", "MachineGroup", STR("a")) ==
                digest_with("DeviceProcessEvents", "MachineGroup", STR("")));
    assert_true(digest_with("DeviceProcessEvents", "FileName", STR("a.exe")) !=
                digest_with("DeviceProcessEvents", "FileName", STR("b.exe")));
}

static void a_certificate_is_told_by_hash_signer_and_serial(void **state) {
    (void)state;
    const char *table = "DeviceFileCertificateInfo";
    assert_true(digest_with(table, "SignatureType", STR("Embedded")) == digest_with(table, "SignatureType", STR("")));
    assert_true(digest_with(table, "SHA1", STR("aa")) != digest_with(table, "SHA1", STR("ab")));
    assert_true(digest_with(table, "Signer", STR("aa")) != digest_with(table, "SHA1", STR("aa")));
}

static void json_counts_without_its_white_space(void **state) {
    (void)state;
    assert_true(digest_with("DeviceEvents", "AdditionalFields", STR("{\"a\": \"x y\", \"b\":1}")) ==
                digest_with("DeviceEvents", "AdditionalFields", STR("{\"a\":\"x y\",\"b\":1}")));
    assert_true(digest_with("DeviceEvents", "AdditionalFields", STR("{\"a\":\"x y\"}")) !=
                digest_with("DeviceEvents", "AdditionalFields", STR("{\"a\":\"xy\"}")));
}

static void the_empty_tuple_is_all_zero(void **state) {
    (void)state;
    static const unsigned char zero[16];
    struct value members[SCHEMA_MAX_FIELDS] = {0};
    BUF_AUTO scratch = BUF(1000);
    struct tuple_digest digest = identity_tuple(schema_dictionary(DICT_cert), members, key, &scratch);
    assert_memory_equal(digest.bytes, zero, sizeof zero);
    members[1] = (struct value){VALUE_TEXT, STR("x"), 0};
    digest = identity_tuple(schema_dictionary(DICT_cert), members, key, &scratch);
    assert_memory_not_equal(digest.bytes, zero, sizeof zero);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decoration_does_not_make_another_event),
        cmocka_unit_test(a_certificate_is_told_by_hash_signer_and_serial),
        cmocka_unit_test(json_counts_without_its_white_space),
        cmocka_unit_test(the_empty_tuple_is_all_zero),
    };
    schema_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
