/* Certificate events for tests of the ways in: made, posted to the group's server (`server_fixture`), counted. Tests
 * use device ids of their own, so that they don't see each other's rows. Any failure fails the test that runs. */
#pragma once
#include "base/buf.h"
#include "tests/support/server_fixture.h"

#define CERTIFICATE "AdvancedHunting-DeviceFileCertificateInfo"

/* One property set, at that second of a day. */
void event_add_properties(struct buf *out, const char *device, unsigned second, const char *report, const char *signer);
/* One streaming record: its envelope and a property set. */
void event_add(struct buf *out, const char *device, unsigned second);
/* How many of the device's the server has. */
long long events_stored(const char *device);
/* A body that is answered with 200. type: a header line or NULL; length 0: strlen(body). */
struct answer events_post(const char *path, const char *type, const char *body, size_t length);
/* The counts of an answer to events. */
void events_check(const struct answer *answer, long long received, long long stored, long long duplicate,
                  long long ignored, long long rejected);
