"""The engine of Hutch: compiled modules, a package a floor; `door` is the only one that speaks Python."""
