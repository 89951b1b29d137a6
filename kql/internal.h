/* What binder and emitter share. A pipeline becomes a chain of SELECTs (CTEs). The one under construction is a scope:
 * its columns are SQL over its input, its conditions wait for the SELECT to be closed. Columns that nobody reads are
 * left out when the text is written, and with them the dictionaries of an event table. */
#pragma once
#include "base/buf.h"
#include "base/mem.h"
#include "kql/kql.h"
#include "kql/parse.h"

enum { COLUMNS_MAX = 256, SELECTS_MAX = 300, CONDITIONS_MAX = 2000, NO_SLOT = 255, BIND_MAX_DEPTH = 900 };

/* Columns of the input that an expression reads, as bits. */
struct deps {
    uint64_t bits[COLUMNS_MAX / 64];
};

/* What a text that fulfils a condition must hold one of: lower case ASCII, for values of ASCII only. count 0: unknown. */
struct needles {
    struct str *items;
    size_t count;
};

struct expr {
    enum kql_type type;
    struct str sql;
    bool constant;         /* literal holds the value; sql is made on demand */
    bool nullable;         /* may give SQL NULL; strings never do */
    bool bounds;           /* compares the event table's Timestamp with low and high, -1: open */
    bool timestamp;        /* is the event table's Timestamp */
    struct literal literal;
    struct deps deps;
    struct str condition;  /* base conditions over several dictionaries: each part decided by its dictionary */
    struct needles needles;
    bool plain;            /* a text column of an event table as it stands */
    bool inner;            /* reads a table of its own: no predicate */
    struct deps condition_deps; /* what condition reads through a join */
    enum kql_role role;
    int64_t low, high;
    size_t offset, length;
    struct str name;       /* the column's, when it is one as it stands */
};

struct column {
    struct str name;
    enum kql_type type;
    struct str sql;
    struct deps deps;
    bool nullable, hidden, timestamp;
    bool used;
    enum kql_role role;
    const struct schema_column *schema; /* of a base table */
};

struct condition {
    struct str sql;
    struct deps deps;
    uint8_t slot; /* NO_SLOT, or the dictionary that decides it */
    bool inner;
    struct needles needles;
};

struct predicate {
    const struct schema_table *table;
    const struct schema_slot *slot;
    bool gate;
    struct str sql;
    struct needles needles;
};

/* The program's SQL before parameters and predicates got their text; see predicate.c. */
struct kql_template {
    struct str raw;
    const struct str *values;
    size_t value_count;
    const struct predicate *predicates;
    size_t predicate_count;
    const size_t *places; /* of each predicate among the program's; SIZE_MAX: not used */
};

/* A SELECT, closed. */
struct select {
    unsigned id;
    struct select *input;             /* NULL: base or raw */
    struct select *right;             /* of a join: its columns follow those of input */
    struct str join;                  /* FROM item that joins the two */
    const struct schema_table *table; /* base */
    struct str raw;                   /* FROM item of datatable, print and range; ptr NULL: none */
    struct condition *conditions;
    size_t condition_count;
    struct column *columns; /* output; sql over the input */
    size_t column_count;
    bool distinct;
    struct str suffix; /* GROUP BY, ORDER BY, LIMIT */
    struct deps suffix_deps;
    struct deps base_used; /* filled while writing */
    bool main;             /* reads the final statement's own event table */
};

struct scope {
    struct select *input;
    struct select *right;
    struct str join;
    struct deps join_deps;
    const struct schema_table *table;
    struct str raw;
    struct column *columns;
    size_t column_count;
    struct condition *conditions;
    size_t condition_count, condition_size;
    int order; /* index of the hidden column that holds the row order, -1: none */
    int part;  /* inside of mv-apply: 1 + index of the hidden column that tells the outer rows apart; 0: elsewhere */
    bool main; /* the final statement's own event table */
    const struct schema_table *origin; /* the event table that the rows come from, for messages; NULL: none or many */
};

struct kql {
    struct arena *arena;
    struct str text;
    const struct kql_options *options;
    struct err *err;
    struct parser *parser; /* for warnings */
    struct query query;
    size_t let_limit;      /* lets before this one are visible */
    struct str *params;
    size_t param_count, param_size;
    struct predicate *predicates;
    size_t predicate_count, predicate_size;
    uint32_t subqueries;
    bool empty_without_events;
    struct select **selects;
    size_t select_count;
    uint32_t tables;
    int64_t window_from, window_to, own_from;
    int depth;
    uint32_t work;         /* expressions bound: lets are bound anew at each use */
    enum { AGGREGATES_NONE, AGGREGATES_AROUND, AGGREGATES_INSIDE } aggregates; /* summarize: outside of or in an aggregate */
    bool failed; /* memory was out while SQL was built */
    bool in_main;
    bool evidence_done;
    bool aside;            /* an event table is read beside the main statement's own */
    const struct schema_table *hit_table;
};

/* emit.c: SQL text. A parameter is written as \x01 index \x02 until the end, when only used ones get a $n. */
__attribute__((format(printf, 2, 3))) struct str sql_print(struct kql *kql, const char *format, ...);
struct str sql_literal(struct kql *kql, const struct literal *literal);
struct str sql_text(struct kql *kql, struct str text);
/* The expression's SQL; constants become parameters. */
struct str sql_of(struct kql *kql, const struct expr *expr);
/* template with %1…%9 replaced. */
struct str sql_template(struct kql *kql, const char *template, const struct expr *args, size_t count);
bool emit_program(struct kql *kql, struct scope *scope, struct kql_program *program);
struct str sql_join(struct kql *kql, struct str left, const char *between, struct str right);

/* bind.c */
void *take(struct kql *kql, size_t count, size_t size);
/* arena_grow for one more item. */
void *grow(struct kql *kql, void *items, size_t count, size_t *room, size_t size);
bool kql_fail(struct kql *kql, size_t offset, size_t length, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void deps_add(struct deps *deps, const struct deps *more);
/* The slot when all columns read are of one dictionary of the base table, else NO_SLOT. */
uint8_t scope_slot(const struct scope *scope, const struct deps *deps);
struct column *scope_find(struct scope *scope, struct str name);
bool condition_add(struct kql *kql, struct scope *scope, const struct expr *expr);
/* Ends the SELECT: scope's columns become the output and scope goes on over it. */
bool scope_close(struct kql *kql, struct scope *scope, struct column *outputs, size_t count, struct str suffix,
                 const struct deps *suffix_deps, bool distinct);
void column_from(struct column *column, struct str name, struct expr *expr, struct kql *kql);
/* name, or Column when it has none, with the number that makes it one that isn't among the columns. */
struct str column_name_free(struct kql *kql, const struct column *columns, size_t count, struct str name);
bool bind_pipeline(struct kql *kql, const struct pipeline *table, struct scope *out);
bool bind_evidence(struct kql *kql, struct scope *scope);
bool bind_stage(struct kql *kql, const struct stage *stage, struct scope *scope);
const struct let *let_find(const struct kql *kql, struct str name);
/* The pipeline's first column as a subquery. */
bool bind_subquery(struct kql *kql, const struct pipeline *table, struct str *sql, enum kql_type *type);

/* bind_expression.c */
bool bind_expression(struct kql *kql, struct scope *scope, const struct node *node, struct expr *out);
/* Implicit conversion of arguments: int to long to real, dynamic to the wanted type. False when there is none. */
bool expr_convert(struct kql *kql, struct expr *expr, enum kql_type type);
/* A string read as the type, null where it isn't one; a dynamic is converted. */
bool expr_parse(struct kql *kql, struct expr *expr, enum kql_type type);
bool type_is_number(enum kql_type type);
void expr_merge(struct expr *out, const struct expr *part);
bool bind_name(struct kql *kql, struct scope *scope, const struct node *node, struct expr *out);
struct expr expr_constant(const struct node *node, struct literal literal);

/* bind_operator.c */
bool bind_binary(struct kql *kql, const struct node *node, struct expr *left, struct expr *right, struct expr *out);
bool bind_between(struct kql *kql, struct scope *scope, const struct node *node, struct expr *out);
/* regex.c */
enum regex_use { REGEX_TEST, REGEX_PART /* of a longer one: no groups with numbers */, REGEX_PLAIN, REGEX_GROUPS, REGEX_ALL_GROUPS /* at least one of its own */ };
/* The pattern as PostgreSQL reads it: to be tested only, as one group without a number to find a place, or as group 1 so
 * that its own groups begin with 2. ptr NULL with the reason when it can't be. */
struct str regex_translate(struct kql *kql, struct str pattern, enum regex_use use, const char **problem);
/* The text as a regular expression that matches itself. */
void regex_quote(struct buf *out, struct str text);
/* bind_list.c: in, has_any and their kin */
bool bind_list(struct kql *kql, struct scope *scope, const struct node *node, struct expr *out);
/* Regular expression for `has` and its kin; left, right: which edges need a term boundary. */
struct str has_pattern(struct kql *kql, struct str needle, bool left, bool right);
/* bind_call.c */
bool bind_call(struct kql *kql, struct scope *scope, const struct node *node, struct expr *out);
/* check_call.c: units and formats that are constants */
bool arguments_check(struct kql *kql, const struct node *node, struct expr *args);
/* bind_function.c: functions that the query defines */
const struct let *function_find(const struct kql *kql, struct str name);
bool bind_function(struct kql *kql, struct scope *scope, const struct node *call, struct expr *out);
/* rows: the table that invoke hands over, else NULL. */
bool bind_function_rows(struct kql *kql, const struct node *call, const struct scope *rows, struct scope *out);
/* bind_summarize.c */
bool bind_summarize(struct kql *kql, const struct stage *stage, struct scope *scope);
/* A call of an aggregate, in a value of summarize. */
bool aggregate_known(struct str name);
bool bind_aggregate(struct kql *kql, struct scope *scope, const struct node *node, struct expr *out);
/* bind_shape.c: project and its kin, sort, top, … */
bool bind_shape(struct kql *kql, const struct stage *stage, struct scope *scope);
/* True when the name fits a pattern in which * is any text. */
bool pattern_matches(struct str pattern, struct str name);
/* A constant number of rows. */
bool row_count_read(struct kql *kql, const struct stage *stage, const struct node *node, int64_t *count);
/* bind_join.c */
bool bind_join(struct kql *kql, const struct stage *stage, struct scope *scope);
/* bind_expand.c */
bool bind_expand(struct kql *kql, const struct stage *stage, struct scope *scope);
bool bind_apply(struct kql *kql, const struct stage *stage, struct scope *scope);
/* bind_parse.c: parse, parse-where, parse-kv */
bool bind_parse(struct kql *kql, const struct stage *stage, struct scope *scope);
bool bind_pairs(struct kql *kql, const struct stage *stage, struct scope *scope);
/* bind_union.c: the legs, and before them scope when it isn't NULL, into out */
bool bind_union(struct kql *kql, const struct stage *stage, struct scope *scope, struct scope *out);
/* needles.c */
struct needles needles_of(struct kql *kql, struct str literal);
struct needles needles_either(struct kql *kql, struct needles a, struct needles b);
struct needles needles_better(struct needles a, struct needles b);
/* predicate.c: the condition as a part of a WHERE; conditions that read other tables stay as they are. */
struct str predicate_add(struct kql *kql, const struct schema_table *table, const struct schema_slot *slot,
                         const struct condition *condition, bool gate);
bool program_finish(struct kql *kql, struct str raw, struct kql_program *program);
/* keep.c: a copy of the program and all it points to, but the schema's. NULL when memory is out. */
struct kql_program *program_keep(struct arena *arena, const struct kql_program *made);
/* hits.c: the events that a query counts, by themselves. */
bool hits_wanted(const struct kql *kql);
/* Whether the stage leaves each event's fate its own; before or behind the one that folds events together. */
bool hits_stage(struct kql *kql, const struct stage *stage);
/* True when the condition only bounds the event's time and moves with now(). */
bool hits_moving(struct kql *kql, const struct node *node, struct scope *scope, const struct expr *expr);
bool hits_columns(struct kql *kql, const struct schema_table *table, struct scope *scope);
bool hits_close(struct kql *kql, struct scope *scope);
bool hits_check(struct kql *kql);
/* source.c */
bool bind_source(struct kql *kql, const struct pipeline *table, struct scope *scope);
/* The expression as Kusto's tostring() gives it. */
void expr_to_string(struct kql *kql, struct expr *expr);
void expr_to_dynamic(struct kql *kql, struct expr *expr);
/* Several values of one type: null where it is unknown, widened numbers. False when they can't be one. */
bool expr_unify(struct kql *kql, struct expr *exprs, size_t count, enum kql_type *type);
/* Kusto doesn't group or sort by dynamic values; strict mode neither. */
bool key_check(struct kql *kql, const struct expr *expr);
bool bind_warn(struct kql *kql, size_t offset, struct str text);
