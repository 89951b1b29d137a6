/* Child processes of ours, as another user where we are root: PostgreSQL refuses to run as root. Knows nothing of
 * PostgreSQL; no shell is involved. */
#pragma once
#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

struct process_user {
    bool change; /* we are root: become uid and gid, with no other groups */
    uid_t uid;
    gid_t gid;
};

/* Starts argv[0] (a path) in its own session, so that a terminal's Ctrl-C doesn't reach it; output goes to log_path
 * (appended). -1 with err. */
pid_t process_start(const char *const argv[], const struct process_user *user, const char *log_path, struct err *err);
/* The same, and waits for its end. True when it ended with 0; *status is waitpid's. */
bool process_run(const char *const argv[], const struct process_user *user, const char *log_path, int *status,
                 struct err *err);
/* True when the user may enter the folder. */
bool process_reaches(const struct process_user *user, const char *folder);
/* True while the process lives; a child of ours that ended is reaped. */
bool process_lives(pid_t pid);
