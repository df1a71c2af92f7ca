"""The types of values: one file each, whose function fills the type's row (keyspace/value_type)."""
