#include "sandbox/events.h"

#include "json/json.h"

#include <stdlib.h>
#include <string.h>

enum { PIECE = 7 /* bytes, minimum */ };

void events_put(FILE *to, const char *name, jv data) {
    char *text = json_text(data);
    if (name != NULL)
        fprintf(to, "event: %s\n", name);
    fprintf(to, "data: %s\n\n", text);
    free(text);
    jv_free(data);
}

jv events_piece(const char **text) {
    size_t size = strlen(*text), piece = size < PIECE ? size : PIECE;
    while (piece < size && ((*text)[piece] & 0xC0) == 0x80)
        piece++;
    jv taken = jv_string_sized(*text, (int)piece);
    *text += piece;
    return taken;
}
