/* The binary: a table of subcommands. */
#include <stdio.h>
#include <string.h>

#include "kql/schema.h"
#include "server/commands.h"
#include "server/version.h"

int command_version(int argc, char **argv) {
    (void)argc, (void)argv;
    printf("rmmhunt %s\n", RMMHUNT_VERSION);
    return 0;
}

static const struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *usage, *help;
} commands[] = {
#define COMMAND(name, function, usage, help) {name, function, usage, help},
#include "server/commands.def"
#undef COMMAND
};

int command_help(int argc, char **argv) {
    (void)argc, (void)argv;
    printf("rmmhunt: hunts for remote monitoring and management tools in Microsoft Defender events\n\n");
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        printf("  rmmhunt %-9s %s\n", commands[i].name, commands[i].help);
    printf("\nrmmhunt serve --help lists the settings.\n");
    return 0;
}

/* serve lists its settings itself. */
static bool wants_help(int argc, char **argv) {
    return argc > 2 && strcmp(argv[1], "serve") != 0 && (!strcmp(argv[2], "--help") || !strcmp(argv[2], "-h"));
}

static int say_usage(const struct command *command) {
    printf("rmmhunt %s: %s\n\nusage: rmmhunt %s\n", command->name, command->help, command->usage);
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
            return wants_help(argc, argv) ? say_usage(&commands[i]) : commands[i].run(argc - 1, argv + 1);
    fprintf(stderr, "rmmhunt: there is no command '%s'; rmmhunt help lists them\n", argv[1]);
    return 2;
}
