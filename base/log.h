/* Log lines: one JSON object a line on stderr, written whole, by any thread. Never holds secrets or event contents:
 * what is logged is the caller's to choose, and nothing is filtered here. */
#pragma once
#include "base/err.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

/* Sets the lowest level that is written; call before threads start. False for an unknown name. */
bool log_set_level(struct str name);
/* event: a short stable name ("server.started"); format: the text for people. */
__attribute__((format(printf, 3, 4))) void log_line(enum log_level level, const char *event, const char *format, ...);
/* An error where it leaves us, with its code, SQLSTATE and our file:line. request_id may be "". */
void log_err(const char *event, const char *request_id, const struct err *err);
