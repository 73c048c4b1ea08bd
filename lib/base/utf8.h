/* UTF-8 (RFC 3629), and the Unicode characters that must not reach a terminal or a phone. */
#ifndef CIBA_BASE_UTF8_H
#define CIBA_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Decodes the character at `text`, which has `size` bytes (at least 1). Returns its length in
 * bytes, 1 to 4, or 0 for invalid UTF-8 (overlong, surrogate, cut off, above U+10FFFF). */
size_t utf8_decode(const char *text, size_t size, uint32_t *character);

/* Whether all `size` bytes are UTF-8. */
bool utf8_valid(const char *text, size_t size);

/* Whether the character is safe to print: no control (C0, DEL, C1), no bidirectional mark, override
 * or isolate, no line or paragraph separator. */
bool utf8_plain(uint32_t character);

/* Whether the character is utf8_plain and a person can see what it is: not invisible (Unicode's
 * default ignorable and format characters, fillers, tags, variation selectors), and no space but
 * U+0020. */
bool utf8_visible(uint32_t character);

/* Replaces, in place, invalid UTF-8 and characters that are not utf8_plain by '?'. */
void utf8_make_plain(char *text);

/* The same for multi-line text: keeps newlines and tabs. */
void utf8_make_plain_text(char *text);

#endif
