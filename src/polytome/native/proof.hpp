// What a proof by the curvature asks of a block of rows, in one read of them: sums with absolute
// values, and how far a direction of unit length can move each row. See ProofSums in
// passes/proof.py, which is the definition.
//
// A tile of rows is standardised and transposed, so that each vector holds as many rows as it has
// lanes, and what is made of a row never leaves the cache.
#pragma once

#include <algorithm>
#include <cmath>
#include <memory>
#include <vector>

#include "hessian.hpp"

namespace {

using polytome::ProofTask;

constexpr Index tile_vectors = tile_rows / lanes<double>;
constexpr int product_rows = 4;
constexpr int product_vectors = registers == 32 ? 4 : tile_vectors < 2 ? 1 : 2;

inline Doubles smaller(Doubles a, Doubles b) { return a < b ? a : b; }

inline Doubles all_of(double value) { return Doubles{} + value; }

inline Doubles absolute(Doubles value) { return value < Doubles{} ? -value : value; }

inline Doubles root(Doubles value) {
    double each[lanes<double>];
    std::memcpy(each, &value, sizeof value);
    POLYTOME_UNROLL
    for (int i = 0; i < lanes<double>; ++i) each[i] = std::sqrt(each[i]);
    return load(each);
}

// `count` rows of a matrix times the transposed tile: `product_rows` x `tile_rows` results.
template <int count>
inline void multiply_rows(const double* matrix, Index stride, const double* x, Index first, Index end, double* result) {
    for (Index v = 0; v < tile_vectors; v += product_vectors) {
        Doubles sum[count][product_vectors] = {};
        for (Index c = first; c < end; ++c) {
            Doubles entries[product_vectors];
            POLYTOME_UNROLL
            for (int k = 0; k < product_vectors; ++k) entries[k] = load(x + c * tile_rows + (v + k) * lanes<double>);
            POLYTOME_UNROLL
            for (int r = 0; r < count; ++r) {
                const double factor = matrix[r * stride + c];
                POLYTOME_UNROLL
                for (int k = 0; k < product_vectors; ++k) sum[r][k] += entries[k] * factor;
            }
        }
        POLYTOME_UNROLL
        for (int r = 0; r < count; ++r) {
            POLYTOME_UNROLL
            for (int k = 0; k < product_vectors; ++k) store(result + r * tile_rows + (v + k) * lanes<double>, sum[r][k]);
        }
    }
}

inline void multiply_all(const double* matrix, Index rows, Index stride, const double* x, double* result) {
    Index r = 0;
    for (; r + product_rows <= rows; r += product_rows) {
        multiply_rows<product_rows>(matrix + r * stride, stride, x, 0, stride, result + r * tile_rows);
    }
    for (; r < rows; ++r) multiply_rows<1>(matrix + r * stride, stride, x, 0, stride, result + r * tile_rows);
}

// Which columns of each group of rows of a matrix are not zero: coordinates are triangular.
struct Spans {
    Scratch<Index> first, end;

    Spans(const double* matrix, Index rows, Index columns) : first(rows / product_rows + 1), end(rows / product_rows + 1) {
        for (Index g = 0; g * product_rows < rows; ++g) {
            first[g] = columns;
            for (Index r = g * product_rows; r < std::min(rows, (g + 1) * product_rows); ++r) {
                for (Index c = 0; c < columns; ++c) {
                    if (matrix[r * columns + c] == 0.0) continue;
                    first[g] = std::min(first[g], c);
                    end[g] = std::max(end[g], c + 1);
                }
            }
            first[g] = std::min(first[g], end[g]);
        }
    }
};

// The squared lengths of what the coordinates make of each row, output by output and last that of
// their mean; about that mean where a last output is held.
class Lengths {
  public:
    explicit Lengths(const ProofTask& task)
        : task_(task), columns_(task.columns), made_(task.own * product_rows * tile_rows), squares((task.own + 1) * tile_rows) {
        for (Index k = 0; k < task.parts * task.own; ++k) {
            spans_.push_back(std::make_unique<Spans>(task.coordinates + k * task.size * columns_, task.size, columns_));
        }
    }

    void of(Index part, const double* x) {
        const Index own = task_.own, size = task_.size;
        std::memset(squares.get(), 0, static_cast<std::size_t>((own + 1) * tile_rows) * sizeof(double));
        for (Index start = 0; start < size; start += product_rows) {
            const Index count = std::min<Index>(product_rows, size - start);
            for (Index k = 0; k < own; ++k) {
                const double* matrix = task_.coordinates + ((part * own + k) * size + start) * columns_;
                Spans& spans = *spans_[static_cast<std::size_t>(part * own + k)];
                const Index first = spans.first[start / product_rows], end = spans.end[start / product_rows];
                double* made = made_.get() + k * product_rows * tile_rows;
                if (count == product_rows) {
                    multiply_rows<product_rows>(matrix, columns_, x, first, end, made);
                } else {
                    for (Index r = 0; r < count; ++r) {
                        multiply_rows<1>(matrix + r * columns_, columns_, x, first, end, made + r * tile_rows);
                    }
                }
            }
            for (Index r = 0; r < count; ++r) own == 1 ? add_squares(r) : add_squares_about_mean(r);
        }
    }

  private:
    const ProofTask& task_;
    Index columns_;
    Scratch<double> made_;
    std::vector<std::unique_ptr<Spans>> spans_;

    void add_squares(Index r) {
        for (Index row = 0; row < tile_rows; row += lanes<double>) {
            const Doubles made = load(made_.get() + r * tile_rows + row);
            store(squares.get() + row, load(squares.get() + row) + made * made);
        }
    }

    void add_squares_about_mean(Index r) {
        for (Index row = 0; row < tile_rows; row += lanes<double>) {
            Doubles mean{};
            for (Index k = 0; k < task_.own; ++k) mean += load(made_.get() + (k * product_rows + r) * tile_rows + row);
            mean = mean / static_cast<double>(task_.own + 1);
            for (Index k = 0; k <= task_.own; ++k) {
                const Doubles made = k < task_.own ? load(made_.get() + (k * product_rows + r) * tile_rows + row) - mean : mean;
                double* to = squares.get() + k * tile_rows + row;
                store(to, load(to) + made * made);
            }
        }
    }

  public:
    Scratch<double> squares;
};

// Bound on what probabilities change by, added up over the outputs that belong together, if scores
// change by no more than `deviation`; `m` is the curvature, of a softmax all probabilities but the
// largest.
inline Doubles change_of(const ProofTask& task, bool joint, Doubles m, Doubles deviation) {
    const Doubles exponent = deviation * (joint ? 2.0 : task.concordance);
    // exp(x) <= 1 + 2 x up to x = 1; beyond, the other bound alone.
    const Doubles raised = (m + task.underflow) * (1.0 + 2.0 * exponent) * deviation * (joint ? 4.0 : 1.0);
    const Doubles plain = joint ? deviation : task.smoothness * deviation;
    return exponent <= all_of(1.0) ? smaller(plain, raised) : plain;
}

template <class Read>
void all_proof_sums(Index n_rows, const Task& task, const ProofTask& proof, Read read) {
    const Index size = proof.columns, columns = size - 1, outputs = task.outputs, width = padded_width<double>(size);
    const bool joint = polytome::is_softmax(task.loss);
    Standard standard(proof.implicit, columns, width);
    standard.one = 1.0;  // coefficients of an intercept that is not fitted are zero
    Scratch<double> x(tile_rows * width), across(size * tile_rows), sizes(size * tile_rows);
    Scratch<double> scores(outputs * tile_rows), residuals(outputs * tile_rows), target(outputs * tile_rows);
    Scratch<double> curvature(outputs * tile_rows), error(outputs * tile_rows), weights(outputs * size);
    Scratch<double> product_error(proof.parts * proof.own * tile_rows), rest(tile_rows), intercepts(outputs);
    // For each output and column three sums, a vector each.
    Scratch<double> sums(3 * outputs * size * lanes<double>);
    Lengths lengths(proof);
    for (Index k = 0; k < outputs * size; ++k) weights[k] = std::abs(task.coefficients[k]);
    Doubles loss_error{}, mean_error{}, deviations{};
    Scratch<double> moved(proof.parts * lanes<double>), ranges(proof.parts * lanes<double>);
    double value = 0.0;
    for (Index start = 0; start < n_rows; start += tile_rows) {
        const Index rows = rows_of_tile(n_rows, start);
        read(start, rows, x.get(), width);
        standard.apply(x.get(), width, rows);
        for (Index i = 0; i < rows; ++i) {
            for (Index c = 0; c < size; ++c) across[c * tile_rows + i] = x[i * width + c];
        }
        for (Index c = 0; c < size; ++c) {
            for (Index i = rows; i < tile_rows; ++i) across[c * tile_rows + i] = 0.0;
            for (Index row = 0; row < tile_rows; row += lanes<double>) {
                store(sizes.get() + c * tile_rows + row, absolute(load(across.get() + c * tile_rows + row)));
            }
        }
        multiply_all(task.coefficients, outputs, size, across.get(), scores.get());
        multiply_all(weights.get(), outputs, size, sizes.get(), error.get());
        multiply_all(proof.norms, proof.parts * proof.own, size, sizes.get(), product_error.get());
        Tile tile{rows, outputs, scores.get(), target.get(), {}};
        fill(tile, task, start);
        std::memcpy(residuals.get(), scores.get(), static_cast<std::size_t>(outputs * tile_rows) * sizeof(double));
        for (Index row = 0; row < tile_rows; row += lanes<double>) {
            Doubles largest{};
            for (Index k = 0; k < outputs; ++k) {
                double* each = entry(error.get(), k, row);
                store(each, proof.score_growth * load(each) + proof.offset_rounding * absolute(load(entry(scores.get(), k, row))));
                largest = larger(largest, load(each));
            }
            for (Index k = 0; joint && k < outputs; ++k) store(entry(error.get(), k, row), largest);
            if (joint) {  // probabilities, and all of them but the largest
                const Exponentials exponentials(scores.get(), outputs, row);
                const Doubles total = exponentials.total();
                store(rest.get() + row, exponentials.without(Exponentials::one()) / total);
                for (Index k = 0; k < outputs; ++k) {
                    store(entry(curvature.get(), k, row), load(entry(scores.get(), k, row)) / total);
                }
            } else {
                for (Index k = 0; k < outputs; ++k) {
                    store(entry(curvature.get(), k, row), curvature_of_score(task.loss, load(entry(scores.get(), k, row))));
                }
            }
        }
        tile.scores = residuals.get();
        value += loss_and_residuals(tile, task.loss);
        for (Index row = 0; row < tile_rows; row += lanes<double>) {
            const Doubles weight = load(tile.weight + row), counts = weight > Doubles{} ? all_of(1.0) : Doubles{};
            Doubles row_error{}, largest_error{}, largest{};
            for (Index k = 0; k < outputs; ++k) {
                const Doubles each = load(entry(error.get(), k, row));
                row_error += (absolute(load(entry(residuals.get(), k, row))) + proof.slack + 0.5 * proof.smoothness * each) * each;
                largest_error = larger(largest_error, each);
                largest = larger(largest, each + proof.intercept_error[k]);
            }
            loss_error += weight * row_error;
            mean_error += weight * largest_error;
            deviations = larger(deviations, counts * largest);
        }
        for (Index p = 0; p < proof.parts; ++p) {
            lengths.of(p, across.get());
            for (Index row = 0; row < tile_rows; row += lanes<double>) {
                const Doubles weight = load(tile.weight + row), counts = weight > Doubles{} ? all_of(1.0) : Doubles{};
                Doubles first{}, second{}, off{}, deviation{};
                for (Index k = 0; k < proof.own + (proof.own > 1); ++k) {
                    const Doubles square = load(lengths.squares.get() + k * tile_rows + row);
                    second = larger(smaller(first, square), second);
                    first = larger(first, square);
                }
                for (Index k = 0; k < proof.own; ++k) {
                    off = larger(off, load(entry(product_error.get(), p * proof.own + k, row)));
                }
                for (Index k = joint ? 0 : p; k < (joint ? outputs : p + 1); ++k) {
                    deviation = larger(deviation, load(entry(error.get(), k, row)) + proof.intercept_error[k]);
                }
                off *= proof.product_growth;
                const Doubles length = (1.0 + proof.length_growth) * root(first) + 2.0 * off;
                const Doubles span = (1.0 + proof.length_growth) * (root(first) + (proof.own > 1 ? root(second) : Doubles{})) + 4.0 * off;
                const Doubles m = joint ? load(rest.get() + row) : load(entry(curvature.get(), p, row));
                double* to = moved.get() + p * lanes<double>;
                store(to, load(to) + weight * length * change_of(proof, joint, m, deviation));
                double* range = ranges.get() + p * lanes<double>;
                store(range, larger(load(range), counts * span));
            }
        }
        for (Index k = 0; k < outputs; ++k) {  // each with its weight
            for (Index row = 0; row < tile_rows; row += lanes<double>) {
                const Doubles weight = load(tile.weight + row), residual = load(entry(residuals.get(), k, row));
                store(entry(residuals.get(), k, row), weight * residual);
                store(entry(error.get(), k, row), weight * (absolute(residual) + proof.soft));
                store(entry(curvature.get(), k, row), weight * load(entry(curvature.get(), k, row)));
            }
            for (Index c = 0; c < size; ++c) {
                double* to = sums.get() + 3 * (k * size + c) * lanes<double>;
                Doubles slope = load(to), absolutes = load(to + lanes<double>), squares = load(to + 2 * lanes<double>);
                for (Index row = 0; row < tile_rows; row += lanes<double>) {
                    const Doubles entries = load(across.get() + c * tile_rows + row);
                    slope += entries * load(entry(residuals.get(), k, row));
                    absolutes += load(sizes.get() + c * tile_rows + row) * load(entry(error.get(), k, row));
                    squares += entries * entries * load(entry(curvature.get(), k, row));
                }
                store(to, slope);
                store(to + lanes<double>, absolutes);
                store(to + 2 * lanes<double>, squares);
            }
        }
    }
    double* result = proof.sums;
    for (Index kind = 0; kind < 3; ++kind) {
        for (Index k = 0; k < outputs * size; ++k) {
            const double sum = lane_sum<double>(load(sums.get() + (3 * k + kind) * lanes<double>));
            *result++ = kind == 2 && joint ? 2.0 * sum : sum;
        }
    }
    const auto largest_of = [](Doubles each) {
        double found[lanes<double>];
        std::memcpy(found, &each, sizeof each);
        return *std::max_element(found, found + lanes<double>);
    };
    for (Index p = 0; p < proof.parts; ++p) *result++ = lane_sum<double>(load(moved.get() + p * lanes<double>));
    *result++ = value;
    *result++ = lane_sum<double>(loss_error);
    *result++ = lane_sum<double>(mean_error);
    for (Index p = 0; p < proof.parts; ++p) *result++ = largest_of(load(ranges.get() + p * lanes<double>));
    *result++ = largest_of(deviations);
}

template <class Block> void proof_sums(const Block& block, const Task& task, const ProofTask& proof) {
    all_proof_sums(block.rows, task, proof, reader(block));
}

}  // namespace
