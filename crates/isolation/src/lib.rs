//! Black-box detection of cross-user leaks in any HTTP service.
