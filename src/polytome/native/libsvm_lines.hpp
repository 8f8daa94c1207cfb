// Lines of libsvm text as numbers, where they are written as they usually are: `label index:value
// ...`, decimal numbers, blanks, and nothing else. Whatever is written in another way, or wrongly,
// is left to the reader in Python.
#pragma once

#include <charconv>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <version>

namespace polytome {

// Powers of ten that float64 holds exactly.
constexpr double exact_powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                   1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
constexpr std::int64_t largest_exact_power = 22;
constexpr std::uint64_t largest_exact = std::uint64_t{1} << 53;
constexpr int most_digits = 19;  // of which uint64 holds every number

inline bool is_digit(char letter) { return letter >= '0' && letter <= '9'; }
inline bool is_blank(char letter) { return letter == ' ' || letter == '\t' || letter == '\r'; }

// The float64 that is nearest to the decimal number at `place`, which is moved behind it; nothing
// where there is none, or none that is finite.
//
// Whole numbers up to 2^53 times or over a power of ten up to 10^22 are one operation on exact
// numbers, and so are rounded correctly (Clinger, How to read floating point numbers accurately,
// PLDI 1990); others are the standard library's, where it has them.
inline std::optional<double> read_decimal(const char*& place, const char* end) {
    const bool negative = place < end && *place == '-';
    if (place < end && (*place == '-' || *place == '+')) ++place;
    const char* const first = place;
    std::uint64_t digits = 0;
    int n_digits = 0;  // from the first that is not 0
    std::int64_t power = 0;
    bool found = false, in_fraction = false;
    for (; place < end && (is_digit(*place) || (*place == '.' && !in_fraction)); ++place) {
        if (*place == '.') {
            in_fraction = true;
            continue;
        }
        found = true;
        if (digits != 0 || *place != '0') ++n_digits;
        if (n_digits <= most_digits) digits = 10 * digits + static_cast<std::uint64_t>(*place - '0');
        power -= in_fraction;
    }
    if (!found) return std::nullopt;
    if (place < end && (*place == 'e' || *place == 'E')) {
        ++place;
        const bool is_small = place < end && *place == '-';
        if (place < end && (*place == '-' || *place == '+')) ++place;
        if (place == end || !is_digit(*place)) return std::nullopt;
        std::int64_t exponent = 0;
        for (; place < end && is_digit(*place); ++place) {
            if (exponent > 10'000) return std::nullopt;
            exponent = 10 * exponent + (*place - '0');
        }
        power += is_small ? -exponent : exponent;
    }
    double value;
    if (n_digits <= most_digits && digits <= largest_exact && std::abs(power) <= largest_exact_power) {
        const double whole = static_cast<double>(digits);
        value = power < 0 ? whole / exact_powers[-power] : whole * exact_powers[power];
    } else {
#if defined(__cpp_lib_to_chars) && __cpp_lib_to_chars >= 201611L
        const auto [behind, error] = std::from_chars(first, place, value);
        if (error != std::errc{} || behind != place) return std::nullopt;
#else
        return std::nullopt;
#endif
    }
    return negative ? -value : value;
}

// How many rows and entries there are; the arrays have room for as many as there are lines and
// colons. Nothing where some of the text is left to Python.
struct LibsvmCounts {
    std::int64_t rows = 0, entries = 0;
};

inline std::optional<LibsvmCounts> read_libsvm_lines(const char* place, const char* end, double* labels,
                                                     std::int64_t* lengths, std::int32_t* columns, double* values) {
    LibsvmCounts counts;
    const auto skip_blanks = [&] {
        while (place < end && is_blank(*place)) ++place;
        return place == end || *place == '\n';
    };
    while (place < end) {
        if (skip_blanks()) {
            if (place < end) ++place;
            continue;
        }
        const std::optional<double> label = read_decimal(place, end);
        if (!label || !(std::abs(*label) < static_cast<double>(largest_exact))) return std::nullopt;
        std::int64_t last = 0;
        const std::int64_t before = counts.entries;
        while (true) {
            if (place < end && !is_blank(*place) && *place != '\n') return std::nullopt;
            if (skip_blanks()) break;
            std::int64_t index = 0;
            for (; place < end && is_digit(*place); ++place) {
                index = 10 * index + (*place - '0');
                if (index > std::numeric_limits<std::int32_t>::max()) return std::nullopt;
            }
            if (index <= last || place == end || *place != ':') return std::nullopt;
            ++place;
            const std::optional<double> value = read_decimal(place, end);
            if (!value) return std::nullopt;
            last = index;
            columns[counts.entries] = static_cast<std::int32_t>(index - 1);
            values[counts.entries++] = *value;
        }
        labels[counts.rows] = *label;
        lengths[counts.rows++] = counts.entries - before;
    }
    return counts;
}

}  // namespace polytome
