// From sums over the rows to a few coefficients' Newton step: what `curvature.hessian_factor` does
// with LAPACK, whose calls take longer than so small a factor.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

namespace polytome {

// Coefficients are in the order of the outputs, the intercept last in each. A Hessian is `blocks`
// matrices of `side` rows: one of all coefficients, or one for each output.
struct NewtonSums {
    std::size_t columns, outputs;  // the intercept's column included
    bool joint;                    // one block of all coefficients, of a softmax
    const double* coefficients;
    const double* quadratic;  // the penalty's, one for each column but the intercept's
    double total_weight;

    std::size_t size() const { return columns * outputs; }
    std::size_t side() const { return joint ? size() : columns; }
    std::size_t blocks() const { return joint ? 1 : outputs; }
};

// Turns sums over the rows into means, and adds the derivatives of the penalty's quadratic part.
inline void add_penalty(const NewtonSums& sums, double* gradient, double* hessian) {
    const std::size_t side = sums.side();
    for (std::size_t i = 0; i < sums.size(); ++i) gradient[i] /= sums.total_weight;
    for (std::size_t i = 0; i < sums.blocks() * side * side; ++i) hessian[i] /= sums.total_weight;
    for (std::size_t k = 0; k < sums.outputs; ++k) {
        double* block = sums.joint ? hessian : hessian + k * side * side;
        for (std::size_t j = 0; j + 1 < sums.columns; ++j) {
            const std::size_t at = k * sums.columns + j, own = sums.joint ? at : j;
            gradient[at] += sums.quadratic[j] * sums.coefficients[at];
            block[own * side + own] += sums.quadratic[j];
        }
    }
}

// The entries that belong to the intercepts, (outputs, outputs).
inline void copy_intercepts(const NewtonSums& sums, const double* hessian, double* to) {
    const std::size_t side = sums.side(), last = sums.columns - 1;
    for (std::size_t k = 0; k < sums.outputs; ++k) {
        for (std::size_t l = 0; l < sums.outputs; ++l) {
            const double own = k == l && !sums.joint ? hessian[(k * side + last) * side + last] : 0.0;
            const std::size_t row = k * sums.columns + last, column = l * sums.columns + last;
            to[k * sums.outputs + l] = sums.joint ? hessian[row * side + column] : own;
        }
    }
}

// Adds curvature where the softmax has none: the same change to every class.
inline void fill_flat_directions(const NewtonSums& sums, double* hessian) {
    const std::size_t side = sums.side();
    for (std::size_t a = 0; a < sums.columns; ++a) {
        double trace = 0.0;
        for (std::size_t k = 0; k < sums.outputs; ++k) {
            const std::size_t at = k * sums.columns + a;
            trace += hessian[at * side + at];
        }
        const double filled = trace / static_cast<double>(sums.outputs * sums.outputs);
        for (std::size_t k = 0; k < sums.outputs; ++k) {
            for (std::size_t l = 0; l < sums.outputs; ++l) {
                hessian[(k * sums.columns + a) * side + l * sums.columns + a] += filled;
            }
        }
    }
}

// Cholesky's factor in place of the lower triangle of H; false where H is not definite.
inline bool factor_in_place(double* H, std::size_t side) {
    for (std::size_t j = 0; j < side; ++j) {
        double* row = H + j * side;
        for (std::size_t k = 0; k < j; ++k) {
            double sum = row[k];
            const double* other = H + k * side;
            for (std::size_t l = 0; l < k; ++l) sum -= row[l] * other[l];
            row[k] = sum / other[k];
        }
        double pivot = row[j];
        for (std::size_t l = 0; l < j; ++l) pivot -= row[l] * row[l];
        if (!(pivot > 0.0) || !std::isfinite(pivot)) return false;
        row[j] = std::sqrt(pivot);
    }
    return true;
}

// The solution of `H x = x`, H symmetric: scaled to a unit diagonal, which a ridge raises until a
// factor exists; without any, the unit matrix stands for it. Overwrites H.
inline void solve_in_place(double* H, std::size_t side, double* x) {
    std::vector<double> scale(side), unit(side);
    for (std::size_t a = 0; a < side; ++a) scale[a] = 1.0 / std::sqrt(H[a * side + a] > 0.0 ? H[a * side + a] : 1.0);
    for (std::size_t a = 0; a < side; ++a) {
        for (std::size_t b = 0; b < side; ++b) H[a * side + b] *= scale[a] * scale[b];
        unit[a] = std::max(H[a * side + a], 0.0);
        x[a] *= scale[a];
    }
    bool is_definite = false;
    for (double ridge = 1e-14; ridge < 1e16 && !is_definite; ridge *= 100) {
        for (std::size_t a = 0; a < side; ++a) {
            for (std::size_t b = 0; b < a; ++b) H[a * side + b] = H[b * side + a];  // the upper triangle stays
            H[a * side + a] = unit[a] + ridge;
        }
        is_definite = factor_in_place(H, side);
    }
    for (std::size_t a = 0; is_definite && a < side; ++a) {
        double sum = x[a];
        for (std::size_t b = 0; b < a; ++b) sum -= H[a * side + b] * x[b];
        x[a] = sum / H[a * side + a];
    }
    for (std::size_t a = side; is_definite && a-- > 0;) {
        x[a] /= H[a * side + a];
        for (std::size_t b = 0; b < a; ++b) x[b] -= H[a * side + b] * x[a];
    }
    for (std::size_t a = 0; a < side; ++a) x[a] *= scale[a];
}

// Sums over the rows become the gradient, the solution of `H x = gradient`, and the intercepts'
// part of H.
inline void newton_point(const NewtonSums& sums, double* gradient, double* hessian, double* solution, double* intercepts) {
    add_penalty(sums, gradient, hessian);
    copy_intercepts(sums, hessian, intercepts);
    std::copy(gradient, gradient + sums.size(), solution);
    if (sums.joint) fill_flat_directions(sums, hessian);
    const std::size_t side = sums.side();
    for (std::size_t block = 0; block < sums.blocks(); ++block) {
        solve_in_place(hessian + block * side * side, side, solution + block * side);
    }
}

}  // namespace polytome
