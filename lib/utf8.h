/* UTF-8 as RFC 3629 has it, and what of Unicode must not reach a terminal or a phone. */
#ifndef CIBA_UTF8_H
#define CIBA_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Decodes the character at `text`, of which `size` bytes (at least 1) are there. Returns its length
 * in bytes, 1 to 4, or 0 where the bytes are not UTF-8 (overlong, surrogate, cut off, above
 * U+10FFFF). */
size_t utf8_decode(const char *text, size_t size, uint32_t *character);

/* Whether all `size` bytes are UTF-8. */
bool utf8_valid(const char *text, size_t size);

/* Whether the character is safe to show as it is: no control (C0, DEL, C1), no bidirectional mark,
 * override or isolate, no line or paragraph separator. */
bool utf8_plain(uint32_t character);

/* Whether the character is utf8_plain, and a person can see it for what it is: none that is
 * invisible (Unicode's default ignorable and format characters, fillers, tags, variation
 * selectors), and no space but U+0020. */
bool utf8_visible(uint32_t character);

/* Replaces, in place, what is not UTF-8 or not utf8_plain by '?'. */
void utf8_make_plain(char *text);

/* The same for text of several lines: newlines and tabs stay. */
void utf8_make_plain_text(char *text);

#endif
