/* The version, in one place: what `rmmhunt version`, GET /version and the OpenAPI documents say. Raised by hand with a
 * release. */
#pragma once

#define RMMHUNT_VERSION "0.1.0"
