"""Turns what the declarations say of Python's methods into compiled ones.

Writes three files, none of them to be edited or committed:

    door/method_table.pyx    every method as constant structs; the Cython around the data is tools/method_table.pyx.template
    door/methods.pyx         a function for each, and for a pipeline another, which are put into the classes of door/hot_collections
                             and door/hot_pipeline; asyncio's methods are made of the client's
    door/methods.pyi         their types: of the client, the pipeline and asyncio
"""
from pathlib import Path

from command_table import write_if_changed
from declarations import PYTHON_REPLIES, DeclarationError, load

TEMPLATE = Path(__file__).with_name("method_table.pyx.template")
SHAPES = ["value", "done", "truth", "number", "numbers", "unique", "pairs"]          # door/replies.pxd, Shape
# door/method_table.pxd, WordKind
WORD_KINDS = ["literal", "word", "optional", "int", "count", "score", "flag", "rest", "rest_count", "list", "list_count",
              "list_or_words", "pairs", "scores", "bit"]
PARAMETERS_MAX = 16
# What a default may be in a signature that is text; others need a function of Python's.
LITERALS = ("None", "True", "False")


def methods_of(commands):
    """The commands that have a method, in the order of the rows."""
    found = [command for command in commands if command.python]
    for command in found:
        method = command.python
        if len([p for p in method.parameters if p.kind != "rest"]) > PARAMETERS_MAX:
            raise DeclarationError(f"{command.where}, python: more than {PARAMETERS_MAX} parameters")
        for way in method.words:
            mentioned = {name for _, name, _ in way}
            for parameter in named(method):
                if parameter.default is None and parameter.name not in mentioned:
                    raise DeclarationError(f"{command.where}, python: {parameter.name} must be given and is not among the words")
    return found


def named(method):
    """The parameters that a call's values are sorted into."""
    return [parameter for parameter in method.parameters if parameter.kind in ("plain", "keyword")]


def is_text(default):
    return default is None or default in LITERALS or default[0] in "'\"-0123456789"


def signature(method, first="$self"):
    parts = [first]
    for parameter in method.parameters:
        if parameter.kind == "keyword" and not any(part.startswith("*") for part in parts):
            parts.append("*")
        text = {"rest": "*", "options": "**"}.get(parameter.kind, "") + parameter.name
        parts.append(text if parameter.default is None else f"{text}={parameter.default}")
    return ", ".join(parts)


def render_table(commands):
    rows, names, defaults, ways, words = [], [], [], [], []
    for command in commands:
        method, parameters = command.python, named(command.python)
        places = {parameter.name: i for i, parameter in enumerate(parameters)}
        positional = sum(parameter.kind == "plain" for parameter in parameters)
        rest = any(parameter.kind == "rest" for parameter in method.parameters)
        rows.append(f'{{"{method.name}", "{command.name}", "{command.name.lower()}", {SHAPES.index(method.reply)}, {len(names)}, '
                    f"{len(parameters)}, {positional}, {int(rest)}, {len(ways)}, {len(method.words)}}}")
        for way in method.words:
            mentioned = {name for _, name, _ in way}
            unmentioned = sum(1 << i for i, parameter in enumerate(parameters) if parameter.name not in mentioned)
            ways.append(f"{{{len(words)}, {len(way)}, {unmentioned}}}")
            for how, name, text in way:
                words.append(f"{{{WORD_KINDS.index(how)}, {places.get(name, 0)}, {'0' if text is None else quoted(text)}}}")
        names += [quoted(parameter.name) for parameter in parameters]
        defaults += ["_required" if parameter.default is None else parameter.default for parameter in parameters]
    values = {
        "METHOD_ROWS": rows, "PARAMETER_NAMES": names or ["0"], "WAY_ROWS": ways, "WORD_ROWS": words,
    }
    text = TEMPLATE.read_text(encoding="utf-8")
    text = text[text.index('"""See method_table'):]          # the head of the template is about the template
    for key, lines in values.items():
        text = text.replace(f"@{key}@", ",\n".join(f"        {line}" for line in lines))
    for key, value in {"ALL_METHODS": len(rows), "ALL_WAYS": len(ways), "ALL_WORDS": len(words),
                       "DEFAULTS": "".join(f"{default}, " for default in defaults)}.items():
        text = text.replace(f"@{key}@", str(value))
    return text


def quoted(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def documentation(command):
    return "\n".join(filter(None, [command.summary, "", command.complexity])).strip()


METHODS_HEAD = '''\
# cython: embedsignature=False
"""The compiled methods, put into the classes that they belong to. Written by tools/compiled_methods.py: never edit."""
cimport cython
from cpython.object cimport PyObject
from hutch_engine.door.descriptors cimport descriptor_add_function, descriptor_add
from hutch_engine.door.hot_collections cimport HotCollections, hot_call_method
from hutch_engine.door.hot_pipeline cimport HotPipeline, hot_stage_method
from hutch_engine.door.method_table cimport Method, method_rows

cdef const Method* _rows = method_rows()

'''


def render_methods(commands):
    """Functions of Python's calling convention, and their descriptors."""
    functions, adding = [], []
    for i, command in enumerate(commands):
        method = command.python
        textual = all(is_text(parameter.default) for parameter in method.parameters)
        for kind, owner, run in (("client", "HotCollections", "hot_call_method"), ("pipeline", "HotPipeline", "hot_stage_method")):
            if kind in method.by_hand:
                continue
            function = f"_{kind}_{method.name}"
            names = [method.name, *method.aliases]
            doc = documentation(command)
            if textual:
                functions.append(
                    f"cdef object {function}(PyObject* self, PyObject* const* args, Py_ssize_t count, PyObject* names):\n"
                    f"    return {run}(<{owner}>self, &_rows[{i}], args, count, names)\n")
                for name in names:
                    text = f"{name}({signature(method)})\n--\n\n{doc}"
                    adding.append(f"descriptor_add({owner}, b{quoted(name)}, {function}, b{quoted(text)})")
            else:
                plain = named(method)
                functions.append(
                    "@cython.binding(True)                # text cannot say a signature whose default is a class\n"
                    f"def {method.name}({signature(method, owner + ' self')}):\n"
                    f"    {quoted(doc)}\n"
                    f"    cdef PyObject* args[{len(plain)}]\n"
                    + "".join(f"    args[{k}] = <PyObject*>{parameter.name}\n" for k, parameter in enumerate(plain))
                    # What was not given is not passed on either: older versions of redis-py have fewer parameters.
                    + f"    cdef Py_ssize_t count = {len(plain)}\n"
                    "    while count and args[count - 1] == _rows[{0}].defaults[count - 1]:\n"
                    "        count -= 1\n"
                    "    return {1}(self, &_rows[{0}], args, count, NULL)\n\n\n".format(i, run)
                    + "".join(f"descriptor_add_function({owner}, {name!r}, {method.name})\n" for name in names))
    return METHODS_HEAD + "\n\n".join(functions) + "\n\n" + "\n".join(adding) + "\n"


ANNOTATIONS = {"int": "int", "bit": "int", "count": "Optional[int]", "score": "float", "pairs": "Mapping[Any, Value]", "scores": "Mapping[Any, float]",
               "list": "list[Any]", "list_or_words": "Union[Value, Sequence[Value]]", "flag": "bool"}


def render_types(commands):
    text = ['"""The types of the compiled methods. Written by tools/compiled_methods.py: never edit."""',
            "import builtins                  # `set` is a method here",
            "from collections.abc import Awaitable, Mapping, Sequence",
            "from typing import Any, Optional, Union", "",
            "from typing_extensions import Self", "",
            "Value = Union[bytes, bytearray, memoryview, str, int, float]", ""]
    for title, answer in (("ClientMethods", "{}"), ("PipelineMethods", "Self"), ("AsyncMethods", "Awaitable[{}]")):
        text.append(f"class {title}:")
        for command in commands:
            method = command.python
            for name in (method.name, *method.aliases):
                text.append(f"    def {name}({typed_signature(method)}) -> {answer.format(answer_type(method))}: ...")
        text.append("")
    return "\n".join(text).rstrip() + "\n"


def answer_type(method):
    found = PYTHON_REPLIES[method.reply]
    return f"Optional[{found[:-len(' | None')]}]" if found.endswith(" | None") else found.replace("float | None", "Optional[float]")


def typed_signature(method):
    how = {name: way for words in method.words for way, name, _ in words}
    parts = ["self"]
    for parameter in method.parameters:
        kind = ANNOTATIONS.get(how.get(parameter.name), "Value" if parameter.name in how else "Any")
        if parameter.default == "None" and not kind.startswith("Optional") and kind != "Any":
            kind = f"Optional[{kind}]"
        if parameter.kind == "rest":
            parts.append(f"*{parameter.name}: Value")
        elif parameter.kind == "options":
            parts.append(f"**{parameter.name}: Any")
        else:
            if parameter.kind == "keyword" and not any(part.startswith("*") for part in parts):
                parts.append("*")
            parts.append(f"{parameter.name}: {kind}" + ("" if parameter.default is None else f" = {parameter.default}"))
    return ", ".join(parts)


def generate(declarations_dir, door):
    commands = methods_of(load(declarations_dir))
    door = Path(door)
    write_if_changed(door / "method_table.pyx", render_table(commands))
    write_if_changed(door / "methods.pyx", render_methods(commands))
    write_if_changed(door / "methods.pyi", render_types(commands))
