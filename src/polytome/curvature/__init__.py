"""What solvers and certificates know of the objective's second derivatives."""
