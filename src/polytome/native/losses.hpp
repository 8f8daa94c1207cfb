// The losses of losses/ for one tile of rows: each vector holds as many rows as it has lanes, so
// that sums over outputs are plain loops. The forms are those of losses/: none cancels, however
// sure a row.
#pragma once

#include <stdexcept>

#include "elementary.hpp"
#include "numbers.hpp"

namespace {

using polytome::Index;
using polytome::Loss;
using polytome::Task;

constexpr int tile_rows = 64;

// Scores, and what they are compared with, of up to `tile_rows` rows; entry (output k, row i) is at
// k * tile_rows + i. Every lane is computed, those beyond `rows` with weight zero.
struct Tile {
    Index rows, outputs;
    double* scores;  // residuals once the loss is known
    double* target;
    double weight[tile_rows];
};

inline Index rows_of_tile(Index rows, Index start) { return rows - start < tile_rows ? rows - start : tile_rows; }

inline double* entry(double* values, Index output, Index row) { return values + output * tile_rows + row; }

// Each of these returns the losses of the rows from `row` on and puts their residuals where the
// scores were.

inline Doubles softmax_of_codes(const Tile& tile, Index row) {
    const Doubles code = load(tile.target + row);
    Doubles largest = load(entry(tile.scores, 0, row));
    for (Index k = 1; k < tile.outputs; ++k) largest = larger(load(entry(tile.scores, k, row)), largest);
    Doubles own{}, own_shifted{}, others{};
    for (Index k = 0; k < tile.outputs; ++k) {
        const auto is_own = code == Doubles{} + static_cast<double>(k);
        const Doubles shifted = load(entry(tile.scores, k, row)) - largest;
        const Doubles exponential = exp_of_negative(shifted);
        own_shifted = is_own ? shifted : own_shifted;
        own = is_own ? exponential : own;
        others += is_own ? Doubles{} : exponential;
        store(entry(tile.scores, k, row), exponential);
    }
    const Doubles total = others + own;
    for (Index k = 0; k < tile.outputs; ++k) {
        const auto is_own = code == Doubles{} + static_cast<double>(k);
        const Doubles exponential = load(entry(tile.scores, k, row));
        store(entry(tile.scores, k, row), (is_own ? -others : exponential) / total);
    }
    // The loss is log(total) - own_shifted; where the own score is the largest, that is
    // log(1 + others).
    const auto is_sure = own == Doubles{} + 1.0;
    return log1p_of_positive(is_sure ? others : total - 1.0) - own_shifted;
}

inline Doubles softmax_of_distributions(const Tile& tile, Index row) {
    Doubles largest = load(entry(tile.scores, 0, row));
    for (Index k = 1; k < tile.outputs; ++k) largest = larger(load(entry(tile.scores, k, row)), largest);
    // The total is 1 + others: the first of the largest scores is left out of the others.
    Doubles total{}, others{}, expected{}, found{};
    for (Index k = 0; k < tile.outputs; ++k) {
        const Doubles shifted = load(entry(tile.scores, k, row)) - largest;
        const Doubles exponential = exp_of_negative(shifted);
        const auto is_first = (shifted == Doubles{}) & (found == Doubles{});
        found = is_first ? Doubles{} + 1.0 : found;
        total += exponential;
        others += is_first ? Doubles{} : exponential;
        expected += load(entry(tile.target, k, row)) * shifted;
        store(entry(tile.scores, k, row), exponential);
    }
    for (Index k = 0; k < tile.outputs; ++k) {
        const Doubles exponential = load(entry(tile.scores, k, row));
        store(entry(tile.scores, k, row), exponential / total - load(entry(tile.target, k, row)));
    }
    return log1p_of_positive(others) - expected;
}

inline Doubles sigmoids(const Tile& tile, Index row) {
    Doubles value{};
    for (Index k = 0; k < tile.outputs; ++k) {
        const Doubles score = load(entry(tile.scores, k, row)), present = load(entry(tile.target, k, row));
        const Doubles absent = 1.0 - present, zero{};
        const auto is_positive = score > zero;
        const Doubles small = exp_of_negative(is_positive ? -score : score);
        const Doubles near = 1.0 / (1.0 + small), far = small * near;
        value += present * larger(-score, zero) + absent * larger(score, zero) + log1p_of_positive(small);
        store(entry(tile.scores, k, row),
              absent * (is_positive ? near : far) - present * (is_positive ? far : near));
    }
    return value;
}

inline Doubles squared(const Tile& tile, Index row) {
    Doubles value{};
    for (Index k = 0; k < tile.outputs; ++k) {
        const Doubles residual = load(entry(tile.scores, k, row)) - load(entry(tile.target, k, row));
        value += 0.5 * residual * residual;
        store(entry(tile.scores, k, row), residual);
    }
    return value;
}

template <Doubles (*row_loss)(const Tile&, Index)> inline double weighted_loss(const Tile& tile) {
    Doubles sum{};
    for (Index row = 0; row < tile.rows; row += lanes<double>) {
        sum += load(tile.weight + row) * row_loss(tile, row);
    }
    return lane_sum<double>(sum);
}

// Weighted loss of a tile; its scores become residuals without weights.
inline double loss_and_residuals(const Tile& tile, Loss loss) {
    switch (loss) {
        case Loss::softmax_of_codes: return weighted_loss<softmax_of_codes>(tile);
        case Loss::softmax_of_distributions: return weighted_loss<softmax_of_distributions>(tile);
        case Loss::sigmoids: return weighted_loss<sigmoids>(tile);
        default: return weighted_loss<squared>(tile);
    }
}

// Multiplies the residuals of a tile by the weights of their rows, and adds their sums to
// `intercepts`.
inline void weigh_residuals(const Tile& tile, double* intercepts) {
    for (Index k = 0; k < tile.outputs; ++k) {
        double* residuals = entry(tile.scores, k, 0);
        Doubles sum{};
        for (Index row = 0; row < tile.rows; row += lanes<double>) {
            store(residuals + row, load(tile.weight + row) * load(residuals + row));
        }
        for (Index row = 0; row < tile.rows; row += lanes<double>) sum += load(residuals + row);
        intercepts[k] += lane_sum<double>(sum);
    }
}

// Adds the offsets of the rows from `start` on to their scores.
inline void add_offset(Tile& tile, const Task& task, Index start) {
    const auto& offset = task.offset;
    const auto* stored = static_cast<const double*>(offset.data);
    for (Index k = 0; k < tile.outputs; ++k) {
        for (Index i = 0; i < tile.rows; ++i) {
            *entry(tile.scores, k, i) += stored[(start + i) * offset.row_stride + k * offset.column_stride];
        }
    }
}

// Weights, targets and offsets of the rows from `start` on; lanes without a row get score, target
// and weight zero.
inline void fill(Tile& tile, const Task& task, Index start) {
    const auto& target = task.target;
    if (task.offset.data != nullptr) add_offset(tile, task, start);
    for (Index k = 0; k < tile.outputs; ++k) {
        for (Index i = tile.rows; i < tile_rows; ++i) *entry(tile.scores, k, i) = 0.0;
    }
    with_type(target.number, target.data, [&](auto* stored) {
        for (Index k = 0; k < target.columns; ++k) {
            for (Index i = 0; i < tile_rows; ++i) {
                const Index at = (start + i) * target.row_stride + k * target.column_stride;
                *entry(tile.target, k, i) = i < tile.rows ? static_cast<double>(stored[at]) : 0.0;
            }
        }
    });
    bool in_range = true;
    for (Index i = 0; i < tile_rows; ++i) {
        tile.weight[i] = i < tile.rows ? task.weight[start + i] : 0.0;
        const double code = tile.target[i];
        in_range &= code >= 0.0 && code < static_cast<double>(task.outputs);
    }
    if (task.loss == Loss::softmax_of_codes && !in_range) {
        throw std::out_of_range("a class code is not between 0 and the number of outputs");
    }
}

}  // namespace
