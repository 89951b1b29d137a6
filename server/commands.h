/* The subcommands of the binary: each gets its own arguments (argv[0] is its name) and gives the exit code: 0 done, 1
 * failed or something was refused, 2 wrong usage. One file each, command_<name>.c. */
#pragma once
#include "store/db.h"

#define COMMAND(name, function, usage, help) int function(int argc, char **argv);
#include "server/commands.def"
#undef COMMAND

/* Every hunt file below a folder (RMMHUNT_HUNTS) into the database; files that can't be read are logged and counted. */
bool hunts_import_folder(struct db *db, const char *folder, struct err *err);
