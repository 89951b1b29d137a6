/* How much of a command line its program's path has already. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/command.h"

static const struct {
    const char *line, *path, *program;
} cases[] = {
    {"\"C:\\Tools\\a.exe\" -x", "C:\\Tools\\a.exe", "\"C:\\Tools\\a.exe\""},
    {"\"C:\\Program Files\\a b.exe\"", "C:\\Program Files\\a b.exe", "\"C:\\Program Files\\a b.exe\""},
    {"C:\\Windows\\System32\\svchost.exe -k netsvcs", "c:\\windows\\system32\\svchost.exe", "C:\\Windows\\System32\\svchost.exe"},
    {"CMD.EXE /c dir", "C:\\Windows\\System32\\cmd.exe", "CMD.EXE"},
    {"\"cmd.exe\"\t/c", "C:\\Windows\\System32\\cmd.exe", "\"cmd.exe\""},
    {"a.exe", "a.exe", "a.exe"},
    {"System32\\cmd.exe\n", "C:\\Windows\\System32\\cmd.exe", "System32\\cmd.exe"},
    /* not the path's */
    {"exe -x", "C:\\Tools\\a.exe", ""},
    {"b.exe -x", "C:\\Tools\\a.exe", ""},
    {"\\a.exe", "C:\\Tools\\a.exe", ""},
    {"D:\\C:\\Tools\\a.exe", "C:\\Tools\\a.exe", ""},
    {"C:\\Program Files\\a.exe", "C:\\Program Files\\a.exe", ""},
    {"\"C:\\Tools\\a.exe", "C:\\Tools\\a.exe", ""},
    {" a.exe", "a.exe", ""},
    {"\xc3\x89.exe", "C:\\\xc3\xa9.exe", ""},
    /* nothing there */
    {"", "C:\\Tools\\a.exe", ""},
    {"a.exe", "", ""},
    {"\"", "C:\\", ""},
    {"\"\" x", "C:\\", ""},
    {"\" x", "C:\\", ""},
    {"", "", ""},
};

static void the_program_of_a_command_line_is_what_its_path_says(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (command_program(str_from(cases[i].line), str_from(cases[i].path)) != strlen(cases[i].program))
            fail_msg("%s of %s", cases[i].line, cases[i].path);
}

static void texts_without_an_address_have_no_program(void **state) {
    (void)state;
    assert_int_equal(command_program((struct str){0}, STR("a.exe")), 0);
    assert_int_equal(command_program(STR("a.exe"), (struct str){0}), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_program_of_a_command_line_is_what_its_path_says),
        cmocka_unit_test(texts_without_an_address_have_no_program),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
