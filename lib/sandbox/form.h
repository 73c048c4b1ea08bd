/* Reads application/x-www-form-urlencoded strictly. */
#ifndef CIBA_SANDBOX_FORM_H
#define CIBA_SANDBOX_FORM_H

#include "sandbox/request.h"

#include <jv.h>
#include <stdbool.h>

/* The parameters of the body as an object. False if it is malformed or repeats a parameter. */
bool sandbox_form(const struct sandbox_request *request, jv *form);

#endif
