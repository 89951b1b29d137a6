/* Tokens of KQL: the whole text is cut into an array up front. A token is a span of the query; literals come decoded.
 * Owns nothing: everything is in the caller's arena. Knows nothing of grammar. */
#pragma once
#include "base/arena.h"
#include "base/err.h"
#include "kql/schema.h"

enum token_kind {
    TOKEN_END,
    TOKEN_NAME,    /* identifiers, keywords, and operators made of letters: has, !in, in~ */
    TOKEN_LITERAL, /* literal holds it */
    TOKEN_PUNCT,   /* text is the operator */
};

/* A scalar known at compile time. */
struct literal {
    enum kql_type type;
    bool null;
    int64_t number;        /* long, int, bool, datetime and timespan ticks */
    double real;           /* real */
    struct str text;       /* string, guid, decimal; dynamic: JSON */
    struct literal *items; /* dynamic: the elements when it is an array of scalars */
    size_t count;
    bool array;
    bool least;            /* 9223372036854775808, which is a number only behind a minus */
};

struct token {
    enum token_kind kind;
    size_t offset, length;
    struct str text; /* NAME: without the quotes of ['…'] */
    struct literal literal;
    bool quoted;     /* NAME written as ['…'] */
};

struct token_list {
    struct token *items; /* ends with TOKEN_END */
    size_t count;
};

enum { QUERY_MAX_BYTES = 1024 * 1024 };

/* False with a placed error for a character or literal that isn't KQL. */
bool token_scan(struct arena *arena, struct str query, struct token_list *out, struct err *err);

/* The inside of a typed literal such as datetime(…): type name and raw text. False when it isn't one. */
bool literal_parse(struct arena *arena, struct str type, struct str inside, struct literal *out);
/* True for datetime, timespan, guid, …: names whose parentheses hold a literal. */
bool literal_type_find(struct str name, enum kql_type *type);
/* "1.02:03:04.5" or "1.5h" to ticks. */
bool literal_timespan(struct str text, int64_t *ticks);
/* Every form of date that KQL's datetime() takes. */
bool literal_datetime(struct str text, int64_t *ticks);
/* dynamic(…)'s text to JSON; fills items for an array of scalars. */
bool literal_dynamic(struct arena *arena, struct str text, struct literal *out);
/* A quoted string at s.ptr[0] (prefixes @ and h included) into out; *used: bytes consumed. False: not closed. */
bool literal_string(struct arena *arena, struct str s, struct str *out, size_t *used);
/* A number or timespan such as 5, 0x1F, 1.5, 1e3, 7d at the start of s. False when malformed. */
bool literal_number(struct str s, struct literal *out, size_t *used);
