// What Python hands over: the types of arrays, and rows and names as the passes know them.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <stdexcept>
#include <string>

#include "passes.hpp"

namespace {

namespace nb = nanobind;
using namespace polytome;

using AnyMatrix = nb::ndarray<nb::ro, nb::ndim<2>, nb::device::cpu>;
using AnyVector = nb::ndarray<nb::ro, nb::ndim<1>, nb::device::cpu, nb::c_contig>;
using Matrix = nb::ndarray<const double, nb::ndim<2>, nb::device::cpu, nb::c_contig>;
using Coefficients = nb::ndarray<const double, nb::ndim<2>, nb::device::cpu>;
using Intercepts = nb::ndarray<const double, nb::ndim<1>, nb::device::cpu>;
using Numbers = nb::ndarray<const double, nb::ndim<1>, nb::device::cpu, nb::c_contig>;
using Bounds = nb::ndarray<const std::int64_t, nb::ndim<1>, nb::device::cpu, nb::c_contig>;
using Gradient = nb::ndarray<double, nb::ndim<2>, nb::device::cpu, nb::c_contig>;
using Order = Bounds;
using Changed = nb::ndarray<nb::ndim<2>, nb::device::cpu, nb::c_contig>;
using Places = nb::ndarray<std::int32_t, nb::ndim<1>, nb::device::cpu, nb::c_contig>;
using Ends = nb::ndarray<std::int64_t, nb::ndim<1>, nb::device::cpu, nb::c_contig>;
using Sums = nb::ndarray<double, nb::ndim<1>, nb::device::cpu, nb::c_contig>;

inline void require(bool condition, const char* message) {
    if (!condition) throw std::invalid_argument(message);
}

inline Number number_of(nb::dlpack::dtype type) {
    const auto is = [&](nb::dlpack::dtype_code code, int bits) {
        return type.lanes == 1 && type.code == static_cast<std::uint8_t>(code) && type.bits == bits;
    };
    using Code = nb::dlpack::dtype_code;
    if (is(Code::Bool, 8) || is(Code::UInt, 8)) return Number::uint8;
    if (is(Code::Int, 8)) return Number::int8;
    if (is(Code::UInt, 16)) return Number::uint16;
    if (is(Code::Int, 16)) return Number::int16;
    if (is(Code::UInt, 32)) return Number::uint32;
    if (is(Code::Int, 32)) return Number::int32;
    if (is(Code::UInt, 64)) return Number::uint64;
    if (is(Code::Int, 64)) return Number::int64;
    if (is(Code::Float, 16)) return Number::float16;
    if (is(Code::Float, 32)) return Number::float32;
    if (is(Code::Float, 64)) return Number::float64;
    throw std::invalid_argument("entries of this type are not offered");
}

inline Loss loss_of(const std::string& name) {
    if (name == "softmax of codes") return Loss::softmax_of_codes;
    if (name == "softmax of distributions") return Loss::softmax_of_distributions;
    if (name == "sigmoids") return Loss::sigmoids;
    if (name == "squared") return Loss::squared;
    throw std::invalid_argument("a loss of this name is not offered");
}

inline DenseBlock dense_block(const AnyMatrix& X) {
    return {X.data(),
            number_of(X.dtype()),
            static_cast<Index>(X.shape(0)),
            static_cast<Index>(X.shape(1)),
            static_cast<Index>(X.stride(0)),
            static_cast<Index>(X.stride(1))};
}

inline SparseBlock sparse_block(const AnyVector& data, const AnyVector& indices, const Bounds& bounds,
                                std::size_t columns) {
    require(bounds.shape(0) > 0, "bounds: needs at least one entry");
    const std::size_t rows = bounds.shape(0) - 1;
    const Number index = number_of(indices.dtype());
    require(index == Number::int32 || index == Number::int64, "indices: needs int32 or int64");
    bool in_order = bounds.data()[0] >= 0;
    for (std::size_t i = 0; i < rows; ++i) in_order &= bounds.data()[i] <= bounds.data()[i + 1];
    const auto end = static_cast<std::uint64_t>(bounds.data()[rows]);
    require(in_order && end <= data.shape(0) && end <= indices.shape(0), "bounds: needs growing places of the entries");
    return {data.data(),   number_of(data.dtype()),  indices.data(),             index == Number::int64,
            bounds.data(), static_cast<Index>(rows), static_cast<Index>(columns)};
}

inline void check_ends(const Bounds& ends, Index rows, int threads) {
    const std::int64_t* end = ends.data();
    const auto blocks = static_cast<Index>(ends.shape(0));
    bool in_order = blocks > 0 && end[0] >= 0;
    for (Index b = 1; b < blocks; ++b) in_order &= end[b - 1] <= end[b];
    require(in_order && end[blocks - 1] == rows, "ends: needs growing numbers up to that of the rows");
    require(threads > 0, "threads: needs a positive number");
}

}  // namespace
