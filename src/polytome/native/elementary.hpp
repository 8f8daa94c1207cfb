// exp and log1p on vectors of doubles, to a few units in the last place, by series whose
// coefficients anyone can check.
#pragma once

#include "vectors.hpp"

namespace {

using Doubles = Vector<double>;
using Bits = Vector<std::int64_t, lanes<double>>;

constexpr double log2_of_e = 1.4426950408889634074;
constexpr double ln2_high = 0x1.62e42fefap-1;         // 36 bits: its product with an exponent is exact
constexpr double ln2_low = 0x1.cf79abc9e3b398p-40;    // the rest
constexpr double whole = 0x1.8p52;  // a small number plus this is rounded to a whole one, which the low bits then hold

// The Taylor coefficients of e^x, 1 / i!.
constexpr struct Taylor {
    double coefficient[14];
    constexpr Taylor() : coefficient{} {
        double factorial = 1.0;
        for (int i = 0; i < 14; ++i) {
            coefficient[i] = 1.0 / factorial;
            factorial *= i + 1;
        }
    }
} taylor;

// e^x for x <= 0; NaN stays NaN, and results below 1e-308 lose digits gradually, as they should.
//
// x = n ln 2 + r with |r| <= 0.35, and e^x = 2^n e^r with the Taylor series of e^r.
inline Doubles exp_of_negative(Doubles x) {
    x = x < -746.0 ? Doubles{} - 746.0 : x;  // e^-746 rounds to zero
    const Doubles shifted = x * log2_of_e + whole;
    const Doubles n = shifted - whole;
    const Doubles r = (x - n * ln2_high) - n * ln2_low;
    Doubles series{};
    POLYTOME_UNROLL
    for (int i = 13; i >= 0; --i) series = series * r + taylor.coefficient[i];
    // Two factors: 2^n itself may be too small for a double.
    const Bits power = std::bit_cast<Bits>(shifted) - std::bit_cast<std::int64_t>(whole);
    const Bits half = power >> 1;
    return series * std::bit_cast<Doubles>((half + 1023) << 52) * std::bit_cast<Doubles>((power - half + 1023) << 52);
}

// log(1 + x) for x >= 0, without losing the digits of a small x; NaN and infinity stay what they
// are.
//
// 1 + x = 2^n m with m from sqrt(1/2) to sqrt(2), and log m = 2 artanh(s), s = (m - 1) / (m + 1),
// by its series.
inline Doubles log1p_of_positive(Doubles x) {
    const Doubles u = 1.0 + x;
    const Doubles lost = (x - (u - 1.0)) * (1.0 / u);  // the rounding of u, relative to it
    const Bits bits = std::bit_cast<Bits>(u);
    const Bits power = (bits - std::bit_cast<std::int64_t>(0x1.6a09e667f3bcdp-1)) >> 52;
    const Doubles m = std::bit_cast<Doubles>(bits - (power << 52));
    // A whole number in the low bits of `whole`, read as a double: n + whole.
    const Doubles n = std::bit_cast<Doubles>(power + std::bit_cast<std::int64_t>(whole)) - whole;
    const Doubles s = (m - 1.0) / (m + 1.0);
    const Doubles square = s * s;
    Doubles series{};
    POLYTOME_UNROLL
    for (int i = 23; i > 1; i -= 2) series = (series + 1.0 / i) * square;
    const Doubles result = n * ln2_high + (2.0 * s + (2.0 * s * series + (lost + n * ln2_low)));
    return u <= 0x1.fffffffffffffp1023 ? result : u;
}

}  // namespace
