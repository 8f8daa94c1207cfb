// What a pass over a block of rows takes, and the passes of each instruction set. Plain data only:
// this header is shared by files that are compiled for different processors.
#pragma once

#include <cstddef>
#include <cstdint>

namespace polytome {

using Index = std::ptrdiff_t;

// How an entry of X is stored.
enum class Number { uint8, int8, uint16, int16, uint32, int32, uint64, int64, float16, float32, float64 };

// The losses of losses/. Logistic regression is one independent sigmoid.
enum class Loss { softmax_of_codes, softmax_of_distributions, sigmoids, squared };

constexpr bool is_softmax(Loss loss) { return loss == Loss::softmax_of_codes || loss == Loss::softmax_of_distributions; }

constexpr Index bytes_of(Number number) {
    switch (number) {
        case Number::uint8: case Number::int8: return 1;
        case Number::uint16: case Number::int16: case Number::float16: return 2;
        case Number::uint32: case Number::int32: case Number::float32: return 4;
        default: return 8;
    }
}

// A block of a NumPy array; strides count entries, not bytes.
struct DenseBlock {
    const void* data;
    Number number;
    Index rows, columns, row_stride, column_stride;

    DenseBlock part(Index start, Index end) const {
        const char* first = static_cast<const char*>(data) + start * row_stride * bytes_of(number);
        return {first, number, end - start, columns, row_stride, column_stride};
    }
};

// A block of a CSR matrix: row i holds the entries bounds[i] .. bounds[i + 1] of `data` and
// `indices`.
struct SparseBlock {
    const void* data;
    Number number;
    const void* indices;
    bool wide_indices;  // int64, else int32
    const std::int64_t* bounds;
    Index rows, columns;

    SparseBlock part(Index start, Index end) const {
        return {data, number, indices, wide_indices, bounds + start, end - start, columns};
    }
};

// What is asked of each row. `target` is (rows, 1) where it holds codes and (rows, outputs)
// elsewhere. Coefficients lie as their pass reads them, the intercept last: (outputs, columns + 1)
// for dense blocks, (columns + 1, outputs) for sparse.
struct Task {
    Loss loss;
    Index outputs;
    DenseBlock target;
    DenseBlock offset;  // (rows, outputs) of double, which scores are added to; without data where there is none
    const double* weight;
    const double* coefficients;
    double* gradient;  // of the same shape; added to
    Index stride = 0;  // of sparse blocks: numbers from one column's coefficients to the next's, at least the outputs

    Task part(Index start, Index end, double* sums) const {
        const DenseBlock its_offset = offset.data == nullptr ? offset : offset.part(start, end);
        return {loss, outputs, target.part(start, end), its_offset, weight + start, coefficients, sums, stride};
    }
};

// What scores are turned into: nothing else; the softmax of each row; the sigmoid of each score;
// probabilities, which are the softmax, or the sigmoids of minus and plus a single score; their
// logarithms; or the place of the largest, of a single one whether it is positive.
enum class Link { scores, softmax, sigmoids, probabilities, logarithms, places };

// What is predicted for each row. Coefficients lie as those of a task.
struct Prediction {
    Link link;
    Index outputs;
    const double* coefficients;
    double* result;  // (rows, width), or one entry for each row; written

    Index width() const {
        if (link == Link::places) return 1;
        return outputs == 1 && (link == Link::probabilities || link == Link::logarithms) ? 2 : outputs;
    }
    Prediction part(Index written) const { return {link, outputs, coefficients, result + written}; }
};

// Rows whose scores (rows, outputs) are known. Residuals without weights are written, unless null;
// they may take the place of the scores.
struct KnownScores {
    const double* scores;
    double* residuals;
    Index rows, outputs;

    KnownScores part(Index start, Index end) const {
        return {scores + start * outputs, residuals == nullptr ? nullptr : residuals + start * outputs, end - start, outputs};
    }
};

// Weighted sums of `x - near` and of its square over the rows of a block, for each column.
struct Moments {
    const double* weight;
    const double* near;
    double* first;   // written
    double* second;  // written
};

// Over the stored entries of each column: weighted sums of `x - near` and of its square, their
// weight and, of those with weight, their number; added to.
struct SparseMoments {
    const double* weight;
    const double* near;
    double* first;
    double* second;
    double* present;
    double* count;
};

// Implicit columns `(x - shift) * scale`, and last the intercept's: ones, or zeros where there is
// none.
struct Columns {
    const double* shift;
    const double* scale;
    bool intercept;
};

// What a proof by the curvature is asked with; see ProofSums in passes/proof.py. Parts are outputs
// by themselves, or all but the last of a softmax.
struct ProofTask {
    const double* coordinates;  // (parts, own, size, columns)
    const double* norms;        // (parts, own, columns)
    Index parts, own, size, columns;  // of columns with the intercept's
    Columns implicit;
    const double* intercept_error;  // (outputs,)
    double score_growth, product_growth, length_growth, offset_rounding;
    double smoothness, concordance, soft, slack, underflow;
    double* sums;  // written: three of (outputs, columns), one of (parts,), three numbers, (parts,), a number
};

// Steps of dual coordinate ascent over rows of a CSR matrix. `coefficients` (columns, outputs) and
// `duals` (rows, outputs) are float or double; they and the intercepts are changed.
struct DualTask {
    Loss loss;
    Index outputs;
    const double* target;  // as in `Task`
    const double* weight;
    const double* curvature;  // of each row: its weight times its squared length / (S lambda), the intercept counted
    const std::int64_t* order;
    Index steps;  // entries of `order`
    const double* scale_squares;  // of each column
    void* coefficients;
    double* intercepts;
    void* duals;
    double per_weight;        // 1 / (S lambda)
    double intercept_square;  // of the column that stands for the intercept
};

// Weighted losses of the rows and their shares of the duality gap, each before its step, in nats.
struct DualSums {
    double loss, gap;
};

// The passes as one instruction set computes them. Those with a task return the weighted loss of
// the block in nats, those with a prediction the number of tiles in which a score is not finite
// (for traces, zero).
struct InstructionSet {
    const char* name;
    double (*dense_float)(const DenseBlock&, const Task&);
    double (*dense_double)(const DenseBlock&, const Task&);
    double (*sparse)(const SparseBlock&, const Task&);
    double (*dense_scores)(const DenseBlock&, const Prediction&);
    double (*sparse_scores)(const SparseBlock&, const Prediction&);
    double (*dense_traces_float)(const DenseBlock&, const Prediction&);
    double (*dense_traces_double)(const DenseBlock&, const Prediction&);
    double (*shifted_loss)(const KnownScores&, const Task&);  // coefficients and gradient are those of the intercepts
    void (*moments)(const DenseBlock&, const Moments&);
    void (*squares)(const DenseBlock&, const Columns&, double*);  // of each row's implicit columns, their sum
    double (*dense_derivatives)(const DenseBlock&, const Task&, const Columns&);
    double (*sparse_derivatives)(const SparseBlock&, const Task&, const Columns&);
    // Of raw columns. Behind the gradient, a sum for each entry of the Hessians of scores, side by
    // side, of the products of two columns: the lower triangle.
    double (*entry_derivatives)(const SparseBlock&, const Task&);
    // Of implicit columns, `X' diag(weight) X`: (columns + 1, columns + 1), written.
    void (*dense_gram)(const DenseBlock&, const double* weight, const Columns&, double*);
    void (*sparse_gram)(const SparseBlock&, const double* weight, const Columns&, double*);
    void (*dense_proof_sums)(const DenseBlock&, const Task&, const ProofTask&);
    void (*sparse_proof_sums)(const SparseBlock&, const Task&, const ProofTask&);
    void (*sparse_moments)(const SparseBlock&, const SparseMoments&);
    bool (*has_duplicates)(const SparseBlock&);  // whether a row stores a column twice
    DualSums (*dual_float)(const SparseBlock&, const DualTask&);
    DualSums (*dual_double)(const SparseBlock&, const DualTask&);
};

extern const InstructionSet portable;
#if defined(POLYTOME_X86)
extern const InstructionSet avx2;
extern const InstructionSet avx512;
#endif

}  // namespace polytome
