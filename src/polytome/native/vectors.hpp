// Vectors as wide as the processor's registers, by the vector extensions of GCC and Clang: `+`, `*`
// and `<` work on all lanes at once. Other compilers get vectors of one lane, for which the same
// code is plain scalar code.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <utility>

namespace {

#if defined(__AVX512F__)
constexpr int register_bytes = 64, registers = 32;
#elif defined(__AVX2__)
constexpr int register_bytes = 32, registers = 16;
#elif defined(__aarch64__)
constexpr int register_bytes = 16, registers = 32;
#else
constexpr int register_bytes = 16, registers = 16;
#endif

#if defined(__GNUC__)
// Asks for a line of memory that will be read soon. (A macro: GCC takes a function that does
// nothing else for one that does nothing, and drops its calls.)
#define POLYTOME_PREFETCH(address) __builtin_prefetch(address, 0, 2)
#define POLYTOME_UNROLL _Pragma("GCC unroll 16")
#if defined(__clang__) || __GNUC__ >= 12
#define POLYTOME_SHUFFLES 1
#endif
template <class T, int lanes> struct VectorOf { typedef T type __attribute__((vector_size(lanes * sizeof(T)))); };
template <class T> struct VectorOf<T, 1> { typedef T type; };
template <class T> constexpr int lanes = register_bytes / sizeof(T);
#else
#define POLYTOME_PREFETCH(address) static_cast<void>(address)
#define POLYTOME_UNROLL
template <class T, int> struct VectorOf { typedef T type; };
template <class T> constexpr int lanes = 1;
#endif

template <class T, int n = lanes<T>> using Vector = typename VectorOf<T, n>::type;

// Any address will do: memcpy compiles to one load or store without demands on alignment.
template <class T, int n = lanes<T>> inline Vector<T, n> load(const T* from) {
    Vector<T, n> vector;
    std::memcpy(&vector, from, sizeof vector);
    return vector;
}

template <class T, class V> inline void store(T* to, const V& vector) { std::memcpy(to, &vector, sizeof vector); }

template <class V> inline V larger(V a, V b) { return a > b ? a : b; }

// The sum of the lanes, by halves: fewer steps and less rounding than one by one.
template <class T, int n = lanes<T>> inline T lane_sum(const Vector<T, n>& vector) {
    if constexpr (n == 1) {
        return vector;
    } else {
        Vector<T, n / 2> half[2];
        std::memcpy(half, &vector, sizeof vector);
        return lane_sum<T, n / 2>(half[0] + half[1]);
    }
}

// The lanes from `from` on of `a` and of `b`, in turns.
template <class T, int from, int... lane>
inline Vector<T> in_turns(const Vector<T>& a, const Vector<T>& b, std::integer_sequence<int, lane...>) {
#if POLYTOME_SHUFFLES
    return __builtin_shufflevector(a, b, (lane % 2 * lanes<T> + lane / 2 + from)...);
#else
    return Vector<T>{(lane % 2 ? b : a)[lane / 2 + from]...};
#endif
}

// Transposes a square of as many vectors as there are lanes: like shuffling cards, each shuffle
// turns one bit of the row into one of the column.
template <class T> inline void transpose(Vector<T>* rows) {
    if constexpr (lanes<T> > 1) {
        constexpr auto all = std::make_integer_sequence<int, lanes<T>>();
        constexpr int half = lanes<T> / 2;
        POLYTOME_UNROLL
        for (int step = 1; step < lanes<T>; step *= 2) {
            Vector<T> shuffled[lanes<T>];
            POLYTOME_UNROLL
            for (int i = 0; i < half; ++i) {
                shuffled[2 * i] = in_turns<T, 0>(rows[i], rows[i + half], all);
                shuffled[2 * i + 1] = in_turns<T, half>(rows[i], rows[i + half], all);
            }
            POLYTOME_UNROLL
            for (int i = 0; i < lanes<T>; ++i) rows[i] = shuffled[i];
        }
    }
}

}  // namespace
