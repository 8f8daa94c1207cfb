// The types in which entries may be stored, as C++ types.
#pragma once

#include <bit>
#include <cstdint>

#include "passes.hpp"

namespace {

// Half precision (IEEE 754 binary16), which C++20 lacks.
struct Half {
    std::uint16_t bits;

    // The exponent starts from 15 in a half and from 127 in a float: the product makes up for that,
    // and turns subnormal halves into normal floats. Infinities and NaN, of the largest exponent,
    // keep the largest one.
    operator float() const {
        const std::uint32_t magnitude = static_cast<std::uint32_t>(bits & 0x7fff) << 13;
        const float finite = std::bit_cast<float>(magnitude) * 0x1p112f;
        const std::uint32_t value = magnitude < (0x7c00u << 13) ? std::bit_cast<std::uint32_t>(finite) : magnitude | 0x7f800000u;
        return std::bit_cast<float>(value | static_cast<std::uint32_t>(bits & 0x8000) << 16);
    }
};

// Calls `use` with a pointer to the entries as they are stored.
template <class Use> void with_type(polytome::Number number, const void* data, Use use) {
    using polytome::Number;
    switch (number) {
        case Number::uint8: return use(static_cast<const std::uint8_t*>(data));
        case Number::int8: return use(static_cast<const std::int8_t*>(data));
        case Number::uint16: return use(static_cast<const std::uint16_t*>(data));
        case Number::int16: return use(static_cast<const std::int16_t*>(data));
        case Number::uint32: return use(static_cast<const std::uint32_t*>(data));
        case Number::int32: return use(static_cast<const std::int32_t*>(data));
        case Number::uint64: return use(static_cast<const std::uint64_t*>(data));
        case Number::int64: return use(static_cast<const std::int64_t*>(data));
        case Number::float16: return use(static_cast<const Half*>(data));
        case Number::float32: return use(static_cast<const float*>(data));
        case Number::float64: return use(static_cast<const double*>(data));
    }
}

}  // namespace
