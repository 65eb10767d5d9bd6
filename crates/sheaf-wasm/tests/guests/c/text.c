// Texts: a scalar function over texts and NULLs, and a table function of words.
#include "sheaf.h"

#include <wasm_simd128.h>

static sheaf_bytes upper;

/// Letters of ASCII in upper case; NULL is "(NONE)".
SHEAF_EXPORT sheaf_status shout_batch(uint32_t rows, sheaf_column *columns, sheaf_column *result) {
    if (columns[0].type != SHEAF_TEXT) return "shout takes TEXT";
    upper.bytes = 0;
    for (uint32_t row = 0; row < rows; row++) {
        uint32_t bytes = 6;
        const char *text = "(none)";
        if (sheaf_is_valid(&columns[0], row)) text = sheaf_text(&columns[0], row, &bytes);
        if (!sheaf_reserve(&upper, bytes)) return "no memory for the texts";
        for (uint32_t i = 0; i < bytes; i++) {
            char c = text[i];
            upper.at[upper.bytes++] = c >= 'a' && c <= 'z' ? c - 32 : c;
        }
        result->offsets[row + 1] = upper.bytes;
    }
    result->values = upper.at;
    result->bytes = upper.bytes;
    return SHEAF_OK;
}

/// tokens(text): what is between spaces, and its place from 1 on.
static const sheaf_column *pushed;
static uint32_t rows, row, at;
static int64_t place;
static sheaf_bytes words;

/// Bytes that are looked at and copied at once.
enum { PART = sizeof(v128_t) };

/// Copies the word at `from`, of which `left` bytes are text and `readable` can be read, to `to`, where PART bytes
/// more may be written; its length.
static uint32_t copy_word(char *to, const char *from, uint32_t left, uint32_t readable) {
    uint32_t length = 0;
    for (; length < left && readable - length >= PART; length += PART) {
        v128_t part = wasm_v128_load(from + length);
        wasm_v128_store(to + length, part);
        uint32_t spaces = wasm_i8x16_bitmask(wasm_i8x16_eq(part, wasm_i8x16_splat(' ')));
        if (spaces) {
            length += __builtin_ctz(spaces);
            return length < left ? length : left;
        }
    }
    for (; length < left && from[length] != ' '; length++) to[length] = from[length];
    return length < left ? length : left;
}

SHEAF_EXPORT sheaf_status tokens_push(uint32_t count, const sheaf_column *columns) {
    pushed = columns;
    rows = count;
    row = at = 0;
    place = 0;
    return SHEAF_OK;
}

SHEAF_EXPORT sheaf_status tokens_next(uint32_t rows_max, sheaf_output *output) {
    sheaf_column *token = &output->columns[0];
    int64_t *places = output->columns[1].values;
    uint32_t *offsets = token->offsets, *origin = output->origin;
    uint32_t count = 0;
    words.bytes = 0;
    for (; row < rows && count < rows_max; row++, at = 0, place = 0) {
        if (!sheaf_is_valid(pushed, row)) continue;
        uint32_t bytes;
        const char *text = sheaf_text(pushed, row, &bytes);
        if (!sheaf_reserve(&words, bytes - at + PART)) return "no memory for the words";
        uint32_t readable = pushed->bytes - pushed->offsets[row];
        char *to = words.at + words.bytes;
        uint32_t i = at;
        while (i < bytes && count < rows_max) {
            if (text[i] == ' ') {
                i++;
                continue;
            }
            uint32_t length = copy_word(to, text + i, bytes - i, readable - i);
            to += length;
            i += length;
            offsets[count + 1] = to - words.at;
            places[count] = ++place;
            origin[count++] = row;
        }
        words.bytes = to - words.at;
        if (i < bytes) {
            at = i;
            break;
        }
    }
    output->rows = count;
    token->values = words.at;
    token->bytes = words.bytes;
    return SHEAF_OK;
}
