#include "sandbox/sandbox.h"

#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>

void sandbox_tell(const struct sandbox *sandbox, const char *format, ...) {
    char text[1500];
    va_list list;
    if (sandbox->quiet)
        return;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    report(NULL, "%s", text);
}
