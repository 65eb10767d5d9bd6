// Chunks of arrays: a function of one chunk, and one of all of them, one after another.
#include "sheaf.h"

/// centred(v, shape): the elements of a chunk less their mean. Lists go in, lists come out.
static sheaf_bytes centred;

SHEAF_EXPORT sheaf_status centred_batch(uint32_t rows, const sheaf_column *columns,
                                        sheaf_column *result) {
    if (columns[0].type != SHEAF_LIST || columns[0].children[0].type != SHEAF_DOUBLE)
        return "centred takes a DOUBLE[]";
    const uint32_t *offsets = columns[0].offsets;
    const double *values = columns[0].children[0].values;
    uint32_t base = offsets[0], bytes = (offsets[rows] - base) * sizeof(double);
    centred.bytes = 0;
    if (!sheaf_reserve(&centred, bytes)) return "no memory for a chunk";
    double *to = (double *)centred.at;
    for (uint32_t row = 0; row < rows; row++) {
        uint32_t first = offsets[row], end = offsets[row + 1];
        double sum = 0;
        for (uint32_t i = first; i < end; i++) sum += values[i];
        for (uint32_t i = first; i < end; i++) to[i - base] = values[i] - sum / (end - first);
        result->offsets[row + 1] = end - base;
    }
    result->children[0].rows = offsets[rows] - base;
    result->children[0].validity = 0;
    result->children[0].values = to;
    result->children[0].bytes = bytes;
    return SHEAF_OK;
}

/// running(TABLE chunks ORDER BY o0): chunks of an array of one axis, o0 where one begins and v the list of
/// its elements. It gives place and running total of each element.

static const sheaf_column *origins, *lists;
static uint32_t chunks, chunk, element;
static double total;

SHEAF_EXPORT sheaf_status running_push(uint32_t rows, const sheaf_column *columns) {
    if (columns[0].type != SHEAF_BIGINT || columns[1].type != SHEAF_LIST ||
        columns[1].children[0].type != SHEAF_DOUBLE)
        return "running takes a BIGINT and a DOUBLE[]";
    origins = &columns[0];
    lists = &columns[1];
    chunks = rows;
    chunk = element = 0;
    return SHEAF_OK;
}

SHEAF_EXPORT sheaf_status running_next(uint32_t rows_max, sheaf_output *output) {
    int64_t *places = output->columns[0].values;
    double *totals = output->columns[1].values;
    uint32_t count = 0;
    for (; chunk < chunks; chunk++, element = 0) {
        const int64_t *begins = origins->values;
        const double *values = lists->children[0].values;
        uint32_t first = lists->offsets[chunk], length = lists->offsets[chunk + 1] - first;
        for (; element < length; element++) {
            if (count == rows_max) goto full;
            places[count] = begins[chunk] + element;
            totals[count++] = total += values[first + element];
        }
    }
full:
    output->rows = count;
    return SHEAF_OK;
}
