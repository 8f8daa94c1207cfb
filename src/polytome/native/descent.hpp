// Coordinate descent on a quadratic model with absolute values, or with norms of groups: a few
// hundred coordinates, whose Gram matrix is at hand.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace polytome {

// Minimises `g' d + d' H d / 2 + sum_a l1_a |w_a + d_a|` where `lower <= w + d <= upper`, one
// coordinate after the other, and changes in place the coefficients w to w + d and the gradient g
// to g + H d. Sweeps end when no step of the last one changed its own slope, by `H_aa d_a`, by more
// than `tolerance` times its scale. Returns how many were made. Products and sums are rounded one
// by one, as NumPy's are.
inline int gram_descent(const double* H, std::size_t size, const double* l1, const double* lower, const double* upper,
                        const double* scale, double* gradient, double* coefficients, int sweeps, double tolerance) {
    for (int sweep = 1; sweep <= sweeps; ++sweep) {
        bool is_least = true;
        for (std::size_t a = 0; a < size; ++a) {
            const double* row = H + a * size;
            const double curvature = row[a], before = coefficients[a];
            if (!(curvature > 0.0)) continue;
            const double best = before - gradient[a] / curvature, threshold = l1[a] / curvature;
            const double alone = best > threshold ? best - threshold : best < -threshold ? best + threshold : 0.0;
            const double now = std::min(std::max(alone, lower[a]), upper[a]);
            const double step = now - before;
            if (step == 0.0) continue;
            coefficients[a] = now;
            for (std::size_t b = 0; b < size; ++b) {
                const double product = step * row[b];
                gradient[b] += product;
            }
            is_least &= curvature * std::fabs(step) <= tolerance * scale[a];
        }
        if (is_least) return sweep;
    }
    return sweeps;
}

// The norm of the t that makes `t' diag(curvature) t / 2 - slope' t + corner |t|` least: 0, or the
// root of `sum_i (slope_i / (curvature_i norm + corner))^2 = 1`. The reciprocal of the sum's root
// is concave in the norm, so that Newton's method from below goes up to it.
inline double least_norm(const double* curvature, const double* slope, std::size_t size, double corner) {
    double squares = 0.0, steepest = 0.0;
    for (std::size_t i = 0; i < size; ++i) {
        squares += slope[i] * slope[i];
        steepest = std::max(steepest, curvature[i]);
    }
    const double length = std::sqrt(squares);
    if (!(length > corner)) return 0.0;
    double norm = (length - corner) / steepest;
    for (int step = 0; step < 100; ++step) {
        double value = 0.0, derivative = 0.0;
        for (std::size_t i = 0; i < size; ++i) {
            const double reach = curvature[i] * norm + corner, part = slope[i] / reach;
            value += part * part;
            derivative += part * part * curvature[i] / reach;
        }
        // Of `1 / sqrt(value) - 1`, whose derivative is `derivative / value^(3/2)`.
        const double next = norm + (std::sqrt(value) - 1.0) * value / derivative;
        if (!(next > norm * (1.0 + 4e-16))) break;
        norm = next;
    }
    return norm;
}

constexpr int sparse_group_steps = 20;  // of one group, at most: sweeps come back to it

// Proximal gradient steps of one group, of `count` coordinates from `first` on, where absolute
// values are beside its norm: towards the least of
// `g' d + d' H d / 2 + corner |w + d| + absolute |w + d|_1`. They change w; `slope` and `change`
// are scratch, and `change` ends with d. Returns how much the first step changed its own slope.
inline double step_in_sparse_group(const double* H, std::size_t size, std::size_t first, std::size_t count,
                                   double steepest, double corner, double absolute, const double* gradient,
                                   double* coefficients, double* slope, double* change, double tolerance) {
    double changed_first = 0.0;
    std::copy(gradient + first, gradient + first + count, slope);
    std::copy(coefficients + first, coefficients + first + count, change);  // where it was, for now
    std::vector<double> step(count);
    for (int number = 0; number < sparse_group_steps; ++number) {
        double squares = 0.0;
        for (std::size_t i = 0; i < count; ++i) {
            const double best = coefficients[first + i] - slope[i] / steepest, threshold = absolute / steepest;
            step[i] = best > threshold ? best - threshold : best < -threshold ? best + threshold : 0.0;
            squares += step[i] * step[i];
        }
        const double norm = std::sqrt(squares);
        const double part = norm * steepest > corner ? 1.0 - corner / (norm * steepest) : 0.0;
        double moved = 0.0;
        for (std::size_t i = 0; i < count; ++i) {
            const double now = part * step[i];
            step[i] = now - coefficients[first + i];
            coefficients[first + i] = now;
            moved += step[i] * step[i];
        }
        const double changed = steepest * std::sqrt(moved);
        if (number == 0) changed_first = changed;
        if (changed <= tolerance * (corner + absolute)) break;
        for (std::size_t j = 0; j < count; ++j) {
            const double* row = H + (first + j) * size + first;
            for (std::size_t i = 0; i < count; ++i) slope[i] += step[j] * row[i];
        }
    }
    for (std::size_t i = 0; i < count; ++i) change[i] = coefficients[first + i] - change[i];
    return changed_first;
}

// Minimises `g' d + d' H d / 2 + sum_g corner_g |w_g + d_g| + absolute_g |w_g + d_g|_1`, one group
// of coordinates after the other, each exactly if it has no absolute values, and changes w and g as
// above. `starts` has the first coordinate of each group and the number of all. For a group,
// `bases` has the eigenvectors of its part of H, one after the other, and `curvatures` its
// eigenvalues, positive, where its coordinates are.
inline int group_descent(const double* H, std::size_t size, const std::int64_t* starts, std::size_t groups,
                         const double* corner, const double* absolute, const double* bases, const double* curvatures,
                         double* gradient, double* coefficients, int sweeps, double tolerance) {
    std::vector<double> slope(size), turned(size), change(size);
    for (int sweep = 1; sweep <= sweeps; ++sweep) {
        bool is_least = true;
        const double* basis = bases;
        for (std::size_t group = 0; group < groups; ++group) {
            const auto first = static_cast<std::size_t>(starts[group]);
            const auto count = static_cast<std::size_t>(starts[group + 1]) - first;
            const double *own = basis, *curvature = curvatures + first;
            basis += count * count;
            if (!(curvature[count - 1] > 0.0)) continue;
            if (absolute[group] > 0.0) {
                const double changed =
                    step_in_sparse_group(H, size, first, count, curvature[count - 1], corner[group], absolute[group],
                                         gradient, coefficients, slope.data(), change.data(), tolerance);
                for (std::size_t j = 0; j < count; ++j) {
                    if (change[j] == 0.0) continue;
                    const double* row = H + (first + j) * size;
                    for (std::size_t b = 0; b < size; ++b) gradient[b] += change[j] * row[b];
                }
                is_least &= changed <= tolerance * (corner[group] + absolute[group]);
                continue;
            }
            for (std::size_t i = 0; i < count; ++i) {
                double along = 0.0, steep = 0.0;
                for (std::size_t j = 0; j < count; ++j) {
                    along += own[i * count + j] * coefficients[first + j];
                    steep += own[i * count + j] * gradient[first + j];
                }
                turned[i] = along;
                slope[i] = curvature[i] * along - steep;
            }
            const double norm = least_norm(curvature, slope.data(), count, corner[group]);
            double moved = 0.0;
            bool has_moved = false;
            for (std::size_t i = 0; i < count; ++i) {
                const double now = norm > 0.0 ? slope[i] * norm / (curvature[i] * norm + corner[group]) : 0.0;
                const double step = curvature[i] * (now - turned[i]);
                moved += step * step;
                turned[i] = now;
            }
            for (std::size_t j = 0; j < count; ++j) {
                double now = 0.0;
                if (norm > 0.0) {
                    for (std::size_t i = 0; i < count; ++i) now += own[i * count + j] * turned[i];
                }
                change[j] = now - coefficients[first + j];
                coefficients[first + j] = now;
                has_moved |= change[j] != 0.0;
            }
            if (!has_moved) continue;
            for (std::size_t j = 0; j < count; ++j) {
                const double* row = H + (first + j) * size;
                for (std::size_t b = 0; b < size; ++b) gradient[b] += change[j] * row[b];
            }
            is_least &= std::sqrt(moved) <= tolerance * corner[group];
        }
        if (is_least) return sweep;
    }
    return sweeps;
}

}  // namespace polytome
