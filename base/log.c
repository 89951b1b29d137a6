#include "base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"

static atomic_int lowest = LOG_INFO;
static const char *const names[] = {"debug", "info", "warn", "error"};

bool log_set_level(struct str name) {
    for (int level = LOG_DEBUG; level <= LOG_ERROR; level++)
        if (str_eq(name, str_from(names[level]))) {
            lowest = level;
            return true;
        }
    return false;
}

static void line_open(struct buf *line, enum log_level level, const char *event) {
    buf_add_char(line, '{');
    json_add_ticks_member(line, "time", ticks_now());
    json_add_string_member(line, "level", str_from(names[level]));
    json_add_string_member(line, "event", str_from(event));
}

static void line_close(struct buf *line) {
    buf_add(line, "}\n", 2);
    if (!line->failed && write(STDERR_FILENO, line->ptr, line->len) < 0)
        return; /* nowhere to tell it */
}

void log_line(enum log_level level, const char *event, const char *format, ...) {
    char text[1024];
    va_list args;
    if ((int)level < lowest)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    BUF_AUTO line = BUF(16 * 1024);
    line_open(&line, level, event);
    json_add_string_member(&line, "message", str_from(text));
    line_close(&line);
}

void log_err(const char *event, const char *request_id, const struct err *err) {
    BUF_AUTO line = BUF(16 * 1024);
    line_open(&line, err_status(err->code) >= 500 ? LOG_ERROR : LOG_WARN, event);
    if (request_id[0]) {
        json_add_string_member(&line, "request_id", str_from(request_id));
    }
    json_add_string_member(&line, "code", str_from(err_name(err->code)));
    if (err->sqlstate[0]) {
        json_add_string_member(&line, "sqlstate", str_from(err->sqlstate));
    }
    json_add_string_member(&line, "message", str_from(err->text));
    if (err->file) {
        json_add_key(&line, "at");
        buf_printf(&line, "\"%s:%d\"", err->file, err->source_line);
    }
    line_close(&line);
}
