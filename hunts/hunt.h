/* What a hunt is: an identity, a reason and a KQL query. Made by hunts/loader from files and by hunts/catalogue from the
 * embedded catalogue. All text lives in the caller's arena. Knows no database. */
#pragma once
#include "base/arena.h"
#include "base/err.h"
#include "kql/kql.h"

enum hunt_shape { HUNT_STRICT, HUNT_MISINDENTED, HUNT_FLATTENED, HUNT_CARD, HUNT_JSON };
enum hunt_state { HUNT_READY, HUNT_BROKEN, HUNT_DISABLED };

/* A hunt card's case of harmless use, each text as it came. */
struct hunt_scenario {
    struct str title, description, filter;
};

struct hunt {
    struct str id;          /* a GUID, lower case */
    struct str slug;        /* "remotepc-file-signature" */
    struct str name, description, query;
    struct str tool;        /* "RemotePC"; "All Tools" for a hunt over many */
    struct str signal;      /* "signature", "process", "network", or "" */
    struct str tactics;     /* comma separated: "CommandAndControl" */
    struct str techniques;  /* comma separated: "T1219" */
    struct str noise;       /* a sentence on what else it finds, or "" */
    int noise_level;        /* 0 precise .. 3 matches much that is not the tool; -1: not rated */
    struct str why;         /* why the hunt is as it is, or "" */
    struct str source;      /* file name, or "catalogue" */
    struct str original;    /* the bytes as they came */
    enum hunt_shape shape;
    struct hunt_scenario *scenarios; size_t scenario_count; /* HUNT_CARD */
    size_t query_line;      /* 1-based line of the query's first line in the file, 0: unknown */
};

/* What compiling says of a hunt (lenient). */
struct hunt_check {
    enum hunt_state state;           /* HUNT_READY or HUNT_BROKEN */
    struct err error;                /* HUNT_BROKEN: why, with line and column in the query */
    struct kql_program *program;     /* HUNT_READY */
};

const char *hunt_shape_name(enum hunt_shape shape); /* "strict", "mis-indented", "flattened", "card", "json" */
const char *hunt_state_name(enum hunt_state state); /* "ready", … */
/* Compiles with now = ticks_now(), lenient. */
void hunt_check(struct arena *arena, const struct hunt *hunt, struct hunt_check *check);
