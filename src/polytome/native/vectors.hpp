// Vectors as wide as the processor's registers, by the vector extensions of GCC and Clang: `+`, `*` and `<` work on
// all lanes at once. Other compilers get vectors of one lane, for which the same code is plain scalar code.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

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
#define POLYTOME_UNROLL _Pragma("GCC unroll 16")
template <class T, int lanes> struct VectorOf { typedef T type __attribute__((vector_size(lanes * sizeof(T)))); };
template <class T> struct VectorOf<T, 1> { typedef T type; };
template <class T> constexpr int lanes = register_bytes / sizeof(T);
#else
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
template <class T> inline T lane_sum(const Vector<T>& vector) {
    T lane[lanes<T>];
    store(lane, vector);
    for (int half = lanes<T> / 2; half > 0; half /= 2) {
        for (int i = 0; i < half; ++i) lane[i] += lane[i + half];
    }
    return lane[0];
}

}  // namespace
