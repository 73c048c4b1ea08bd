/* wire-request API WISHES: the body of the request that the document on stdin becomes, with the
 * wishes of a JSON object, whose members are named as in struct chat_wishes. */
#include "model/chat_api.h"
#include "json/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv) {
    static char bytes[1 << 20];
    const struct chat_api *api = argc == 3 ? chat_api_named(argv[1]) : NULL;
    struct error error;
    jv given, document;
    size_t size = fread(bytes, 1, sizeof bytes, stdin);
    if (api == NULL || !json_parse(argv[2], strlen(argv[2]), &given, &error) ||
        !json_parse(bytes, size, &document, &error))
        return 64;
    struct chat_wishes wishes = {.model = "m",
                                 .reasoning_effort = json_string(given, "reasoning_effort"),
                                 .verbosity = json_string(given, "verbosity"),
                                 .service_tier = json_string(given, "service_tier"),
                                 .temperature = -1,
                                 .cache = json_has(given, "cache"),
                                 .members = jv_invalid(),
                                 .schema = json_get(given, "schema")};
    json_number(given, "temperature", &wishes.temperature);
    jv body = api->dialect->request(&wishes, document, &error);
    char *text = json_text(body);
    puts(text);
    free(text);
    jv_free(body);
    jv_free(document);
    jv_free(wishes.schema);
    jv_free(given);
    return 0;
}
