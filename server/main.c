/* The binary: a table of subcommands. */
#include <stdio.h>
#include <string.h>

#include "kql/schema.h"
#include "server/commands.h"
#include "server/version.h"

static int command_version(int argc, char **argv) {
    (void)argc, (void)argv;
    printf("rmmhunt %s\n", RMMHUNT_VERSION);
    return 0;
}

static int command_help(int argc, char **argv);

static const struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help;
} commands[] = {
    {"serve", command_serve, "the service; brings its own PostgreSQL when DATABASE_URL is unset"},
    {"migrate", command_migrate, "schema and catalogue up to date, then exit"},
    {"import", command_import, "events from files, folders or standard input (-)"},
    {"hunts", command_hunts, "list, check, import or export hunts"},
    {"run", command_run, "run hunts now and show their results"},
    {"schedules", command_schedules, "list, show, create, delete, run, pause or resume schedules"},
    {"query", command_query, "run KQL given as an argument or on standard input"},
    {"explain", command_explain, "the SQL that KQL becomes, its parameters and columns"},
    {"devices", command_devices, "devices with findings; with an id: all that is known of one"},
    {"findings", command_findings, "findings: device, tool and signal"},
    {"changes", command_changes, "what is new; --follow waits for more"},
    {"coverage", command_coverage, "which devices report, what came late; 'coverage silent': who went silent"},
    {"demo", command_demo, "fill the database with a made-up estate, attacks included"},
    {"version", command_version, "the version"},
    {"help", command_help, "this list"},
};

static int command_help(int argc, char **argv) {
    (void)argc, (void)argv;
    printf("rmmhunt: hunts for remote monitoring and management tools in Microsoft Defender events\n\n");
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        printf("  rmmhunt %-9s %s\n", commands[i].name, commands[i].help);
    printf("\nrmmhunt serve --help lists the settings.\n");
    return 0;
}

int main(int argc, char **argv) {
    schema_init();
    if (argc < 2 || !strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))
        return command_help(argc, argv);
    if (!strcmp(argv[1], "--version"))
        return command_version(argc, argv);
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (!strcmp(argv[1], commands[i].name))
            return commands[i].run(argc - 1, argv + 1);
    fprintf(stderr, "rmmhunt: there is no command '%s'; rmmhunt help lists them\n", argv[1]);
    return 2;
}
