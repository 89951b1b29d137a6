/* Command lines beside the path of their program: nearly all begin with the path in quotes or the program's name, which
 * repeat while what follows doesn't. Knows bytes only. Thread-safe: no state. */
#pragma once
#include "base/str.h"

/* How many bytes at the start of the line name the program: the path, or what follows one of its backslashes, in any
 * case and perhaps in quotes, up to white space or the line's end. 0 when it begins otherwise or the path is empty.
 * There is no white space outside of quotes in them. */
size_t command_program(struct str line, struct str path);
