#include "server/config.h"

#include <arpa/inet.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

static const struct row {
    const char *flag, *environment, *value, *help;
    size_t offset;
} rows[] = {
#define SETTING(member, flag, environment, value, help) {flag, environment, value, help, offsetof(struct config, member)},
#include "server/settings.def"
#undef SETTING
};

enum { ROWS = sizeof rows / sizeof *rows, MAX_FILE = 64 * 1024 };

static const char **place_of(struct config *config, const struct row *row) {
    return (const char **)(void *)((char *)config + row->offset);
}

static bool set(struct config *config, const struct row *row, struct str value, struct err *err) {
    struct str copy = arena_copy(config->arena, value);
    if (!copy.ptr)
        return err_memory(err);
    *place_of(config, row) = copy.ptr;
    return true;
}

static const struct row *find_row(struct str flag) {
    for (size_t i = 0; i < ROWS; i++)
        if (str_eq(flag, str_from(rows[i].flag)))
            return &rows[i];
    return NULL;
}

/* One line of the file: empty, "# comment" or "key = value". */
static bool read_line(struct config *config, struct str line, const char *path, unsigned number, struct err *err) {
    line = str_trim(line);
    if (!line.len || line.ptr[0] == '#')
        return true;
    struct str key, value;
    if (!str_cut(line, '=', &key, &value))
        return err_set(err, ERR_CONFIG, "%s:%u: not of the form key = value", path, number);
    key = str_trim(key);
    const struct row *row = find_row(key);
    if (!row)
        return err_set(err, ERR_CONFIG, "%s:%u: there is no setting '%.*s'", path, number, STR_ARG(key));
    return set(config, row, str_trim(value), err);
}

static bool read_file(struct config *config, const char *path, struct err *err) {
    FILE *file = fopen(path, "re");
    char *text = arena_take(config->arena, MAX_FILE);
    if (!file || !text) {
        if (file)
            fclose(file);
        return err_set(err, ERR_CONFIG, "the config file %s can't be read", path);
    }
    size_t length = fread(text, 1, MAX_FILE, file);
    fclose(file);
    if (length == MAX_FILE)
        return err_set(err, ERR_CONFIG, "the config file %s is over 64 KiB", path);
    unsigned number = 1;
    for (struct str rest = {text, length}, line; rest.len; number++) {
        str_cut(rest, '\n', &line, &rest);
        if (!read_line(config, line, path, number, err))
            return false;
    }
    return true;
}

static bool read_environment(struct config *config, struct err *err) {
    for (size_t i = 0; i < ROWS; i++) {
        const char *value = getenv(rows[i].environment);
        if (value && *value && !set(config, &rows[i], str_from(value), err))
            return false;
    }
    return true;
}

/* One flag at argv[*at]: "--flag value", "--flag=value"; "--behind-proxy" alone is yes. */
static bool read_flag(struct config *config, int argc, char **argv, int *at, bool files, struct err *err) {
    const char *word = argv[*at] + 2, *equals = strchr(word, '=');
    struct str flag = {word, equals ? (size_t)(equals - word) : strlen(word)};
    const struct row *row = find_row(flag);
    bool file = str_eq(flag, STR("config"));
    if (str_eq(flag, STR("help"))) {
        config->help = true;
        return true;
    }
    if (!row && !file)
        return err_set(err, ERR_CONFIG, "there is no flag --%.*s; --help lists them", STR_ARG(flag));
    const char *value = equals ? equals + 1 : NULL;
    if (!value && row && !strcmp(row->flag, "behind-proxy"))
        value = "yes";
    if (!value && *at + 1 >= argc)
        return err_set(err, ERR_CONFIG, "--%.*s wants a value", STR_ARG(flag));
    if (!value)
        value = argv[++*at];
    if (file)
        return !files || read_file(config, value, err);
    return files || set(config, row, str_from(value), err);
}

/* files: only --config is acted on; else only the others are. */
static bool read_flags(struct config *config, int argc, char **argv, bool files, struct err *err) {
    int at = 1;
    for (; at < argc && !strncmp(argv[at], "--", 2) && argv[at][2]; at++)
        if (!read_flag(config, argc, argv, &at, files, err))
            return false;
    config->next_argument = at;
    return true;
}

void config_free(struct config *config) {
    arena_free(config->arena);
    config->arena = NULL;
}

bool config_read(struct config *config, int argc, char **argv, struct err *err) {
    *config = (struct config){.arena = arena_new(1024 * 1024)};
    if (!config->arena)
        return err_memory(err);
    for (size_t i = 0; i < ROWS; i++)
        *place_of(config, &rows[i]) = rows[i].value;
    return read_flags(config, argc, argv, true, err) && read_environment(config, err) &&
           read_flags(config, argc, argv, false, err);
}

void config_help(FILE *out) {
    fprintf(out, "Settings: flags, then the environment, then the file of --config FILE (lines key = value).\n\n");
    for (size_t i = 0; i < ROWS; i++)
        fprintf(out, "  --%-21s %s\n  %-23s %s [%s]\n", rows[i].flag, rows[i].help, "", rows[i].environment,
                rows[i].value);
}

bool config_number(const char *name, const char *text, long long lowest, long long highest, long long *out,
                   struct err *err) {
    if (str_to_int64(str_from(text), out) && *out >= lowest && *out <= highest)
        return true;
    return err_set(err, ERR_CONFIG, "%s: '%s' is not a whole number from %lld to %lld", name, text, lowest, highest);
}

bool config_timespan(const char *name, const char *text, int64_t *ticks, struct err *err) {
    if (timespan_parse(str_from(text), ticks) && *ticks >= TICKS_HOUR)
        return true;
    return err_set(err, ERR_CONFIG, "%s: '%s' is not a timespan of an hour to 3650 days such as 90d or P90D", name, text);
}

static bool is_loopback(const char *host) {
    struct in_addr four;
    struct in6_addr six;
    if (inet_pton(AF_INET, host, &four) == 1)
        return ntohl(four.s_addr) >> 24 == 127;
    return inet_pton(AF_INET6, host, &six) == 1 && IN6_IS_ADDR_LOOPBACK(&six);
}

static bool host_fits(const char *host) {
    struct in_addr four;
    struct in6_addr six;
    return inet_pton(AF_INET, host, &four) == 1 || inet_pton(AF_INET6, host, &six) == 1;
}

bool address_parse(const char *text, struct address *address, struct err *err) {
    const char *colon = strrchr(text, ':');
    long long port = -1;
    struct str host = {text, colon ? (size_t)(colon - text) : 0};
    *address = (struct address){0};
    if (host.len > 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']')
        host = (struct str){host.ptr + 1, host.len - 2};
    if (str_eq(host, STR("localhost")))
        host = STR("127.0.0.1");
    if (!colon || !str_to_int64(str_from(colon + 1), &port) || port < 0 || port > 65535 || !host.len ||
        host.len >= sizeof address->host)
        return err_set(err, ERR_CONFIG, "'%s' is not an address with a port, such as 127.0.0.1:8080", text);
    memcpy(address->host, host.ptr, host.len);
    if (!host_fits(address->host))
        return err_set(err, ERR_CONFIG, "'%s' is not an IP address with a port, such as 127.0.0.1:8080", text);
    address->port = (uint16_t)port;
    address->loopback = is_loopback(address->host);
    return true;
}

bool config_yes(const char *text) {
    return !strcmp(text, "yes") || !strcmp(text, "true");
}

bool config_check_listen(const struct config *config, const struct address *address, struct err *err) {
    if (address->loopback || config_yes(config->behind_proxy))
        return true;
    return err_set(err, ERR_CONFIG,
                   "%s can be reached from elsewhere and this server asks for no key: listen on 127.0.0.1, or put a "
                   "proxy in front and say --behind-proxy", address->host);
}
