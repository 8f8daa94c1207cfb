// One pass over a block of a CSR matrix. Products are in double: the time goes into fetching
// coefficients.
#pragma once

#include <cstddef>
#include <stdexcept>

#include "losses.hpp"
#include "numbers.hpp"
#include "scratch.hpp"

namespace {

using polytome::SparseBlock;

[[noreturn]] inline void refuse_column() {
    throw std::out_of_range("a column index of the sparse matrix is outside its shape");
}

// The column of an entry, refused where it would reach outside the coefficients. SciPy does not
// check the matrices it is given, and another thread may write into one while a pass reads it: so
// an index is read once, and what was read is checked. Where a pass reads it again, as for a
// gradient, the caller sees to it that nobody else can write.
template <class Column> inline Index column_at(const Column* columns, Index e, Index n_columns) {
    const auto column = static_cast<Index>(*static_cast<const volatile Column*>(columns + e));
    if (static_cast<std::size_t>(column) >= static_cast<std::size_t>(n_columns)) refuse_column();
    return column;
}

// The stored entries of one row of a matrix of `n_columns` columns.
template <class Stored, class Column> struct Entries {
    const Stored* values;
    const Column* columns;
    Index count, n_columns;

    Index column(Index e) const { return column_at(columns, e, n_columns); }
};

// `width` outputs side by side, in registers while the entries of a row pass by. Coefficients
// (columns, outputs) lie output by output, so that an entry meets one stretch of memory.
template <class T, int width> struct Stretch {
    static constexpr int size = width < lanes<T> ? width : lanes<T>;
    Vector<T, size> part[width / size] = {};
};

#if defined(__GNUC__)
template <class T> constexpr int widest = registers / 4 * lanes<T>;
#else
template <class T> constexpr int widest = 1;
#endif

// Calls `use<width>(first output)` for stretches that make up all outputs, the widest first.
template <int width, class Use> inline void for_stretches(Index first, Index outputs, Use use) {
    for (; first + width <= outputs; first += width) use.template operator()<width>(first);
    if constexpr (width > 1) for_stretches<width / 2>(first, outputs, use);
}

template <int width, class Stored, class Column>
inline void score_some(const Entries<Stored, Column>& row, const double* coefficients, Index outputs, double* scores) {
    constexpr int size = Stretch<double, width>::size;
    Stretch<double, width> sum;
    for (Index e = 0; e < row.count; ++e) {
        const double value = static_cast<double>(row.values[e]);
        const double* from = coefficients + row.column(e) * outputs;
        POLYTOME_UNROLL
        for (int p = 0; p < width / size; ++p) sum.part[p] += value * load<double, size>(from + p * size);
    }
    double lane[width];
    std::memcpy(lane, sum.part, sizeof lane);
    for (int k = 0; k < width; ++k) *entry(scores, k, 0) = lane[k];
}

template <int width, class Stored, class Column>
inline void add_some(const Entries<Stored, Column>& row, const double* residuals, Index outputs, double* gradient) {
    constexpr int size = Stretch<double, width>::size;
    double lane[width];
    for (int k = 0; k < width; ++k) lane[k] = residuals[k * tile_rows];
    Stretch<double, width> residual;
    std::memcpy(residual.part, lane, sizeof lane);
    for (Index e = 0; e < row.count; ++e) {
        const double value = static_cast<double>(row.values[e]);
        double* to = gradient + row.columns[e] * outputs;
        POLYTOME_UNROLL
        for (int p = 0; p < width / size; ++p) {
            store(to + p * size, load<double, size>(to + p * size) + value * residual.part[p]);
        }
    }
}

template <class Stored, class Column>
inline Entries<Stored, Column> entries_of_row(const Stored* values, const Column* columns, const SparseBlock& block,
                                              Index row) {
    const std::int64_t first = block.bounds[row];
    return {values + first, columns + first, static_cast<Index>(block.bounds[row + 1] - first), block.columns};
}

// Scores of the rows of a tile, intercept included. Where coefficients of a column have zeros
// behind them, up to `stride` numbers, there are scores for these too: three outputs and a zero are
// one stretch, which the entries of a row pass once, and three outputs are two.
template <class Stored, class Column>
void score_rows(const Stored* values, const Column* columns, const SparseBlock& block, Index start, Index rows,
                const double* coefficients, Index outputs, Index stride, double* scores) {
    const double* intercepts = coefficients + block.columns * stride;
    for (Index i = 0; i < rows; ++i) {
        const auto row = entries_of_row(values, columns, block, start + i);
        for_stretches<widest<double>>(0, stride, [&]<int width>(Index k) {
            score_some<width>(row, coefficients + k, stride, entry(scores, k, i));
        });
        for (Index k = 0; k < outputs; ++k) *entry(scores, k, i) += intercepts[k];
    }
}

template <class Stored, class Column>
double sparse_rows(const Stored* values, const Column* columns, const SparseBlock& block, const Task& task) {
    const Index outputs = task.outputs, stride = task.stride;
    Scratch<double> scores(stride * tile_rows), target(outputs * tile_rows);
    double* intercept_gradient = task.gradient + block.columns * stride;
    double value = 0.0;
    for (Index start = 0; start < block.rows; start += tile_rows) {
        const Index rows = rows_of_tile(block.rows, start);
        Tile tile{rows, outputs, scores.get(), target.get(), {}};
        score_rows(values, columns, block, start, rows, task.coefficients, outputs, stride, tile.scores);
        fill(tile, task, start);
        value += loss_and_residuals(tile, task.loss);
        weigh_residuals(tile, intercept_gradient);
        for (Index i = 0; i < rows; ++i) {
            const auto row = entries_of_row(values, columns, block, start + i);
            for_stretches<widest<double>>(0, stride, [&]<int width>(Index k) {
                add_some<width>(row, entry(tile.scores, k, i), stride, task.gradient + k);
            });
        }
    }
    return value;
}

// Calls `use` with pointers to the entries and to their columns as they are stored.
template <class Use> void with_entries(const SparseBlock& block, Use use) {
    with_type(block.number, block.data, [&](auto* values) {
        if (block.wide_indices) {
            use(values, static_cast<const std::int64_t*>(block.indices));
        } else {
            use(values, static_cast<const std::int32_t*>(block.indices));
        }
    });
}

double sparse_pass(const SparseBlock& block, const Task& task) {
    double value = 0.0;
    with_entries(block, [&](auto* values, auto* columns) { value = sparse_rows(values, columns, block, task); });
    return value;
}

}  // namespace
