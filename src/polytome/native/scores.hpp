// Scores of rows, and the probabilities that belong to them: what a fitted model predicts. A row's
// arithmetic does not depend on the rows beside it.
#pragma once

#include <cmath>

#include "dense.hpp"
#include "sparse.hpp"

namespace {

using polytome::Link;
using polytome::Prediction;

// Turns the scores of a tile into probabilities; of scores that are not finite, nothing is
// promised.
inline void apply(Link link, double* scores, Index outputs) {
    for (Index row = 0; row < tile_rows && link == Link::sigmoids; row += lanes<double>) {
        for (Index k = 0; k < outputs; ++k) {
            const Doubles score = load(entry(scores, k, row)), zero{};
            const Doubles small = exp_of_negative(score > zero ? -score : score);
            store(entry(scores, k, row), (score > zero ? zero + 1.0 : small) / (1.0 + small));
        }
    }
    for (Index row = 0; row < tile_rows && link == Link::softmax; row += lanes<double>) {
        Doubles largest = load(entry(scores, 0, row)), total{};
        for (Index k = 1; k < outputs; ++k) largest = larger(load(entry(scores, k, row)), largest);
        for (Index k = 0; k < outputs; ++k) {
            const Doubles exponential = exp_of_negative(load(entry(scores, k, row)) - largest);
            total += exponential;
            store(entry(scores, k, row), exponential);
        }
        for (Index k = 0; k < outputs; ++k) store(entry(scores, k, row), load(entry(scores, k, row)) / total);
    }
}

// Writes what is predicted for the rows from `start` on; true where all their scores are finite.
inline bool write_rows(const Prediction& prediction, double* scores, Index start, Index rows) {
    const Index outputs = prediction.outputs;
    bool finite = true;
    for (Index k = 0; k < outputs; ++k) {
        for (Index i = 0; i < rows; ++i) finite &= std::isfinite(*entry(scores, k, i));
    }
    apply(prediction.link, scores, outputs);
    double* to = prediction.result + start * outputs;
    for (Index i = 0; i < rows; ++i) {
        for (Index k = 0; k < outputs; ++k) to[i * outputs + k] = *entry(scores, k, i);
    }
    return finite;
}

double dense_scores(const DenseBlock& block, const Prediction& prediction) {
    const Index outputs = prediction.outputs;
    Scorer<double> scorer(block, prediction.coefficients, outputs);
    Scratch<double> scores(outputs * tile_rows);
    double wrong = 0.0;
    for (Index start = 0; start < block.rows; start += tile_rows) {
        const Index rows = rows_of_tile(block.rows, start);
        scorer.score(start, rows, scores.get());
        wrong += write_rows(prediction, scores.get(), start, rows) ? 0.0 : 1.0;
    }
    return wrong;
}

double sparse_scores(const SparseBlock& block, const Prediction& prediction) {
    const Index outputs = prediction.outputs;
    Scratch<double> scores(outputs * tile_rows);
    double wrong = 0.0;
    for (Index start = 0; start < block.rows; start += tile_rows) {
        const Index rows = rows_of_tile(block.rows, start);
        with_entries(block, [&](auto* values, auto* columns) {
            score_rows(values, columns, block, start, rows, prediction.coefficients, outputs, outputs, scores.get());
        });
        wrong += write_rows(prediction, scores.get(), start, rows) ? 0.0 : 1.0;
    }
    return wrong;
}

}  // namespace
