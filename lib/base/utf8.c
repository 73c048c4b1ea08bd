#include "base/utf8.h"

#include <string.h>

size_t utf8_decode(const char *text, size_t size, uint32_t *character) {
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *byte = (const unsigned char *)text;
    if (byte[0] < 0x80) {
        *character = byte[0];
        return 1;
    }
    size_t length = byte[0] >= 0xF0 ? 4 : byte[0] >= 0xE0 ? 3 : byte[0] >= 0xC0 ? 2 : 0;
    if (length == 0 || length > size || byte[0] > 0xF4)
        return 0;
    uint32_t value = byte[0] & (0xFFU >> (length + 1));
    for (size_t i = 1; i < length; i++) {
        if ((byte[i] & 0xC0) != 0x80)
            return 0;
        value = value << 6 | (byte[i] & 0x3FU);
    }
    if (value < smallest[length] || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF))
        return 0;
    *character = value;
    return length;
}

bool utf8_valid(const char *text, size_t size) {
    uint32_t character;
    for (size_t i = 0, length; i < size; i += length)
        if ((length = utf8_decode(text + i, size - i, &character)) == 0)
            return false;
    return true;
}

bool utf8_plain(uint32_t c) {
    bool control = c < 0x20 || (c >= 0x7F && c < 0xA0);
    bool steers = c == 0x061C || c == 0x200E || c == 0x200F || (c >= 0x2028 && c <= 0x202E) ||
                  (c >= 0x2066 && c <= 0x2069) || c == 0xFEFF;
    return !control && !steers;
}

bool utf8_visible(uint32_t c) {
    /* Unicode 16: General_Category Cf and Zs, Default_Ignorable_Code_Point, the empty braille
     * pattern, the interlinear and object replacement characters, and noncharacters. */
    static const struct {
        uint32_t first, last;
    } hidden[] = {{0x00A0, 0x00A0},   {0x00AD, 0x00AD},   {0x034F, 0x034F},   {0x0600, 0x0605},
                  {0x061C, 0x061C},   {0x06DD, 0x06DD},   {0x070F, 0x070F},   {0x0890, 0x0891},
                  {0x08E2, 0x08E2},   {0x115F, 0x1160},   {0x1680, 0x1680},   {0x17B4, 0x17B5},
                  {0x180B, 0x180F},   {0x2000, 0x200F},   {0x2028, 0x202F},   {0x205F, 0x206F},
                  {0x2800, 0x2800},   {0x3000, 0x3000},   {0x3164, 0x3164},   {0xFDD0, 0xFDEF},
                  {0xFE00, 0xFE0F},   {0xFEFF, 0xFEFF},   {0xFFA0, 0xFFA0},   {0xFFF0, 0xFFFC},
                  {0x110BD, 0x110BD}, {0x110CD, 0x110CD}, {0x13430, 0x1343F}, {0x16FE4, 0x16FE4},
                  {0x1BCA0, 0x1BCA3}, {0x1D159, 0x1D159}, {0x1D173, 0x1D17A}, {0xE0000, 0xE0FFF}};
    bool seen = utf8_plain(c) && (c & 0xFFFE) != 0xFFFE;
    for (size_t i = 0; seen && i < sizeof hidden / sizeof *hidden; i++)
        seen = c < hidden[i].first || c > hidden[i].last;
    return seen;
}

static void make_plain(char *text, bool lines) {
    size_t size = strlen(text), to = 0, length;
    for (size_t from = 0; from < size; from += length) {
        uint32_t character = 0;
        length = utf8_decode(text + from, size - from, &character);
        bool kept = lines && (character == '\n' || character == '\t');
        if (length > 0 && (kept || utf8_plain(character))) {
            memmove(text + to, text + from, length);
            to += length;
        } else {
            length = length > 0 ? length : 1;
            text[to++] = '?';
        }
    }
    text[to] = '\0';
}

void utf8_make_plain(char *text) {
    make_plain(text, false);
}

void utf8_make_plain_text(char *text) {
    make_plain(text, true);
}
