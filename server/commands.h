/* The subcommands of the binary: each gets its own arguments (argv[0] is its name) and gives the exit code. */
#pragma once
#include "store/db.h"

int command_serve(int argc, char **argv);
int command_migrate(int argc, char **argv);
int command_import(int argc, char **argv);
int command_hunts(int argc, char **argv);
int command_schedules(int argc, char **argv);
int command_run(int argc, char **argv);
int command_query(int argc, char **argv);
int command_explain(int argc, char **argv);
int command_devices(int argc, char **argv);
int command_findings(int argc, char **argv);
int command_changes(int argc, char **argv);
int command_coverage(int argc, char **argv);
int command_demo(int argc, char **argv);

/* Every hunt file below a folder (RMMHUNT_HUNTS) into the database; files that can't be read are logged and counted. */
bool hunts_import_folder(struct db *db, const char *folder, struct err *err);
