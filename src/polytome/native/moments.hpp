// Weighted sums of each column and of its square, around values near the column's mean so that
// nothing cancels; and the squared lengths of rows of standardised columns.
#pragma once

#include "dense.hpp"

namespace {

void dense_moments(const DenseBlock& block, const polytome::Moments& moments) {
    const Index columns = block.columns, width = padded_width<double>(columns);
    Scratch<double> x(tile_rows * width), near(width), first(width), second(width);
    for (Index j = 0; j < columns; ++j) near[j] = moments.near[j];
    for (Index start = 0; start < block.rows; start += tile_rows) {
        const Index rows = rows_of_tile(block.rows, start);
        with_type(block.number, block.data, [&](auto* X) { convert(X, block, start, rows, x.get(), width); });
        for (Index j = 0; j < width; j += lanes<double>) {
            const Doubles from = load(near.get() + j);
            Doubles sum{}, squares{};
            for (Index i = 0; i < rows; ++i) {
                const Doubles distance = load(x.get() + i * width + j) - from;
                const Doubles weighted = moments.weight[start + i] * distance;
                sum += weighted;
                squares += weighted * distance;
            }
            store(first.get() + j, load(first.get() + j) + sum);
            store(second.get() + j, load(second.get() + j) + squares);
        }
    }
    for (Index j = 0; j < columns; ++j) {
        moments.first[j] = first[j];
        moments.second[j] = second[j];
    }
}

// Writes the sum of squares of each row's implicit columns.
void dense_squares(const DenseBlock& block, const polytome::Columns& columns, double* squares) {
    const Index width = padded_width<double>(block.columns);
    Scratch<double> x(tile_rows * width), shift(width), scale(width);
    for (Index j = 0; j < block.columns; ++j) {
        shift[j] = columns.shift[j];
        scale[j] = columns.scale[j];
    }
    for (Index start = 0; start < block.rows; start += tile_rows) {
        const Index rows = rows_of_tile(block.rows, start);
        with_type(block.number, block.data, [&](auto* X) { convert(X, block, start, rows, x.get(), width); });
        for (Index i = 0; i < rows; ++i) {
            Doubles sum{};
            for (Index j = 0; j < width; j += lanes<double>) {
                const Doubles standard = (load(x.get() + i * width + j) - load(shift.get() + j)) * load(scale.get() + j);
                sum += standard * standard;
            }
            squares[start + i] = lane_sum<double>(sum);
        }
    }
}

}  // namespace
