//! Load, soak, comparison, verdict and reports for any HTTP service.
