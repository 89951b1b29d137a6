/* What the command-line tools share: the database they work on, how they fail, how they show progress. One thread; results
 * go to stdout, all else to stderr. */
#pragma once
#include <stdio.h>

#include "base/buf.h"
#include "server/database.h"

/* DATABASE_URL, or the private cluster below RMMHUNT_DATA: attached to when a server runs it, else started for the
 * command's time. The schema is brought up to date. */
bool cli_open(struct database *database, enum database_use use, struct err *err);
/* The error on stderr, with the place in `text` when it has one. Gives the exit code 1. */
int cli_fail(const char *command, const struct err *err, struct str text);
/* printf for text that holds words of files or events: what could drive the terminal becomes a middle dot. */
__attribute__((format(printf, 2, 3))) void cli_say(FILE *to, const char *format, ...);
/* Characters of a line: of the terminal, else of COLUMNS, else 0. */
size_t cli_width(void);
/* An answer on stdout, as it is; it may be empty. */
void cli_print(struct str answer);
/* The command's usage on stderr; the exit code 2. */
int cli_usage(const char *command);
/* A whole file, or standard input for "-". */
bool cli_read(const char *path, struct buf *out, struct err *err);
/* "--name value" or "--name=value" at argv[*at]: the value, and *at moved behind it; NULL when it is another flag. */
const char *cli_option(int argc, char **argv, int *at, const char *name);
/* A line that overwrites itself, on a terminal only. */
__attribute__((format(printf, 1, 2))) void cli_progress(const char *format, ...);
/* Clears that line; fine when there is none. */
void cli_progress_end(void);
