//! Plain values in, answers and documents out.
