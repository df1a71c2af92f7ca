"""Random JSON commands, such as RedisJSON answers soundly.

Kept off it is what the module is known to do wrong: it dies of numbers in paths that are beyond 64 bits, and of elements that are inserted
where another insertion has moved them; it changes nothing that a filter has found in an object, and may die of a value that went with
another one that was changed before; it deletes no value whose name begins with another one's that is deleted, and none that a path
finds twice; it misses the last digit of doubles of more than 15.
"""
import json

KEYS = (b"k1", b"k2", b"k3")
NAMES = ("a", "b", "c", "d", "e", "long_name_of_a_member", "other_name_of_a_member", "name with spaces", "\u00e9")
PLAIN_NAMES = NAMES[:7]


class JsonCommands:
    def __init__(self, random):
        self.random = random
        self.pick = random.choice

    def number(self):
        return self.pick((
            lambda: self.random.randrange(-3, 12),
            lambda: self.random.randrange(-300, 300),
            lambda: self.random.randrange(-2**40, 2**40),
            lambda: self.random.randrange(-2**62, 2**62),
            lambda: round(self.random.uniform(-100, 100), self.random.randrange(4)),
            lambda: float(f"{self.random.randrange(1, 10**9)}e{self.random.randrange(-12, 12)}"),
        ))()

    def scalar(self):
        return self.pick((
            self.number, self.number,
            lambda: self.pick(("", "x", "xyz", "a longer text", "quote \" and \\ and \n", "\u00e9\U0001f600", "10", "y" * 300)),
            lambda: self.pick((None, True, False)),
        ))()

    def value(self, depth=0):
        kind = self.random.randrange(6)
        if depth > 3 or kind < 2:
            return self.scalar()
        if kind == 2:
            return [self.random.randrange(10 ** self.random.randrange(1, 12)) for _ in range(self.random.randrange(8))]
        if kind == 3:
            return [self.value(depth + 1) for _ in range(self.random.randrange(5))]
        names = self.random.sample(NAMES, self.random.randrange(len(NAMES)))
        return {name: self.value(depth + 1) for name in names}

    def text(self, value=None):
        value = self.value() if value is None else value
        text = json.dumps(value, ensure_ascii=self.random.random() < 0.3, separators=(",", ":") if self.random.random() < 0.7 else None)
        if self.random.random() < 0.02:
            text = self.pick(("", "{", "[1,", "nul", '"x', "[1 2]", '{"a":1,}', "01", "[1,2,]", '{"a" 1}', "1 2", "\x01", '"\\x"', "-"))
        return text.encode()

    def index(self):
        return b"%d" % self.random.randrange(-6, 7)

    def bracket(self, filters=True):
        kind = self.random.randrange(8 if filters else 6)
        number = lambda: self.random.randrange(-5, 6)
        quote = self.pick(("'", '"'))
        if kind == 0:
            return "[*]"
        if kind == 1:
            return f"[{number()}]"
        if kind == 2:
            return "[" + ",".join(str(at) for at in self.random.sample(range(6), self.random.randrange(1, 4))) + "]"
        if kind == 3:
            part = lambda: self.pick(("", str(number())))
            return f"[{part()}:{part()}{self.pick(('', ':', ':1', ':2', ':3'))}]"
        if kind == 4:
            return f"[{quote}{self.pick(NAMES)}{quote}]"
        if kind == 5:
            return "[" + ", ".join(f"{quote}{name}{quote}" for name in self.random.sample(NAMES, self.random.randrange(1, 4))) + "]"
        return f"[?{self.pick(('(%s)', '%s', '( %s )'))}]" % self.filter()

    def term(self):
        return self.pick((
            lambda: "@", lambda: f"@.{self.pick(PLAIN_NAMES)}", lambda: f"@[{self.random.randrange(3)}]", lambda: f"$.{self.pick(PLAIN_NAMES)}",
            lambda: str(self.random.randrange(-5, 20)), lambda: str(round(self.random.uniform(-5, 100), 2)),
            lambda: self.pick(("'x'", '"xyz"', "''", "true", "false", "null", "'10'")), lambda: f"@['{self.pick(NAMES)}']",
        ))()

    def filter(self, depth=0):
        kind = self.random.randrange(7)
        if kind == 0:
            return f"@.{self.pick(PLAIN_NAMES)}"
        if kind == 1 and depth < 2:
            return f"{self.filter(depth + 1)} {self.pick(('&&', '||'))} {self.filter(depth + 1)}"
        if kind == 2 and depth < 2:
            return f"({self.filter(depth + 1)})"
        if kind == 3:
            return f"@ =~ '{self.pick(('x', '^x', 'y+$', '.', 'a|x', '[a-z]+', '(?i)XY', '^.{3}$', 'x*', '[^x]'))}'"
        return f"{self.term()}{self.pick(('==', '!=', '<', '<=', '>', '>=', ' == ', ' > '))}{self.term()}"

    def steps(self, most, descend, filters=True):
        text = ""
        for _ in range(self.random.randrange(most + 1)):
            kind = self.random.randrange(6)
            if kind < 3:
                text += f".{self.pick(PLAIN_NAMES)}"
            elif kind == 3 and descend:
                text += ".." + self.pick((lambda: self.pick(PLAIN_NAMES), lambda: self.bracket(filters), lambda: "*"))()
            elif kind == 4:
                text += ".*"
            else:
                text += self.bracket(filters)
        return text

    def path(self, descend=True, filters=True, most=3):
        steps = self.steps(most, descend, filters)
        if self.random.random() < 0.3:
            if steps.startswith(".") and not steps.startswith("..") and self.random.random() < 0.5:
                steps = steps[1:]
            return (steps or ".").encode()
        if self.random.random() < 0.02:
            return self.pick(("$.", "$[", "$.a[", "$..", "$.a]", "$[?(@.a==]", "$.a b", "", "$['a'", "$[0", "$[?(@.a]", "$[?]", "a[", "b.", "a b", "[?(@.a==]")).encode()
        return b"$" + steps.encode()

    def changing_path(self):
        return self.path(descend=False, filters=False)

    def static_path(self):
        text = "".join(self.pick((lambda: f".{self.pick(PLAIN_NAMES)}", lambda: f"[{self.random.randrange(-3, 4)}]"))()
                       for _ in range(self.random.randrange(3)))
        return (self.pick(("$", "$", ".")) + (text if text.startswith(".") else text) if text else self.pick(("$", "."))).replace(
            "..", ".").encode()

    def key(self):
        return self.pick(KEYS)

    def some(self, *words, chance=0.3):
        return [word for word in words if self.random.random() < chance]

    def command(self):
        return self.pick((
            lambda: (b"JSON.SET", self.key(), self.pick((b"$", b".")), self.text()),
            lambda: (b"JSON.SET", self.key(), self.changing_path(), self.text(), *self.some(self.pick((b"NX", b"XX")), chance=0.2)),
            lambda: (b"JSON.SET", self.key(), self.static_path(), self.text(), *self.some(self.pick((b"NX", b"XX")), chance=0.2)),
            lambda: (b"JSON.GET", self.key(), *[self.path() for _ in range(self.random.randrange(4))]),
            lambda: (b"JSON.GET", self.key(), b"INDENT", self.pick((b" ", b"\t")), b"NEWLINE", b"\n",
                     self.path()),
            lambda: (b"JSON.MGET", *self.random.sample(KEYS, 2), self.path()),
            lambda: (b"JSON.MSET", self.key(), self.pick((b"$", self.static_path())), self.text(), self.key(), b"$", self.text()),
            lambda: (b"JSON.MERGE", self.key(), self.pick((b"$", self.static_path(), self.changing_path())), self.text()),
            lambda: (self.pick((b"JSON.DEL", b"JSON.FORGET")), self.key(), self.path(filters=False, descend=False, most=4)),
            lambda: (b"JSON.TYPE", self.key(), *self.some(self.path(), chance=0.8)),
            lambda: (self.pick((b"JSON.NUMINCRBY", b"JSON.NUMMULTBY")), self.key(), self.path(filters=False),
                     self.text(self.pick((1, 2, -1, 0, 3, 0.5, 1.5, 100, "1", True)))),
            lambda: (b"JSON.STRAPPEND", self.key(), self.path(filters=False), self.text(self.pick(("x", "", "longer", 1)))),
            lambda: (b"JSON.STRLEN", self.key(), *self.some(self.path(), chance=0.8)),
            lambda: (b"JSON.ARRAPPEND", self.key(), self.changing_path(), self.text(), *self.some(self.text(), self.text())),
            lambda: (b"JSON.ARRINDEX", self.key(), self.path(), self.text(self.scalar()), *self.some(self.index(), self.index())),
            lambda: (b"JSON.ARRINSERT", self.key(), self.static_path(), self.index(), self.text(), *self.some(self.text())),
            lambda: (b"JSON.ARRLEN", self.key(), *self.some(self.path(), chance=0.8)),
            lambda: (b"JSON.ARRPOP", self.key(), *([self.static_path(), *self.some(self.index())] if self.random.random() < 0.9 else [])),
            lambda: (b"JSON.ARRTRIM", self.key(), self.static_path(), self.index(), self.index()),
            lambda: (self.pick((b"JSON.OBJKEYS", b"JSON.OBJLEN")), self.key(), *self.some(self.path(), chance=0.8)),
            lambda: (b"JSON.CLEAR", self.key(), *self.some(self.changing_path(), chance=0.9)),
            lambda: (b"JSON.TOGGLE", self.key(), self.path(filters=False)),
            lambda: (b"JSON.RESP", self.key(), *self.some(self.path(), chance=0.8)),
            lambda: (b"JSON.GET", self.key(), b"FORMAT", self.pick((b"EXPAND", b"EXPAND1", b"STRING")), *self.some(self.path())),
            lambda: (self.pick((b"TYPE", b"DEL", b"EXISTS", b"PERSIST")), self.key()),
            lambda: (self.pick((b"COPY", b"RENAME")), self.key(), self.key()),
            lambda: (b"SET", self.key(), b"x"),
        ))()
