// Scores of rows, and the probabilities that belong to them: what a fitted model predicts. A row's
// arithmetic does not depend on the rows beside it.
#pragma once

#include <algorithm>

#include "dense.hpp"
#include "sparse.hpp"

namespace {

using polytome::Link;
using polytome::Prediction;

// Of a positive and a negative score, `score` and `-score`, what `of(score > 0, e^-|score|)` says.
template <class Of> inline void pair(double* scores, Index row, Of of) {
    const Doubles score = load(entry(scores, 0, row)), zero{};
    const Doubles small = exp_of_negative(score > zero ? -score : score);
    store(entry(scores, 0, row), of(-score, small));
    store(entry(scores, 1, row), of(score, small));
}

inline Doubles sigmoid_of(Doubles score, Doubles small) {
    const Doubles zero{};
    return (score > zero ? zero + 1.0 : small) / (1.0 + small);
}

inline Doubles log_sigmoid_of(Doubles score, Doubles small) {
    const Doubles zero{};
    return (score > zero ? zero : score) - log1p_of_positive(small);
}

inline void softmax(double* scores, Index outputs, Index row) {
    Doubles largest = load(entry(scores, 0, row)), total{};
    for (Index k = 1; k < outputs; ++k) largest = larger(load(entry(scores, k, row)), largest);
    for (Index k = 0; k < outputs; ++k) {
        const Doubles exponential = exp_of_negative(load(entry(scores, k, row)) - largest);
        total += exponential;
        store(entry(scores, k, row), exponential);
    }
    for (Index k = 0; k < outputs; ++k) store(entry(scores, k, row), load(entry(scores, k, row)) / total);
}

inline void log_softmax(double* scores, Index outputs, Index row) {
    Doubles largest = load(entry(scores, 0, row)), ones{}, rest{};
    const Doubles zero{}, one = zero + 1.0;
    for (Index k = 1; k < outputs; ++k) largest = larger(load(entry(scores, k, row)), largest);
    for (Index k = 0; k < outputs; ++k) {
        const Doubles below = load(entry(scores, k, row)) - largest, exponential = exp_of_negative(below);
        ones += exponential == one ? one : zero;
        rest += exponential == one ? zero : exponential;
        store(entry(scores, k, row), below);
    }
    const Doubles log_total = log1p_of_positive(rest + (ones - 1.0));
    for (Index k = 0; k < outputs; ++k) store(entry(scores, k, row), load(entry(scores, k, row)) - log_total);
}

// The place of the largest score, the first of several; of a single score whether it is positive.
inline void place(double* scores, Index outputs, Index row) {
    const Doubles zero{};
    Doubles largest = outputs == 1 ? zero : load(entry(scores, 0, row)), found{};
    for (Index k = outputs == 1 ? 0 : 1; k < outputs; ++k) {
        const Doubles score = load(entry(scores, k, row));
        found = score > largest ? zero + static_cast<double>(outputs == 1 ? 1 : k) : found;
        largest = larger(score, largest);
    }
    store(entry(scores, 0, row), found);
}

// Turns the scores of some rows into what is predicted; of scores that are not finite, nothing is
// promised.
inline void apply(Link link, double* scores, Index outputs, Index row) {
    const bool is_single = outputs == 1;
    switch (link) {
        case Link::scores: return;
        case Link::sigmoids:
            for (Index k = 0; k < outputs; ++k) {
                const Doubles score = load(entry(scores, k, row)), zero{};
                store(entry(scores, k, row), sigmoid_of(score, exp_of_negative(score > zero ? -score : score)));
            }
            return;
        case Link::softmax: return softmax(scores, outputs, row);
        case Link::probabilities: return is_single ? pair(scores, row, sigmoid_of) : softmax(scores, outputs, row);
        case Link::logarithms: return is_single ? pair(scores, row, log_sigmoid_of) : log_softmax(scores, outputs, row);
        case Link::places: return place(scores, outputs, row);
    }
}

// Writes what is predicted for the rows from `start` on; true where all their scores are finite.
// Rows behind them have the scores of earlier ones, or zeros.
inline bool write_rows(const Prediction& prediction, double* scores, Index start, Index rows) {
    Doubles zeros{};
    for (Index row = 0; row < rows; row += lanes<double>) {
        for (Index k = 0; k < prediction.outputs; ++k) zeros += load(entry(scores, k, row)) * 0.0;
        apply(prediction.link, scores, prediction.outputs, row);
    }
    const Index width = prediction.width();
    double* to = prediction.result + start * width;
    for (Index i = 0; i < rows; ++i) {
        for (Index k = 0; k < width; ++k) to[i * width + k] = *entry(scores, k, i);
    }
    return lane_sum<double>(zeros) == 0.0;
}

// Rows of few columns that are converted, and multiplied, at once.
constexpr Index rows_of_line = 16;

double dense_scores(const DenseBlock& block, const Prediction& prediction) {
    Scorer<double> scorer(block, prediction.coefficients, prediction.outputs, true);
    Scratch<double> scores(std::max(prediction.outputs, prediction.width()) * tile_rows);
    double wrong = 0.0;
    const Index step = block.column_stride == 1 && scorer.width <= max_line ? rows_of_line : tile_rows;
    for (Index start = 0; start < block.rows; start += step) {
        const Index rows = std::min<Index>(block.rows - start, step);
        scorer.score(start, rows, scores.get());
        wrong += write_rows(prediction, scores.get(), start, rows) ? 0.0 : 1.0;
    }
    return wrong;
}

double sparse_scores(const SparseBlock& block, const Prediction& prediction) {
    const Index outputs = prediction.outputs;
    Scratch<double> scores(std::max(outputs, prediction.width()) * tile_rows);
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
