// Sums over the stored entries of each column of a CSR block, and whether an entry is stored twice.
#pragma once

#include "scratch.hpp"
#include "sparse.hpp"

namespace {

using polytome::SparseMoments;

template <class Stored, class Column>
void sparse_moments_of(const Stored* values, const Column* columns, const SparseBlock& block, const SparseMoments& task) {
    for (Index i = 0; i < block.rows; ++i) {
        const double weight = task.weight[i];
        const std::int64_t first = block.bounds[i], last = block.bounds[i + 1];
        for (std::int64_t e = first; e < last; ++e) {
            const Index j = column_at(columns, static_cast<Index>(e), block.columns);
            const double offset = static_cast<double>(values[e]) - task.near[j];
            task.first[j] += weight * offset;
            task.second[j] += weight * offset * offset;
            task.present[j] += weight;
            task.count[j] += weight > 0.0 ? 1.0 : 0.0;
        }
    }
}

void sparse_moments(const SparseBlock& block, const SparseMoments& task) {
    with_entries(block, [&](auto* values, auto* columns) { sparse_moments_of(values, columns, block, task); });
}

template <class Column> bool any_twice(const Column* columns, const SparseBlock& block) {
    Scratch<std::int64_t> seen(block.columns + 1);  // the last row that has the column, counted from 1
    for (Index i = 0; i < block.rows; ++i) {
        const std::int64_t first = block.bounds[i], last = block.bounds[i + 1];
        for (std::int64_t e = first; e < last; ++e) {
            std::int64_t& row = seen[column_at(columns, static_cast<Index>(e), block.columns)];
            if (row == i + 1) return true;
            row = i + 1;
        }
    }
    return false;
}

bool has_duplicates(const SparseBlock& block) {
    return block.wide_indices ? any_twice(static_cast<const std::int64_t*>(block.indices), block)
                              : any_twice(static_cast<const std::int32_t*>(block.indices), block);
}

}  // namespace
