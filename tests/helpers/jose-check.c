/* jose-check: for each object on stdin, one per line, prints its id, "valid" or "invalid", and why:
 *
 *   {"id", "jws", "keys"}   a JWS, verified with a JWKS
 *   {"id", "jwe", "key"}    a JWE, decrypted with the private key in the file; what it was is
 * printed */
#include "document/reader.h"
#include "jose/jwe.h"
#include "jose/jws.h"
#include "jose/key_file.h"
#include "system/start.h"
#include "json/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void check_jws(const char *id, jv line) {
    struct error error = {0, ""};
    struct jws jws;
    const char *text = json_string(line, "jws");
    jv keys = json_get(line, "keys");
    bool valid = false;
    if (text != NULL && jws_parse(text, &jws, &error)) {
        valid = jws_verify(&jws, keys, &error) == JWS_VALID;
        jws_free(&jws);
    }
    printf("%s %s %s\n", id, valid ? "valid" : "invalid", valid ? "" : error.text);
    jv_free(keys);
}

static void check_jwe(const char *id, jv line) {
    struct error error = {0, ""};
    const char *text = json_string(line, "jwe"), *path = json_string(line, "key");
    EVP_PKEY *key = path != NULL ? key_file_load(path, NULL, &error) : NULL;
    char *clear = key != NULL && text != NULL && jwe_key_fits(key, &error)
                      ? jwe_decrypt(text, key, &error)
                      : NULL;
    printf("%s %s %s\n", id, clear != NULL ? "valid" : "invalid",
           clear != NULL ? clear : error.text);
    free(clear);
    EVP_PKEY_free(key);
}

int main(void) {
    struct document_reader *reader = document_reader_new(STDIN_FILENO);
    struct error error;
    enum document_event event;
    jv line;
    program_start("jose-check");
    while ((event = document_next(reader, &line, &error)) != DOCUMENT_END) {
        if (event == DOCUMENT_READY) {
            (json_has(line, "jwe") ? check_jwe : check_jws)(json_string(line, "id"), line);
            jv_free(line);
        } else if (event == DOCUMENT_BAD || !document_reader_fill(reader, &error)) {
            report(NULL, "%s", error.text);
        }
    }
    document_reader_free(reader);
    return 0;
}
