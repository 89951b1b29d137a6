/* Which addresses a webhook may reach: those of the public internet. Sources: the IANA registries of IPv4 and IPv6
 * special-purpose addresses (RFC 6890). No state. */
#pragma once
#include <stdbool.h>
#include <sys/socket.h>

/* False for private, loopback, link-local, shared (CGNAT), multicast, documentation, IPv4-mapped and other addresses
 * that aren't global unicast, and for families other than IPv4 and IPv6. */
bool webhook_address_public(const struct sockaddr *address);
