"""Scripts: random commands from inside of them, random values through both conversions, functions, and what breaks."""
from kit.generators import Family, Step

scripting = Family("scripting", damage=0.03)

COMMANDS = ("strings", "keys", "sets", "hashes", "lists", "sorted_sets")
CALLS = (b"return redis.call(unpack(ARGV))", b"return redis.pcall(unpack(ARGV))", b"return {redis.pcall(unpack(ARGV)), 1}",
         b"local r = redis.pcall(unpack(ARGV)) return type(r)", b"redis.setresp(3) return redis.call(unpack(ARGV))",
         b"redis.setresp(3) return {redis.pcall(unpack(ARGV))}", b"return {pcall(redis.call, unpack(ARGV))}",
         b"local r = redis.pcall(unpack(ARGV)) if type(r) == 'table' then return {r.ok, r.err, #r} end return tostring(r)",
         b"redis.call('SET', 'k0', '1') return redis.call(unpack(ARGV))", b"#!lua flags=no-writes\nreturn redis.call(unpack(ARGV))",
         b"#!lua\nreturn redis.call(unpack(ARGV))", b"#!lua flags=allow-oom,no-cluster\nreturn redis.pcall(unpack(ARGV))")
ATOMS = (b"nil", b"true", b"false", b"0", b"-1", b"3.99", b"-3.99", b"1/0", b"2^53", b"2^62", b"''", b"'abc'", b"'a\\r\\nb'",
         b"KEYS", b"ARGV", b"KEYS[1]", b"#ARGV", b"redis.status_reply('fine')", b"redis.error_reply('My error')",
         b"redis.error_reply('-NOPE')", b"redis.sha1hex('x')", b"{ok='a\\nb'}", b"{err='ERR b'}", b"{double=3.5}", b"{double=1e300}",
         b"{big_number='123'}", b"{verbatim_string={string='text', format='mkd'}}", b"{set={a=true}}", b"{map={a=1}}", b"_VERSION",
         b"function() end", b"redis.call", b"cjson.null", b"setmetatable({1}, {__index={2, 3}})", b"tonumber(ARGV[1])",
         b"redis.REDIS_VERSION_NUM")
STATEMENTS = (b"error('x')", b"error({err='MY code'})", b"error({})", b"error()", b"local x = nil; return x.y", b"nosuch()", b"foo = 1",
              b"return foo", b"redis.nosuch()", b"redis.call()", b"redis.call({})", b"redis.call('get')", b"redis.call('nosuch')",
              b"redis.call('eval', 'return 1', 0)", b"string.rep = 1", b"_G.x = 1", b"KEYS = {}", b"return #KEYS .. #ARGV", b"x x",
              b"return loadstring('return 1')()", b"return loadstring(ARGV[1] or '')", b"return {pcall(error, {err='E x'})}",
              b"redis.setresp(ARGV[1])", b"redis.set_repl(redis.REPL_ALL)", b"redis.log(9, 'x')", b"return redis.acl_check_cmd('get', 'x')",
              b"local n = 0 for i = 1, 1000 do n = n + i end return n", b"return {redis.call('time')[3] == nil}", b"return unpack(ARGV)",
              b"for i = 1, 5 do redis.call('incr', 'n') end return redis.call('get', 'n')", b"return getmetatable('').__index.len('abc')",
              b"return redis.call('echo', 0.1 + 0.2)", b"return redis.call('echo', 1e15) .. redis.call('echo', 2^63)",
              b"local t = {} for i = 1, 40 do t[i] = i end return redis.call('rpush', 'list', unpack(t))",
              b"local t = {'mset'} for i = 1, 60 do t[#t + 1] = 's' .. i end return redis.call(unpack(t))", b"")
LIBRARY = (b"#!lua name=lib\nlocal n = 0\nredis.register_function('f', function(keys, args) return {keys, args} end)\n"
           b"redis.register_function{function_name='reader', callback=function(keys) return redis.call('get', keys[1]) end, "
           b"flags={'no-writes'}, description='reads'}\n"
           b"redis.register_function('call', function(keys, args) return redis.call(unpack(args)) end)\n"
           b"redis.register_function('count', function() n = n + 1 return n end)")


def value(g, depth=0):
    """A Lua expression."""
    if depth < 3 and g.chance(0.3):
        return b"{" + b",".join(value(g, depth + 1) for _ in range(g.random.randint(0, 4))) + b"}"
    if depth < 3 and g.chance(0.1):
        kind = g.pick((b"map", b"set"))
        return b"{%s={%s}}" % (kind, b"[%s]=%s" % (g.pick((b"1", b"'a'", b"true", b"2.5")), value(g, depth + 1)))
    return g.pick(ATOMS)


def words(g):
    return [g.value() for _ in range(g.random.randint(0, 3))]


def evaluated(g, script, keys, arguments):
    name = g.pick((b"EVAL", b"EVAL", b"EVAL", b"EVAL_RO", b"eval"))
    return name, script, b"%d" % len(keys), *keys, *arguments


@scripting.generator(weight=6, damage=False)
def commands(g):
    """A random command, which a script runs; only those whose reply is the same on both servers, byte for byte."""
    while True:
        steps = g.steps([Family.registry[g.pick(COMMANDS)]])
        if len(steps) == 1 and steps[0].compare == "exact" and steps[0].connection == 0 and len(steps[0].argv) < 100 and \
                steps[0].argv[0].upper() not in (b"SELECT", b"SCAN", b"FLUSHALL", b"OBJECT", b"DEBUG", b"SWAPDB", b"KEYS", b"RANDOMKEY"):
            return Step(evaluated(g, g.pick(CALLS), [], steps[0].argv))


@scripting.generator(weight=4)
def values(g):
    script = b"return " + value(g)
    if g.chance(0.3):
        script = b"redis.setresp(3) " + script
    return evaluated(g, script, g.keys() if g.chance(0.5) else [], words(g))


@scripting.generator(weight=4)
def statements(g):
    return evaluated(g, g.pick(STATEMENTS), g.keys() if g.chance(0.3) else [], words(g))


@scripting.generator(weight=2)
def cache(g):
    script = g.pick(CALLS + STATEMENTS)
    sha = g.pick((b"e0e1f9fabfc9d4800c877a703b823ac0578ff8db", b"E0E1F9FABFC9D4800C877A703B823AC0578FF8DB", b"x", b"f" * 40))
    return g.pick((
        lambda: (b"SCRIPT", b"LOAD", script), lambda: (b"SCRIPT", b"LOAD", b"return 1"), lambda: (b"SCRIPT", b"EXISTS", sha, b"y"),
        lambda: (b"EVALSHA", sha, b"0"), lambda: (b"EVALSHA_RO", sha, b"0", *words(g)), lambda: (b"SCRIPT", b"FLUSH"),
        lambda: (b"SCRIPT", b"FLUSH", g.pick((b"SYNC", b"ASYNC", b"x"))), lambda: (b"SCRIPT", b"KILL"), lambda: (b"EVAL", b"return 1", b"0"),
        lambda: (b"SCRIPT", b"HELP"), lambda: (b"EVAL", b"return 1", g.integer(), *g.keys()),
    ))()


@scripting.generator(weight=3)
def functions(g):
    name = g.pick((b"f", b"F", b"reader", b"call", b"count", b"nosuch"))
    argv = g.pick((
        lambda: (g.pick((b"FCALL", b"FCALL_RO")), name, b"1", g.key(), *words(g)),
        lambda: (b"FCALL", b"call", b"0", g.pick((b"GET", b"INCR", b"LPUSH", b"TYPE")), g.key(), *words(g)[:1]),
        lambda: (b"FUNCTION", b"LOAD", *g.some(g.word(b"REPLACE"), chance=0.8), LIBRARY),
        lambda: (b"FUNCTION", b"LOAD", g.pick((b"#!lua name=x\nreturn 1", b"#!lua name=lib\nx x", b"return 1", b"#!lua name=y\nerror('x')",
                                               b"#!lua name=z\nredis.register_function('f', function() end)"))),
        lambda: (b"FUNCTION", b"LIST", *g.some(g.word(b"WITHCODE"), (g.word(b"LIBRARYNAME"), g.pick((b"*", b"L*", b"x"))), chance=0.4)),
        lambda: (b"FUNCTION", b"DELETE", g.pick((b"lib", b"nosuch"))), lambda: (b"FUNCTION", b"FLUSH"), lambda: (b"FUNCTION", b"STATS"),
        lambda: (b"FUNCTION", b"KILL"), lambda: (b"FUNCTION", b"HELP"), lambda: (b"FUNCTION", b"RESTORE", g.value()),
    ))()
    return Step(argv, "deep" if argv[:2] == (b"FUNCTION", b"LIST") else "exact")
