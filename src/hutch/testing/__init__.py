"""Tools to test programs that use Hutch, and Hutch itself: a reference model and RESP values."""
