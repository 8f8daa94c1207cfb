// The trace of each row's Hessian with respect to its scores, `sum_k p_k (1 - p_k)`: rows are drawn
// by it.
#pragma once

#include "dense.hpp"
#include "hessian.hpp"

namespace {

using polytome::Link;
using polytome::Prediction;

inline Doubles softmax_trace(double* scores, Index outputs, Index row) {
    const Exponentials exponentials(scores, outputs, row);
    const Doubles total = exponentials.total();
    Doubles trace{};
    for (Index k = 0; k < outputs; ++k) {
        const Doubles exponential = load(entry(scores, k, row));
        trace += (exponential / total) * (exponentials.without(exponential) / total);
    }
    return trace;
}

inline Doubles sigmoids_trace(double* scores, Index outputs, Index row) {
    Doubles trace{};
    for (Index k = 0; k < outputs; ++k) trace += curvature_of_score(Loss::sigmoids, load(entry(scores, k, row)));
    return trace;
}

// The result has one entry for each row.
template <class T> double dense_traces(const DenseBlock& block, const Prediction& prediction) {
    const Index outputs = prediction.outputs;
    Scorer<T> scorer(block, prediction.coefficients, outputs);
    Scratch<double> scores(outputs * tile_rows);
    double traces[tile_rows];
    const auto trace = prediction.link == Link::softmax ? softmax_trace : sigmoids_trace;
    for (Index start = 0; start < block.rows; start += tile_rows) {
        const Index rows = rows_of_tile(block.rows, start);
        scorer.score(start, rows, scores.get());
        for (Index row = 0; row < tile_rows; row += lanes<double>) store(traces + row, trace(scores.get(), outputs, row));
        for (Index i = 0; i < rows; ++i) prediction.result[start + i] = traces[i];
    }
    return 0.0;
}

}  // namespace
