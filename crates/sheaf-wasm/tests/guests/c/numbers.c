// Numbers: a plain function, the same over columns, an aggregate with a state.
#include "sheaf.h"

SHEAF_EXPORT double score(double x, double y) { return x * 2 + y; }

SHEAF_EXPORT sheaf_status scores_batch(uint32_t rows, const sheaf_column *columns,
                                       sheaf_column *result) {
    if (columns[0].type != SHEAF_DOUBLE || columns[1].type != SHEAF_DOUBLE)
        return "scores takes two DOUBLEs";
    const double *x = columns[0].values, *y = columns[1].values;
    double *to = result->values;
    for (uint32_t row = 0; row < rows; row++) to[row] = x[row] * 2 + y[row];
    sheaf_valid_where_all(result, columns, 2);
    return SHEAF_OK;
}

/// The geometric mean needs a logarithm; the root of the mean of squares needs none.
typedef struct {
    double squares;
    int64_t count;
} state;

SHEAF_EXPORT uint32_t rms_state_bytes(void) { return sizeof(state); }

SHEAF_EXPORT sheaf_status rms_update(state *states, const uint32_t *groups, uint32_t rows,
                                     const sheaf_column *columns) {
    const double *x = columns[0].values;
    for (uint32_t row = 0; row < rows; row++) {
        if (!sheaf_is_valid(&columns[0], row)) continue;
        states[groups[row]].squares += x[row] * x[row];
        states[groups[row]].count++;
    }
    return SHEAF_OK;
}

SHEAF_EXPORT sheaf_status rms_merge(state *states, const uint32_t *groups, uint32_t rows,
                                    const state *others) {
    for (uint32_t row = 0; row < rows; row++) {
        states[groups[row]].squares += others[row].squares;
        states[groups[row]].count += others[row].count;
    }
    return SHEAF_OK;
}

SHEAF_EXPORT sheaf_status rms_finish(const state *states, uint32_t rows, sheaf_column *result) {
    double *to = result->values;
    for (uint32_t row = 0; row < rows; row++) {
        result->validity[row] = states[row].count != 0;
        to[row] = __builtin_sqrt(states[row].squares / states[row].count);
    }
    return SHEAF_OK;
}
