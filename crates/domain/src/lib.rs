//! What the words mean: ids, items, circuits, events, errors. Rules as pure functions: no I/O, no async, no clock.
