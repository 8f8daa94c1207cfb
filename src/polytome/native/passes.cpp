// The passes, compiled once for each instruction set: the compiler's flags decide what a vector is.
// Everything they use has internal linkage, so that no function of one set can stand in for
// another's.
#include "dense.hpp"
#include "dual.hpp"
#include "hessian.hpp"
#include "moments.hpp"
#include "proof.hpp"
#include "scores.hpp"
#include "shifted.hpp"
#include "sparse.hpp"
#include "sparse_hessian.hpp"
#include "sparse_moments.hpp"
#include "traces.hpp"

namespace polytome {

extern const InstructionSet POLYTOME_INSTRUCTION_SET;
const InstructionSet POLYTOME_INSTRUCTION_SET{POLYTOME_NAME, dense_pass<float>, dense_pass<double>, sparse_pass,
                                               dense_scores, sparse_scores, dense_traces<float>, dense_traces<double>,
                                               shifted_loss, dense_moments, dense_squares,
                                               derivatives<DenseBlock>, derivatives<SparseBlock>, entry_derivatives, gram<DenseBlock>,
                                               gram<SparseBlock>, proof_sums<DenseBlock>, proof_sums<SparseBlock>,
                                               sparse_moments, has_duplicates,
                                               dual_pass<float>, dual_pass<double>};

}  // namespace polytome
