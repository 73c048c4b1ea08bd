#include "template.h"
#include "json.h"
#include "schema.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *t = malloc(size + 1);
    memcpy(t, data, size);
    t[size] = 0;
    struct error e;
    jv schema, value, v;
    char *nl = strchr(t, '\n');
    if (nl) {
        *nl = 0;
        if (json_parse(nl + 1, strlen(nl + 1), &value, &e)) {
            if (json_parse(t, strlen(t), &schema, &e))
                schema_allows(schema, value, &e);
            jv_free(schema);
            if (!strstr(t, "\\") || strstr(t, "\\(.")) { /* only paths: jq's compiler is not ours */
                int only = 1;
                for (char *b = strchr(t, '\\'); b; b = strchr(b + 1, '\\')) {
                    char *c = b;
                    if (strncmp(c, "\\(.", 3))
                        only = 0;
                    else {
                        c += 3;
                        while (*c && *c != ')') {
                            if (!strchr("abcdefghijklmnopqrstuvwxyz_.", *c))
                                only = 0;
                            if (*c == '.' && c[1] == '.')
                                only = 0;
                            c++;
                        }
                        if (!*c || c[-1] == '.')
                            only = 0;
                    }
                }
                if (only) {
                    struct template *m = template_text(t, &e);
                    if (m) {
                        template_run(m, value, &v, &e);
                        jv_free(v);
                        template_free(m);
                    }
                }
            }
        }
        jv_free(value);
    }
    free(t);
    return 0;
}
