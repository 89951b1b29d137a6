#include "server/cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/log.h"

enum { MAX_WIDTH = 10000 };

bool cli_open(struct database *database, enum database_use use, struct err *err) {
    const char *data = getenv("RMMHUNT_DATA"), *level = getenv("RMMHUNT_LOG_LEVEL");
    if (!log_set_level(level && level[0] ? str_from(level) : STR("warn")))
        return err_set(err, ERR_CONFIG, "RMMHUNT_LOG_LEVEL: '%s' is none of debug, info, warn, error", level);
    return database_open(getenv("DATABASE_URL"), data && data[0] ? data : "./.rmmhunt", !data || !data[0], use,
                         database, err);
}

void cli_say(FILE *to, const char *format, ...) {
    va_list args;
    char *text = NULL;
    va_start(args, format);
    int length = vasprintf(&text, format, args);
    va_end(args);
    for (int i = 0; i < length;) {
        size_t hostile = text[i] == '\n' ? 0 : str_hostile((struct str){text + i, (size_t)(length - i)});
        fputs(hostile ? "\xC2\xB7" : (char[]){text[i], '\0'}, to);
        i += hostile ? (int)hostile : 1;
    }
    if (length >= 0)
        free(text);
}

int cli_fail(const char *command, const struct err *err, struct str text) {
    char excerpt[1024];
    cli_progress_end();
    if (err->line)
        cli_say(stderr, "rmmhunt %s: line %u, column %u: %s\n", command, err->line, err->column, err->text);
    else
        cli_say(stderr, "rmmhunt %s: %s\n", command, err->text);
    err_excerpt(err, text, excerpt, sizeof excerpt);
    if (excerpt[0])
        cli_say(stderr, "%s\n", excerpt);
    return 1;
}

size_t cli_width(void) {
    struct winsize window = {0};
    long long columns;
    if (!ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) && window.ws_col)
        return window.ws_col;
    const char *told = getenv("COLUMNS");
    return told && str_to_int64(str_from(told), &columns) && columns > 0 && columns <= MAX_WIDTH ? (size_t)columns : 0;
}

void cli_print(struct str answer) {
    if (answer.len)
        fwrite(answer.ptr, 1, answer.len, stdout);
}

int cli_usage(const char *command) {
    static const char *const usages[][2] = {
#define COMMAND(name, function, usage, help) {name, usage},
#include "server/commands.def"
#undef COMMAND
    };
    for (size_t i = 0; i < sizeof usages / sizeof *usages; i++)
        if (strcmp(usages[i][0], command) == 0)
            fprintf(stderr, "usage: rmmhunt %s\n", usages[i][1]);
    return 2;
}

bool cli_read(const char *path, struct buf *out, struct err *err) {
    bool standard = strcmp(path, "-") == 0;
    FILE *file = standard ? stdin : fopen(path, "rb");
    if (!file)
        return err_set(err, ERR_NOT_FOUND, "%s: %s", path, strerror(errno));
    for (;;) {
        char *at = buf_reserve(out, 1 << 16);
        size_t got = at ? fread(at, 1, 1 << 16, file) : 0;
        out->len += got;
        if (!got)
            break;
    }
    bool failed = ferror(file) != 0;
    int reason = errno;
    if (!standard)
        fclose(file);
    if (failed)
        return err_set(err, ERR_NOT_FOUND, "%s: %s", path, strerror(reason));
    return !out->failed || err_set(err, ERR_TOO_LARGE, "%s is over %zu MiB; split it", path, out->cap >> 20);
}

const char *cli_option(int argc, char **argv, int *at, const char *name) {
    size_t length = strlen(name);
    if (strncmp(argv[*at], name, length) != 0)
        return NULL;
    if (argv[*at][length] == '=')
        return argv[*at] + length + 1;
    if (argv[*at][length] != '\0' || *at + 1 >= argc)
        return NULL;
    return argv[++*at];
}

static bool shown;

void cli_progress(const char *format, ...) {
    va_list args;
    if (!isatty(STDERR_FILENO))
        return;
    va_start(args, format);
    fputs("\r\033[K", stderr);
    vfprintf(stderr, format, args);
    va_end(args);
    shown = true;
}

void cli_progress_end(void) {
    if (shown)
        fputs("\r\033[K", stderr);
    shown = false;
}
