"""The yardstick of edits: seeded tasks, a judge that is no tracker, and a report of how methods compare."""
