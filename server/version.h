/* The version, in one place: the log, `rmmhunt version`, /v1/version and the User-Agent of webhooks say the same. Raised
 * by hand, with the tag of a release. */
#pragma once

#define RMMHUNT_VERSION "0.1.0"
