// Dual coordinate ascent on the rows of a CSR matrix, one after the other: the conjugate of the
// loss, and the step that is best for a row, are those of dual_steps.py.
//
// A row's dual variable is a prediction q, kept as the scores u that give it. Coefficients follow
// from the predictions, W = sum_i s_i x_i (y_i - q_i)' / (S lambda), and a row that changes its
// mind changes those of its own columns.
#pragma once

#include <cmath>

#include "losses.hpp"
#include "scratch.hpp"
#include "sparse.hpp"

namespace {

using polytome::DualSums;
using polytome::DualTask;
using polytome::SparseBlock;

constexpr double absent_score = -1e30;  // the score of a lane beyond the outputs: its probability is zero

inline Index whole_vectors(Index outputs) { return (outputs + lanes<double> - 1) / lanes<double> * lanes<double>; }

// One row: what the step needs and what it leaves. Vectors of `width` lanes, those beyond the
// outputs without meaning.
struct DualRow {
    Index outputs, width;
    Scratch<double> score, previous, next, before, after, work;

    explicit DualRow(Index n_outputs)
        : outputs(n_outputs), width(whole_vectors(n_outputs)), score(width), previous(width), next(width),
          before(width), after(width), work(width) {}

    template <class Use> void for_each_vector(Use use) {
        for (Index k = 0; k < width; k += lanes<double>) use(k);
    }
};

inline Doubles softplus(Doubles x) {
    const Doubles zero{};
    return larger(x, zero) + log1p_of_positive(exp_of_negative(x > zero ? -x : x));
}

inline Doubles sigmoid(Doubles x) {
    const Doubles zero{};
    const Doubles small = exp_of_negative(x > zero ? -x : x);
    const Doubles near = 1.0 / (1.0 + small);
    return x > zero ? near : small * near;
}

inline Doubles magnitude(Doubles x) { return larger(x, -x); }

inline bool any_above(Doubles x, double limit) {
    double lane[lanes<double>];
    store(lane, x);
    bool above = false;
    for (double value : lane) above |= value > limit;
    return above;
}

// Newton's method in the logarithms l of the new prediction: l + c e^l = z + c q - mu, with mu such
// that it sums to one.
inline void softmax_newton(DualRow& row, double curvature) {
    for (int tries = 0; tries < 30; ++tries) {
        Doubles sum{}, residuals{}, inverse_slopes{};
        row.for_each_vector([&](Index k) {
            const Doubles q = exp_of_negative(load(&row.next[k]));
            const Doubles right_side = load(&row.score[k]) + curvature * load(&row.before[k]);
            const Doubles residual = load(&row.next[k]) + curvature * q - right_side, inverse_slope = q / (1.0 + curvature * q);
            sum += q;
            residuals += inverse_slope * residual;
            inverse_slopes += inverse_slope;
            store(&row.after[k], q);
        });
        const double mu = (lane_sum<double>(sum) - 1.0 - lane_sum<double>(residuals)) / lane_sum<double>(inverse_slopes);
        Doubles moved{}, furthest{};
        row.for_each_vector([&](Index k) {
            const Doubles l = load(&row.next[k]), q = load(&row.after[k]);
            const Doubles residual = l + curvature * q - (load(&row.score[k]) + curvature * load(&row.before[k])) + mu;
            const Doubles step = -residual / (1.0 + curvature * q);
            moved += q * magnitude(step);
            furthest = larger(step, furthest);
            store(&row.work[k], residual);
        });
        // The left side is convex in l, so that a step to the right goes too far; log((right_side -
        // l) / c) does as well, and is the nearer of the two where the second term rules.
        const bool is_far = any_above(furthest, 1.0);
        row.for_each_vector([&](Index k) {
            const Doubles l = load(&row.next[k]), q = load(&row.after[k]), residual = load(&row.work[k]), zero{};
            Doubles step = -residual / (1.0 + curvature * q);
            if (is_far) {
                const Doubles bound = log1p_of_positive(larger(-residual, zero) / (curvature * q));
                step = step > zero ? (bound < step ? bound : step) : step;
            }
            const Doubles log_q = l + step;
            store(&row.next[k], log_q > zero ? zero : log_q);
        });
        // A long step may bring up a class that hardly counted before.
        if (!is_far && !(lane_sum<double>(moved) > 1e-4)) return;
    }
}

// The distance of the row's prediction from that of its scores is what the row adds to the duality
// gap.
inline DualSums softmax_step(DualRow& row, double curvature, const double* target, bool is_code) {
    Doubles largest = Doubles{} + absent_score;
    row.for_each_vector([&](Index k) { largest = larger(load(&row.score[k]), largest); });
    double lane[lanes<double>], top = absent_score;
    store(lane, largest);
    for (double value : lane) top = value > top ? value : top;
    Doubles total{};
    row.for_each_vector([&](Index k) { total += exp_of_negative(load(&row.score[k]) - top); });
    const double normaliser = top + std::log(lane_sum<double>(total));
    Doubles distance{};
    row.for_each_vector([&](Index k) {
        const Doubles q = exp_of_negative(load(&row.previous[k])), log_p = load(&row.score[k]) - normaliser;
        distance += q * (load(&row.previous[k]) - log_p);
        store(&row.before[k], q);
        store(&row.next[k], log_p);
    });
    DualSums sums{0.0, lane_sum<double>(distance)};
    if (is_code) {
        sums.loss = normaliser - row.score[static_cast<Index>(target[0])];
    } else {
        for (Index k = 0; k < row.outputs; ++k) sums.loss += target[k] * (normaliser - row.score[k]);
    }
    softmax_newton(row, curvature);
    Doubles sum{};
    row.for_each_vector([&](Index k) { sum += exp_of_negative(load(&row.next[k])); });
    const double excess = std::log(lane_sum<double>(sum));
    row.for_each_vector([&](Index k) { store(&row.next[k], load(&row.next[k]) - excess); });
    return sums;
}

// Each output for itself: u + c sigmoid(u) = z + c q, by Newton's method between bounds that close
// in, which are halved where it does not pay.
inline DualSums sigmoid_step(DualRow& row, double curvature, const double* target) {
    DualSums sums{0.0, 0.0};
    row.for_each_vector([&](Index k) {
        const Doubles z = load(&row.score[k]), old = load(&row.previous[k]), q = sigmoid(old);
        store(&row.before[k], q);
        store(&row.after[k], q * (old - z) + softplus(z) - softplus(old));
        store(&row.work[k], softplus(z));
        Doubles lower = z - curvature * sigmoid(-old), upper = z + curvature * q, u = old;
        u = u < lower ? lower : (u > upper ? upper : u);
        Doubles last_residual = Doubles{} + 1e300;
        for (int tries = 0; tries < 100; ++tries) {
            const Doubles p = sigmoid(u), residual = u + curvature * (p - q) - z, zero{};
            lower = residual < zero ? u : lower;
            upper = residual > zero ? u : upper;
            const Doubles newton = u - residual / (1.0 + curvature * p * sigmoid(-u));
            const auto bisects = (newton < lower) | (newton > upper) | (magnitude(residual) > 0.5 * last_residual);
            const Doubles next_u = bisects ? 0.5 * (lower + upper) : newton;
            const Doubles moved = magnitude(next_u - u);
            last_residual = magnitude(residual);
            u = next_u;
            if (!any_above(moved, 1e-6)) break;
        }
        store(&row.next[k], u);
    });
    for (Index k = 0; k < row.outputs; ++k) {
        sums.loss += row.work[k] - target[k] * row.score[k];
        sums.gap += row.after[k];
    }
    return sums;
}

// Asks for the coefficients of a row that comes next; they lie far apart. What is asked for need
// not exist.
template <class T, class Column>
inline void fetch_row(const Column* columns, const SparseBlock& block, const DualTask& task, Index row) {
    const Column* column = columns + block.bounds[row];
    const Index count = static_cast<Index>(block.bounds[row + 1] - block.bounds[row]);
    const Index bytes = task.outputs * static_cast<Index>(sizeof(T));
    for (Index e = 0; e < count; ++e) {
        const char* from = static_cast<const char*>(task.coefficients) + static_cast<Index>(column[e]) * bytes;
        for (Index line = 0; line < bytes; line += 64) POLYTOME_PREFETCH(from + line);
    }
}

template <class T, class Stored, class Column>
DualSums dual_rows(const Stored* values, const Column* columns, const SparseBlock& block, const DualTask& task) {
    const Index outputs = task.outputs;
    T* coefficients = static_cast<T*>(task.coefficients);
    T* duals = static_cast<T*>(task.duals);
    DualRow row(outputs);
    row.for_each_vector([&](Index k) {
        store(&row.score[k], Doubles{} + absent_score);
        store(&row.previous[k], Doubles{} + absent_score);
    });
    Scratch<T> sums(outputs);
    const bool is_code = task.loss == Loss::softmax_of_codes, is_softmax = task.loss != Loss::sigmoids;
    DualSums total{0.0, 0.0};
    for (Index place = 0; place < task.steps; ++place) {
        const Index i = static_cast<Index>(task.order[place]);
        const auto entries = entries_of_row(values, columns, block, i);
        const Index count = entries.count;
        for_stretches<widest<T>>(0, outputs, [&]<int width>(Index k) {
            constexpr int size = Stretch<T, width>::size;
            Stretch<T, width> sum;
            for (Index e = 0; e < count; ++e) {
                const T* from = coefficients + entries.column(e) * outputs + k;
                const T x = static_cast<T>(entries.values[e]);
                POLYTOME_UNROLL
                for (int p = 0; p < width / size; ++p) sum.part[p] += x * load<T, size>(from + p * size);
            }
            std::memcpy(&sums[k], sum.part, width * sizeof(T));
        });
        if (place + 1 < task.steps) fetch_row<T>(columns, block, task, static_cast<Index>(task.order[place + 1]));
        T* dual = duals + i * outputs;
        for (Index k = 0; k < outputs; ++k) {
            row.score[k] = static_cast<double>(sums[k]) + task.intercepts[k];
            row.previous[k] = static_cast<double>(dual[k]);
        }
        const double weight = task.weight[i];
        const double* target = task.target + i * (is_code ? 1 : outputs);
        if (is_code && !(target[0] >= 0.0 && target[0] < static_cast<double>(outputs))) {
            throw std::out_of_range("a class code is not between 0 and the number of outputs");
        }
        const DualSums step = is_softmax ? softmax_step(row, task.curvature[i], target, is_code)
                                         : sigmoid_step(row, task.curvature[i], target);
        total.loss += weight * step.loss;
        total.gap += weight * step.gap;
        // The prediction that counts is the one that the stored number will give when the row is
        // met again.
        row.for_each_vector([&](Index k) {
            double rounded[lanes<double>];
            store(rounded, load(&row.next[k]));
            for (double& u : rounded) u = static_cast<double>(static_cast<T>(u));
            const Doubles u = load(rounded);
            store(&row.next[k], u);
            store(&row.after[k], is_softmax ? exp_of_negative(u) : sigmoid(u));
        });
        const double share = weight * task.per_weight;
        for (Index k = 0; k < outputs; ++k) {
            const double change = share * (row.before[k] - row.after[k]);
            dual[k] = static_cast<T>(row.next[k]);
            sums[k] = static_cast<T>(change);
            task.intercepts[k] += change * task.intercept_square;
        }
        for_stretches<widest<T>>(0, outputs, [&]<int width>(Index k) {
            constexpr int size = Stretch<T, width>::size;
            Stretch<T, width> change;
            std::memcpy(change.part, &sums[k], width * sizeof(T));
            for (Index e = 0; e < count; ++e) {
                const Index column = entries.column(e);
                T* to = coefficients + column * outputs + k;
                const T x = static_cast<T>(static_cast<double>(entries.values[e]) * task.scale_squares[column]);
                POLYTOME_UNROLL
                for (int p = 0; p < width / size; ++p) {
                    store(to + p * size, load<T, size>(to + p * size) + x * change.part[p]);
                }
            }
        });
    }
    return total;
}

template <class T> DualSums dual_pass(const SparseBlock& block, const DualTask& task) {
    DualSums sums{};
    with_entries(block, [&](auto* values, auto* columns) { sums = dual_rows<T>(values, columns, block, task); });
    return sums;
}

}  // namespace
