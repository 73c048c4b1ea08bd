/* A call with an authorization: whether its place among the calls that were asked about together is
 * proven. Only together_parts makes a proof that holds. */
#include "document/together.h"
#include "document/call.h"
#include "json/json.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size) {
    struct error error;
    jv call;
    if (!json_parse((const char *)data, size, &call, &error))
        return 0;
    jv authorization = json_get(call, "authorization");
    if (call_unchanged(call, &error) && together_asked(authorization) &&
        together_index(authorization) >= together_count(authorization))
        abort();
    jv common = together_common(authorization);
    jv_free(together_decide(call, call));
    jv_free(common);
    jv_free(authorization);
    jv_free(call);
    return 0;
}
