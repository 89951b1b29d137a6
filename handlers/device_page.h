/* One device for people: the JSON of GET /v1/devices/{id} as lines and short tables, and its flags in words. Knows the
 * members of that JSON, nothing of where it comes from. No state, any thread. */
#pragma once
#include "handlers/request.h"

/* The page as the reply's body. json: the device as the database made it. */
bool device_page(struct request *request, struct reply *reply, struct str json, struct err *err);
