/* What /v1/changes and webhooks share: the types of changes. Both filter by them and must refuse the same ones. Only the
 * names are known here: what makes a change is for store/sql/ to say. */
#pragma once
#include "handlers/request.h"

/* False with `code` for what is no type of change; the error names them. */
bool change_type_check(struct request *request, struct str type, enum err_code code, struct err *err);
