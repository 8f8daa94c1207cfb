// Value, gradient and Hessian of the loss of a block in one read of its rows, with standardised
// columns. A tile of rows is standardised in the cache; there the Hessian is a sum of Gram matrices
// `X' diag(w) X`, one for each entry of the rows' Hessians with respect to their scores.
#pragma once

#include <algorithm>

#include "dense.hpp"
#include "sparse.hpp"

namespace {

// How many rows of a Gram matrix one sweep keeps in registers, and how many vectors of its columns.
constexpr int gram_rows = lanes<double> > 4 ? lanes<double> : 4;
constexpr int gram_vectors = registers == 32 ? 3 : 2;

// Adds `vectors` vectors of columns from `j` on to `count` rows of the Gram matrix of `weighted`
// and `x`.
template <int count, int vectors>
inline void add_gram_columns(const double* weighted, const double* x, Index width, Index rows, Index j, double* gram) {
    Doubles sum[count][vectors] = {};
    for (Index i = 0; i < rows; ++i) {
        Doubles entries[vectors];
        POLYTOME_UNROLL
        for (int v = 0; v < vectors; ++v) entries[v] = load(x + i * width + j + v * lanes<double>);
        POLYTOME_UNROLL
        for (int k = 0; k < count; ++k) {
            const double factor = weighted[i * width + k];
            POLYTOME_UNROLL
            for (int v = 0; v < vectors; ++v) sum[k][v] += entries[v] * factor;
        }
    }
    for (int k = 0; k < count; ++k) {
        POLYTOME_UNROLL
        for (int v = 0; v < vectors; ++v) {
            double* to = gram + k * width + j + v * lanes<double>;
            store(to, load(to) + sum[k][v]);
        }
    }
}

// Adds to the columns before `end` of `wanted` rows; each number of rows has loops of its own.
template <int count = gram_rows>
inline void add_gram_rows(Index wanted, const double* weighted, const double* x, Index width, Index rows, Index end,
                          double* gram) {
    if (wanted == count) {
        Index j = 0;
        for (; j + gram_vectors * lanes<double> <= end; j += gram_vectors * lanes<double>) {
            add_gram_columns<count, gram_vectors>(weighted, x, width, rows, j, gram);
        }
        if (gram_vectors > 2 && j + 2 * lanes<double> <= end) {
            add_gram_columns<count, 2>(weighted, x, width, rows, j, gram);
            j += 2 * lanes<double>;
        }
        if (j < end) add_gram_columns<count, 1>(weighted, x, width, rows, j, gram);
    } else if constexpr (count > 1) {
        add_gram_rows<count - 1>(wanted, weighted, x, width, rows, end, gram);
    }
}

// Adds `X' diag(w) X`: its lower triangle, and above it what whole vectors reach. `weighted` is
// room for a few rows, so few that they stay beside X in the nearest cache.
constexpr Index weighted_rows = tile_rows / 4;

inline void add_gram(const double* x, const double* w, Index width, Index rows, Index size, double* weighted, double* gram) {
    for (Index start = 0; start < rows; start += weighted_rows, x += weighted_rows * width, w += weighted_rows) {
        const Index count = rows - start < weighted_rows ? rows - start : weighted_rows;
        for (Index i = 0; i < count; ++i) {
            for (Index j = 0; j < width; j += lanes<double>) {
                store(weighted + i * width + j, load(x + i * width + j) * w[i]);
            }
        }
        for (Index first = 0; first < size; first += gram_rows) {
            const Index wanted = size - first < gram_rows ? size - first : gram_rows;
            const Index end = (first + wanted + lanes<double> - 1) / lanes<double> * lanes<double>;
            add_gram_rows(wanted, weighted + first, x, width, count, end, gram + first * width);
        }
    }
}

// The second derivative of one output's loss with respect to its score.
inline Doubles curvature_of_score(Loss loss, Doubles score) {
    if (loss == Loss::squared) return Doubles{} + 1.0;
    const Doubles small = exp_of_negative(score > Doubles{} ? -score : score);
    const Doubles near = 1.0 / (1.0 + small);
    return small * near * near;  // sigmoid(z) sigmoid(-z)
}

// Entries of each row's Hessian with respect to its scores: the diagonal, or for softmax the lower
// triangle.
inline Index curvatures_of(const Task& task) {
    return polytome::is_softmax(task.loss) ? task.outputs * (task.outputs + 1) / 2 : task.outputs;
}

// Exponentials of the scores of some rows, relative to each row's largest. A class's probability is
// one less those of the others; for a class that a row is sure of, their sum keeps the digits that
// a difference would lose.
struct Exponentials {
    Doubles ones{}, rest{};  // how many are the largest, and the sum of those that are not

    // Puts them where the scores of the rows from `row` on were.
    Exponentials(double* scores, Index outputs, Index row) {
        Doubles largest = load(entry(scores, 0, row));
        for (Index k = 1; k < outputs; ++k) largest = larger(load(entry(scores, k, row)), largest);
        for (Index k = 0; k < outputs; ++k) {
            const Doubles exponential = exp_of_negative(load(entry(scores, k, row)) - largest);
            ones += exponential == one() ? one() : Doubles{};
            rest += exponential == one() ? Doubles{} : exponential;
            store(entry(scores, k, row), exponential);
        }
    }

    Doubles total() const { return rest + ones; }

    // The sum of all but this one.
    Doubles without(Doubles exponential) const {
        return exponential == one() ? rest + (ones - one()) : total() - exponential;
    }

    static Doubles one() { return Doubles{} + 1.0; }
};

// Softmax of the rows from `row` on: p_k (1 - p_k) on the diagonal, and -p_k p_l.
inline void softmax_curvature(const Tile& tile, Index row, double* curvature) {
    const Exponentials exponentials(tile.scores, tile.outputs, row);
    const Doubles total = exponentials.total(), weight = load(tile.weight + row);
    for (Index k = 0; k < tile.outputs; ++k) {
        const Doubles exponential = load(entry(tile.scores, k, row));
        const Doubles weighted = weight * (exponential / total);
        for (Index l = 0; l < k; ++l, curvature += tile_rows) {
            store(curvature + row, -weighted * (load(entry(tile.scores, l, row)) / total));
        }
        store(curvature + row, weighted * (exponentials.without(exponential) / total));
        curvature += tile_rows;
    }
}

// The weighted curvatures of a tile, entry by entry; softmax uses up the scores.
inline void weigh_curvatures(const Tile& tile, Loss loss, double* curvature) {
    for (Index row = 0; row < tile.rows; row += lanes<double>) {
        if (polytome::is_softmax(loss)) {
            softmax_curvature(tile, row, curvature);
            continue;
        }
        for (Index k = 0; k < tile.outputs; ++k) {
            store(entry(curvature, k, row), load(tile.weight + row) * curvature_of_score(loss, load(entry(tile.scores, k, row))));
        }
    }
}

// Writes both triangles of the Hessian's blocks, coefficients in the order of the outputs; see
// Objective.hessian_blocks.
inline void spread_grams(const Task& task, const double* grams, Index size, Index width, double* hessian) {
    const bool joint = polytome::is_softmax(task.loss);
    const Index side = joint ? task.outputs * size : size;
    for (Index k = 0; k < task.outputs; ++k) {
        for (Index l = joint ? 0 : k; l <= k; ++l, grams += size * width) {
            double* below = joint ? hessian + (k * side + l) * size : hessian + k * size * size;
            double* above = joint ? hessian + (l * side + k) * size : below;
            for (Index a = 0; a < size; ++a) {
                for (Index b = 0; b <= a; ++b) {
                    const double sum = grams[a * width + b];
                    below[a * side + b] = below[b * side + a] = above[a * side + b] = above[b * side + a] = sum;
                }
            }
        }
    }
}

// How to standardise tiles of rows, the vectors padded with zeros.
struct Standard {
    Scratch<double> shift, scale;
    Index columns;
    double one;

    Standard(const polytome::Columns& implicit, Index n_columns, Index width)
        : shift(width), scale(width), columns(n_columns), one(implicit.intercept ? 1.0 : 0.0) {
        std::copy(implicit.shift, implicit.shift + columns, shift.get());
        std::copy(implicit.scale, implicit.scale + columns, scale.get());
    }

    void apply(double* x, Index width, Index rows) {
        for (double* row = x; row < x + rows * width; row += width) {
            for (Index j = 0; j < width; j += lanes<double>) {
                store(row + j, (load(row + j) - load(shift.get() + j)) * load(scale.get() + j));
            }
            row[columns] = one;  // the intercept's column
        }
    }
};

// `read(start, rows, x, width)` puts raw rows into the tile x and says where the next ones are. The
// gradient is added to `task.gradient`; behind it, the Hessian is written.
template <class Read>
double all_derivatives(Index n_rows, Index columns, const Task& task, const polytome::Columns& implicit, Read read) {
    const Index size = columns + 1, outputs = task.outputs, width = padded_width<double>(size), n_grams = curvatures_of(task);
    Standard standard(implicit, columns, width);
    Scratch<double> x(tile_rows * width), weighted(weighted_rows * width);
    Scratch<double> w(outputs * width), gradient(outputs * width), intercepts(outputs), grams(n_grams * size * width);
    Scratch<double> scores(outputs * tile_rows), residuals(outputs * tile_rows), target(outputs * tile_rows);
    Scratch<double> curvature(n_grams * tile_rows);
    for (Index j = 0; j < columns; ++j) {
        for (Index k = 0; k < outputs; ++k) w[k * width + j] = task.coefficients[k * size + j];
    }
    double value = 0.0;
    for (Index start = 0; start < n_rows; start += tile_rows) {
        const Index rows = rows_of_tile(n_rows, start);
        Upcoming upcoming = read(start, rows, x.get(), width);
        standard.apply(x.get(), width, rows);
        for_groups_of_outputs(outputs, [&](Index first, Index count) {
            products<double>(count).multiply_scores({x.get(), width}, w.get() + first * width, width, rows,
                                                    entry(scores.get(), first, 0), upcoming);
            upcoming = {};  // they are on their way
        });
        for (Index k = 0; k < outputs; ++k) {
            const double intercept = task.coefficients[k * size + columns];
            for (Index i = 0; i < tile_rows; ++i) *entry(scores.get(), k, i) += intercept;
        }
        Tile tile{rows, outputs, scores.get(), target.get(), {}};
        fill(tile, task, start);
        std::memcpy(residuals.get(), scores.get(), static_cast<std::size_t>(outputs * tile_rows) * sizeof(double));
        weigh_curvatures(tile, task.loss, curvature.get());
        tile.scores = residuals.get();
        value += loss_and_residuals(tile, task.loss);
        weigh_residuals(tile, intercepts.get());
        for_groups_of_outputs(outputs, [&](Index first, Index count) {
            products<double>(count).add_gradient({x.get(), width}, residuals.get() + first * tile_rows, width, rows,
                                                 gradient.get() + first * width, width);
        });
        for (Index g = 0; g < n_grams; ++g) {
            add_gram(x.get(), curvature.get() + g * tile_rows, width, rows, size, weighted.get(),
                     grams.get() + g * size * width);
        }
    }
    for (Index j = 0; j < size; ++j) {
        for (Index k = 0; k < outputs; ++k) task.gradient[k * size + j] += gradient[k * width + j];
    }
    spread_grams(task, grams.get(), size, width, task.gradient + outputs * size);
    return value;
}

// Writes `X' diag(weight) X` of standardised rows, (columns + 1, columns + 1); `read` as above.
template <class Read>
void one_gram(Index n_rows, Index columns, const double* weight, const polytome::Columns& implicit, double* gram, Read read) {
    const Index size = columns + 1, width = padded_width<double>(size);
    Standard standard(implicit, columns, width);
    Scratch<double> x(tile_rows * width), weighted(weighted_rows * width), sums(size * width);
    for (Index start = 0; start < n_rows; start += tile_rows) {
        const Index rows = rows_of_tile(n_rows, start);
        read(start, rows, x.get(), width);
        standard.apply(x.get(), width, rows);
        add_gram(x.get(), weight + start, width, rows, size, weighted.get(), sums.get());
    }
    for (Index a = 0; a < size; ++a) {
        for (Index b = 0; b <= a; ++b) gram[a * size + b] = gram[b * size + a] = sums[a * width + b];
    }
}

template <class Stored, class Column>
void scatter(const Stored* values, const Column* columns, const SparseBlock& block, Index start, Index rows, double* x,
             Index width) {
    std::memset(x, 0, static_cast<std::size_t>(rows * width) * sizeof(double));
    for (Index i = 0; i < rows; ++i) {
        for (std::int64_t e = block.bounds[start + i]; e < block.bounds[start + i + 1]; ++e) {
            x[i * width + column_at(columns, static_cast<Index>(e), block.columns)] += static_cast<double>(values[e]);
        }
    }
}

// What reads the raw rows of a block into tiles.
inline auto reader(const DenseBlock& block) {
    return [&block](Index start, Index rows, double* x, Index width) {
        with_type(block.number, block.data, [&](auto* X) { convert(X, block, start, rows, x, width); });
        return upcoming_rows(block, start + tile_rows);
    };
}

inline auto reader(const SparseBlock& block) {
    return [&block](Index start, Index rows, double* x, Index width) {
        with_entries(block, [&](auto* values, auto* columns) { scatter(values, columns, block, start, rows, x, width); });
        return Upcoming{};
    };
}

template <class Block> double derivatives(const Block& block, const Task& task, const polytome::Columns& implicit) {
    return all_derivatives(block.rows, block.columns, task, implicit, reader(block));
}

template <class Block> void gram(const Block& block, const double* weight, const polytome::Columns& implicit, double* sums) {
    one_gram(block.rows, block.columns, weight, implicit, sums, reader(block));
}

}  // namespace
