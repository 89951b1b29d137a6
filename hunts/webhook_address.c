#include "hunts/webhook_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct range {
    unsigned char start[16];
    unsigned bits;
};

static const struct range closed_four[] = {
    {{0}, 8},
    {{10}, 8},
    {{100, 64}, 10},
    {{127}, 8},
    {{169, 254}, 16},
    {{172, 16}, 12},
    {{192, 0, 0}, 24},
    {{192, 0, 2}, 24},
    {{192, 31, 196}, 24},
    {{192, 52, 193}, 24},
    {{192, 88, 99}, 24},
    {{192, 168}, 16},
    {{192, 175, 48}, 24},
    {{198, 18}, 15},
    {{198, 51, 100}, 24},
    {{203, 0, 113}, 24},
    {{224}, 4},
    {{240}, 4},
};

/* 2000::/3 is global unicast, with holes: Teredo and other protocols', documentation, 6to4, which carries any IPv4. */
static const struct range open_six = {{0x20}, 3};
static const struct range closed_six[] = {
    {{0x20, 0x01}, 23},
    {{0x20, 0x01, 0x0d, 0xb8}, 32},
    {{0x20, 0x02}, 16},
    {{0x3f, 0xff}, 20},
};
/* IPv4 behind a translator (RFC 6052). */
static const struct range translated = {{0x00, 0x64, 0xff, 0x9b}, 96};

static bool range_holds(const struct range *range, const unsigned char *address) {
    unsigned whole = range->bits / 8, rest = range->bits % 8;
    if (memcmp(range->start, address, whole) != 0)
        return false;
    return !rest || (range->start[whole] ^ address[whole]) >> (8 - rest) == 0;
}

static bool ranges_hold(const struct range *ranges, size_t count, const unsigned char *address) {
    for (size_t i = 0; i < count; i++)
        if (range_holds(&ranges[i], address))
            return true;
    return false;
}

static bool four_public(const unsigned char *address) {
    return !ranges_hold(closed_four, sizeof closed_four / sizeof *closed_four, address);
}

static bool six_public(const unsigned char *address) {
    if (range_holds(&translated, address))
        return four_public(address + 12);
    return range_holds(&open_six, address) && !ranges_hold(closed_six, sizeof closed_six / sizeof *closed_six, address);
}

bool webhook_address_public(const struct sockaddr *address) {
    struct sockaddr_in four;
    struct sockaddr_in6 six;
    if (address->sa_family == AF_INET) {
        memcpy(&four, address, sizeof four);
        return four_public((const unsigned char *)&four.sin_addr);
    }
    if (address->sa_family != AF_INET6)
        return false;
    memcpy(&six, address, sizeof six);
    return six_public(six.sin6_addr.s6_addr);
}
