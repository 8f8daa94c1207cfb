// One pass over a dense block. Tiles of 64 rows are converted to the type of the products and stay in the cache while
// they are multiplied twice: once into scores, once, weighted by the residuals, into the gradient.
#pragma once

#include "losses.hpp"
#include "numbers.hpp"
#include "scratch.hpp"

namespace {

using polytome::DenseBlock;

// Outputs of one sweep: so few that several rows fit beside them, and each vector that is loaded serves several times.
constexpr int most_outputs = 6;

// Rows of a sweep over `outputs` of them: their sums fill the registers, with room for what is multiplied.
constexpr int rows_at_once(int outputs) {
    int rows = 8;
    while (rows * outputs > registers - 4) rows /= 2;
    return rows;
}

// Vectors of columns in a sweep over the rows of a tile, for the same reason.
constexpr int columns_at_once(int outputs) {
    const int fitting = (registers - 2) / (outputs + 1);
    return fitting > 4 ? 4 : fitting;
}

// Columns of a tile in memory: whole vectors, and not a power of two, or its rows would share few lines of the cache.
template <class T> Index padded_width(Index columns) {
    const Index width = (columns + lanes<T> - 1) / lanes<T> * lanes<T>;
    return width * sizeof(T) % 4096 == 0 ? width + lanes<T> : width;
}

// Rows `start` .. `start + rows` of a block, converted: row i at x + i * width, padded with zeros to `width` columns.
template <class T, class Stored>
void convert(const Stored* X, const DenseBlock& block, Index start, Index rows, T* x, Index width) {
    const Stored* first = X + start * block.row_stride;
    if (block.column_stride == 1) {
        for (Index i = 0; i < rows; ++i) {
            const Stored* row = first + i * block.row_stride;
            T* to = x + i * width;
            for (Index j = 0; j < block.columns; ++j) to[j] = static_cast<T>(row[j]);
        }
        return;
    }
    constexpr Index group = 16;  // columns side by side, so that the lines of x are filled one after the other
    for (Index j0 = 0; j0 < block.columns; j0 += group) {
        const Index j1 = j0 + group < block.columns ? j0 + group : block.columns;
        for (Index i = 0; i < rows; ++i) {
            for (Index j = j0; j < j1; ++j) {
                x[i * width + j] = static_cast<T>(first[i * block.row_stride + j * block.column_stride]);
            }
        }
    }
}

// Where the rows of the next tile are stored: they are fetched while this one is multiplied.
struct Upcoming {
    const char* first;
    Index row, entry;  // bytes from one to the next
};

template <class Stored> Upcoming upcoming_rows(const Stored* X, const DenseBlock& block, Index start) {
    if (block.column_stride != 1 || start >= block.rows) return {};
    return {reinterpret_cast<const char*>(X + start * block.row_stride),
            block.row_stride * static_cast<Index>(sizeof(Stored)), sizeof(Stored)};
}

// Scores of `rows` rows and `outputs` outputs, without intercept.
template <class T, int outputs>
void multiply_scores(const T* x, const T* w, Index width, Index rows, double* scores, const Upcoming& upcoming) {
    constexpr int group = rows_at_once(outputs);
    for (Index i = 0; i < rows; i += group) {
        Vector<T> sum[outputs][group] = {};
        for (Index j = 0; j < width; j += lanes<T>) {
            Vector<T> entries[group];
            POLYTOME_UNROLL
            for (int r = 0; r < group; ++r) {
                entries[r] = load(x + (i + r) * width + j);
                POLYTOME_PREFETCH(upcoming.first + (i + r) * upcoming.row + j * upcoming.entry);
            }
            POLYTOME_UNROLL
            for (int k = 0; k < outputs; ++k) {
                const Vector<T> coefficients = load(w + k * width + j);
                POLYTOME_UNROLL
                for (int r = 0; r < group; ++r) sum[k][r] += entries[r] * coefficients;
            }
        }
        POLYTOME_UNROLL
        for (int k = 0; k < outputs; ++k) {
            POLYTOME_UNROLL
            for (int r = 0; r < group; ++r) *entry(scores, k, i + r) = lane_sum<T>(sum[k][r]);
        }
    }
}

// Adds `columns` vectors of the gradient from column `j` on, summed over the rows of a tile.
template <class T, int outputs, int columns>
inline void add_columns(const T* x, const T* residuals, Index width, Index rows, Index j, double* gradient) {
    Vector<T> sum[outputs][columns] = {};
    for (Index i = 0; i < rows; ++i) {
        Vector<T> entries[columns];
        POLYTOME_UNROLL
        for (int c = 0; c < columns; ++c) entries[c] = load(x + i * width + j + c * lanes<T>);
        POLYTOME_UNROLL
        for (int k = 0; k < outputs; ++k) {
            const T residual = residuals[k * tile_rows + i];
            POLYTOME_UNROLL
            for (int c = 0; c < columns; ++c) sum[k][c] += entries[c] * residual;
        }
    }
    for (int k = 0; k < outputs; ++k) {
        T sums[columns * lanes<T>];
        POLYTOME_UNROLL
        for (int c = 0; c < columns; ++c) store(sums + c * lanes<T>, sum[k][c]);
        double* to = gradient + k * width + j;
        for (int c = 0; c < columns * lanes<T>; ++c) to[c] += static_cast<double>(sums[c]);
    }
}

// The gradient's columns before `end`, rounded up to whole vectors.
template <class T, int outputs>
void add_gradient(const T* x, const T* residuals, Index width, Index rows, double* gradient, Index end) {
    constexpr int columns = columns_at_once(outputs);
    Index j = 0;
    for (; j + columns * lanes<T> <= end; j += columns * lanes<T>) {
        add_columns<T, outputs, columns>(x, residuals, width, rows, j, gradient);
    }
    for (; j < end; j += lanes<T>) add_columns<T, outputs, 1>(x, residuals, width, rows, j, gradient);
}

// The two products for each number of outputs that registers hold, so that every loop over them is unrolled.
template <class T> struct Products {
    void (*multiply_scores)(const T*, const T*, Index, Index, double*, const Upcoming&);
    void (*add_gradient)(const T*, const T*, Index, Index, double*, Index);
};

template <class T, int outputs = most_outputs> Products<T> products(Index wanted) {
    if (wanted == outputs) return {multiply_scores<T, outputs>, add_gradient<T, outputs>};
    if constexpr (outputs > 1) return products<T, outputs - 1>(wanted);
    return {};
}

// Calls `sweep(first output, number of outputs)` for groups of equal size, give or take one.
template <class Sweep> void for_groups_of_outputs(Index outputs, Sweep sweep) {
    const Index groups = (outputs + most_outputs - 1) / most_outputs;
    for (Index g = 0; g < groups; ++g) {
        const Index first = g * outputs / groups;
        sweep(first, (g + 1) * outputs / groups - first);
    }
}

template <class T> double dense_pass(const DenseBlock& block, const Task& task) {
    const Index columns = block.columns, outputs = task.outputs;
    const Index width = padded_width<T>(columns);
    Scratch<T> x(tile_rows * width), w(outputs * width), residuals(outputs * tile_rows);
    Scratch<double> gradient(outputs * width), scores(outputs * tile_rows), target(outputs * tile_rows);
    Scratch<double> intercept_gradient(outputs);
    for (Index k = 0; k < outputs; ++k) {
        const double* coefficients = task.coefficients + k * (columns + 1);
        for (Index j = 0; j < columns; ++j) w[k * width + j] = static_cast<T>(coefficients[j]);
    }
    double value = 0.0;
    for (Index start = 0; start < block.rows; start += tile_rows) {
        const Index rows = rows_of_tile(block.rows, start);
        Tile tile{rows, outputs, scores.get(), target.get(), {}};
        Upcoming upcoming{};
        with_type(block.number, block.data, [&](auto* X) {
            convert(X, block, start, rows, x.get(), width);
            upcoming = upcoming_rows(X, block, start + tile_rows);
        });
        for_groups_of_outputs(outputs, [&](Index first, Index count) {
            products<T>(count).multiply_scores(x.get(), w.get() + first * width, width, rows,
                                               entry(tile.scores, first, 0), upcoming);
            upcoming = {};  // they are on their way
        });
        for (Index k = 0; k < outputs; ++k) {
            const double intercept = task.coefficients[k * (columns + 1) + columns];
            for (Index i = 0; i < tile_rows; ++i) *entry(tile.scores, k, i) += intercept;
        }
        fill(tile, task, start);
        value += loss_and_residuals(tile, task.loss, intercept_gradient.get());
        for (Index i = 0; i < outputs * tile_rows; ++i) residuals[i] = static_cast<T>(scores[i]);
        for_groups_of_outputs(outputs, [&](Index first, Index count) {
            products<T>(count).add_gradient(x.get(), residuals.get() + first * tile_rows, width, rows,
                                            gradient.get() + first * width, width);
        });
    }
    for (Index k = 0; k < outputs; ++k) {
        double* to = task.gradient + k * (columns + 1);
        for (Index j = 0; j < columns; ++j) to[j] += gradient[k * width + j];
        to[columns] += intercept_gradient[k];
    }
    return value;
}

}  // namespace
