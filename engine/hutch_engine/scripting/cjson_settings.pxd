"""What one table of functions of `cjson` shares: a userdata, upvalue 1 of each of them."""
from hutch_engine.scripting.lua_scratch cimport LuaScratch

cdef enum:                          # CjsonSettings.encode_invalid_numbers
    CJSON_NUMBERS_REFUSED = 0
    CJSON_NUMBERS_AS_THEY_ARE = 1
    CJSON_NUMBERS_NULL = 2

cdef struct CjsonSettings:
    LuaScratch encoded              # of `encode`: the text so far
    LuaScratch unescaped            # of `decode`: a long string with escapes
    int encode_sparse_convert       # write a sparse array as an object (1) or refuse it (0)
    int encode_sparse_ratio         # sparse: more than so many slots an element; 0: never
    int encode_sparse_safe          # and more slots than this
    int encode_max_depth
    int encode_invalid_numbers
    int encode_number_precision     # significant digits, 1 to 14
    int encode_keep_buffer
    int decode_invalid_numbers      # take NaN, infinity, hexadecimal, leading zeros (1)
    int decode_max_depth
