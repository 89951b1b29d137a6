/* The tree of a query: expressions, pipelines, let statements. Every node knows its span in the text, so that any later
 * mistake can be shown with its place. Lives in the arena of its parser; text is borrowed from the query. */
#pragma once
#include "kql/token.h"

enum node_kind {
    NODE_LITERAL,
    NODE_NAME,
    NODE_STAR,
    NODE_CALL,    /* text(args…) */
    NODE_BINARY,  /* args[0] text args[1]; `and` and `or` hold the whole chain */
    NODE_MINUS,   /* -args[0] */
    NODE_LIST,    /* args[0] text (args[1]…): in, has_any, has_all and their kin */
    NODE_BETWEEN, /* args[0] text (args[1] .. args[2]) */
    NODE_INDEX,   /* args[0][args[1]] */
    NODE_MEMBER,  /* args[0].text */
    NODE_NAMED,   /* text = args[0] */
    NODE_ORDER,   /* args[0] asc or desc */
    NODE_TABLE,   /* a pipeline as a value */
};

struct node {
    enum node_kind kind;
    size_t offset, length;
    struct str text;
    size_t text_offset; /* of the operator or name */
    struct literal literal;
    struct node **args;
    size_t count;
    struct pipeline *table;
    bool ascending, nulls_given, nulls_first; /* NODE_ORDER */
    bool sorted; /* a pattern of project-reorder with asc (then ascending) or desc behind it */
};

struct nodes {
    struct node **items;
    size_t count, size;
};

enum stage_kind {
#define OPERATOR(name, kind) STAGE_##kind,
#define ALIAS(name, kind)
#include "kql/operators.def"
#undef OPERATOR
#undef ALIAS
    STAGE_COUNT_OF
};

struct stage {
    enum stage_kind kind;
    struct str name; /* as written */
    size_t offset, length;
    struct nodes items, by; /* invoke: one NODE_CALL */
    bool has_by;
    struct str join_kind;       /* join: as written; len 0: innerunique */
    struct pipeline *right;     /* join; mv-apply: its stages, over the expanded rows */
    struct nodes legs;          /* union: NODE_TABLE */
    bool fuzzy;                 /* union: a pattern may name nothing */
    bool inner;                 /* union: only the columns that all legs have */
    struct nodes types;         /* mv-expand, mv-apply: of each item, NODE_NAME of a type or NODE_STAR for none */
    struct str index_name;      /* mv-expand: with_itemindex; len 0: none */
    bool pairs;                 /* mv-expand: kind=array, bags come as [name, value] */
    struct nodes pattern;       /* parse: NODE_LITERAL, NODE_STAR, NODE_NAME with its type in args; parse-kv: NODE_NAMEs */
    struct str flags;           /* parse kind=regex */
    struct nodes settings;      /* parse-kv: NODE_NAMED */
    struct str with_source;     /* union: the column that names the leg; len 0: none */
};

enum source_kind { SOURCE_NAME, SOURCE_CALL /* name(items) */, SOURCE_DATATABLE, SOURCE_PRINT, SOURCE_RANGE, SOURCE_PAREN, SOURCE_UNION };

struct pipeline {
    enum source_kind source;
    size_t offset, length; /* of the source */
    struct str name;       /* SOURCE_NAME, SOURCE_RANGE's column */
    struct nodes items;    /* print's columns; datatable's values; range's from, to, step */
    struct nodes columns;  /* datatable's: NODE_NAMED name = NODE_NAME type */
    struct pipeline *inner;
    struct stage *legs;    /* SOURCE_UNION */
    struct stage *stages;
    size_t stage_count;
};

struct expr;
struct scope;

/* let f = (name:type [= literal], table:(columns)) { lets; value or pipeline } */
struct function {
    struct nodes params; /* NODE_NAME: args[0] its type, a NODE_NAME, or NODE_STAR for a table; args[1] its default */
    struct let *lets;
    size_t let_count;
    struct node *value;
    struct pipeline *table;
    bool view; /* patterns of union find it */
};

struct let {
    struct str name;
    size_t offset, length;
    struct node *value;      /* a scalar, or a name that may be a table */
    struct pipeline *table;  /* a tabular one */
    struct function *function;
    const struct expr *bound; /* a parameter: its argument, bound where the function was called */
    const struct scope *rows; /* a parameter: its table */
};

struct query {
    struct let *lets;
    size_t let_count;
    struct pipeline *main;
};
