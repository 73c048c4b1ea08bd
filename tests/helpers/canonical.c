/* canonical: writes the RFC 8785 form of the JSON on stdin, for the tests of lib/json/canonical.c.
 */
#include "system/start.h"
#include "json/json.h"

#include <stdio.h>
#include <stdlib.h>

int main(void) {
    static char text[1 << 20];
    struct error error;
    jv value;
    size_t size = fread(text, 1, sizeof text, stdin);
    program_start("canonical");
    char *canonical = NULL;
    if (json_parse(text, size, &value, &error))
        canonical = json_canonical(value, &error);
    jv_free(value);
    if (canonical == NULL) {
        report(NULL, "%s", error.text);
        return error.status;
    }
    fputs(canonical, stdout);
    free(canonical);
    return 0;
}
