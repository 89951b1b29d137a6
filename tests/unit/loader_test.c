/* Hunt files of users in every shape that circulates. With RMMHUNT_REFERENCE set to a folder of reference material, the
 * published collection in its data/hunts is read too. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "hunts/loader.h"

#define GUID "0b5ad6a4-2f5e-4b0c-8f1d-0c2b7c3a9e11"
#define NAME "name: Remote Management and Monitoring tool - RemotePC - File Signature"

static struct arena *arena_make(void) {
    struct arena *arena = arena_new(8 << 20);
    assert_non_null(arena);
    return arena;
}

static void assert_str(struct str got, const char *want) {
    struct str expected = str_from(want);
    if (!str_eq(got, expected)) print_error("got \"%.*s\", want \"%.*s\"\n", STR_ARG(got), STR_ARG(expected));
    assert_true(str_eq(got, expected));
}

static struct hunt load(struct arena *arena, const char *text) {
    struct hunt hunt;
    struct err err = {0};
    bool ok = hunt_load(arena, str_from(text), STR("folder/my_hunt.yaml"), &hunt, &err);
    if (!ok) print_error("%u:%u %s\n", err.line, err.column, err.text);
    assert_true(ok);
    return hunt;
}

static struct err refuse(const char *text) {
    struct arena *arena = arena_make();
    struct hunt hunt;
    struct err err = {0};
    assert_false(hunt_load(arena, str_from(text), STR("my_hunt.yaml"), &hunt, &err));
    arena_free(arena);
    return err;
}

static const char strict_file[] = "id: " GUID "\n" NAME "\n"
                                  "description: |\n    One line.\n    Another.\n"
                                  "requiredDataConnectors:\n    - connectorId: MicrosoftThreatProtection\n"
                                  "      dataTypes:\n        - DeviceFileCertificateInfo\n"
                                  "tactics:\n    - CommandAndControl\n    - Persistence\n"
                                  "relevantTechniques: [T1219, T1133]\n"
                                  "query: |\n  DeviceInfo\n  | where DeviceName has 'x'\n      and true\n"
                                  "version: 1.0.0\n";

static void a_strict_file_is_read(void **state) {
    (void)state;
    struct arena *arena = arena_make();
    struct hunt hunt = load(arena, strict_file);
    assert_int_equal(hunt.shape, HUNT_STRICT);
    assert_str(hunt.id, GUID);
    assert_str(hunt.tool, "RemotePC");
    assert_str(hunt.signal, "signature");
    assert_str(hunt.slug, "remotepc-file-signature");
    assert_str(hunt.description, "One line.\nAnother.\n");
    assert_str(hunt.tactics, "CommandAndControl, Persistence");
    assert_str(hunt.techniques, "T1219, T1133");
    assert_str(hunt.query, "DeviceInfo\n| where DeviceName has 'x'\n    and true\n");
    assert_int_equal(hunt.query_line, 15);
    assert_str(hunt.original, strict_file);
    assert_int_equal(hunt.noise_level, -1);
    arena_free(arena);
}

static const char misindented_file[] = "id: " GUID "\r\n" NAME "\r\n"
                                       "description: |\r\n    One line.\r\n    Another.\r\n"
                                       "requiredDataConnectors:\r\n    - connectorId: MicrosoftThreatProtection\r\n"
                                       "    dataTypes:\r\n        - DeviceFileCertificateInfo\r\n"
                                       "tactics: CommandAndControl\r\nrelevantTechniques:\r\n  - T1219\r\n  - T1133\r\n"
                                       "query: |\r\n  DeviceInfo \r\n\r\n  | where DeviceName has 'x'\r\n      and true\r\n";

static void a_misindented_file_with_crlf_is_read_and_its_query_has_lf(void **state) {
    (void)state;
    struct arena *arena = arena_make();
    struct hunt hunt = load(arena, misindented_file);
    assert_int_equal(hunt.shape, HUNT_MISINDENTED);
    assert_str(hunt.id, GUID);
    assert_str(hunt.description, "One line.\nAnother.\n");
    assert_str(hunt.tactics, "CommandAndControl");
    assert_str(hunt.techniques, "T1219, T1133");
    assert_str(hunt.query, "DeviceInfo \n\n| where DeviceName has 'x'\n    and true\n");
    assert_int_equal(hunt.query_line, 15);
    assert_str(hunt.original, misindented_file);
    arena_free(arena);
}

#define FLAT                                                                                                         \
    "id: " GUID "\n" NAME "\ndescription: |\nOne line.\nAnother.\nrequiredDataConnectors:\n- connectorId: M\ndataTypes:\n" \
    "- DeviceInfo\ntactics: CommandAndControl\nrelevantTechniques: T1219\nquery: |\nDeviceInfo\n| where DeviceName has 'x'\n"

static void a_flattened_query_runs_to_the_next_known_key(void **state) {
    (void)state;
    struct arena *arena = arena_make();
    struct hunt hunt = load(arena, FLAT "entityMappings:\n- entityType: Host\nversion: 1.0.0\n");
    assert_int_equal(hunt.shape, HUNT_FLATTENED);
    assert_str(hunt.description, "One line.\nAnother.\n");
    assert_str(hunt.query, "DeviceInfo\n| where DeviceName has 'x'\n");
    assert_int_equal(hunt.query_line, 13);
    hunt = load(arena, FLAT);
    assert_str(hunt.query, "DeviceInfo\n| where DeviceName has 'x'\n");
    arena_free(arena);
}

static void a_card_gives_the_hunt_of_its_yaml_part(void **state) {
    (void)state;
    struct arena *arena = arena_make();
    struct hunt hunt = load(arena, "Somebody may misuse a tool.\nKQL Query\nDeviceInfo\n| where true\n" FLAT
                                   "Scenario: the help desk\nDescription: they do this daily\nFilter/Exclusion: a != 1\n");
    assert_int_equal(hunt.shape, HUNT_CARD);
    assert_str(hunt.id, GUID);
    assert_str(hunt.query, "DeviceInfo\n| where DeviceName has 'x'\n");
    assert_int_equal(hunt.query_line, 17);
    assert_str(hunt.slug, "remotepc-file-signature");
    arena_free(arena);
}

static void a_description_that_speaks_of_a_scenario_makes_no_card(void **state) {
    (void)state;
    struct arena *arena = arena_make();
    struct hunt hunt = load(arena, "name: a\ndescription: |\nScenario: one\ntactics: X\nquery: |\nDeviceInfo\n");
    assert_int_equal(hunt.shape, HUNT_FLATTENED);
    assert_str(hunt.description, "Scenario: one\n");
    assert_str(hunt.query, "DeviceInfo\n");
    arena_free(arena);
}

static void a_slug_and_a_signal_of_the_file_are_kept_when_they_are_in_form(void **state) {
    (void)state;
    struct arena *arena = arena_make();
    struct hunt hunt = load(arena, "name: a\nslug: My Hunt\nsignal: process\nquery: DeviceInfo\n");
    assert_str(hunt.slug, "my-hunt");
    assert_str(hunt.signal, "process");
    assert_str(load(arena, "name: a\nsignal: smell\nquery: DeviceInfo\n").signal, "");
    arena_free(arena);
}

static void json_is_read(void **state) {
    (void)state;
    struct arena *arena = arena_make();
    struct hunt hunt = load(arena, "\n{\"name\":\"My hunt, #2\",\"query\":\"DeviceInfo\\n| take 1\","
                                   "\"tactics\":[\"CommandAndControl\",\"Persistence\"]}");
    assert_int_equal(hunt.shape, HUNT_JSON);
    assert_str(hunt.query, "DeviceInfo\n| take 1");
    assert_str(hunt.tactics, "CommandAndControl, Persistence");
    assert_str(hunt.slug, "my-hunt-2");
    assert_str(hunt.signal, "");
    assert_int_equal(hunt.query_line, 0);
    arena_free(arena);
}

static void a_missing_id_is_made_from_the_query_and_a_missing_name_from_the_file(void **state) {
    (void)state;
    struct arena *arena = arena_make();
    struct hunt one = load(arena, "query: DeviceInfo\n"), two = load(arena, "query: |\n  DeviceInfo2\n");
    struct hunt again = load(arena, "name: other\nquery: DeviceInfo\n");
    assert_int_equal(one.id.len, 36);
    assert_int_equal(one.id.ptr[14], '5');
    assert_true(str_eq(one.id, again.id));
    assert_false(str_eq(one.id, two.id));
    assert_str(one.name, "my_hunt");
    assert_str(one.slug, "my-hunt");
    arena_free(arena);
}

static void an_upper_case_id_becomes_lower_case(void **state) {
    (void)state;
    struct arena *arena = arena_make();
    assert_str(load(arena, "id: 0B5AD6A4-2F5E-4B0C-8F1D-0C2B7C3A9E11\nquery: DeviceInfo\n").id, GUID);
    arena_free(arena);
}

static void what_is_no_hunt_is_refused_with_its_place(void **state) {
    (void)state;
    struct { const char *text; uint32_t line; } cases[] = {
        {"", 1},
        {"prose only\nand more\n", 1},
        {"id: " GUID "\nname: a\n", 1},
        {"id: " GUID "\nquery: |\n\nversion: 1\n", 3},
        {"name: a\nid: nonsense\nquery: DeviceInfo\n", 2},
        {"{\"name\":\n tru}", 2},
        {"{\"name\":\"a\"}", 1},
        {"query: \xff\xfe\n", 1},
        {"query: \"DeviceInfo \\0\"\n", 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err err = refuse(cases[i].text);
        if (err.line != cases[i].line) print_error("case %zu: line %u, %s\n", i, err.line, err.text);
        assert_int_equal(err.code, ERR_UNPROCESSABLE);
        assert_int_equal(err.line, cases[i].line);
        assert_true(err.text[0] != 0);
    }
}

static void names_give_tool_signal_and_slug(void **state) {
    (void)state;
    struct { const char *name, *tool, *signal, *slug; } cases[] = {
        {"Remote Management and Monitoring tool - RemotePC - Create Process", "RemotePC", "process", "remotepc-create-process"},
        {"X - All Tools - Network Connection", "All Tools", "network", "all-tools-network-connection"},
        {"RemotePC - File Signature", "RemotePC", "signature", "remotepc-file-signature"},
        {"File Signature", "", "", "file-signature"},
        {"My  own--hunt!", "", "", "my-own-hunt"},
    };
    struct arena *arena = arena_make();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct hunt hunt = {.name = str_from(cases[i].name)};
        hunt_name_parse(arena, &hunt);
        assert_str(hunt.tool, cases[i].tool);
        assert_str(hunt.signal, cases[i].signal);
        assert_str(hunt.slug, cases[i].slug);
    }
    arena_free(arena);
}

static struct str file_read(struct arena *arena, const char *path) {
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    char *bytes = arena_take(arena, 1 << 20);
    assert_non_null(bytes);
    size_t length = fread(bytes, 1, 1 << 20, file);
    fclose(file);
    return (struct str){bytes, length};
}

static void published_file_check(const char *folder, const char *name) {
    struct arena *arena = arena_make();
    struct hunt hunt;
    struct err err = {0};
    struct str path = arena_printf(arena, "%s/%s", folder, name);
    bool ok = hunt_load(arena, file_read(arena, path.ptr), str_from(name), &hunt, &err);
    if (!ok) print_error("%s:%u %s\n", name, err.line, err.text);
    assert_true(ok);
    assert_int_equal(hunt.shape, HUNT_MISINDENTED);
    assert_true(hunt.signal.len > 0 && hunt.tool.len > 0 && hunt.query_line > 0);
    assert_true(str_starts(hunt.query, STR("let ")));
    assert_null(memchr(hunt.query.ptr, '\r', hunt.query.len));
    assert_str(hunt.techniques, "T1219");
    arena_free(arena);
}

static void the_published_collection_is_read_when_it_is_at_hand(void **state) {
    (void)state;
    const char *reference = getenv("RMMHUNT_REFERENCE");
    if (!reference || !*reference)
        return;
    struct arena *arena = arena_make();
    struct str folder = arena_printf(arena, "%s/data/hunts", reference);
    DIR *dir = opendir(folder.ptr);
    assert_non_null(dir);
    size_t count = 0;
    for (const struct dirent *entry; (entry = readdir(dir));) {
        if (!str_ends(str_from(entry->d_name), STR(".yaml")))
            continue;
        published_file_check(folder.ptr, entry->d_name);
        count++;
    }
    closedir(dir);
    assert_true(count > 0);
    arena_free(arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_strict_file_is_read),
        cmocka_unit_test(a_misindented_file_with_crlf_is_read_and_its_query_has_lf),
        cmocka_unit_test(a_flattened_query_runs_to_the_next_known_key),
        cmocka_unit_test(a_card_gives_the_hunt_of_its_yaml_part),
        cmocka_unit_test(a_description_that_speaks_of_a_scenario_makes_no_card),
        cmocka_unit_test(a_slug_and_a_signal_of_the_file_are_kept_when_they_are_in_form),
        cmocka_unit_test(json_is_read),
        cmocka_unit_test(a_missing_id_is_made_from_the_query_and_a_missing_name_from_the_file),
        cmocka_unit_test(an_upper_case_id_becomes_lower_case),
        cmocka_unit_test(what_is_no_hunt_is_refused_with_its_place),
        cmocka_unit_test(names_give_tool_signal_and_slug),
        cmocka_unit_test(the_published_collection_is_read_when_it_is_at_hand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
