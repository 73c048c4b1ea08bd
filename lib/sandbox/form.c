#include "sandbox/form.h"

#include "http/form.h"

bool sandbox_form(const struct sandbox_request *request, jv *form) {
    *form = jv_invalid();
    return body_is(request, "application/x-www-form-urlencoded") &&
           form_parse(request->body, request->size, form);
}
