// One pass over a dense block. Tiles of 64 rows are converted to the type of the products and stay
// in the cache while they are multiplied twice: once into scores, once, weighted by the residuals,
// into the gradient.
#pragma once

#include <type_traits>

#include "losses.hpp"
#include "numbers.hpp"
#include "scratch.hpp"

namespace {

using polytome::DenseBlock;

// Outputs of one sweep: so few that several rows fit beside them, and each vector that is loaded
// serves several times.
constexpr int max_outputs = 6;

// Rows of a sweep over `outputs` of them: their sums fill the registers, with room for what is
// multiplied.
constexpr int rows_at_once(int outputs) {
    int rows = 8;
    while (rows * outputs > registers - 4) rows /= 2;
    return rows;
}

// Vectors of columns in a sweep over the rows of a tile, for the same reason.
constexpr int columns_at_once(int outputs) {
    const int fitting = (registers - 2) / (outputs + 1);
    return fitting > 4 ? 4 : fitting;
}

// Columns of a tile in memory: whole vectors, and not a power of two, or its rows would share few
// lines of the cache.
template <class T> Index padded_width(Index columns) {
    const Index width = (columns + lanes<T> - 1) / lanes<T> * lanes<T>;
    return width * sizeof(T) % 4096 == 0 ? width + lanes<T> : width;
}

// `count` entries that are `stride` apart, converted; a loop of its own where they are side by
// side, for speed.
template <class T, class Stored> inline void convert_line(const Stored* from, Index stride, Index count, T* to) {
    if (stride == 1) {
        for (Index i = 0; i < count; ++i) to[i] = static_cast<T>(from[i]);
    } else {
        for (Index i = 0; i < count; ++i) to[i] = static_cast<T>(from[i * stride]);
    }
}

// Rows `start` .. `start + rows` of a block, converted: row i at x + i * width, padded with zeros
// to `width` columns.
template <class T, class Stored>
void convert(const Stored* X, const DenseBlock& block, Index start, Index rows, T* x, Index width) {
    const Stored* first = X + start * block.row_stride;
    if (block.column_stride == 1) {
        for (Index i = 0; i < rows; ++i) convert_line(first + i * block.row_stride, 1, block.columns, x + i * width);
        return;
    }
    // Columns are converted one by one, as many as a vector has lanes, and turned into rows square
    // by square.
    constexpr Index group = lanes<T>;
    Scratch<T> lines(group * tile_rows);
    for (Index j = 0; j < block.columns; j += group) {
        for (Index c = 0; c < group && j + c < block.columns; ++c) {
            const Stored* column = first + (j + c) * block.column_stride;
            for (Index i = 0; i < tile_rows; i += 64 / static_cast<Index>(sizeof(Stored))) {
                POLYTOME_PREFETCH(column + (tile_rows + i) * block.row_stride);  // of the next tile
            }
            convert_line(column, block.row_stride, rows, lines.get() + c * tile_rows);
        }
        if (block.columns - j < group) {
            const Index c = block.columns - j;
            std::memset(static_cast<void*>(lines.get() + c * tile_rows), 0, static_cast<std::size_t>((group - c) * tile_rows) * sizeof(T));
        }
        for (Index i = 0; i < rows; i += group) {
            Vector<T> square[group];
            for (Index c = 0; c < group; ++c) square[c] = load(lines.get() + c * tile_rows + i);
            transpose<T>(square);
            for (Index r = 0; r < group; ++r) store(x + (i + r) * width + j, square[r]);
        }
    }
}

// The rows of a tile in the type of the products.
template <class T> struct TileRows {
    const T* first;
    Index stride;

    const T* row(Index i) const { return first + i * stride; }
};

// Columns of a row that is short enough to be converted in one line with its neighbours.
constexpr Index max_line = 128;

// A whole tile of whole vectors that is stored as it is multiplied is left where it is; others are
// converted into `x`. A row of few columns may have the next one in place of the padding, if that
// is multiplied by zeros: then rows that are stored without gaps are converted as one line.
template <class T>
TileRows<T> rows_of(const DenseBlock& block, Index start, Index rows, T* x, Index width, bool without_gaps = false) {
    TileRows<T> converted{x, width};
    with_type(block.number, block.data, [&]<class Stored>(const Stored* X) {
        if (without_gaps && block.column_stride == 1 && block.row_stride == block.columns && width <= max_line) {
            convert_line(X + start * block.columns, 1, rows * block.columns, x);
            converted.stride = block.columns;
            return;
        }
        if constexpr (std::is_same_v<T, Stored>) {
            const bool is_whole = rows == tile_rows && block.column_stride == 1 && block.columns == width;
            if (is_whole && block.row_stride * sizeof(T) % 4096 != 0) {
                converted = {X + start * block.row_stride, block.row_stride};
                return;
            }
        }
        convert(X, block, start, rows, x, width);
    });
    return converted;
}

// Where the rows of the next tile are stored: they are fetched while this one is multiplied.
struct Upcoming {
    const char* first;
    Index row, entry;  // bytes from one to the next
};

inline Upcoming upcoming_rows(const DenseBlock& block, Index start) {
    if (block.column_stride != 1 || start >= block.rows) return {};
    const Index bytes = bytes_of(block.number);
    return {static_cast<const char*>(block.data) + start * block.row_stride * bytes, block.row_stride * bytes, bytes};
}

// Writes the sum of the lanes of each vector, by the additions of `lane_sum`: of as many vectors as
// there are lanes at once.
template <class T, int count> inline void write_lane_sums(const Vector<T>* vectors, double* to) {
    if constexpr (std::is_same_v<T, double> && lanes<T> > 1 && count % lanes<T> == 0) {
        constexpr auto all = std::make_integer_sequence<int, lanes<T>>();
        POLYTOME_UNROLL
        for (int from = 0; from < count; from += lanes<T>) {
            Vector<T> sums[lanes<T>];
            POLYTOME_UNROLL
            for (int i = 0; i < lanes<T>; ++i) sums[i] = vectors[from + i];
            POLYTOME_UNROLL
            for (int half = lanes<T> / 2; half > 0; half /= 2) {
                POLYTOME_UNROLL
                for (int i = 0; i < half; ++i) {
                    const Vector<T> a = sums[i], b = sums[i + half];
                    sums[i] = in_turns<T, 0>(a, b, all) + in_turns<T, lanes<T> / 2>(a, b, all);
                }
            }
            store(to + from, sums[0]);
        }
    } else {
        POLYTOME_UNROLL
        for (int i = 0; i < count; ++i) to[i] = lane_sum<T>(vectors[i]);
    }
}

// Scores of `rows` rows and `outputs` outputs, without intercept.
template <class T, int outputs>
void multiply_scores(const TileRows<T>& x, const T* w, Index width, Index rows, double* scores,
                     const Upcoming& upcoming) {
    constexpr int group = rows_at_once(outputs);
    for (Index i = 0; i < rows; i += group) {
        Vector<T> sum[outputs][group] = {};
        for (Index j = 0; j < width; j += lanes<T>) {
            Vector<T> entries[group];
            POLYTOME_UNROLL
            for (int r = 0; r < group; ++r) {
                entries[r] = load(x.row(i + r) + j);
                POLYTOME_PREFETCH(upcoming.first + (i + r) * upcoming.row + j * upcoming.entry);
            }
            POLYTOME_UNROLL
            for (int k = 0; k < outputs; ++k) {
                const Vector<T> coefficients = load(w + k * width + j);
                POLYTOME_UNROLL
                for (int r = 0; r < group; ++r) sum[k][r] += entries[r] * coefficients;
            }
        }
        POLYTOME_UNROLL
        for (int k = 0; k < outputs; ++k) write_lane_sums<T, group>(sum[k], entry(scores, k, i));
    }
}

// Adds `columns` vectors of the gradient from column `j` on, summed over the rows of a tile.
template <class T, int outputs, int columns>
inline void add_columns(const TileRows<T>& x, const T* residuals, Index width, Index rows, Index j, double* gradient) {
    Vector<T> sum[outputs][columns] = {};
    for (Index i = 0; i < rows; ++i) {
        Vector<T> entries[columns];
        POLYTOME_UNROLL
        for (int c = 0; c < columns; ++c) entries[c] = load(x.row(i) + j + c * lanes<T>);
        POLYTOME_UNROLL
        for (int k = 0; k < outputs; ++k) {
            const T residual = residuals[k * tile_rows + i];
            POLYTOME_UNROLL
            for (int c = 0; c < columns; ++c) sum[k][c] += entries[c] * residual;
        }
    }
    for (int k = 0; k < outputs; ++k) {
        T sums[columns * lanes<T>];
        POLYTOME_UNROLL
        for (int c = 0; c < columns; ++c) store(sums + c * lanes<T>, sum[k][c]);
        double* to = gradient + k * width + j;
        for (int c = 0; c < columns * lanes<T>; ++c) to[c] += static_cast<double>(sums[c]);
    }
}

// The gradient's columns before `end`, rounded up to whole vectors.
template <class T, int outputs>
void add_gradient(const TileRows<T>& x, const T* residuals, Index width, Index rows, double* gradient, Index end) {
    constexpr int columns = columns_at_once(outputs);
    Index j = 0;
    for (; j + columns * lanes<T> <= end; j += columns * lanes<T>) {
        add_columns<T, outputs, columns>(x, residuals, width, rows, j, gradient);
    }
    for (; j < end; j += lanes<T>) add_columns<T, outputs, 1>(x, residuals, width, rows, j, gradient);
}

// The two products for each number of outputs that registers hold, so that every loop over them is
// unrolled.
template <class T> struct Products {
    void (*multiply_scores)(const TileRows<T>&, const T*, Index, Index, double*, const Upcoming&);
    void (*add_gradient)(const TileRows<T>&, const T*, Index, Index, double*, Index);
};

template <class T, int outputs = max_outputs> Products<T> products(Index wanted) {
    if (wanted == outputs) return {multiply_scores<T, outputs>, add_gradient<T, outputs>};
    if constexpr (outputs > 1) return products<T, outputs - 1>(wanted);
    return {};
}

// Calls `sweep(first output, number of outputs)` for groups of equal size, give or take one.
template <class Sweep> void for_groups_of_outputs(Index outputs, Sweep sweep) {
    const Index groups = (outputs + max_outputs - 1) / max_outputs;
    for (Index g = 0; g < groups; ++g) {
        const Index first = g * outputs / groups;
        sweep(first, (g + 1) * outputs / groups - first);
    }
}

// Multiplies the tiles of a block with coefficients (outputs, columns + 1), the intercept last.
template <class T> class Scorer {
  public:
    Scorer(const DenseBlock& block, const double* coefficients, Index outputs, bool for_scores_alone = false)
        : width(padded_width<T>(block.columns)), block_(block), coefficients_(coefficients), outputs_(outputs),
          for_scores_alone_(for_scores_alone), x_(tile_rows * width), w_(outputs * width) {
        for (Index k = 0; k < outputs; ++k) {
            const double* from = coefficients + k * (block.columns + 1);
            for (Index j = 0; j < block.columns; ++j) {
                w_[k * width + j] = static_cast<T>(from[j]);
                all_zero_ &= from[j] == 0.0;
            }
        }
    }

    // Writes the scores of a tile, and returns its rows as they were multiplied. Coefficients that
    // are all zero, as those of a null model, need no product.
    TileRows<T> score(Index start, Index rows, double* scores) {
        const TileRows<T> x = rows_of(block_, start, rows, x_.get(), width, for_scores_alone_);
        if (all_zero_ && !for_scores_alone_) {
            for (Index i = 0; i < outputs_ * tile_rows; ++i) scores[i] = 0.0;
        } else {
            multiply(x, rows, scores, upcoming_rows(block_, start + tile_rows));
        }
        for (Index k = 0; k < outputs_; ++k) {
            const double intercept = coefficients_[k * (block_.columns + 1) + block_.columns];
            for (Index i = 0; i < rows; ++i) *entry(scores, k, i) += intercept;
        }
        return x;
    }

    const Index width;  // of the converted rows, padded

  private:
    void multiply(const TileRows<T>& x, Index rows, double* scores, Upcoming upcoming) {
        for_groups_of_outputs(outputs_, [&](Index first, Index count) {
            products<T>(count).multiply_scores(x, w_.get() + first * width, width, rows, entry(scores, first, 0),
                                               upcoming);
            upcoming = {};  // they are on their way
        });
    }

    const DenseBlock& block_;
    const double* coefficients_;
    const Index outputs_;
    const bool for_scores_alone_;
    Scratch<T> x_, w_;
    bool all_zero_ = true;
};

template <class T> double dense_pass(const DenseBlock& block, const Task& task) {
    const Index columns = block.columns, outputs = task.outputs;
    Scorer<T> scorer(block, task.coefficients, outputs);
    const Index width = scorer.width;
    Scratch<T> residuals(outputs * tile_rows);
    Scratch<double> gradient(outputs * width), scores(outputs * tile_rows), target(outputs * tile_rows);
    Scratch<double> intercept_gradient(outputs);
    double value = 0.0;
    for (Index start = 0; start < block.rows; start += tile_rows) {
        const Index rows = rows_of_tile(block.rows, start);
        Tile tile{rows, outputs, scores.get(), target.get(), {}};
        const TileRows<T> x = scorer.score(start, rows, tile.scores);
        fill(tile, task, start);
        value += loss_and_residuals(tile, task.loss);
        weigh_residuals(tile, intercept_gradient.get());
        for (Index i = 0; i < outputs * tile_rows; ++i) residuals[i] = static_cast<T>(scores[i]);
        for_groups_of_outputs(outputs, [&](Index first, Index count) {
            products<T>(count).add_gradient(x, residuals.get() + first * tile_rows, width, rows,
                                            gradient.get() + first * width, width);
        });
    }
    for (Index k = 0; k < outputs; ++k) {
        double* to = task.gradient + k * (columns + 1);
        for (Index j = 0; j < columns; ++j) to[j] += gradient[k * width + j];
        to[columns] += intercept_gradient[k];
    }
    return value;
}

}  // namespace
