// Shares the blocks of a pass out to threads. Their sums are added in the order of the blocks, so
// the number of threads changes no bit. The threads live as long as the pass: nothing is left
// behind that a fork could break.
#pragma once

#include <nanobind/nanobind.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include "interpreter.hpp"
#include "passes.hpp"

namespace polytome {

// `pass(block, sums)` adds to `size` sums and returns a value; `total` receives the sums of all
// blocks. Runs without the interpreter's lock, and takes it now and then to see whether Ctrl-C was
// pressed.
template <class Pass> class Shares {
  public:
    Shares(Index blocks, int threads, Index size, double* total, Pass pass)
        : blocks_(blocks), size_(size), total_(total), pass_(pass),
          threads_(static_cast<int>(std::min<Index>(threads, blocks))),
          // Small results may wait for their turn, so that no thread waits for another that was
          // held up; empty ones all may.
          results_(static_cast<std::size_t>(threads_ > 1 && size == 0 ? blocks
                                            : threads_ > 1 && size < (1 << 20) ? 2 * threads_ : threads_)) {}

    double value() {
        std::vector<std::thread> helpers;
        try {
            while (static_cast<int>(helpers.size()) + 1 < threads_) helpers.emplace_back([this] { work(false); });
        } catch (const std::system_error&) {  // the system grants no more threads: these have to do
        }
        work(true);
        for (std::thread& helper : helpers) helper.join();
        if (failure_) std::rethrow_exception(failure_);
        return value_;
    }

  private:
    struct Result {
        std::vector<double> sums;
        double value = 0.0;
        bool ready = false;
    };

    void work(bool is_caller) {
        try {
            for (Index block; (block = next()) < blocks_;) {
                Result& result = result_of(block);
                result.sums.assign(static_cast<std::size_t>(size_), 0.0);
                result.value = pass_(block, result.sums.data());
                hand_in(result);
                if (is_caller) stop_if_interrupted();
            }
            const std::lock_guard lock(mutex_);
            changed_.notify_all();
        } catch (...) {
            const std::lock_guard lock(mutex_);
            if (!failure_) failure_ = std::current_exception();
            changed_.notify_all();
        }
    }

    // The next block that nobody has taken, once there is room for its result; `blocks_` if there
    // is none.
    Index next() {
        std::unique_lock lock(mutex_);
        const Index block = taken_ < blocks_ ? taken_++ : blocks_;
        const Index room = static_cast<Index>(results_.size());
        changed_.wait(lock, [&] { return block < added_ + room || block == blocks_ || is_given_up(); });
        return is_given_up() ? blocks_ : block;
    }

    // Nobody will ask for the sums: a thread has failed, or the interpreter ends and this pass does
    // not hold its lock.
    bool is_given_up() const { return failure_ || (without_lock_ && interpreter_ends); }

    void hand_in(Result& result) {
        const std::lock_guard lock(mutex_);
        result.ready = true;
        for (; added_ < blocks_ && result_of(added_).ready; ++added_) {
            Result& first = result_of(added_);
            for (Index i = 0; i < size_; ++i) total_[i] += first.sums[static_cast<std::size_t>(i)];
            value_ += first.value;
            first.ready = false;
        }
        changed_.notify_all();
    }

    Result& result_of(Index block) { return results_[static_cast<std::size_t>(block) % results_.size()]; }

    void stop_if_interrupted() {
        const auto now = std::chrono::steady_clock::now();
        if (now - looked_ < std::chrono::milliseconds(100)) return;
        looked_ = now;
        const nanobind::gil_scoped_acquire interpreter;
        if (PyErr_CheckSignals() != 0) throw nanobind::python_error();
    }

    const Index blocks_, size_;
    double* const total_;
    const Pass pass_;
    const int threads_;
    std::vector<Result> results_;
    std::mutex mutex_;
    std::condition_variable changed_;
    Index taken_ = 0, added_ = 0;
    double value_ = 0.0;
    std::exception_ptr failure_;
    const bool without_lock_ = !interpreter_ends;
    std::chrono::steady_clock::time_point looked_ = std::chrono::steady_clock::now();
};

}  // namespace polytome
