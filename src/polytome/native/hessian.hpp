// The Hessian of one output, sum_i s_i m_i x_i x_i' over the rows of a dense block, with standardised columns. Row j of it is
// a gradient whose residuals are s_i m_i x_ij, so the products of the gradient form it.
#pragma once

#include "dense.hpp"

namespace {

// The second derivative of the loss with respect to the score.
inline Doubles curvature(Loss loss, Doubles score) {
    if (loss == Loss::squared) return Doubles{} + 1.0;
    const Doubles small = exp_of_negative(score > Doubles{} ? -score : score);
    const Doubles near = 1.0 / (1.0 + small);
    return small * near * near;  // sigmoid(z) sigmoid(-z)
}

// Writes the lower triangle, (columns + 1, columns + 1), to `task.gradient`; above it stands what helped to form it.
void dense_hessian(const DenseBlock& block, const Task& task, const polytome::Columns& implicit) {
    const Index size = block.columns + 1, width = padded_width<double>(size);
    Scratch<double> x(tile_rows * width), products_of_rows(size * tile_rows), hessian(size * width);
    Scratch<double> w(width), shift(width), scale(width), scores(tile_rows);
    const Doubles intercept = Doubles{} + task.coefficients[block.columns];
    for (Index j = 0; j < block.columns; ++j) {
        w[j] = task.coefficients[j];
        shift[j] = implicit.shift[j];
        scale[j] = implicit.scale[j];
    }
    shift[block.columns] = implicit.intercept ? -1.0 : 0.0;  // (0 + 1) * 1: the column of ones
    scale[block.columns] = 1.0;
    for (Index start = 0; start < block.rows; start += tile_rows) {
        const Index rows = rows_of_tile(block.rows, start);
        with_type(block.number, block.data, [&](auto* X) { convert(X, block, start, rows, x.get(), width); });
        for (Index i = 0; i < rows; ++i) {
            double* row = x.get() + i * width;
            row[block.columns] = 0.0;  // the tile before left a one
            for (Index j = 0; j < width; j += lanes<double>) {
                store(row + j, (load(row + j) - load(shift.get() + j)) * load(scale.get() + j));
            }
        }
        multiply_scores<double, 1>({x.get(), width}, w.get(), width, rows, scores.get(), Upcoming{});
        for (Index i = 0; i < tile_rows; i += lanes<double>) {
            store(scores.get() + i, curvature(task.loss, load(scores.get() + i) + intercept));
        }
        for (Index i = 0; i < rows; ++i) {
            const double weight = task.weight[start + i] * scores[i];
            for (Index j = 0; j < size; ++j) products_of_rows[j * tile_rows + i] = weight * x[i * width + j];
        }
        for_groups_of_outputs(size, [&](Index first, Index count) {
            products<double>(count).add_gradient({x.get(), width}, products_of_rows.get() + first * tile_rows, width, rows,
                                                 hessian.get() + first * width, first + count);
        });
    }
    for (Index j = 0; j < size; ++j) {
        std::memcpy(task.gradient + j * size, hessian.get() + j * width, static_cast<std::size_t>(size) * sizeof(double));
    }
}

}  // namespace
