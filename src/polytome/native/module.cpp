// The Python module: checks shapes and types, lets go of the interpreter's lock and runs the pass of this processor.
#include <nanobind/nanobind.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "arguments.hpp"
#include "interpreter.hpp"
#include "passes.hpp"
#include "shares.hpp"

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

Task checked_task(const std::string& loss, const AnyMatrix& target, const Numbers& weight, const Matrix& coefficients,
                  const Gradient& gradient, std::size_t rows, std::size_t outputs) {
    const Task task{loss_of(loss),   static_cast<Index>(outputs), dense_block(target), weight.data(),
                    coefficients.data(), gradient.data()};
    const std::size_t width = task.loss == Loss::softmax_of_codes ? 1 : outputs;
    require(outputs > 0, "coefficients: need an output");
    require(gradient.shape(0) == coefficients.shape(0) && gradient.shape(1) == coefficients.shape(1),
            "gradient: needs the shape of the coefficients");
    require(target.shape(0) == rows && target.shape(1) == width, "target: needs an entry or a row for each row");
    require(weight.shape(0) == rows, "weight: needs one entry for each row");
    return task;
}

// Runs a pass over the blocks of rows that end at `ends`, shared out to threads.
template <class Pass, class Block>
double shared_pass(Pass pass, const Block& block, const Task& task, std::size_t size, const Bounds& ends, int threads) {
    check_ends(ends, block.rows, threads);
    const std::int64_t* end = ends.data();
    const auto blocks = static_cast<Index>(ends.shape(0));
    const OthersMayRun others_may_run;
    if (blocks == 1) return pass(block, task);
    return Shares(blocks, threads, static_cast<Index>(size), task.gradient, [&](Index b, double* sums) {
        const Index start = b == 0 ? 0 : end[b - 1];
        return pass(block.part(start, end[b]), task.part(start, end[b], sums));
    }).value();
}

double dense(const std::string& set, const AnyMatrix& X, bool single, const std::string& loss, const AnyMatrix& target,
             const Numbers& weight, const Matrix& coefficients, const Gradient& gradient, const Bounds& ends,
             int threads) {
    const InstructionSet& passes = named(set);
    require(coefficients.shape(1) == X.shape(1) + 1, "coefficients: need (outputs, columns + 1)");
    const Task task = checked_task(loss, target, weight, coefficients, gradient, X.shape(0), coefficients.shape(0));
    const auto pass = single ? passes.dense_float : passes.dense_double;
    return shared_pass(pass, dense_block(X), task, coefficients.size(), ends, threads);
}

// `residuals` is an empty matrix where they are not wanted.
double shifted_loss(const std::string& set, const Matrix& scores, const std::string& loss, const AnyMatrix& target,
                    const Numbers& weight, const Matrix& intercepts, const Gradient& slope, const Gradient& residuals,
                    const Bounds& ends, int threads) {
    const InstructionSet& passes = named(set);
    const std::size_t rows = scores.shape(0), outputs = scores.shape(1);
    require(intercepts.shape(0) == 1 && intercepts.shape(1) == outputs, "intercepts: need (1, outputs)");
    const bool wanted = residuals.size() > 0;
    require(!wanted || (residuals.shape(0) == rows && residuals.shape(1) == outputs), "residuals: need (rows, outputs)");
    const Task task = checked_task(loss, target, weight, intercepts, slope, rows, outputs);
    const KnownScores known{scores.data(), wanted ? residuals.data() : nullptr, static_cast<Index>(rows), task.outputs};
    return shared_pass(passes.shifted_loss, known, task, outputs, ends, threads);
}

void moments(const std::string& set, const AnyMatrix& X, const Numbers& weight, const Numbers& near, const Sums& first,
             const Sums& second) {
    const InstructionSet& passes = named(set);
    const DenseBlock block = dense_block(X);
    require(weight.shape(0) == X.shape(0), "weight: needs one entry for each row");
    require(near.shape(0) == X.shape(1) && first.shape(0) == X.shape(1) && second.shape(0) == X.shape(1),
            "near, first and second: need one entry for each column");
    const OthersMayRun others_may_run;
    passes.moments(block, {weight.data(), near.data(), first.data(), second.data()});
}

void squares(const std::string& set, const AnyMatrix& X, const Numbers& shift, const Numbers& scale, const Sums& sums) {
    const InstructionSet& passes = named(set);
    const DenseBlock block = dense_block(X);
    require(shift.shape(0) == X.shape(1) && scale.shape(0) == X.shape(1), "shift, scale: need one for each column");
    require(sums.shape(0) == X.shape(0), "sums: need one for each row");
    const OthersMayRun others_may_run;
    passes.squares(block, {shift.data(), scale.data(), false}, sums.data());
}

double sparse(const std::string& set, const AnyVector& data, const AnyVector& indices, const Bounds& bounds,
              const std::string& loss, const AnyMatrix& target, const Numbers& weight, const Matrix& coefficients,
              const Gradient& gradient, const Bounds& ends, int threads) {
    const InstructionSet& passes = named(set);
    require(coefficients.shape(0) > 0, "coefficients: need at least the intercept");
    const SparseBlock block = sparse_block(data, indices, bounds, coefficients.shape(0) - 1);
    const Task task = checked_task(loss, target, weight, coefficients, gradient, bounds.shape(0) - 1, coefficients.shape(1));
    return shared_pass(passes.sparse, block, task, coefficients.size(), ends, threads);
}

// Value, gradient and Hessian for standardised columns; `sums` receives the gradient and, behind it, the Hessian.
template <class Block>
double shared_derivatives(double (*pass)(const Block&, const Task&, const Columns&), const Block& block,
                          const std::string& loss, const AnyMatrix& target, const Numbers& weight,
                          const Matrix& coefficients, const Numbers& shift, const Numbers& scale, bool intercept,
                          const Sums& sums, const Bounds& ends, int threads) {
    const auto columns = static_cast<std::size_t>(block.columns), outputs = coefficients.shape(0);
    const Gradient gradient(sums.data(), {outputs, coefficients.shape(1)});
    require(coefficients.shape(1) == columns + 1, "coefficients: need (outputs, columns + 1)");
    require(shift.shape(0) == columns && scale.shape(0) == columns, "shift, scale: need one for each column");
    const auto rows = static_cast<std::size_t>(block.rows);
    const Task task = checked_task(loss, target, weight, coefficients, gradient, rows, outputs);
    const std::size_t entries = coefficients.size() * (is_softmax(task.loss) ? coefficients.size() : columns + 1);
    require(sums.shape(0) == coefficients.size() + entries, "sums: need room for the gradient and the Hessian");
    const Columns implicit{shift.data(), scale.data(), intercept};
    const auto with_columns = [&](const Block& part, const Task& its) { return pass(part, its, implicit); };
    return shared_pass(with_columns, block, task, sums.shape(0), ends, threads);
}

double dense_derivatives(const std::string& set, const AnyMatrix& X, const std::string& loss, const AnyMatrix& target,
                         const Numbers& weight, const Matrix& coefficients, const Numbers& shift, const Numbers& scale,
                         bool intercept, const Sums& sums, const Bounds& ends, int threads) {
    return shared_derivatives(named(set).dense_derivatives, dense_block(X), loss, target, weight, coefficients, shift,
                              scale, intercept, sums, ends, threads);
}

double sparse_derivatives(const std::string& set, const AnyVector& data, const AnyVector& indices, const Bounds& bounds,
                          const std::string& loss, const AnyMatrix& target, const Numbers& weight,
                          const Matrix& coefficients, const Numbers& shift, const Numbers& scale, bool intercept,
                          const Sums& sums, const Bounds& ends, int threads) {
    const SparseBlock block = sparse_block(data, indices, bounds, shift.shape(0));
    return shared_derivatives(named(set).sparse_derivatives, block, loss, target, weight, coefficients, shift, scale,
                              intercept, sums, ends, threads);
}

// A Gram matrix of standardised rows for each of the blocks that end at `ends`.
template <class Block>
void shared_grams(void (*pass)(const Block&, const double*, const Columns&, double*), const Block& block,
                  const Numbers& weight, const Numbers& shift, const Numbers& scale, bool intercept, const Bounds& ends,
                  const Sums& grams, int threads) {
    const auto columns = static_cast<std::size_t>(block.columns), size = (columns + 1) * (columns + 1);
    require(shift.shape(0) == columns && scale.shape(0) == columns, "shift, scale: need one for each column");
    require(weight.shape(0) == static_cast<std::size_t>(block.rows), "weight: needs one entry for each row");
    require(grams.shape(0) == ends.shape(0) * size, "grams: need a matrix for each block");
    check_ends(ends, block.rows, threads);
    const Columns implicit{shift.data(), scale.data(), intercept};
    const OthersMayRun others_may_run;
    Shares(static_cast<Index>(ends.shape(0)), threads, 0, nullptr, [&](Index b, double*) {
        const Index start = b == 0 ? 0 : ends.data()[b - 1];
        pass(block.part(start, ends.data()[b]), weight.data() + start, implicit, grams.data() + b * static_cast<Index>(size));
        return 0.0;
    }).value();
}

void dense_grams(const std::string& set, const AnyMatrix& X, const Numbers& weight, const Numbers& shift,
                 const Numbers& scale, bool intercept, const Bounds& ends, const Sums& grams, int threads) {
    shared_grams(named(set).dense_gram, dense_block(X), weight, shift, scale, intercept, ends, grams, threads);
}

void sparse_grams(const std::string& set, const AnyVector& data, const AnyVector& indices, const Bounds& bounds,
                  const Numbers& weight, const Numbers& shift, const Numbers& scale, bool intercept, const Bounds& ends,
                  const Sums& grams, int threads) {
    const SparseBlock block = sparse_block(data, indices, bounds, shift.shape(0));
    shared_grams(named(set).sparse_gram, block, weight, shift, scale, intercept, ends, grams, threads);
}

void sparse_moments(const std::string& set, const AnyVector& data, const AnyVector& indices, const Bounds& bounds,
                    const Numbers& weight, const Numbers& near, const Gradient& sums) {
    const InstructionSet& passes = named(set);
    const SparseBlock block = sparse_block(data, indices, bounds, near.shape(0));
    require(weight.shape(0) == bounds.shape(0) - 1, "weight: needs one entry for each row");
    require(sums.shape(0) == 4 && sums.shape(1) == near.shape(0), "sums: needs four rows, of an entry for each column");
    double* first = sums.data();
    const std::size_t columns = near.shape(0);
    const OthersMayRun others_may_run;
    passes.sparse_moments(block, {weight.data(), near.data(), first, first + columns, first + 2 * columns, first + 3 * columns});
}

bool has_duplicates(const std::string& set, const AnyVector& data, const AnyVector& indices, const Bounds& bounds,
                    std::size_t columns) {
    const InstructionSet& passes = named(set);
    const SparseBlock block = sparse_block(data, indices, bounds, columns);
    const OthersMayRun others_may_run;
    return passes.has_duplicates(block);
}

std::pair<double, double> dual(const std::string& set, const AnyVector& data, const AnyVector& indices,
                               const Bounds& bounds, const std::string& loss, const Matrix& target,
                               const Numbers& weight, const Numbers& bend, const Order& order,
                               const Numbers& scale_squares, const Changed& coefficients, const Sums& intercepts,
                               const Changed& duals, double per_weight, double intercept_square) {
    const InstructionSet& passes = named(set);
    const std::size_t rows = bounds.shape(0) - 1, outputs = coefficients.shape(1);
    const SparseBlock block = sparse_block(data, indices, bounds, coefficients.shape(0));
    const Number number = number_of(coefficients.dtype());
    require(number == Number::float32 || number == Number::float64, "coefficients: need float32 or float64");
    require(number == number_of(duals.dtype()), "duals: need the type of the coefficients");
    require(duals.shape(0) == rows && duals.shape(1) == outputs && outputs > 0, "duals: need (rows, outputs)");
    require(scale_squares.shape(0) == coefficients.shape(0), "scale_squares: needs one entry for each column");
    require(intercepts.shape(0) == outputs, "intercepts: need one for each output");
    require(weight.shape(0) == rows && bend.shape(0) == rows, "weight and bend: need one entry for each row");
    const Loss named_loss = loss_of(loss);
    require(named_loss != Loss::squared, "loss: needs one with probabilities");
    const std::size_t width = named_loss == Loss::softmax_of_codes ? 1 : outputs;
    require(target.shape(0) == rows && target.shape(1) == width, "target: needs an entry or a row for each row");
    bool inside = true;
    for (std::size_t turn = 0; turn < order.shape(0); ++turn) {
        inside &= order.data()[turn] >= 0 && order.data()[turn] < static_cast<std::int64_t>(rows);
    }
    require(inside, "order: needs numbers of rows");
    const DualTask task{named_loss, static_cast<Index>(outputs), target.data(), weight.data(), bend.data(),
                        order.data(), static_cast<Index>(order.shape(0)), scale_squares.data(), coefficients.data(),
                        intercepts.data(), duals.data(), per_weight, intercept_square};
    const OthersMayRun others_may_run;
    const DualSums sums = number == Number::float32 ? passes.dual_float(block, task) : passes.dual_double(block, task);
    return {sums.loss, sums.gap};
}

Link link_of(const std::string& name) {
    if (name == "scores") return Link::scores;
    if (name == "softmax") return Link::softmax;
    if (name == "sigmoids") return Link::sigmoids;
    throw std::invalid_argument("a link of this name is not offered");
}

// Sum of what a pass returns over blocks of any size: no row's prediction depends on another's. The result has `width`
// entries for each row.
template <class Block>
double shared_prediction(double (*pass)(const Block&, const Prediction&), const Block& block,
                         const Prediction& prediction, const Gradient& result, Index width, int threads) {
    require(prediction.outputs > 0, "coefficients: need an output");
    require(result.shape(0) == static_cast<std::size_t>(block.rows) && result.shape(1) == static_cast<std::size_t>(width),
            "result: needs an entry or a row for each row");
    require(threads > 0, "threads: needs a positive number");
    constexpr Index size = 512;
    const OthersMayRun others_may_run;
    if (block.rows <= size) return pass(block, prediction);
    return Shares((block.rows + size - 1) / size, threads, 0, nullptr, [&](Index b, double*) {
        const Index start = b * size;
        return pass(block.part(start, std::min(start + size, block.rows)), prediction.part(start * width));
    }).value();
}

bool dense_scores(const std::string& set, const AnyMatrix& X, const std::string& link, const Matrix& coefficients,
                  const Gradient& result, int threads) {
    const InstructionSet& passes = named(set);
    require(coefficients.shape(1) == X.shape(1) + 1, "coefficients: need (outputs, columns + 1)");
    const Prediction prediction{link_of(link), static_cast<Index>(coefficients.shape(0)), coefficients.data(), result.data()};
    return shared_prediction(passes.dense_scores, dense_block(X), prediction, result, prediction.outputs, threads) == 0.0;
}

void dense_traces(const std::string& set, const AnyMatrix& X, bool single, const std::string& link,
                  const Matrix& coefficients, const Gradient& result, int threads) {
    const InstructionSet& passes = named(set);
    require(coefficients.shape(1) == X.shape(1) + 1, "coefficients: need (outputs, columns + 1)");
    require(link != "scores", "link: needs one of probabilities");
    const Prediction prediction{link_of(link), static_cast<Index>(coefficients.shape(0)), coefficients.data(), result.data()};
    const auto pass = single ? passes.dense_traces_float : passes.dense_traces_double;
    shared_prediction(pass, dense_block(X), prediction, result, 1, threads);
}

bool sparse_scores(const std::string& set, const AnyVector& data, const AnyVector& indices, const Bounds& bounds,
                   const std::string& link, const Matrix& coefficients, const Gradient& result, int threads) {
    const InstructionSet& passes = named(set);
    require(coefficients.shape(0) > 0, "coefficients: need (columns + 1, outputs)");
    const SparseBlock block = sparse_block(data, indices, bounds, coefficients.shape(0) - 1);
    const Prediction prediction{link_of(link), static_cast<Index>(coefficients.shape(1)), coefficients.data(), result.data()};
    return shared_prediction(passes.sparse_scores, block, prediction, result, prediction.outputs, threads) == 0.0;
}

}  // namespace

NB_MODULE(_passes, module) {
    module.attr("__doc__") = "Loss and gradient of a block of rows; polytome.native offers them.";
    module.def("instruction_sets", &instruction_sets);
    module.def("end_passes", &end_passes);
    module.def("forget_other_threads", &forget_other_threads);
    module.def("dense", &dense, "set"_a, "X"_a.noconvert(), "single"_a, "loss"_a, "target"_a.noconvert(),
               "weight"_a.noconvert(), "coefficients"_a.noconvert(), "gradient"_a.noconvert(), "ends"_a.noconvert(),
               "threads"_a);
    module.def("shifted_loss", &shifted_loss, "set"_a, "scores"_a.noconvert(), "loss"_a, "target"_a.noconvert(),
               "weight"_a.noconvert(), "intercepts"_a.noconvert(), "slope"_a.noconvert(), "residuals"_a.noconvert(),
               "ends"_a.noconvert(), "threads"_a);
    module.def("moments", &moments, "set"_a, "X"_a.noconvert(), "weight"_a.noconvert(), "near"_a.noconvert(),
               "first"_a.noconvert(), "second"_a.noconvert());
    module.def("squares", &squares, "set"_a, "X"_a.noconvert(), "shift"_a.noconvert(), "scale"_a.noconvert(),
               "sums"_a.noconvert());
    module.def("sparse", &sparse, "set"_a, "data"_a.noconvert(), "indices"_a.noconvert(), "bounds"_a.noconvert(),
               "loss"_a, "target"_a.noconvert(), "weight"_a.noconvert(), "coefficients"_a.noconvert(),
               "gradient"_a.noconvert(), "ends"_a.noconvert(), "threads"_a);
    module.def("dense_derivatives", &dense_derivatives, "set"_a, "X"_a.noconvert(), "loss"_a, "target"_a.noconvert(),
               "weight"_a.noconvert(), "coefficients"_a.noconvert(), "shift"_a.noconvert(), "scale"_a.noconvert(),
               "intercept"_a, "sums"_a.noconvert(), "ends"_a.noconvert(), "threads"_a);
    module.def("sparse_derivatives", &sparse_derivatives, "set"_a, "data"_a.noconvert(), "indices"_a.noconvert(),
               "bounds"_a.noconvert(), "loss"_a, "target"_a.noconvert(), "weight"_a.noconvert(),
               "coefficients"_a.noconvert(), "shift"_a.noconvert(), "scale"_a.noconvert(), "intercept"_a,
               "sums"_a.noconvert(), "ends"_a.noconvert(), "threads"_a);
    module.def("dense_grams", &dense_grams, "set"_a, "X"_a.noconvert(), "weight"_a.noconvert(), "shift"_a.noconvert(),
               "scale"_a.noconvert(), "intercept"_a, "ends"_a.noconvert(), "grams"_a.noconvert(), "threads"_a);
    module.def("sparse_grams", &sparse_grams, "set"_a, "data"_a.noconvert(), "indices"_a.noconvert(),
               "bounds"_a.noconvert(), "weight"_a.noconvert(), "shift"_a.noconvert(), "scale"_a.noconvert(),
               "intercept"_a, "ends"_a.noconvert(), "grams"_a.noconvert(), "threads"_a);
    module.def("dual", &dual, "set"_a, "data"_a.noconvert(), "indices"_a.noconvert(), "bounds"_a.noconvert(),
               "loss"_a, "target"_a.noconvert(), "weight"_a.noconvert(), "bend"_a.noconvert(), "order"_a.noconvert(),
               "scale_squares"_a.noconvert(), "coefficients"_a.noconvert(), "intercepts"_a.noconvert(),
               "duals"_a.noconvert(), "per_weight"_a, "intercept_square"_a);
    module.def("sparse_moments", &sparse_moments, "set"_a, "data"_a.noconvert(), "indices"_a.noconvert(),
               "bounds"_a.noconvert(), "weight"_a.noconvert(), "near"_a.noconvert(), "sums"_a.noconvert());
    module.def("has_duplicates", &has_duplicates, "set"_a, "data"_a.noconvert(), "indices"_a.noconvert(),
               "bounds"_a.noconvert(), "columns"_a);
    module.def("dense_scores", &dense_scores, "set"_a, "X"_a.noconvert(), "link"_a, "coefficients"_a.noconvert(),
               "result"_a.noconvert(), "threads"_a);
    module.def("dense_traces", &dense_traces, "set"_a, "X"_a.noconvert(), "single"_a, "link"_a,
               "coefficients"_a.noconvert(), "result"_a.noconvert(), "threads"_a);
    module.def("sparse_scores", &sparse_scores, "set"_a, "data"_a.noconvert(), "indices"_a.noconvert(),
               "bounds"_a.noconvert(), "link"_a, "coefficients"_a.noconvert(), "result"_a.noconvert(), "threads"_a);
}
