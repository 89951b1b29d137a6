/* Settings: what overrides what, what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <unistd.h>

#include "server/config.h"

#define ARGS(...) ((char *[]){(char[]){"serve"}, __VA_ARGS__, NULL})
#define WORD(text) ((char[]){text})

static int clean(void **state) {
    (void)state;
    unsetenv("RMMHUNT_LISTEN");
    unsetenv("RMMHUNT_RETENTION");
    return 0;
}

static void defaults_hold_when_nothing_is_said(void **state) {
    struct config config;
    struct err err;
    char *args[] = {WORD("serve"), NULL};
    (void)state;
    assert_true(config_read(&config, 1, args, &err));
    assert_string_equal(config.listen, "127.0.0.1:8080");
    assert_string_equal(config.retention, "90d");
    assert_int_equal(config.next_argument, 1);
    config_free(&config);
}

static void flags_win_over_environment_over_file(void **state) {
    struct config config;
    struct err err;
    char path[] = "/tmp/rmmhunt-config-XXXXXX";
    (void)state;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    static const char text[] = "# settings\n\nlisten = 127.0.0.1:1\nretention=1d\r\n  data = /file\n";
    assert_int_equal(write(fd, text, sizeof text - 1), sizeof text - 1);
    close(fd);
    setenv("RMMHUNT_LISTEN", "127.0.0.1:2", 1);
    setenv("RMMHUNT_RETENTION", "2d", 1);
    bool done = config_read(&config, 6, ARGS(WORD("--config"), path, WORD("--listen=127.0.0.1:3"), WORD("--log-level"),
                                             WORD("debug")), &err);
    unlink(path);
    assert_true(done);
    assert_string_equal(config.listen, "127.0.0.1:3");
    assert_string_equal(config.retention, "2d");
    assert_string_equal(config.data, "/file");
    assert_string_equal(config.log_level, "debug");
    config_free(&config);
}

static void mistakes_are_named(void **state) {
    char *words[] = {(char[]){"--lisen"}, (char[]){"--listen"}, (char[]){"--config=/no/such/file"}};
    (void)state;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        struct config config;
        struct err err;
        assert_false(config_read(&config, 2, ARGS(words[i]), &err));
        assert_int_equal(err.code, ERR_CONFIG);
        config_free(&config);
    }
}

static void words_behind_the_flags_are_left_to_the_command(void **state) {
    struct config config;
    struct err err;
    (void)state;
    assert_true(config_read(&config, 4, ARGS(WORD("--data"), WORD("/x"), WORD("file.json")), &err));
    assert_int_equal(config.next_argument, 3);
    assert_string_equal(config.data, "/x");
    config_free(&config);
}

static void addresses_are_read_strictly(void **state) {
    static const char *const bad[] = {"", "8080", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "host:1", ":1", "[]:1"};
    struct address address;
    struct err err;
    (void)state;
    assert_true(address_parse("127.0.0.1:0", &address, &err) && address.loopback && address.port == 0);
    assert_true(address_parse("[::1]:81", &address, &err) && address.loopback && address.port == 81);
    assert_true(address_parse("localhost:82", &address, &err) && address.loopback);
    assert_true(address_parse("0.0.0.0:83", &address, &err) && !address.loopback);
    assert_true(address_parse("[::]:84", &address, &err) && !address.loopback);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(address_parse(bad[i], &address, &err));
}

static void an_address_that_others_reach_needs_the_word_for_it(void **state) {
    struct config config;
    struct address address;
    struct err err;
    (void)state;
    assert_true(address_parse("0.0.0.0:80", &address, &err));
    assert_true(config_read(&config, 1, ARGS(WORD("x")), &err));
    assert_false(config_check_listen(&config, &address, &err));
    config_free(&config);
    assert_true(config_read(&config, 2, ARGS(WORD("--behind-proxy")), &err));
    assert_true(config_check_listen(&config, &address, &err));
    config_free(&config);
}

static void timespans_are_of_an_hour_to_ten_years(void **state) {
    static const char *const wrong[] = {"", "soon", "0d", "59m", "-1d", "3651d", "P", "90"};
    int64_t ticks;
    struct err err;
    (void)state;
    assert_true(config_timespan("retention", "90d", &ticks, &err));
    assert_int_equal(ticks, INT64_C(90) * 864000000000);
    assert_true(config_timespan("retention", "P90D", &ticks, &err));
    assert_int_equal(ticks, INT64_C(90) * 864000000000);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_false(config_timespan("retention", wrong[i], &ticks, &err));
        assert_non_null(strstr(err.text, "retention: "));
    }
}

static void help_lists_every_setting_with_its_default(void **state) {
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    (void)state;
    config_help(out);
    fclose(out);
#define SETTING(member, flag, environment, value, help)                                                                \
    assert_non_null(strstr(text, "--" flag));                                                                          \
    assert_non_null(strstr(text, environment " [" value "]"));
#include "server/settings.def"
#undef SETTING
    free(text);
}

int main(void) {
#define T(name) cmocka_unit_test_setup_teardown(name, clean, clean)
    const struct CMUnitTest tests[] = {
        T(defaults_hold_when_nothing_is_said), T(flags_win_over_environment_over_file), T(mistakes_are_named),
        T(words_behind_the_flags_are_left_to_the_command), T(addresses_are_read_strictly),
        T(an_address_that_others_reach_needs_the_word_for_it), T(help_lists_every_setting_with_its_default),
        T(timespans_are_of_an_hour_to_ten_years),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
