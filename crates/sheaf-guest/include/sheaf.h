// Functions for Sheaf in C: the columns of ABI.md (crates/sheaf-wasm), and an allocator.
//
//   clang --target=wasm32 -O2 -msimd128 -mbulk-memory -nostdlib -Wl,--no-entry -o f.wasm f.c
//
// Include it in one file of a module; nothing else is needed, no C library either.
#pragma once

#include <stddef.h>
#include <stdint.h>

/// Exports the function that follows: SHEAF_EXPORT double score(double x) { … }
#define SHEAF_EXPORT __attribute__((visibility("default"), used))

/// What a function says of itself: SHEAF_OK, or a text that tells why it failed.
typedef const char *sheaf_status;
#define SHEAF_OK ((sheaf_status)0)

enum sheaf_type {
    SHEAF_BOOLEAN = 1,
    SHEAF_TINYINT = 2,
    SHEAF_SMALLINT = 3,
    SHEAF_INTEGER = 4,
    SHEAF_BIGINT = 5,
    SHEAF_UTINYINT = 6,
    SHEAF_USMALLINT = 7,
    SHEAF_UINTEGER = 8,
    SHEAF_UBIGINT = 9,
    SHEAF_REAL = 10,
    SHEAF_DOUBLE = 11,
    SHEAF_DATE = 12,
    SHEAF_TIME = 13,
    SHEAF_TIMESTAMP = 14,
    SHEAF_TIMESTAMPTZ = 15,
    SHEAF_INTERVAL = 16,
    SHEAF_DECIMAL = 17,
    SHEAF_TEXT = 18,
    SHEAF_BYTEA = 19,
    SHEAF_LIST = 20,
    SHEAF_STRUCT = 21,
};

typedef struct sheaf_column {
    uint32_t type;
    uint32_t parameter;
    uint32_t rows;
    uint8_t *validity;
    void *values;
    uint32_t bytes;
    uint32_t *offsets;
    struct sheaf_column *children;
} sheaf_column;

typedef struct sheaf_output {
    uint32_t rows;
    uint32_t *origin;
    sheaf_column *columns;
} sheaf_output;

_Static_assert(sizeof(sheaf_column) == 32, "compile for 32 bits: --target=wasm32");

/// Whether a value is there.
static inline int sheaf_is_valid(const sheaf_column *column, uint32_t row) {
    return !column->validity || column->validity[row];
}

/// Gives the result a value where all of `count` columns have one, as an expression of them has it. By itself,
/// and not in the loop over values, so that clang makes vector instructions of that one.
static inline void sheaf_valid_where_all(sheaf_column *result, const sheaf_column *columns,
                                         uint32_t count) {
    uint8_t *valid = result->validity; // 1s, as it came
    for (uint32_t column = 0; column < count; column++) {
        const uint8_t *own = columns[column].validity;
        if (!own) continue;
        for (uint32_t row = 0; row < columns[column].rows; row++) valid[row] &= own[row];
    }
}

/// Where the text `row` begins; its length goes to `bytes`.
static inline const char *sheaf_text(const sheaf_column *column, uint32_t row, uint32_t *bytes) {
    *bytes = column->offsets[row + 1] - column->offsets[row];
    return (const char *)column->values + column->offsets[row];
}

// The allocator: regions one after the other from the end of the program's data on. What is freed goes to
// a list of a few, of which the first that is large enough is given again.

extern unsigned char __heap_base;

enum { SHEAF_FREED_MAX = 32 };

static struct {
    uintptr_t end;
    struct {
        uintptr_t address;
        uint32_t bytes;
    } freed[SHEAF_FREED_MAX];
} sheaf_heap;

SHEAF_EXPORT void *sheaf_alloc(uint32_t bytes) {
    bytes = (bytes + 15) & ~15u;
    for (int i = 0; i < SHEAF_FREED_MAX; i++) {
        if (sheaf_heap.freed[i].bytes >= bytes && bytes) {
            uintptr_t address = sheaf_heap.freed[i].address;
            sheaf_heap.freed[i].address += bytes;
            sheaf_heap.freed[i].bytes -= bytes;
            return (void *)address;
        }
    }
    if (!sheaf_heap.end) sheaf_heap.end = ((uintptr_t)&__heap_base + 15) & ~(uintptr_t)15;
    uint64_t end = (uint64_t)sheaf_heap.end + bytes;
    uint64_t have = (uint64_t)__builtin_wasm_memory_size(0) << 16;
    if (end > have) {
        uint64_t pages = (end - have + 65535) >> 16;
        if (end > UINT32_MAX || __builtin_wasm_memory_grow(0, pages) == (size_t)-1) return 0;
    }
    void *address = (void *)sheaf_heap.end;
    sheaf_heap.end = end;
    return address;
}

SHEAF_EXPORT void sheaf_free(void *address, uint32_t bytes) {
    bytes = (bytes + 15) & ~15u;
    if ((uintptr_t)address + bytes == sheaf_heap.end) {
        sheaf_heap.end = (uintptr_t)address;
        return;
    }
    // The smallest of those that are kept makes room; it is lost.
    int least = 0;
    for (int i = 1; i < SHEAF_FREED_MAX; i++) {
        if (sheaf_heap.freed[i].bytes < sheaf_heap.freed[least].bytes) least = i;
    }
    if (sheaf_heap.freed[least].bytes < bytes) {
        sheaf_heap.freed[least].address = (uintptr_t)address;
        sheaf_heap.freed[least].bytes = bytes;
    }
}

/// Bytes that grow, for the values of texts: kept from batch to batch.
typedef struct sheaf_bytes {
    char *at;
    uint32_t bytes;
    uint32_t room;
} sheaf_bytes;

/// Makes room for `more` bytes at the end; 0 if there is no memory.
static inline int sheaf_reserve(sheaf_bytes *to, uint32_t more) {
    if (to->room - to->bytes >= more) return 1;
    uint32_t room = to->room * 2 > to->bytes + more ? to->room * 2 : to->bytes + more + 4096;
    char *at = sheaf_alloc(room);
    if (!at) return 0;
    if (to->bytes) __builtin_memcpy(at, to->at, to->bytes);
    if (to->room) sheaf_free(to->at, to->room);
    to->at = at;
    to->room = room;
    return 1;
}
