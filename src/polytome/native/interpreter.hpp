// Lets other threads run Python during a pass, and keeps out of the way of an interpreter that
// ends. CPython (before 3.14) kills a thread that asks for the interpreter's lock after the end.
// Killed inside of C++, it takes the process with it. So the end waits for the passes that run, and
// a thread whose pass is over by then rests for ever.
#pragma once

#include <nanobind/nanobind.h>

#include <atomic>
#include <chrono>
#include <thread>

namespace polytome {

inline std::atomic<int> passes_without_lock{0};
inline thread_local int passes_of_this_thread = 0;  // among them; what is left of them after a fork
inline std::atomic<bool> interpreter_ends{false};

class InterpreterReleased {
  public:
    InterpreterReleased() : released_(!interpreter_ends) {
        if (!released_) return;
        ++passes_without_lock;
        ++passes_of_this_thread;
        state_ = PyEval_SaveThread();
    }
    ~InterpreterReleased() {
        if (!released_) return;
        if (interpreter_ends) {
            --passes_without_lock;
            for (;;) std::this_thread::sleep_for(std::chrono::hours(1));
        }
        PyEval_RestoreThread(state_);
        --passes_of_this_thread;
        --passes_without_lock;
    }
    InterpreterReleased(const InterpreterReleased&) = delete;
    InterpreterReleased& operator=(const InterpreterReleased&) = delete;

  private:
    const bool released_;
    PyThreadState* state_ = nullptr;
};

// For `atexit`: no pass runs without the lock from here on. Those that share blocks out stop at the
// next one.
inline void end_passes() {
    interpreter_ends = true;
    while (passes_without_lock > 0) {
        {
            const nanobind::gil_scoped_release others_may_run;
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
        if (PyErr_CheckSignals() != 0) throw nanobind::python_error();
    }
}

// For a process just forked, which has no thread but this one.
inline void forget_other_threads() { passes_without_lock = passes_of_this_thread; }

}  // namespace polytome
