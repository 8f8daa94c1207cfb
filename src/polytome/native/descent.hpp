// Coordinate descent on a quadratic model with absolute values: a few hundred coordinates, whose
// Gram matrix is at hand.
#pragma once

#include <cmath>
#include <cstddef>

namespace polytome {

// Minimises `g' d + d' H d / 2 + sum_a l1_a |w_a + d_a|`, one coordinate after the other, and
// changes in place the coefficients w to w + d and the gradient g to g + H d. Sweeps end when no
// step of the last one changed its own slope, by `H_aa d_a`, by more than `tolerance` times its
// corner. Returns how many were made. Products and sums are rounded one by one, as NumPy's are.
inline int gram_descent(const double* H, std::size_t size, const double* l1, double* gradient, double* coefficients,
                        int sweeps, double tolerance) {
    for (int sweep = 1; sweep <= sweeps; ++sweep) {
        bool is_least = true;
        for (std::size_t a = 0; a < size; ++a) {
            const double* row = H + a * size;
            const double curvature = row[a], before = coefficients[a];
            if (!(curvature > 0.0)) continue;
            const double best = before - gradient[a] / curvature, threshold = l1[a] / curvature;
            const double now = best > threshold ? best - threshold : best < -threshold ? best + threshold : 0.0;
            const double step = now - before;
            if (step == 0.0) continue;
            coefficients[a] = now;
            for (std::size_t b = 0; b < size; ++b) {
                const double product = step * row[b];
                gradient[b] += product;
            }
            is_least &= curvature * std::fabs(step) <= tolerance * l1[a];
        }
        if (is_least) return sweep;
    }
    return sweeps;
}

}  // namespace polytome
