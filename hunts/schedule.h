/* Schedules: when which hunts run by themselves. A slot is a time at which one came due; its run looks at the data as of
 * that time. Knows what a schedule is and how it is kept; hunts/scheduler makes the runs. Times are the database's. */
#pragma once
#include "hunts/cron.h"
#include "hunts/runner.h"
#include "hunts/offsets.h"

enum catch_up { CATCH_UP_LATEST, CATCH_UP_ALL, CATCH_UP_NONE };

struct schedule {
    struct str id, name;
    struct str cron, time_zone; /* ptr NULL: every says when */
    struct str every;
    struct str window;          /* ptr NULL: the hunts' own */
    struct run_request hunts;   /* what is selected; the times are the slot's */
    bool enabled;
    enum catch_up catch_up;
    int64_t catch_up_limit;
    int64_t period, look_back;  /* ticks of every and window; 0: none */
    struct cron rule;           /* with cron */
    int64_t settled, now;       /* ticks: slots up to `settled` are done with */
};

/* What is to be done at a look at a schedule. */
struct schedule_due {
    int64_t slot;          /* to be run; -1: none */
    int64_t *skipped;      /* newest of those that the policy leaves out, ascending; in the arena */
    size_t skipped_count;
    int64_t skipped_total;
    int64_t settled;       /* slots up to here are done with, the one to be run included */
};

enum { SCHEDULE_SKIPS_KEPT = 1000, SCHEDULE_CATCH_UP_MAX = 1000, SCHEDULE_GRACE_SECONDS = 60 };

const char *catch_up_name(enum catch_up policy);
/* Reads cron, every, window and the selection's presence into the schedule, and refuses what can't be. *field names the
 * member that is wrong. */
bool schedule_check(struct schedule *schedule, const char **field, struct err *err);
bool catch_up_parse(struct str text, enum catch_up *policy, struct err *err);
/* The first slot behind `after`; -1: none. Pure. */
int64_t schedule_next(const struct schedule *schedule, const struct offsets *zone, int64_t after);
/* Which slots between settled and now are run or skipped. Pure. */
bool schedule_due(const struct schedule *schedule, const struct offsets *zone, struct arena *arena,
                  struct schedule_due *due, struct err *err);

/* Lists what is left out as skipped; why: for the log. */
bool schedule_skip(struct db_conn *conn, struct str id, const struct schedule_due *due, const char *why,
                   struct err *err);
/* Stores a schedule that was checked. New or with other times or enabled again, it starts with the first slot from now
 * on. Slots that came due before it is paused here, and haven't begun, are skipped. *created when there was none of
 * that id; create: ERR_CONFLICT when there is one. */
bool schedule_save(struct db *db, struct arena *arena, struct schedule *schedule, bool create, bool *created,
                   const char **field, struct err *err);
/* ERR_NOT_FOUND. */
bool schedule_load(struct db *db, struct arena *arena, struct str id, struct schedule *schedule, struct err *err);
bool schedule_delete(struct db *db, struct str id, struct err *err);
/* From a row of schedule_load.sql or schedules_take.sql. */
bool schedule_read(struct arena *arena, const struct db_rows *rows, size_t row, struct schedule *schedule,
                   struct err *err);
/* The zone around the schedule's slots from settled to some weeks from now; zones that were loaded are in *kept. */
bool schedule_zone(struct db_conn *conn, struct arena *arena, const struct schedule *schedule, struct offsets_kept **kept,
                   struct offsets *zone, struct err *err);
/* The first slot behind `after`, however far (-1: none); zone: from schedule_zone. */
bool schedule_following(struct db_conn *conn, struct arena *arena, const struct schedule *schedule,
                        const struct offsets *zone, int64_t after, int64_t *next, struct err *err);

struct settlement {
    struct str id;
    int64_t settled, next; /* slots up to `settled` are done with, and `next` comes (-1: none) */
};
/* Notes it of those schedules. */
bool schedules_settle(struct db_conn *conn, const struct settlement *settlements, size_t count, struct err *err);
