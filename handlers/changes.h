/* What /v1/changes and webhooks share: the types of changes. Both filter by them and must refuse the same ones. */
#pragma once
#include "handlers/request.h"

/* False with `code` for what is no type of change; the error names them. */
bool change_type_check(struct request *request, struct str type, enum err_code code, struct err *err);
