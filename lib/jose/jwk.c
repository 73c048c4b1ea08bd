#include "jose/jwk.h"

#include "jose/digest.h"
#include "json/json.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/param_build.h>
#include <stdlib.h>
#include <string.h>

enum { RSA_BITS_MIN = 2048, RSA_BITS_MAX = 16384 };

static const struct curve {
    const char *jwk_name, *openssl_name;
    int bytes;
} curves[] = {{"P-256", "prime256v1", 32}, {"P-384", "secp384r1", 48}, {"P-521", "secp521r1", 66}};

static const struct curve *find_curve(const char *name) {
    for (size_t i = 0; name != NULL && i < sizeof curves / sizeof *curves; i++)
        if (strcmp(curves[i].jwk_name, name) == 0 || strcmp(curves[i].openssl_name, name) == 0)
            return &curves[i];
    return NULL;
}

/* The bytes of a base64url member; the caller frees. NULL if it is missing. */
static unsigned char *member_bytes(jv jwk, const char *name, size_t *size) {
    const char *text = json_string(jwk, name);
    return text == NULL ? NULL : base64url_decode(text, strlen(text), size);
}

static EVP_PKEY *build_key(const char *type, OSSL_PARAM_BLD *builder) {
    EVP_PKEY *key = NULL;
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    OSSL_PARAM *parameters = OSSL_PARAM_BLD_to_param(builder);
    if (context == NULL || parameters == NULL || EVP_PKEY_fromdata_init(context) != 1)
        out_of_memory(); /* OpenSSL knows this type, so only memory is missing */
    if (EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, parameters) != 1)
        key = NULL;
    OSSL_PARAM_free(parameters);
    EVP_PKEY_CTX_free(context);
    return key;
}

/* CVE-2017-15361 (ROCA): such a modulus is a power of 65537 modulo every small prime; for another
 * modulus the chance is 2^-28. */
static bool has_roca_weakness(const BIGNUM *modulus) {
    static const unsigned short primes[] = {
        3,  5,  7,  11, 13, 17,  19,  23,  29,  31,  37,  41,  43,  47,  53,  59,  61,  67,  71,
        73, 79, 83, 89, 97, 101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167};
    for (size_t i = 0; i < sizeof primes / sizeof *primes; i++) {
        unsigned long prime = primes[i], power = 1, rest = BN_mod_word(modulus, prime);
        while (power != rest && (power = power * 65537 % prime) != 1)
            continue;
        if (power != rest)
            return false;
    }
    return true;
}

static EVP_PKEY *rsa_key(jv jwk) {
    size_t n_size = 0, e_size = 0;
    unsigned char *n = member_bytes(jwk, "n", &n_size), *e = member_bytes(jwk, "e", &e_size);
    BIGNUM *modulus = NULL, *exponent = NULL;
    EVP_PKEY *key = NULL;
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    if (n != NULL && e != NULL && builder != NULL && n_size <= RSA_BITS_MAX / 8 && e_size <= 8) {
        modulus = BN_bin2bn(n, (int)n_size, NULL);
        exponent = BN_bin2bn(e, (int)e_size, NULL);
        if (modulus == NULL || exponent == NULL)
            out_of_memory();
        bool sound = BN_num_bits(modulus) >= RSA_BITS_MIN && BN_is_odd(modulus) &&
                     BN_is_odd(exponent) && !BN_is_one(exponent) && !has_roca_weakness(modulus);
        if (sound && OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, modulus) &&
            OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, exponent))
            key = build_key("RSA", builder);
    }
    OSSL_PARAM_BLD_free(builder);
    BN_free(modulus);
    BN_free(exponent);
    free(n);
    free(e);
    return key;
}

static EVP_PKEY *ec_key(jv jwk) {
    const struct curve *curve = find_curve(json_string(jwk, "crv"));
    size_t x_size = 0, y_size = 0;
    unsigned char *x = member_bytes(jwk, "x", &x_size), *y = member_bytes(jwk, "y", &y_size);
    unsigned char point[1 + 2 * 66] = {4}; /* uncompressed, SEC 1 §2.3.3 */
    EVP_PKEY *key = NULL;
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    if (curve != NULL && x != NULL && y != NULL && builder != NULL &&
        x_size == (size_t)curve->bytes && y_size == x_size) {
        memcpy(point + 1, x, x_size);
        memcpy(point + 1 + x_size, y, y_size);
        if (OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME,
                                            curve->openssl_name, 0) &&
            OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, point,
                                             1 + x_size + y_size))
            key = build_key("EC", builder);
    }
    OSSL_PARAM_BLD_free(builder);
    free(x);
    free(y);
    return key;
}

/* The curves of RFC 8032, with the y of the points of small order, regardless of sign. */
static const struct edwards_curve {
    const char *name, *prime;
    const char *small[3];
} edwards_curves[] = {
    {"Ed25519",
     "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffed",
     {"0", "1", "5fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826"}},
    {"Ed448",
     "fffffffffffffffffffffffffffffffffffffffffffffffffffffffe"
     "ffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
     {"0", "1"}},
};

static const struct edwards_curve *find_edwards_curve(const char *name) {
    for (size_t i = 0; name != NULL && i < sizeof edwards_curves / sizeof *edwards_curves; i++)
        if (strcmp(edwards_curves[i].name, name) == 0)
            return &edwards_curves[i];
    return NULL;
}

/* Whether the key is a point of small order, in any encoding: for such a key anybody can make
 * signatures that hold for many messages. */
static bool has_small_order(const struct edwards_curve *curve, const unsigned char *key,
                            size_t size) {
    BN_CTX *context = BN_CTX_new();
    BIGNUM *y = BN_lebin2bn(key, (int)size, NULL), *prime = NULL, *small = NULL, *sum = BN_new();
    bool found = false;
    if (context == NULL || y == NULL || sum == NULL || !BN_hex2bn(&prime, curve->prime))
        out_of_memory();
    BN_clear_bit(y, (int)size * 8 - 1); /* the sign bit of x */
    if (!BN_mod(y, y, prime, context))
        out_of_memory();
    for (size_t i = 0; i < sizeof curve->small / sizeof *curve->small; i++) {
        if (curve->small[i] == NULL)
            continue;
        if (!BN_hex2bn(&small, curve->small[i]) || !BN_add(sum, y, small))
            out_of_memory();
        found = found || BN_cmp(y, small) == 0 || BN_cmp(sum, prime) == 0;
    }
    BN_free(y);
    BN_free(prime);
    BN_free(small);
    BN_free(sum);
    BN_CTX_free(context);
    return found;
}

static EVP_PKEY *okp_key(jv jwk) {
    const struct edwards_curve *curve = find_edwards_curve(json_string(jwk, "crv"));
    size_t size = 0;
    unsigned char *x = member_bytes(jwk, "x", &size);
    EVP_PKEY *key = NULL;
    if (x != NULL && curve != NULL && !has_small_order(curve, x, size))
        key = EVP_PKEY_new_raw_public_key_ex(NULL, curve->name, NULL, x, size);
    free(x);
    return key;
}

EVP_PKEY *jwk_public_key(jv jwk, struct error *error) {
    EVP_PKEY *key = NULL;
    if (json_is(jwk, "kty", "RSA"))
        key = rsa_key(jwk);
    else if (json_is(jwk, "kty", "EC"))
        key = ec_key(jwk);
    else if (json_is(jwk, "kty", "OKP"))
        key = okp_key(jwk);
    if (key == NULL)
        fail(error, STATUS_PROTOCOL,
             "a key of the set is malformed, too weak, or of a type that is not used");
    return key;
}

static jv set_bytes(jv jwk, const char *name, const unsigned char *bytes, size_t size) {
    char *text = base64url_encode(bytes, size);
    jwk = json_set_string(jwk, name, text);
    free(text);
    return jwk;
}

/* A big number of the key, left-padded to `size` bytes; 0 for its own length. */
static jv set_number(jv jwk, const char *name, const EVP_PKEY *key, const char *parameter,
                     int size) {
    BIGNUM *number = NULL;
    unsigned char bytes[RSA_BITS_MAX / 8];
    if (EVP_PKEY_get_bn_param(key, parameter, &number)) {
        int length = size > 0 ? size : BN_num_bytes(number);
        if (length <= (int)sizeof bytes && BN_bn2binpad(number, bytes, length) == length)
            jwk = set_bytes(jwk, name, bytes, (size_t)length);
    }
    BN_free(number);
    return jwk;
}

jv jwk_of_key(EVP_PKEY *key, struct error *error) {
    char group[40] = "";
    unsigned char raw[64];
    size_t size = sizeof raw;
    jv jwk = jv_object();
    if (EVP_PKEY_is_a(key, "RSA")) {
        jwk = json_set_string(jwk, "kty", "RSA");
        jwk = set_number(jwk, "n", key, OSSL_PKEY_PARAM_RSA_N, 0);
        return set_number(jwk, "e", key, OSSL_PKEY_PARAM_RSA_E, 0);
    }
    if (EVP_PKEY_is_a(key, "EC") && EVP_PKEY_get_group_name(key, group, sizeof group, NULL) &&
        find_curve(group) != NULL) {
        const struct curve *curve = find_curve(group);
        jwk = json_set_string(json_set_string(jwk, "kty", "EC"), "crv", curve->jwk_name);
        jwk = set_number(jwk, "x", key, OSSL_PKEY_PARAM_EC_PUB_X, curve->bytes);
        return set_number(jwk, "y", key, OSSL_PKEY_PARAM_EC_PUB_Y, curve->bytes);
    }
    const char *edwards = EVP_PKEY_is_a(key, "ED25519") ? "Ed25519"
                          : EVP_PKEY_is_a(key, "ED448") ? "Ed448"
                                                        : NULL;
    if (edwards != NULL && EVP_PKEY_get_raw_public_key(key, raw, &size)) {
        jwk = json_set_string(json_set_string(jwk, "kty", "OKP"), "crv", edwards);
        return set_bytes(jwk, "x", raw, size);
    }
    jv_free(jwk);
    fail(error, STATUS_CONFIG, "the key is not RSA, EC on P-256, P-384 or P-521, Ed25519 or Ed448");
    return jv_invalid();
}

char *jwk_thumbprint(jv jwk) {
    struct error error;
    char *canonical = json_canonical(jwk, &error);
    if (canonical == NULL)
        out_of_memory();
    char *digest = digest_of(canonical, strlen(canonical));
    char *text = must_copy(digest + strlen("sha-256:"));
    free(canonical);
    free(digest);
    return text;
}
