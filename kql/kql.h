/* KQL to SQL: text in; one SQL statement, its parameters and the result's columns out. No I/O, no globals; everything
 * lives in the caller's arena. Literals of the query reach SQL as $n only; identifiers come from schema.h. */
#pragma once
#include "base/arena.h"
#include "base/err.h"
#include "kql/schema.h"

enum kql_hits {
    HITS_NONE,
    HITS_EVER, /* whatever their time: bounds on Timestamp that move with now() are left out; reads one table only */
    HITS_RUN,  /* those that a run at `now` counts; may look into other tables */
};

struct kql_options {
    bool strict;        /* refuse what Kusto refuses; else mend the known defects of published hunts with a warning */
    int64_t now;        /* ticks: what now() and ago() mean */
    int64_t from, to;   /* ticks, inclusive: bounds on Timestamp of every event table read; -1: none */
    struct str device;  /* evidence: the keys (time, arrival number, table) of the events of this DeviceId behind the
                           final statement's first summarize, distinct or project; ptr NULL: off */
    enum kql_hits hits; /* the events that the query counts: columns ts, device, report_id, digest and arrived of
                           data.<table>. BAD_QUERY when more than each event by itself decides */
    int64_t arrived_from; /* hits: arrival numbers from here on */
    uint32_t max_rows;  /* LIMIT + 1 wrapped around the statement, so that a caller can tell "too many"; 0: none */
};

/* What a result column says of its row, by the expression it comes from, not by its name. */
enum kql_role {
    ROLE_NONE,
    ROLE_DEVICE_ID,   /* DeviceId of an event table, as it was */
    ROLE_DEVICE_NAME, /* DeviceName, as it was */
    ROLE_FIRST,       /* min(Timestamp) */
    ROLE_LAST,        /* max(Timestamp) */
    ROLE_TIMESTAMP,   /* Timestamp, not aggregated */
    ROLE_REPORTS,     /* make_set(ReportId) */
    ROLE_REPORT,      /* ReportId, not aggregated */
    ROLE_COUNT,       /* count() */
    ROLE_KEY,         /* another `by` column of the last summarize */
};

struct kql_column {
    struct str name;
    enum kql_type type;
    enum kql_role role;
};

struct kql_warning {
    uint32_t line, column;
    struct str text;
};

/* A condition that the values of one dictionary decide, so that a caller who knows which do may say so. */
struct kql_predicate {
    const struct schema_table *table;
    const struct schema_slot *slot; /* the condition is over dict.<slot's dictionary>, under the slot's name */
    bool gate;             /* each event that the program reads from its main table fulfils it */
    struct str sql;        /* with $1… for params */
    struct str *params;
    size_t param_count;
    const struct str *needles; /* lower case ASCII: a value of ASCII only that fulfils it has one of them, in any case */
    size_t needle_count;   /* 0: nothing known */
};

enum kql_form {
    KQL_INLINE,    /* the program looks for the values itself */
    KQL_AMONG,     /* ids: those that fulfil it */
    KQL_NOT_AMONG, /* ids: those that don't */
    KQL_HASHED,    /* so many of both that a list is no help */
};

struct kql_choice {
    enum kql_form form;
    struct str ids; /* "{1,2}" */
};

/* How a program's SQL is written. All zero: as it stands in the program. */
struct kql_binding {
    const struct kql_choice *choices; /* predicate_count of them; NULL: all inline */
    const char *source;   /* where the main table's events come from instead, with all its columns: for a program with
                             one source, and a relation that holds each event which fulfils one of its gates in its window */
    size_t params_before; /* of the statement that this becomes a part of */
};

struct kql_template;

struct kql_program {
    struct str sql;           /* one SELECT; the result's columns in order, datetimes and timespans as bigint ticks,
                                 dynamic as json text (NULL for null), bool as boolean, real as float8, guid as text */
    struct str *params;       /* text format, UTF-8; ptr NULL: SQL NULL. Each $n has a cast in the SQL. */
    size_t param_count;
    struct kql_column *columns;
    size_t column_count;
    struct kql_warning *warnings;
    size_t warning_count;
    const struct schema_table *hit_table; /* hits: the table whose events they are */
    uint32_t tables;          /* bit schema_table_index(t): an event table that is read */
    int64_t window_from, window_to; /* ticks: the bounds on the main table's Timestamp known at compile time, -1: open */
    int64_t own_from;               /* of them, the query's own lower one: without options->from */
    struct kql_predicate *predicates;
    size_t predicate_count;
    size_t sources;           /* how often the main table is read */
    bool empty_without_events; /* no event fulfils all gates: the result is empty */
    const struct kql_template *template; /* of sql */
    bool ordered;             /* the final operator is sort/top: rows come in the query's order */
};

/* NULL with err (code BAD_QUERY, line, column, span, a suggestion in text) when the query can't be compiled. Errors name
 * the unsupported thing. The program lives in the arena. */
struct kql_program *kql_compile(struct arena *arena, struct str query, const struct kql_options *options,
                                struct err *err);
/* The program's SQL with each predicate in the chosen form. In the arena. */
bool kql_program_bind(struct arena *arena, const struct kql_program *program, const struct kql_binding *binding,
                      struct str *sql, struct str **params, size_t *param_count, struct err *err);
