/* What makes an event the same event, and a tuple the same tuple: digests over typed columns, with null = "".
 * SipHash-2-4, keyed by the database's own random key so that nobody can craft a collision from outside. */
#pragma once
#include "base/buf.h"
#include "store/event.h"

enum { IDENTITY_KEY_BYTES = 16 };

struct tuple_digest {
    unsigned char bytes[16]; /* all zero: the tuple whose members are all empty, id 0 */
};

/* Digest beside device and time: for certificates report, SHA1, Signer and serial number; else every typed column that
 * isn't decoration (host name, machine group). JSON text counts without its white space, so that the same event by
 * another route is the same. scratch is reused between calls. */
int64_t identity_event(const struct event *event, const unsigned char key[IDENTITY_KEY_BYTES], struct buf *scratch);

/* members: by place in dictionary->fields. A field that is empty doesn't count: a field added later keeps old digests. */
struct tuple_digest identity_tuple(const struct schema_dictionary *dictionary, const struct value *members,
                                   const unsigned char key[IDENTITY_KEY_BYTES], struct buf *scratch);
