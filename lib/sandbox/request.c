#include "sandbox/request.h"

#include <string.h>
#include <strings.h>

bool body_is(const struct sandbox_request *request, const char *type) {
    size_t size = strlen(type);
    const char *said = request->content_type;
    return said != NULL && strncasecmp(said, type, size) == 0 &&
           (said[size] == '\0' || said[size] == ';' || said[size] == ' ');
}
