// The loss of rows whose scores are known, as a function of the intercepts alone: the columns of X
// play no part.
#pragma once

#include "losses.hpp"
#include "scratch.hpp"

namespace {

using polytome::KnownScores;

double shifted_loss(const KnownScores& known, const Task& task) {
    const Index outputs = task.outputs;
    Scratch<double> scores(outputs * tile_rows), target(outputs * tile_rows);
    double value = 0.0;
    for (Index start = 0; start < known.rows; start += tile_rows) {
        const Index rows = rows_of_tile(known.rows, start);
        Tile tile{rows, outputs, scores.get(), target.get(), {}};
        const double* from = known.scores + start * outputs;
        for (Index i = 0; i < rows; ++i) {
            for (Index k = 0; k < outputs; ++k) *entry(tile.scores, k, i) = from[i * outputs + k] + task.coefficients[k];
        }
        fill(tile, task, start);
        value += loss_and_residuals(tile, task.loss);
        if (known.residuals != nullptr) {
            double* to = known.residuals + start * outputs;
            for (Index i = 0; i < rows; ++i) {
                for (Index k = 0; k < outputs; ++k) to[i * outputs + k] = *entry(tile.scores, k, i);
            }
        }
        weigh_residuals(tile, task.gradient);
    }
    return value;
}

}  // namespace
