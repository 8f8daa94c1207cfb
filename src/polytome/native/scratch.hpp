// Memory that one pass needs for itself: zeros, on the boundary of a cache line.
#pragma once

#include <cstddef>
#include <cstring>
#include <new>

namespace {

template <class T> class Scratch {
  public:
    explicit Scratch(std::ptrdiff_t size)
        : data_(static_cast<T*>(::operator new(static_cast<std::size_t>(size) * sizeof(T), line))) {
        std::memset(static_cast<void*>(data_), 0, static_cast<std::size_t>(size) * sizeof(T));
    }
    ~Scratch() { ::operator delete(data_, line); }
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;

    T* get() { return data_; }
    T& operator[](std::ptrdiff_t i) { return data_[i]; }

  private:
    static constexpr std::align_val_t line{64};
    T* data_;
};

}  // namespace
