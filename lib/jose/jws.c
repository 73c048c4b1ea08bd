#include "jose/jws.h"

#include "jose/digest.h"
#include "jose/jwk.h"
#include "json/json.h"

#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/hmac.h>
#include <openssl/rsa.h>
#include <stdlib.h>
#include <string.h>

static const struct jws_algorithm {
    const char *name, *key_type; /* the JWK's kty; "oct" for HMACs */
    const char *curve;           /* the JWK's crv, NULL for any */
    const char *digest;          /* NULL: part of the scheme */
    bool pss;
    size_t half; /* bytes of each of r and s, for ES */
} algorithms[] = {
    /* In order of preference: RS256, which all support, then the better padding. */
    {"RS256", "RSA", NULL, "SHA256", false, 0},    {"PS256", "RSA", NULL, "SHA256", true, 0},
    {"PS384", "RSA", NULL, "SHA384", true, 0},     {"PS512", "RSA", NULL, "SHA512", true, 0},
    {"RS384", "RSA", NULL, "SHA384", false, 0},    {"RS512", "RSA", NULL, "SHA512", false, 0},
    {"ES256", "EC", "P-256", "SHA256", false, 32}, {"ES384", "EC", "P-384", "SHA384", false, 48},
    {"ES512", "EC", "P-521", "SHA512", false, 66}, {"EdDSA", "OKP", NULL, NULL, false, 0},
    {"Ed25519", "OKP", "Ed25519", NULL, false, 0}, {"Ed448", "OKP", "Ed448", NULL, false, 0},
    {"HS256", "oct", NULL, "SHA256", false, 0},    {"HS384", "oct", NULL, "SHA384", false, 0},
    {"HS512", "oct", NULL, "SHA512", false, 0},
};

static bool is_mac(const struct jws_algorithm *algorithm) {
    return strcmp(algorithm->key_type, "oct") == 0;
}

static const struct jws_algorithm *find_algorithm(const char *name) {
    for (size_t i = 0; name != NULL && i < sizeof algorithms / sizeof *algorithms; i++)
        if (strcmp(algorithms[i].name, name) == 0)
            return &algorithms[i];
    return NULL;
}

/* Decodes JSON from base64url text. */
static bool decode_json(const char *text, size_t text_size, jv *value, struct error *error) {
    size_t size = 0;
    unsigned char *bytes = base64url_decode(text, text_size, &size);
    *value = jv_invalid();
    if (bytes == NULL)
        return fail(error, STATUS_PROTOCOL, "not base64url");
    bool good = json_parse((const char *)bytes, size, value, error);
    free(bytes);
    return good;
}

bool jws_algorithm_known(const char *alg, size_t *least_secret) {
    const struct jws_algorithm *algorithm = find_algorithm(alg);
    *least_secret = 0;
    if (algorithm != NULL && is_mac(algorithm))
        *least_secret = (size_t)EVP_MD_get_size(EVP_get_digestbyname(algorithm->digest));
    return algorithm != NULL;
}

/* Sets the algorithm of the header, which must be `wanted`, or, if that is NULL, no HMAC. */
static bool read_algorithm(struct jws *jws, const char *wanted, struct error *error) {
    const char *alg = json_string(jws->header, "alg");
    jws->algorithm = find_algorithm(alg);
    if (jws->algorithm == NULL || (wanted == NULL && is_mac(jws->algorithm)))
        return fail(error, STATUS_PROTOCOL, "the algorithm '%.20s' is not accepted",
                    alg != NULL ? alg : "");
    return wanted == NULL || strcmp(alg, wanted) == 0 ||
           fail(error, STATUS_PROTOCOL, "it is signed with %.20s, not with %.20s", alg, wanted);
}

bool jws_parse(const char *text, struct jws *jws, struct error *error) {
    return jws_parse_as(text, NULL, jws, error);
}

bool jws_parse_as(const char *text, const char *alg, struct jws *jws, struct error *error) {
    *jws = (struct jws){.header = jv_invalid(), .payload = jv_invalid()};
    const char *first = strchr(text, '.'), *second = first ? strchr(first + 1, '.') : NULL;
    struct error inner;
    if (second == NULL || strchr(second + 1, '.') != NULL)
        return fail(error, STATUS_PROTOCOL, "not a compact JWS: it needs two dots");
    if (!decode_json(text, (size_t)(first - text), &jws->header, &inner) ||
        jv_get_kind(jws->header) != JV_KIND_OBJECT) {
        jws_free(jws);
        return fail(error, STATUS_PROTOCOL, "the JWS's header is not a JSON object");
    }
    if (!read_algorithm(jws, alg, error)) {
        jws_free(jws);
        return false;
    }
    if (json_names(jws->header, "crit") || json_names(jws->header, "b64")) {
        jws_free(jws);
        return fail(error, STATUS_PROTOCOL,
                    "the JWS's header has 'crit', which is not implemented");
    }
    jws->signature = base64url_decode(second + 1, strlen(second + 1), &jws->signature_size);
    if (jws->signature == NULL) {
        jws_free(jws);
        return fail(error, STATUS_PROTOCOL, "the signature is not base64url");
    }
    size_t ignored;
    unsigned char *payload = base64url_decode(first + 1, (size_t)(second - first - 1), &ignored);
    if (payload == NULL) {
        jws_free(jws);
        return fail(error, STATUS_PROTOCOL, "the payload is not base64url");
    }
    free(payload);
    jws->signing_input = must_format("%.*s", (int)(second - text), text);
    decode_json(first + 1, (size_t)(second - first - 1), &jws->payload, &inner);
    return true;
}

void jws_free(struct jws *jws) {
    jv_free(jws->header);
    jv_free(jws->payload);
    free(jws->signing_input);
    free(jws->signature);
    *jws = (struct jws){.header = jv_invalid(), .payload = jv_invalid()};
}

static bool allows_verify(jv jwk) {
    jv operations = json_get(jwk, "key_ops");
    bool allowed = !jv_is_valid(operations) || json_lists(operations, "verify");
    jv_free(operations);
    return allowed && (!json_has(jwk, "use") || json_is(jwk, "use", "sig"));
}

static bool is_of_type(const struct jws_algorithm *algorithm, jv jwk) {
    return json_is(jwk, "kty", algorithm->key_type) &&
           (algorithm->curve == NULL || json_is(jwk, "crv", algorithm->curve));
}

bool jws_key_fits(const struct jws *jws, jv jwk) {
    const struct jws_algorithm *algorithm = jws->algorithm;
    const char *kid = json_string(jws->header, "kid");
    if (is_mac(algorithm) || !is_of_type(algorithm, jwk))
        return false;
    if (json_has(jwk, "alg") && !json_is(jwk, "alg", algorithm->name))
        return false;
    if (json_has(jws->header, "kid") && (kid == NULL || !json_is(jwk, "kid", kid)))
        return false;
    return allows_verify(jwk);
}

/* r and s concatenated (RFC 7518 §3.4) to the DER that OpenSSL expects; freed with OPENSSL_free. */
static unsigned char *ecdsa_der(const struct jws *jws, size_t half, int *size) {
    unsigned char *der = NULL;
    ECDSA_SIG *pair = ECDSA_SIG_new();
    if (jws->signature_size == 2 * half && pair != NULL) {
        BIGNUM *r = BN_bin2bn(jws->signature, (int)half, NULL);
        BIGNUM *s = BN_bin2bn(jws->signature + half, (int)half, NULL);
        if (ECDSA_SIG_set0(pair, r, s))
            *size = i2d_ECDSA_SIG(pair, &der);
    }
    ECDSA_SIG_free(pair);
    return der;
}

static bool set_pss(EVP_PKEY_CTX *context, const struct jws_algorithm *algorithm) {
    return !algorithm->pss ||
           (EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) == 1 &&
            EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_DIGEST) == 1);
}

/* A signature that could not be checked must not be reported as invalid. */
static void end_without_memory(void) {
    unsigned long code;
    while ((code = ERR_get_error()) != 0)
        if (ERR_GET_REASON(code) == ERR_R_MALLOC_FAILURE)
            out_of_memory();
}

bool jws_verify_key(const struct jws *jws, EVP_PKEY *key) {
    const struct jws_algorithm *algorithm = jws->algorithm;
    const unsigned char *signature = jws->signature;
    unsigned char *der = NULL;
    int der_size = 0;
    if (algorithm->half > 0) {
        der = ecdsa_der(jws, algorithm->half, &der_size);
        if (der == NULL)
            return false;
        signature = der;
    }
    size_t size = der != NULL ? (size_t)der_size : jws->signature_size;
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    EVP_PKEY_CTX *context = NULL;
    if (digest == NULL ||
        EVP_DigestVerifyInit_ex(digest, &context, algorithm->digest, NULL, NULL, key, NULL) != 1)
        out_of_memory(); /* the key has the algorithm's type, so only memory is missing */
    bool valid =
        set_pss(context, algorithm) &&
        EVP_DigestVerify(digest, signature, size, (const unsigned char *)jws->signing_input,
                         strlen(jws->signing_input)) == 1;
    if (!valid)
        end_without_memory();
    EVP_MD_CTX_free(digest);
    OPENSSL_free(der);
    return valid;
}

enum jws_verdict jws_verify(const struct jws *jws, jv jwks, struct error *error) {
    enum jws_verdict verdict = JWS_NO_KEY;
    fail(error, STATUS_PROTOCOL, "no key of the issuer fits the signature");
    jv keys = json_get(jwks, "keys");
    int tried = 0;
    if (jv_get_kind(keys) == JV_KIND_ARRAY) {
        jv_array_foreach(keys, i, jwk) {
            if (verdict != JWS_VALID && jws_key_fits(jws, jwk) && tried++ < JWS_KEYS_LIMIT) {
                EVP_PKEY *key = jwk_public_key(jwk, error);
                if (key != NULL && jws_verify_key(jws, key))
                    verdict = JWS_VALID;
                else
                    verdict = JWS_INVALID;
                EVP_PKEY_free(key);
            }
            jv_free(jwk);
        }
    }
    jv_free(keys);
    if (verdict == JWS_INVALID)
        fail(error, STATUS_PROTOCOL, "the signature is not by the issuer's key");
    return verdict;
}

/* DER to r and s concatenated. */
static unsigned char *ecdsa_raw(const unsigned char *der, size_t der_size, size_t half) {
    unsigned char *raw = must_alloc(2 * half);
    ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &der, (long)der_size);
    if (pair == NULL)
        out_of_memory();
    BN_bn2binpad(ECDSA_SIG_get0_r(pair), raw, (int)half);
    BN_bn2binpad(ECDSA_SIG_get0_s(pair), raw + half, (int)half);
    ECDSA_SIG_free(pair);
    return raw;
}

/* The signature over the text as base64url; NULL if the key cannot sign. */
static char *sign_text(const char *text, const struct jws_algorithm *algorithm, EVP_PKEY *key) {
    char *coded = NULL;
    unsigned char *signature = NULL;
    size_t size = 0;
    EVP_PKEY_CTX *context = NULL;
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    const unsigned char *bytes = (const unsigned char *)text;
    if (digest != NULL &&
        EVP_DigestSignInit_ex(digest, &context, algorithm->digest, NULL, NULL, key, NULL) == 1 &&
        set_pss(context, algorithm) &&
        EVP_DigestSign(digest, NULL, &size, bytes, strlen(text)) == 1) {
        signature = must_alloc(size);
        if (EVP_DigestSign(digest, signature, &size, bytes, strlen(text)) == 1) {
            if (algorithm->half > 0) {
                unsigned char *raw = ecdsa_raw(signature, size, algorithm->half);
                coded = base64url_encode(raw, 2 * algorithm->half);
                free(raw);
            } else {
                coded = base64url_encode(signature, size);
            }
        }
    }
    free(signature);
    EVP_MD_CTX_free(digest);
    return coded;
}

static char *encode_json(jv value) {
    struct error ignored;
    char *text = json_exact(value, &ignored);
    if (text == NULL)
        text = json_text(value);
    char *coded = base64url_encode(text, strlen(text));
    free(text);
    return coded;
}

/* "HEADER.PAYLOAD", the signed text. */
static char *signing_input(jv header, jv payload) {
    char *coded_header = encode_json(header), *coded_payload = encode_json(payload);
    char *input = must_format("%s.%s", coded_header, coded_payload);
    free(coded_header);
    free(coded_payload);
    return input;
}

/* Takes the header and frees the two texts. */
static char *put_together(jv header, char *input, char *signature) {
    char *compact = signature != NULL ? must_format("%s.%s", input, signature) : NULL;
    jv_free(header);
    free(input);
    free(signature);
    return compact;
}

static bool may_use(jv offered, const char *name) {
    return jv_get_kind(offered) != JV_KIND_ARRAY || jv_array_length(jv_copy(offered)) == 0 ||
           json_lists(offered, name);
}

const char *jws_algorithm_for(EVP_PKEY *key, jv offered) {
    struct error ignored;
    jv jwk = jwk_of_key(key, &ignored);
    const char *name = NULL;
    for (size_t i = 0; name == NULL && i < sizeof algorithms / sizeof *algorithms; i++)
        if (is_of_type(&algorithms[i], jwk) && may_use(offered, algorithms[i].name))
            name = algorithms[i].name;
    jv_free(jwk);
    return name;
}

char *jws_sign(jv header, jv payload, const char *alg, EVP_PKEY *key, struct error *error) {
    const struct jws_algorithm *algorithm = find_algorithm(alg);
    struct error ignored;
    jv jwk = jwk_of_key(key, &ignored);
    bool fits = algorithm != NULL && is_of_type(algorithm, jwk);
    jv_free(jwk);
    if (!fits) {
        jv_free(header);
        fail(error, STATUS_CONFIG, "the key does not fit the algorithm '%.20s'", alg);
        return NULL;
    }
    header = json_set_string(header, "alg", alg);
    char *input = signing_input(header, payload);
    char *signature = sign_text(input, algorithm, key);
    if (signature == NULL)
        fail(error, STATUS_CONFIG, "the key cannot sign with %.20s", alg);
    return put_together(header, input, signature);
}

const char *jws_secret_algorithm(jv offered) {
    for (size_t i = 0; i < sizeof algorithms / sizeof *algorithms; i++)
        if (is_mac(&algorithms[i]) && may_use(offered, algorithms[i].name))
            return algorithms[i].name;
    return NULL;
}

/* The HMAC of the text, as base64url; the caller frees. NULL without an algorithm. */
static char *mac_of(const struct jws_algorithm *algorithm, const char *secret, const char *text) {
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    if (algorithm == NULL)
        return NULL;
    if (HMAC(EVP_get_digestbyname(algorithm->digest), secret, (int)strlen(secret),
             (const unsigned char *)text, strlen(text), mac, &size) == NULL)
        out_of_memory();
    return base64url_encode(mac, size);
}

char *jws_sign_secret(jv header, jv payload, const char *alg, const char *secret) {
    header = json_set_string(header, "alg", alg);
    char *input = signing_input(header, payload);
    return put_together(header, input, mac_of(find_algorithm(alg), secret, input));
}

bool jws_has_mac(const struct jws *jws) {
    return is_mac(jws->algorithm);
}

bool jws_verify_secret(const struct jws *jws, const char *secret) {
    if (!is_mac(jws->algorithm))
        return false;
    char *mac = mac_of(jws->algorithm, secret, jws->signing_input);
    char *found = base64url_encode(jws->signature, jws->signature_size);
    bool same = same_secret(mac, found);
    free(mac);
    free(found);
    return same;
}

/* SHAKE256 with 114 bytes, the hash of Ed448 (RFC 8032 §5.2). */
static char *half_shake(const char *text) {
    unsigned char hash[114];
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    if (context == NULL || EVP_DigestInit_ex(context, EVP_shake256(), NULL) != 1 ||
        EVP_DigestUpdate(context, text, strlen(text)) != 1 ||
        EVP_DigestFinalXOF(context, hash, sizeof hash) != 1)
        out_of_memory();
    EVP_MD_CTX_free(context);
    return base64url_encode(hash, sizeof hash / 2);
}

char *jws_half_hash(const struct jws *jws, const char *text) {
    const struct jws_algorithm *algorithm = jws->algorithm;
    unsigned char hash[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    if (strcmp(algorithm->name, "Ed448") == 0)
        return half_shake(text);
    const EVP_MD *digest = EVP_get_digestbyname(algorithm->digest ? algorithm->digest : "SHA512");
    if (digest == NULL || !EVP_Digest(text, strlen(text), hash, &size, digest, NULL))
        out_of_memory();
    return base64url_encode(hash, size / 2);
}
