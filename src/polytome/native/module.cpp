// The Python module: rows that are bound once for all passes; checks of shapes and types; the pass
// of this processor.
#include <nanobind/nanobind.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "arguments.hpp"
#include "descent.hpp"
#include "interpreter.hpp"
#include "libsvm_lines.hpp"
#include "newton_step.hpp"
#include "passes.hpp"
#include "shares.hpp"
#include "side_by_side.hpp"

namespace {

using namespace nb::literals;

// The instruction sets that this processor has, the best first.
std::vector<const InstructionSet*> available() {
    std::vector<const InstructionSet*> sets;
#if defined(POLYTOME_X86)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
            __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq")) {
            sets.push_back(&avx512);
        }
        sets.push_back(&avx2);
    }
#endif
    sets.push_back(&portable);
    return sets;
}

std::vector<std::string> instruction_sets() {
    std::vector<std::string> names;
    for (const InstructionSet* set : available()) names.emplace_back(set->name);
    return names;
}

const InstructionSet& named(const std::string& name) {
    static const std::vector<const InstructionSet*> sets = available();
    for (const InstructionSet* set : sets) {
        if (name == set->name) return *set;
    }
    throw std::invalid_argument("this processor has no instruction set of that name");
}

// Rows as they are bound, once for all passes: where they lie, their targets, offsets and weights,
// the rows before which their blocks end, and how many threads share those. The arrays are kept
// alive. A target without entries fits passes that have no loss; an offset without entries is none.
struct Shared {
    AnyMatrix target, offset;
    Numbers weight;
    Bounds ends;
    int threads;

    void check(Index rows) const {
        require(weight.shape(0) == static_cast<std::size_t>(rows), "weight: needs one entry for each row");
        check_ends(ends, rows, threads);
    }
};

struct DenseRows {
    AnyMatrix X;
    bool single;
    Shared shared;
    DenseBlock block;

    DenseRows(const AnyMatrix& X, bool single, const AnyMatrix& target, const AnyMatrix& offset, const Numbers& weight,
              const Bounds& ends, int threads)
        : X(X), single(single), shared{target, offset, weight, ends, threads}, block(dense_block(X)) {
        shared.check(block.rows);
    }
};

struct SparseRows {
    AnyVector data, indices;
    Bounds bounds;
    Shared shared;
    SparseBlock block;

    SparseRows(const AnyVector& data, const AnyVector& indices, const Bounds& bounds, std::size_t columns,
               const AnyMatrix& target, const AnyMatrix& offset, const Numbers& weight, const Bounds& ends, int threads)
        : data(data), indices(indices), bounds(bounds), shared{target, offset, weight, ends, threads},
          block(sparse_block(data, indices, bounds, columns)) {
        shared.check(block.rows);
    }
};

Task checked_task(const std::string& loss, const Shared& shared, Index rows, const Matrix& coefficients,
                  const Gradient& gradient, std::size_t outputs) {
    const bool has_offset = shared.offset.size() > 0;
    const DenseBlock offset = has_offset ? dense_block(shared.offset) : DenseBlock{};
    const Task task{loss_of(loss), static_cast<Index>(outputs), dense_block(shared.target), offset,
                    shared.weight.data(), coefficients.data(), gradient.data()};
    require(!has_offset || (offset.number == Number::float64 && offset.rows == rows && offset.columns == task.outputs),
            "offset: needs a row of float64 for each row");
    const std::size_t width = task.loss == Loss::softmax_of_codes ? 1 : outputs;
    require(outputs > 0, "coefficients: need an output");
    require(gradient.shape(0) == coefficients.shape(0) && gradient.shape(1) == coefficients.shape(1),
            "gradient: needs the shape of the coefficients");
    require(shared.target.shape(0) == static_cast<std::size_t>(rows) && shared.target.shape(1) == width,
            "target: needs an entry or a row for each row");
    return task;
}

// Runs a pass over the blocks of rows, shared out to threads.
template <class Pass, class Block>
double shared_pass(Pass pass, const Block& block, const Task& task, std::size_t size, const Shared& shared) {
    const std::int64_t* end = shared.ends.data();
    const auto blocks = static_cast<Index>(shared.ends.shape(0));
    const InterpreterReleased released;
    if (blocks == 1) return pass(block, task);
    return Shares(blocks, shared.threads, static_cast<Index>(size), task.gradient, [&](Index b, double* sums) {
        const Index start = b == 0 ? 0 : end[b - 1];
        return pass(block.part(start, end[b]), task.part(start, end[b], sums));
    }).value();
}

// Coefficients and gradient: (outputs, columns + 1) for dense rows, (columns + 1, outputs) for
// sparse ones.
double dense_value_and_gradient(const DenseRows& rows, const std::string& set, const std::string& loss,
                                const Matrix& coefficients, const Gradient& gradient) {
    const InstructionSet& passes = named(set);
    require(coefficients.shape(1) == rows.X.shape(1) + 1, "coefficients: need (outputs, columns + 1)");
    const Task task = checked_task(loss, rows.shared, rows.block.rows, coefficients, gradient, coefficients.shape(0));
    const auto pass = rows.single ? passes.dense_float : passes.dense_double;
    return shared_pass(pass, rows.block, task, coefficients.size(), rows.shared);
}

// Behind the coefficients of each column there may be zeros.
double sparse_value_and_gradient(const SparseRows& rows, const std::string& set, const std::string& loss,
                                 const Matrix& coefficients, const Gradient& gradient, std::size_t outputs) {
    require(coefficients.shape(0) == static_cast<std::size_t>(rows.block.columns) + 1 && coefficients.shape(1) >= outputs,
            "coefficients: need (columns + 1, outputs), or more than outputs");
    Task task = checked_task(loss, rows.shared, rows.block.rows, coefficients, gradient, outputs);
    task.stride = static_cast<Index>(coefficients.shape(1));
    return shared_pass(named(set).sparse, rows.block, task, coefficients.size(), rows.shared);
}

// The rows are scores. `residuals` is an empty matrix where they are not wanted.
double loss_of_scores(const DenseRows& scores, const std::string& set, const std::string& loss,
                      const Matrix& intercepts, const Gradient& slope, const Gradient& residuals) {
    const DenseBlock& block = scores.block;
    const std::size_t rows = scores.X.shape(0), outputs = scores.X.shape(1);
    require(block.number == Number::float64 && block.column_stride == 1 && block.row_stride == block.columns,
            "scores: need float64, row after row");
    require(intercepts.shape(0) == 1 && intercepts.shape(1) == outputs, "intercepts: need (1, outputs)");
    const bool wanted = residuals.size() > 0;
    require(!wanted || (residuals.shape(0) == rows && residuals.shape(1) == outputs), "residuals: need (rows, outputs)");
    const Task task = checked_task(loss, scores.shared, block.rows, intercepts, slope, outputs);
    const KnownScores known{static_cast<const double*>(block.data), wanted ? residuals.data() : nullptr, block.rows,
                            task.outputs};
    return shared_pass(named(set).shifted_loss, known, task, outputs, scores.shared);
}

// All rows as one block.
void dense_moments(const DenseRows& rows, const std::string& set, const Numbers& near, const Sums& first,
                   const Sums& second) {
    const std::size_t columns = rows.X.shape(1);
    require(near.shape(0) == columns && first.shape(0) == columns && second.shape(0) == columns,
            "near, first and second: need one entry for each column");
    const InstructionSet& passes = named(set);
    const InterpreterReleased released;
    passes.moments(rows.block, {rows.shared.weight.data(), near.data(), first.data(), second.data()});
}

// All rows as one block.
void dense_squares(const DenseRows& rows, const std::string& set, const Numbers& shift, const Numbers& scale,
                   const Sums& sums) {
    const std::size_t columns = rows.X.shape(1);
    require(shift.shape(0) == columns && scale.shape(0) == columns, "shift, scale: need one for each column");
    require(sums.shape(0) == rows.X.shape(0), "sums: need one for each row");
    const InstructionSet& passes = named(set);
    const InterpreterReleased released;
    passes.squares(rows.block, {shift.data(), scale.data(), false}, sums.data());
}

// Value, gradient and Hessian for standardised columns; `sums` receives the gradient and, behind
// it, the Hessian.
template <class Rows, class Block>
double shared_derivatives(double (*pass)(const Block&, const Task&, const Columns&), const Rows& rows,
                          const std::string& loss, const Matrix& coefficients, const Numbers& shift,
                          const Numbers& scale, bool intercept, const Sums& sums) {
    const auto columns = static_cast<std::size_t>(rows.block.columns), outputs = coefficients.shape(0);
    const Gradient gradient(sums.data(), {outputs, coefficients.shape(1)});
    require(coefficients.shape(1) == columns + 1, "coefficients: need (outputs, columns + 1)");
    require(shift.shape(0) == columns && scale.shape(0) == columns, "shift, scale: need one for each column");
    const Task task = checked_task(loss, rows.shared, rows.block.rows, coefficients, gradient, outputs);
    const std::size_t entries = coefficients.size() * (is_softmax(task.loss) ? coefficients.size() : columns + 1);
    require(sums.shape(0) == coefficients.size() + entries, "sums: need room for the gradient and the Hessian");
    const Columns implicit{shift.data(), scale.data(), intercept};
    const auto with_columns = [&](const Block& part, const Task& its) { return pass(part, its, implicit); };
    return shared_pass(with_columns, rows.block, task, sums.shape(0), rows.shared);
}

double dense_derivatives(const DenseRows& rows, const std::string& set, const std::string& loss,
                         const Matrix& coefficients, const Numbers& shift, const Numbers& scale, bool intercept,
                         const Sums& sums) {
    return shared_derivatives(named(set).dense_derivatives, rows, loss, coefficients, shift, scale, intercept, sums);
}

// Value of the loss, summed over the rows; the objective's gradient, the solution of
// `H x = gradient` and the intercepts' part of H, one behind the other in `results`.
double dense_newton_point(const DenseRows& rows, const std::string& set, const std::string& loss,
                          const Matrix& coefficients, const Numbers& shift, const Numbers& scale, bool intercept,
                          const Numbers& quadratic, double total_weight, const Sums& results) {
    const std::size_t outputs = coefficients.shape(0), columns = coefficients.shape(1), size = outputs * columns;
    require(quadratic.shape(0) + 1 == columns, "quadratic: needs one for each column");
    require(results.shape(0) == 2 * size + outputs * outputs, "results: need room for two vectors and a matrix");
    const NewtonSums task{columns, outputs, is_softmax(loss_of(loss)), coefficients.data(), quadratic.data(), total_weight};
    std::vector<double> sums(size + task.blocks() * task.side() * task.side());
    const double value = dense_derivatives(rows, set, loss, coefficients, shift, scale, intercept, Sums(sums.data(), {sums.size()}));
    std::copy(sums.data(), sums.data() + size, results.data());
    newton_point(task, results.data(), sums.data() + size, results.data() + size, results.data() + 2 * size);
    return value;
}

double sparse_derivatives(const SparseRows& rows, const std::string& set, const std::string& loss,
                          const Matrix& coefficients, const Numbers& shift, const Numbers& scale, bool intercept,
                          const Sums& sums) {
    return shared_derivatives(named(set).sparse_derivatives, rows, loss, coefficients, shift, scale, intercept, sums);
}

// Value, gradient and, for raw columns, what the Hessian is made of; `sums` receives the gradient,
// of the shape of the coefficients, and behind it the products of columns. The blocks end where
// `ends` says: sums as long as these are worth fewer blocks than other passes have.
double entry_derivatives(const SparseRows& rows, const std::string& set, const std::string& loss,
                         const Matrix& coefficients, const Bounds& ends, const Sums& sums) {
    const auto columns = static_cast<std::size_t>(rows.block.columns), outputs = coefficients.shape(1);
    const Gradient gradient(sums.data(), {coefficients.shape(0), outputs});
    require(coefficients.shape(0) == columns + 1, "coefficients: need (columns + 1, outputs)");
    Shared shared = rows.shared;
    shared.ends = ends;
    shared.check(rows.block.rows);
    const Task task = checked_task(loss, shared, rows.block.rows, coefficients, gradient, outputs);
    const std::size_t each = is_softmax(task.loss) ? outputs * (outputs + 1) / 2 : outputs;
    require(sums.shape(0) == coefficients.size() + each * (columns + 1) * (columns + 1),
            "sums: need room for the gradient and the products of columns");
    return shared_pass(named(set).entry_derivatives, rows.block, task, sums.shape(0), shared);
}

// A Gram matrix of standardised rows for each of the blocks.
template <class Rows, class Block>
void shared_grams(void (*pass)(const Block&, const double*, const Columns&, double*), const Rows& rows,
                  const Numbers& shift, const Numbers& scale, bool intercept, const Sums& grams) {
    const auto columns = static_cast<std::size_t>(rows.block.columns), size = (columns + 1) * (columns + 1);
    const Bounds& ends = rows.shared.ends;
    require(shift.shape(0) == columns && scale.shape(0) == columns, "shift, scale: need one for each column");
    require(grams.shape(0) == ends.shape(0) * size, "grams: need a matrix for each block");
    const Columns implicit{shift.data(), scale.data(), intercept};
    const double* weight = rows.shared.weight.data();
    const InterpreterReleased released;
    Shares(static_cast<Index>(ends.shape(0)), rows.shared.threads, 0, nullptr, [&](Index b, double*) {
        const Index start = b == 0 ? 0 : ends.data()[b - 1];
        const Block part = rows.block.part(start, ends.data()[b]);
        pass(part, weight + start, implicit, grams.data() + b * static_cast<Index>(size));
        return 0.0;
    }).value();
}

void dense_grams(const DenseRows& rows, const std::string& set, const Numbers& shift, const Numbers& scale,
                 bool intercept, const Sums& grams) {
    shared_grams(named(set).dense_gram, rows, shift, scale, intercept, grams);
}

void sparse_grams(const SparseRows& rows, const std::string& set, const Numbers& shift, const Numbers& scale,
                  bool intercept, const Sums& grams) {
    shared_grams(named(set).sparse_gram, rows, shift, scale, intercept, grams);
}

// All rows as one block. `numbers` are the roundings of scores, products, lengths and sums with
// offsets, the smoothness and the self-concordance of the loss, what soft labels add, the slack and
// what stands for underflow.
template <class Rows, class Block>
void shared_proof_sums(void (*pass)(const Block&, const Task&, const ProofTask&), const Rows& rows,
                       const std::string& loss, const Matrix& coefficients, const Numbers& shift, const Numbers& scale,
                       const Matrix& coordinates, const Matrix& norms, const Numbers& intercept_error,
                       const Numbers& numbers, const Sums& sums) {
    const auto columns = static_cast<std::size_t>(rows.block.columns) + 1, outputs = coefficients.shape(0);
    const Gradient unused(sums.data(), {outputs, columns});
    require(coefficients.shape(1) == columns, "coefficients: need (outputs, columns + 1)");
    require(shift.shape(0) + 1 == columns && scale.shape(0) + 1 == columns, "shift, scale: need one for each column");
    require(intercept_error.shape(0) == outputs, "intercept_error: needs one for each output");
    require(numbers.shape(0) == 9, "numbers: needs nine");
    const Task task = checked_task(loss, rows.shared, rows.block.rows, coefficients, unused, outputs);
    const std::size_t parts = is_softmax(task.loss) ? 1 : outputs, own = is_softmax(task.loss) ? outputs - 1 : 1;
    require(own > 0 && norms.shape(0) == parts * own && norms.shape(1) == columns, "norms: need a row for each output of a part");
    require(coordinates.shape(1) == columns && coordinates.shape(0) % (parts * own) == 0,
            "coordinates: need as many rows for each output of a part");
    require(sums.shape(0) == 3 * outputs * columns + 2 * parts + 4, "sums: need room for all");
    const double* number = numbers.data();
    const ProofTask proof{coordinates.data(), norms.data(), static_cast<Index>(parts), static_cast<Index>(own),
                          static_cast<Index>(coordinates.shape(0) / (parts * own)), static_cast<Index>(columns),
                          {shift.data(), scale.data(), true}, intercept_error.data(),
                          number[0], number[1], number[2], number[3], number[4], number[5], number[6], number[7], number[8],
                          sums.data()};
    const InterpreterReleased released;
    pass(rows.block, task, proof);
}

void dense_proof_sums(const DenseRows& rows, const std::string& set, const std::string& loss,
                      const Matrix& coefficients, const Numbers& shift, const Numbers& scale, const Matrix& coordinates,
                      const Matrix& norms, const Numbers& intercept_error, const Numbers& numbers, const Sums& sums) {
    shared_proof_sums(named(set).dense_proof_sums, rows, loss, coefficients, shift, scale, coordinates, norms,
                      intercept_error, numbers, sums);
}

void sparse_proof_sums(const SparseRows& rows, const std::string& set, const std::string& loss,
                       const Matrix& coefficients, const Numbers& shift, const Numbers& scale, const Matrix& coordinates,
                       const Matrix& norms, const Numbers& intercept_error, const Numbers& numbers, const Sums& sums) {
    shared_proof_sums(named(set).sparse_proof_sums, rows, loss, coefficients, shift, scale, coordinates, norms,
                      intercept_error, numbers, sums);
}

// All rows as one block.
void sparse_moments(const SparseRows& rows, const std::string& set, const Numbers& near, const Gradient& sums) {
    const auto columns = static_cast<std::size_t>(rows.block.columns);
    require(near.shape(0) == columns, "near: needs one entry for each column");
    require(sums.shape(0) == 4 && sums.shape(1) == columns, "sums: needs four rows, of an entry for each column");
    double* first = sums.data();
    const InstructionSet& passes = named(set);
    const double* weight = rows.shared.weight.data();
    const InterpreterReleased released;
    passes.sparse_moments(rows.block, {weight, near.data(), first, first + columns, first + 2 * columns, first + 3 * columns});
}

bool has_duplicates(const SparseRows& rows, const std::string& set) {
    const InstructionSet& passes = named(set);
    const InterpreterReleased released;
    return passes.has_duplicates(rows.block);
}

std::pair<double, double> dual_steps(const SparseRows& rows, const std::string& set, const std::string& loss,
                                     const Numbers& curvature, const Numbers& scale_squares, double per_weight,
                                     double intercept_square, const Order& order, const Changed& coefficients,
                                     const Sums& intercepts, const Changed& duals) {
    const InstructionSet& passes = named(set);
    const auto n = static_cast<std::size_t>(rows.block.rows), outputs = coefficients.shape(1);
    const AnyMatrix& target = rows.shared.target;
    const Number number = number_of(coefficients.dtype());
    require(coefficients.shape(0) == static_cast<std::size_t>(rows.block.columns), "coefficients: need a row for each column");
    require(number == Number::float32 || number == Number::float64, "coefficients: need float32 or float64");
    require(number == number_of(duals.dtype()), "duals: need the type of the coefficients");
    require(duals.shape(0) == n && duals.shape(1) == outputs && outputs > 0, "duals: need (rows, outputs)");
    require(scale_squares.shape(0) == coefficients.shape(0), "scale_squares: needs one entry for each column");
    require(intercepts.shape(0) == outputs, "intercepts: need one for each output");
    require(curvature.shape(0) == n, "curvature: needs one entry for each row");
    const Loss named_loss = loss_of(loss);
    require(named_loss != Loss::squared, "loss: needs one with probabilities");
    const std::size_t width = named_loss == Loss::softmax_of_codes ? 1 : outputs;
    require(target.shape(0) == n && target.shape(1) == width, "target: needs an entry or a row for each row");
    const bool side_by_side = width == 1 || target.stride(1) == 1;
    require(number_of(target.dtype()) == Number::float64 && side_by_side && target.stride(0) == static_cast<std::int64_t>(width),
            "target: needs float64, row after row");
    bool inside = true;
    for (std::size_t place = 0; place < order.shape(0); ++place) {
        inside &= order.data()[place] >= 0 && order.data()[place] < static_cast<std::int64_t>(n);
    }
    require(inside, "order: needs numbers of rows");
    const DualTask task{named_loss, static_cast<Index>(outputs), static_cast<const double*>(target.data()),
                        rows.shared.weight.data(), curvature.data(), order.data(), static_cast<Index>(order.shape(0)),
                        scale_squares.data(), coefficients.data(), intercepts.data(), duals.data(), per_weight,
                        intercept_square};
    const InterpreterReleased released;
    const bool single = number == Number::float32;
    const DualSums sums = single ? passes.dual_float(rows.block, task) : passes.dual_double(rows.block, task);
    return {sums.loss, sums.gap};
}

Link link_of(const std::string& name) {
    if (name == "scores") return Link::scores;
    if (name == "softmax") return Link::softmax;
    if (name == "sigmoids") return Link::sigmoids;
    if (name == "probabilities") return Link::probabilities;
    if (name == "logarithms") return Link::logarithms;
    if (name == "places") return Link::places;
    throw std::invalid_argument("a link of this name is not offered");
}

// Sum of what a pass returns over blocks of any size: no row's prediction depends on another's. The
// result has `width` entries for each row.
template <class Block>
double shared_prediction(double (*pass)(const Block&, const Prediction&), const Block& block,
                         const Prediction& prediction, const Gradient& result, Index width, int threads) {
    require(prediction.outputs > 0, "coefficients: need an output");
    require(result.shape(0) == static_cast<std::size_t>(block.rows) && result.shape(1) == static_cast<std::size_t>(width),
            "result: needs an entry or a row for each row");
    const Index size = std::max<Index>(512, (1 << 16) / (block.columns + 1));  // the first rows of a block are slow
    const InterpreterReleased released;
    if (block.rows <= size) return pass(block, prediction);
    return Shares((block.rows + size - 1) / size, threads, 0, nullptr, [&](Index b, double*) {
        const Index start = b * size;
        return pass(block.part(start, std::min(start + size, block.rows)), prediction.part(start * width));
    }).value();
}

void dense_scores(const DenseRows& rows, const std::string& set, const Matrix& coefficients, const Gradient& result) {
    require(coefficients.shape(1) == rows.X.shape(1) + 1, "coefficients: need (outputs, columns + 1)");
    const Prediction prediction{Link::scores, static_cast<Index>(coefficients.shape(0)), coefficients.data(), result.data()};
    shared_prediction(named(set).dense_scores, rows.block, prediction, result, prediction.outputs, rows.shared.threads);
}

void sparse_scores(const SparseRows& rows, const std::string& set, const Matrix& coefficients, const Gradient& result) {
    require(coefficients.shape(0) == static_cast<std::size_t>(rows.block.columns) + 1,
            "coefficients: need (columns + 1, outputs)");
    const Prediction prediction{Link::scores, static_cast<Index>(coefficients.shape(1)), coefficients.data(), result.data()};
    shared_prediction(named(set).sparse_scores, rows.block, prediction, result, prediction.outputs, rows.shared.threads);
}

// Coefficients (outputs, columns) in any order, and the intercepts behind them, with so many
// entries from one output, and from one column, to the next.
std::vector<double> joined(const Coefficients& coefficients, const Intercepts& intercepts, Index of_output,
                           Index of_column) {
    const auto outputs = static_cast<Index>(coefficients.shape(0)), columns = static_cast<Index>(coefficients.shape(1));
    require(intercepts.shape(0) == coefficients.shape(0), "intercepts: need one for each output");
    std::vector<double> both(static_cast<std::size_t>(outputs * (columns + 1)));
    for (Index k = 0; k < outputs; ++k) {
        const double* from = coefficients.data() + k * coefficients.stride(0);
        double* to = both.data() + k * of_output;
        for (Index j = 0; j < columns; ++j) to[j * of_column] = from[j * coefficients.stride(1)];
        to[columns * of_column] = intercepts.data()[k * intercepts.stride(0)];
    }
    return both;
}

// Of rows that are not bound, since nothing else is asked of them: whether all scores are finite.
bool predict_dense(const std::string& set, const AnyMatrix& X, const std::string& link,
                   const Coefficients& coefficients, const Intercepts& intercepts, const Gradient& result, int threads) {
    require(coefficients.shape(1) == X.shape(1), "coefficients: need (outputs, columns)");
    require(threads > 0, "threads: needs a positive number");
    const Index outputs = static_cast<Index>(coefficients.shape(0)), columns = static_cast<Index>(X.shape(1));
    const std::vector<double> both = joined(coefficients, intercepts, columns + 1, 1);
    const Prediction prediction{link_of(link), outputs, both.data(), result.data()};
    return shared_prediction(named(set).dense_scores, dense_block(X), prediction, result, prediction.width(), threads) == 0.0;
}

bool predict_sparse(const std::string& set, const AnyVector& data, const AnyVector& indices, const Bounds& bounds,
                    const std::string& link, const Coefficients& coefficients, const Intercepts& intercepts,
                    const Gradient& result, int threads) {
    require(threads > 0, "threads: needs a positive number");
    const SparseBlock block = sparse_block(data, indices, bounds, coefficients.shape(1));
    const Index outputs = static_cast<Index>(coefficients.shape(0));
    const std::vector<double> both = joined(coefficients, intercepts, 1, outputs);
    const Prediction prediction{link_of(link), outputs, both.data(), result.data()};
    return shared_prediction(named(set).sparse_scores, block, prediction, result, prediction.width(), threads) == 0.0;
}

void dense_traces(const DenseRows& rows, const std::string& set, const std::string& link, const Matrix& coefficients,
                  const Gradient& result) {
    const InstructionSet& passes = named(set);
    require(coefficients.shape(1) == rows.X.shape(1) + 1, "coefficients: need (outputs, columns + 1)");
    require(link != "scores", "link: needs one of probabilities");
    const Prediction prediction{link_of(link), static_cast<Index>(coefficients.shape(0)), coefficients.data(), result.data()};
    const auto pass = rows.single ? passes.dense_traces_float : passes.dense_traces_double;
    shared_prediction(pass, rows.block, prediction, result, 1, rows.shared.threads);
}

// Of a matrix, not of rows.
int descend(const Matrix& H, const Numbers& l1, const Numbers& lower, const Numbers& upper, const Numbers& scale,
            const Sums& gradient, const Sums& coefficients, int sweeps, double tolerance) {
    const std::size_t size = H.shape(0);
    require(H.shape(1) == size && l1.shape(0) == size && lower.shape(0) == size && upper.shape(0) == size &&
                scale.shape(0) == size && gradient.shape(0) == size && coefficients.shape(0) == size,
            "H, l1, lower, upper, scale, gradient, coefficients: need one side, and as many entries");
    const InterpreterReleased released;
    return gram_descent(H.data(), size, l1.data(), lower.data(), upper.data(), scale.data(), gradient.data(),
                        coefficients.data(), sweeps, tolerance);
}

int descend_in_groups(const Matrix& H, const Bounds& starts, const Numbers& corner, const Numbers& absolute,
                      const Numbers& bases, const Numbers& curvatures, const Sums& gradient, const Sums& coefficients,
                      int sweeps, double tolerance) {
    const std::size_t size = H.shape(0), groups = corner.shape(0);
    require(H.shape(1) == size && curvatures.shape(0) == size && gradient.shape(0) == size &&
                coefficients.shape(0) == size && starts.shape(0) == groups + 1 && absolute.shape(0) == groups,
            "H, starts, corner, absolute, curvatures, gradient, coefficients: need one side, and as many entries");
    std::size_t entries = 0;
    std::int64_t before = 0;
    for (std::size_t group = 0; group < groups; ++group) {
        const std::int64_t start = starts.data()[group], end = starts.data()[group + 1];
        require(start == before && end > start, "starts: need to grow from 0 on");
        entries += static_cast<std::size_t>((end - start) * (end - start));
        before = end;
    }
    require(static_cast<std::size_t>(before) == size && bases.shape(0) == entries,
            "starts, bases: need to end with H, and one matrix for each group");
    const InterpreterReleased released;
    return group_descent(H.data(), size, starts.data(), groups, corner.data(), absolute.data(), bases.data(),
                         curvatures.data(), gradient.data(), coefficients.data(), sweeps, tolerance);
}

// Columns of a table, of numbers or of the levels of categories, as they become rows.
std::vector<TableColumn> table_columns(const std::vector<AnyVector>& columns, const Bounds& starts, std::size_t rows) {
    require(starts.shape(0) == columns.size(), "starts: needs one for each column");
    std::vector<TableColumn> found;
    for (std::size_t j = 0; j < columns.size(); ++j) {
        const Number number = number_of(columns[j].dtype());
        require(number == Number::float64 || number == Number::int64, "columns: need float64 or int64");
        require(columns[j].shape(0) == rows, "columns: need one entry for each row");
        const bool is_number = number == Number::float64;
        const void* data = columns[j].data();
        found.push_back({is_number ? static_cast<const double*>(data) : nullptr,
                         is_number ? nullptr : static_cast<const std::int64_t*>(data), starts.data()[j]});
    }
    return found;
}

void dense_table(const std::vector<AnyVector>& columns, const Bounds& starts, const Gradient& X) {
    const std::vector<TableColumn> found = table_columns(columns, starts, X.shape(0));
    const InterpreterReleased released;
    write_dense(found, static_cast<Index>(X.shape(0)), static_cast<Index>(X.shape(1)), X.data());
}

std::int64_t sparse_table(const std::vector<AnyVector>& columns, const Bounds& starts, const Sums& values,
                          const Places& indices, const Ends& ends) {
    require(ends.shape(0) > 0, "ends: needs one more than rows");
    const std::size_t rows = ends.shape(0) - 1;
    const std::vector<TableColumn> found = table_columns(columns, starts, rows);
    require(values.shape(0) == rows * columns.size() && indices.shape(0) == values.shape(0),
            "values, indices: need one entry for each cell");
    const InterpreterReleased released;
    return write_sparse(found, static_cast<Index>(rows), values.data(), indices.data(), ends.data());
}

// Rows and entries, -1 of either where Python has to read the text.
std::pair<std::int64_t, std::int64_t> libsvm_lines(const nb::bytes& text, const Sums& labels, const Ends& lengths,
                                                   const Places& columns, const Sums& values) {
    const char* const begin = text.c_str();
    const char* const end = begin + text.size();
    const auto lines = static_cast<std::size_t>(std::count(begin, end, '\n')) + 1;
    const auto colons = static_cast<std::size_t>(std::count(begin, end, ':'));
    require(labels.shape(0) >= lines && lengths.shape(0) >= lines, "labels, lengths: need one entry for each line");
    require(columns.shape(0) >= colons && values.shape(0) >= colons, "columns, values: need one entry for each colon");
    const InterpreterReleased released;
    const auto found = read_libsvm_lines(begin, end, labels.data(), lengths.data(), columns.data(), values.data());
    return found ? std::pair{found->rows, found->entries} : std::pair<std::int64_t, std::int64_t>{-1, -1};
}

}  // namespace

NB_MODULE(_passes, module) {
    module.attr("__doc__") = "Passes over rows that are bound; polytome.native offers them.";
    nb::set_leak_warnings(false);  // rows may live as long as the interpreter
    module.def("instruction_sets", &instruction_sets);
    module.def("end_passes", &end_passes);
    module.def("forget_other_threads", &forget_other_threads);
    module.def("gram_descent", &descend, "H"_a.noconvert(), "l1"_a.noconvert(), "lower"_a.noconvert(),
               "upper"_a.noconvert(), "scale"_a.noconvert(), "gradient"_a.noconvert(), "coefficients"_a.noconvert(),
               "sweeps"_a, "tolerance"_a);
    module.def("group_descent", &descend_in_groups, "H"_a.noconvert(), "starts"_a.noconvert(), "corner"_a.noconvert(),
               "absolute"_a.noconvert(), "bases"_a.noconvert(), "curvatures"_a.noconvert(), "gradient"_a.noconvert(),
               "coefficients"_a.noconvert(), "sweeps"_a, "tolerance"_a);
    module.def("predict_dense", &predict_dense, "set"_a, "X"_a.noconvert(), "link"_a, "coefficients"_a.noconvert(),
               "intercepts"_a.noconvert(), "result"_a.noconvert(), "threads"_a);
    module.def("predict_sparse", &predict_sparse, "set"_a, "data"_a.noconvert(), "indices"_a.noconvert(),
               "bounds"_a.noconvert(), "link"_a, "coefficients"_a.noconvert(), "intercepts"_a.noconvert(),
               "result"_a.noconvert(), "threads"_a);
    module.def("dense_table", &dense_table, "columns"_a, "starts"_a.noconvert(), "X"_a.noconvert());
    module.def("sparse_table", &sparse_table, "columns"_a, "starts"_a.noconvert(), "values"_a.noconvert(),
               "indices"_a.noconvert(), "ends"_a.noconvert());
    module.def("libsvm_lines", &libsvm_lines, "text"_a, "labels"_a.noconvert(), "lengths"_a.noconvert(),
               "columns"_a.noconvert(), "values"_a.noconvert());
    nb::class_<DenseRows>(module, "DenseRows")
        .def(nb::init<const AnyMatrix&, bool, const AnyMatrix&, const AnyMatrix&, const Numbers&, const Bounds&, int>(),
             "X"_a.noconvert(), "single"_a, "target"_a.noconvert(), "offset"_a.noconvert(), "weight"_a.noconvert(),
             "ends"_a.noconvert(), "threads"_a)
        .def("value_and_gradient", &dense_value_and_gradient, "set"_a, "loss"_a, "coefficients"_a.noconvert(),
             "gradient"_a.noconvert())
        .def("derivatives", &dense_derivatives, "set"_a, "loss"_a, "coefficients"_a.noconvert(), "shift"_a.noconvert(),
             "scale"_a.noconvert(), "intercept"_a, "sums"_a.noconvert())
        .def("newton_point", &dense_newton_point, "set"_a, "loss"_a, "coefficients"_a.noconvert(), "shift"_a.noconvert(),
             "scale"_a.noconvert(), "intercept"_a, "quadratic"_a.noconvert(), "total_weight"_a, "results"_a.noconvert())
        .def("proof_sums", &dense_proof_sums, "set"_a, "loss"_a, "coefficients"_a.noconvert(), "shift"_a.noconvert(),
             "scale"_a.noconvert(), "coordinates"_a.noconvert(), "norms"_a.noconvert(), "intercept_error"_a.noconvert(),
             "numbers"_a.noconvert(), "sums"_a.noconvert())
        .def("grams", &dense_grams, "set"_a, "shift"_a.noconvert(), "scale"_a.noconvert(), "intercept"_a,
             "grams"_a.noconvert())
        .def("loss_of_scores", &loss_of_scores, "set"_a, "loss"_a, "intercepts"_a.noconvert(), "slope"_a.noconvert(),
             "residuals"_a.noconvert())
        .def("moments", &dense_moments, "set"_a, "near"_a.noconvert(), "first"_a.noconvert(), "second"_a.noconvert())
        .def("squares", &dense_squares, "set"_a, "shift"_a.noconvert(), "scale"_a.noconvert(), "sums"_a.noconvert())
        .def("scores", &dense_scores, "set"_a, "coefficients"_a.noconvert(), "result"_a.noconvert())
        .def("traces", &dense_traces, "set"_a, "link"_a, "coefficients"_a.noconvert(), "result"_a.noconvert());
    nb::class_<SparseRows>(module, "SparseRows")
        .def(nb::init<const AnyVector&, const AnyVector&, const Bounds&, std::size_t, const AnyMatrix&, const AnyMatrix&,
                      const Numbers&, const Bounds&, int>(),
             "data"_a.noconvert(), "indices"_a.noconvert(), "bounds"_a.noconvert(), "columns"_a, "target"_a.noconvert(),
             "offset"_a.noconvert(), "weight"_a.noconvert(), "ends"_a.noconvert(), "threads"_a)
        .def("value_and_gradient", &sparse_value_and_gradient, "set"_a, "loss"_a, "coefficients"_a.noconvert(),
             "gradient"_a.noconvert(), "outputs"_a)
        .def("derivatives", &sparse_derivatives, "set"_a, "loss"_a, "coefficients"_a.noconvert(), "shift"_a.noconvert(),
             "scale"_a.noconvert(), "intercept"_a, "sums"_a.noconvert())
        .def("entry_derivatives", &entry_derivatives, "set"_a, "loss"_a, "coefficients"_a.noconvert(),
             "ends"_a.noconvert(), "sums"_a.noconvert())
        .def("proof_sums", &sparse_proof_sums, "set"_a, "loss"_a, "coefficients"_a.noconvert(), "shift"_a.noconvert(),
             "scale"_a.noconvert(), "coordinates"_a.noconvert(), "norms"_a.noconvert(), "intercept_error"_a.noconvert(),
             "numbers"_a.noconvert(), "sums"_a.noconvert())
        .def("grams", &sparse_grams, "set"_a, "shift"_a.noconvert(), "scale"_a.noconvert(), "intercept"_a,
             "grams"_a.noconvert())
        .def("moments", &sparse_moments, "set"_a, "near"_a.noconvert(), "sums"_a.noconvert())
        .def("has_duplicates", &has_duplicates, "set"_a)
        .def("scores", &sparse_scores, "set"_a, "coefficients"_a.noconvert(), "result"_a.noconvert())
        .def("dual_steps", &dual_steps, "set"_a, "loss"_a, "curvature"_a.noconvert(), "scale_squares"_a.noconvert(),
             "per_weight"_a, "intercept_square"_a, "order"_a.noconvert(), "coefficients"_a.noconvert(),
             "intercepts"_a.noconvert(), "duals"_a.noconvert());
}
