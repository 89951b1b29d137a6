/* The embedded catalogue: every file is right, every id is one of its own, and only the two hunts that were published as
 * something else than KQL are broken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "hunts/catalogue.h"
#include "kql/schema.h"

static struct arena *arena;
static struct catalogue catalogue;

static int setup(void **state) {
    (void)state;
    struct err err = {0};
    schema_init();
    arena = arena_new(64 << 20);
    if (!arena)
        return -1;
    if (catalogue_load(arena, &catalogue, &err))
        return 0;
    print_error("%u:%u %s\n", err.line, err.column, err.text);
    return -1;
}

static int teardown(void **state) {
    (void)state;
    arena_free(arena);
    return 0;
}

static bool is_guid(struct str id) {
    if (id.len != 36)
        return false;
    for (size_t i = 0; i < id.len; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        bool hex = (id.ptr[i] >= '0' && id.ptr[i] <= '9') || (id.ptr[i] >= 'a' && id.ptr[i] <= 'f');
        if (dash ? id.ptr[i] != '-' : !hex)
            return false;
    }
    return true;
}

static const struct hunt *hunt_at(size_t index) {
    for (size_t t = 0; t < catalogue.tool_count; t++) {
        if (index < catalogue.tools[t].hunt_count)
            return &catalogue.tools[t].hunts[index];
        index -= catalogue.tools[t].hunt_count;
    }
    return NULL;
}

static void every_tool_has_a_name_an_id_and_hunts(void **state) {
    (void)state;
    assert_true(catalogue.tool_count >= 35);
    for (size_t t = 0; t < catalogue.tool_count; t++) {
        const struct tool *tool = &catalogue.tools[t];
        assert_true(tool->name.len && tool->id.len && tool->description.len && tool->hunt_count);
        for (size_t i = 0; i < t; i++) assert_false(str_eq(catalogue.tools[i].id, tool->id));
        for (size_t i = 0; i < t; i++) assert_false(str_eq(catalogue.tools[i].description, tool->description));
    }
}

static void every_hunt_has_its_own_guid_slug_query_and_reason(void **state) {
    (void)state;
    const struct hunt *hunt, *other;
    for (size_t n = 0; (hunt = hunt_at(n)); n++) {
        assert_true(is_guid(hunt->id));
        assert_true(str_trim(hunt->query).len > 0);
        assert_true(hunt->noise_level >= 0);
        assert_true(hunt->query_line > 0);
        assert_null(memchr(hunt->query.ptr, '\r', hunt->query.len));
        for (size_t i = 0; i < n && (other = hunt_at(i)); i++) {
            assert_false(str_eq(other->id, hunt->id));
            assert_false(str_eq(other->slug, hunt->slug));
            assert_false(str_eq(other->why, hunt->why));
        }
    }
}

static void a_hunt_is_found_by_its_guid_in_any_case_and_by_its_slug(void **state) {
    (void)state;
    const struct hunt *hunt = catalogue_hunt_find(&catalogue, STR("remotepc-file-signature"));
    assert_non_null(hunt);
    assert_ptr_equal(hunt, catalogue_hunt_find(&catalogue, STR("889CDB9B-AE6A-4BF5-9808-23E85367C6D0")));
    assert_true(str_eq(hunt->tool, STR("RemotePC")));
    assert_non_null(catalogue_hunt_find(&catalogue, STR("remotepc-file-signature-signers")));
    assert_null(catalogue_hunt_find(&catalogue, STR("no-such-hunt")));
}

static void only_the_two_hunts_that_are_not_kql_are_broken(void **state) {
    (void)state;
    const struct hunt *hunt;
    size_t broken = 0;
    for (size_t n = 0; (hunt = hunt_at(n)); n++) {
        struct arena *scratch = arena_new(16 << 20);
        struct hunt_check check;
        assert_non_null(scratch);
        hunt_check(scratch, hunt, &check);
        bool known = str_eq(hunt->slug, STR("dwservice-create-process")) || str_eq(hunt->slug, STR("level-create-process"));
        if ((check.state == HUNT_BROKEN) != known)
            print_error("%.*s: %u:%u %s\n", STR_ARG(hunt->slug), check.error.line, check.error.column, check.error.text);
        broken += check.state == HUNT_BROKEN;
        if (known) assert_true(check.state == HUNT_BROKEN && check.error.line > 0);
        arena_free(scratch);
    }
    assert_int_equal(broken, 2);
}

static void a_mistake_in_a_tool_file_is_told_with_file_and_line(void **state) {
    (void)state;
    const char *const files[] = {
        "id: x\nname: X\ndescription: d\nhunts: []\n",
        "id: x\nname: X\ndescription: d\nhunts:\n  - id: a\n    slug: b\n    signal: smell\n    name: n\n    query: q\n    why: w\n",
        "id: x\nname: X\nsigners: one\ndescription: d\nhunts: []\n",
        "id: x\n  name: X\n",
        "id: x\n",
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        struct tool tool;
        struct err err = {0};
        assert_false(catalogue_parse(arena, str_from(files[i]), STR("x.yaml"), &tool, &err));
        assert_int_equal(err.code, ERR_INTERNAL);
        assert_true(err.line > 0);
        assert_non_null(strstr(err.text, "x.yaml"));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_tool_has_a_name_an_id_and_hunts),
        cmocka_unit_test(every_hunt_has_its_own_guid_slug_query_and_reason),
        cmocka_unit_test(a_hunt_is_found_by_its_guid_in_any_case_and_by_its_slug),
        cmocka_unit_test(only_the_two_hunts_that_are_not_kql_are_broken),
        cmocka_unit_test(a_mistake_in_a_tool_file_is_told_with_file_and_line),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
