/* Settings: flags override the environment, which overrides the config file (--config FILE, lines "key = value", the
 * keys being the flags' names), which overrides the defaults. One row a setting in settings.def. Values are text owned by
 * the config; readers below give numbers and times. Read once at start, constant after that. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/arena.h"
#include "base/err.h"

struct config {
#define SETTING(member, flag, environment, value, help) const char *member;
#include "server/settings.def"
#undef SETTING
    struct arena *arena; /* owns the texts */
    bool help;           /* --help was given */
    int next_argument;   /* place in argv of the first word that isn't a flag; argc: none */
};

void config_free(struct config *config);
/* argv[0] is the subcommand. False with ERR_CONFIG naming the setting. config_free is safe afterwards either way. */
bool config_read(struct config *config, int argc, char **argv, struct err *err);
/* Every setting with its environment name, default and help. */
void config_help(FILE *out);
/* A setting's text as a whole number in lowest..highest; name is for the error. */
bool config_number(const char *name, const char *text, long long lowest, long long highest, long long *out,
                   struct err *err);
/* A setting's text as a timespan of an hour to 3,650 days ("90d", "P90D", "36h"), in ticks. */
bool config_timespan(const char *name, const char *text, int64_t *ticks, struct err *err);

/* "yes" and "true". */
bool config_yes(const char *text);

/* "127.0.0.1:8080", "[::1]:8080", "localhost:0". */
struct address {
    char host[64]; /* without brackets */
    uint16_t port;
    bool loopback;
};
/* host: an IP address or "localhost"; port: 0 to 65535. ERR_CONFIG says how one is written. */
bool address_parse(const char *text, struct address *address, struct err *err);
/* Refuses an address that others can reach, unless behind_proxy is yes. */
bool config_check_listen(const struct config *config, const struct address *address, struct err *err);
