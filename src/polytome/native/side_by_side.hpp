// Columns of a table, written side by side as rows. A few rows at a time stay in cache while
// columns are read one after the other.
#pragma once

#include <algorithm>
#include <cstdint>
#include <stdexcept>
#include <vector>

#include "passes.hpp"

namespace polytome {

// A column of numbers, or of levels, -1 for none, of which each is a column of ones and zeros; and
// the first column that is made of it.
struct TableColumn {
    const double* numbers;  // or null
    const std::int64_t* levels;
    std::int64_t start;
};

constexpr Index table_rows = 64;  // at a time

// Adds to `X` (rows, width), which holds zeros.
inline void write_dense(const std::vector<TableColumn>& columns, Index rows, Index width, double* X) {
    for (Index first = 0; first < rows; first += table_rows) {
        const Index end = std::min(rows, first + table_rows);
        for (const TableColumn& column : columns) {
            for (Index i = first; i < end; ++i) {
                const std::int64_t level = column.numbers != nullptr ? 0 : column.levels[i];
                if (level < 0) continue;
                const std::int64_t place = column.start + level;
                if (place < 0 || place >= width) throw std::out_of_range("a level is outside the columns of the table");
                X[i * width + place] = column.numbers != nullptr ? column.numbers[i] : 1.0;
            }
        }
    }
}

// Writes the entries that are not zero, their columns, and where each row ends; returns how many
// there are. There is room for all cells.
inline std::int64_t write_sparse(const std::vector<TableColumn>& columns, Index rows, double* values,
                                 std::int32_t* indices, std::int64_t* ends) {
    const std::size_t width = columns.size();
    std::vector<double> value(table_rows * width);
    std::vector<std::int32_t> place(table_rows * width);
    std::int64_t entries = 0;
    ends[0] = 0;
    for (std::size_t j = 0; j < width; ++j) {
        for (std::size_t i = 0; i < table_rows; ++i) place[i * width + j] = static_cast<std::int32_t>(columns[j].start);
    }
    for (Index first = 0; first < rows; first += table_rows) {
        const auto count = static_cast<std::size_t>(std::min(rows - first, table_rows));
        for (std::size_t j = 0; j < width; ++j) {
            const TableColumn& column = columns[j];
            if (column.numbers != nullptr) {
                for (std::size_t i = 0; i < count; ++i) value[i * width + j] = column.numbers[first + static_cast<Index>(i)];
                continue;
            }
            for (std::size_t i = 0; i < count; ++i) {
                const std::int64_t level = column.levels[first + static_cast<Index>(i)];
                value[i * width + j] = level < 0 ? 0.0 : 1.0;
                place[i * width + j] = static_cast<std::int32_t>(column.start + std::max<std::int64_t>(level, 0));
            }
        }
        for (std::size_t i = 0; i < count; ++i) {
            for (std::size_t at = i * width; at < (i + 1) * width; ++at) {
                values[entries] = value[at];
                indices[entries] = place[at];
                entries += value[at] != 0.0;
            }
            ends[first + static_cast<Index>(i) + 1] = entries;
        }
    }
    return entries;
}

}  // namespace polytome
