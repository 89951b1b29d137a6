/* Compiler attributes that not every compiler spells alike, under names that say what they are for. Only macros: nothing
 * to own, nothing to call. */
#pragma once

/* The result is the caller's, to be given back with `release`: gcc catches a wrong free. */
#if defined(__GNUC__) && !defined(__clang__)
#define OWNED_BY(release) __attribute__((malloc, malloc(release, 1)))
#else
#define OWNED_BY(release) __attribute__((malloc))
#endif
/* A large variable that is filled as far as it is used: spared the zeroing that -ftrivial-auto-var-init does. */
#define NOT_ZEROED __attribute__((uninitialized))
