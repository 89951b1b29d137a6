/* URLs out, as text. Those that come in are taken apart by handlers/request (of requests) and hunts/webhook_send (of
 * receivers). No state, any thread. */
#pragma once
#include "base/buf.h"

/* Everything but letters, digits and -._~ as %XX (RFC 3986): fit for a path's segment or a query's value. */
void url_add_part(struct buf *out, struct str s);
