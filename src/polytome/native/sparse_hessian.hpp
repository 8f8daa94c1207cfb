// Value, gradient and Hessian of the loss of a block of a CSR matrix, for raw columns. A row adds
// the products of its own entries alone: of twelve entries that is 78, however many columns there
// are.
#pragma once

#include <algorithm>

#include "hessian.hpp"
#include "sparse.hpp"

namespace {

// The entries of a row, read once.
struct RowEntries {
    Scratch<Index> column;
    Scratch<double> value;
    Index count = 0;
    bool in_order = true;  // the columns grow

    explicit RowEntries(Index most) : column(most), value(most) {}

    template <class Stored, class Column> void read(const Entries<Stored, Column>& row) {
        count = row.count;
        in_order = true;
        for (Index e = 0; e < count; ++e) {
            column[e] = row.column(e);
            value[e] = static_cast<double>(row.values[e]);
            in_order &= e == 0 || column[e - 1] < column[e];
        }
    }
};

// Adds `factor` times the weights of a row to an entry of all Gram matrices, which lie side by
// side.
template <int grams> inline void add_weights(double* to, const double* weights, Index n_grams, double factor) {
    if constexpr (grams == 1) {
        *to += factor * *weights;
    } else {
        for (Index g = 0; g < n_grams; ++g) to[g] += factor * weights[g];
    }
}

// Adds the products of a row's entries to the lower triangles; the intercept's column, of ones, is
// the last. A column that is stored twice is the sum of both, whose square has the product twice.
template <int grams>
inline void add_products(RowEntries& row, const double* weights, Index n_grams, Index columns, double* sums) {
    const Index size = columns + 1;
    for (Index e = 0; e < row.count; ++e) {
        const Index column = row.column[e];
        const double value = row.value[e];
        for (Index f = 0; f < e; ++f) {
            const Index other = row.column[f];
            const Index at = column > other ? column * size + other : other * size + column;
            const double product = value * row.value[f];
            add_weights<grams>(sums + at * n_grams, weights, n_grams, column == other ? 2.0 * product : product);
        }
        add_weights<grams>(sums + (column * size + column) * n_grams, weights, n_grams, value * value);
        add_weights<grams>(sums + (columns * size + column) * n_grams, weights, n_grams, value);
    }
    add_weights<grams>(sums + (columns * size + columns) * n_grams, weights, n_grams, 1.0);
}

// The same for one weight and columns that grow.
inline void add_products_in_order(RowEntries& row, double weight, Index columns, double* sums) {
    const Index size = columns + 1, *column = row.column.get();
    const double* value = row.value.get();
    double* last = sums + columns * size;
    for (Index e = 0; e < row.count; ++e) {
        double* line = sums + column[e] * size;
        const double weighted = weight * value[e];
        for (Index f = 0; f <= e; ++f) line[column[f]] += weighted * value[f];
        last[column[e]] += weighted;
    }
    last[columns] += weight;
}

template <class Stored, class Column>
double products_of_entries(const Stored* values, const Column* columns, const SparseBlock& block, const Task& task) {
    const Index outputs = task.outputs, n_grams = curvatures_of(task), size = block.columns + 1;
    Index most = 1;
    for (Index i = 0; i < block.rows; ++i) most = std::max(most, static_cast<Index>(block.bounds[i + 1] - block.bounds[i]));
    RowEntries entries(most);
    Scratch<double> scores(outputs * tile_rows), residuals(outputs * tile_rows), target(outputs * tile_rows);
    Scratch<double> curvature(n_grams * tile_rows), weights(n_grams);
    double *intercept_gradient = task.gradient + block.columns * outputs, *sums = task.gradient + size * outputs;
    double value = 0.0;
    for (Index start = 0; start < block.rows; start += tile_rows) {
        const Index rows = rows_of_tile(block.rows, start);
        Tile tile{rows, outputs, scores.get(), target.get(), {}};
        score_rows(values, columns, block, start, rows, task.coefficients, outputs, outputs, tile.scores);
        fill(tile, task, start);
        std::memcpy(residuals.get(), scores.get(), static_cast<std::size_t>(outputs * tile_rows) * sizeof(double));
        weigh_curvatures(tile, task.loss, curvature.get());
        tile.scores = residuals.get();
        value += loss_and_residuals(tile, task.loss);
        weigh_residuals(tile, intercept_gradient);
        for (Index i = 0; i < rows; ++i) {
            const auto row = entries_of_row(values, columns, block, start + i);
            entries.read(row);
            for (Index e = 0; e < entries.count; ++e) {
                for (Index k = 0; k < outputs; ++k) {
                    task.gradient[entries.column[e] * outputs + k] += entries.value[e] * *entry(residuals.get(), k, i);
                }
            }
            for (Index g = 0; g < n_grams; ++g) weights[g] = curvature[g * tile_rows + i];
            if (n_grams == 1 && entries.in_order) {
                add_products_in_order(entries, weights[0], block.columns, sums);
            } else if (n_grams == 1) {
                add_products<1>(entries, weights.get(), n_grams, block.columns, sums);
            } else {
                add_products<0>(entries, weights.get(), n_grams, block.columns, sums);
            }
        }
    }
    return value;
}

double entry_derivatives(const SparseBlock& block, const Task& task) {
    double value = 0.0;
    with_entries(block, [&](auto* values, auto* columns) { value = products_of_entries(values, columns, block, task); });
    return value;
}

}  // namespace
