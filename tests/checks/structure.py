"""The structure of the sources in figures. `python -m tests.checks.structure` prints them, and what stands behind each.

- Hops are the rows of the table in docs/architecture.md; a hop forwards if its body is one call and no more.
- Imports include those under TYPE_CHECKING and inside functions. One is upward if the layers of pyproject.toml put its
  target above its source.
- Lines of a function are those of its body without the docstring. Complexity is McCabe's, plus one for each `and`, `or`
  and condition of a comprehension.
- A function is internal unless it belongs to a public name, is a command, or overrides what another library calls.
"""

import ast
import io
import re
import sys
import tokenize
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import grimp

import kaizen_batch

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("kaizen_batch", "nodes", "workflows")
Function = ast.FunctionDef | ast.AsyncFunctionDef

_HOP = re.compile(r"^\| (\d+) \| `([\w./]+):([\w.]+)` \|", re.MULTILINE)
_BRANCHES = (ast.If, ast.IfExp, ast.For, ast.AsyncFor, ast.While, ast.ExceptHandler, ast.Assert, ast.match_case)


class Found(NamedTuple):
    """A figure, its bound, and the places that it counts."""

    name: str
    value: float
    most: float
    places: list[str]


@cache
def sources() -> dict[Path, ast.Module]:
    """Every source file below ROOT, each once although two folders are linked, with its syntax tree."""
    paths = [path for folder in SOURCES for path in sorted((ROOT / folder).rglob("*.py"))]
    paths = [path for path in paths if path.resolve() == path]
    return {path.relative_to(ROOT): ast.parse(path.read_text(encoding="utf-8")) for path in paths}


@cache
def functions() -> list[tuple[str, Function, ast.ClassDef | None]]:
    """Every function as `file:line name`, and the class it is a method of."""
    return list(_functions())


def _functions() -> Iterator[tuple[str, Function, ast.ClassDef | None]]:
    for path, tree in sources().items():
        classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
        owners = {id(each): node for node in classes for each in _statements(node)}
        for node in ast.walk(tree):
            if isinstance(node, Function):
                owner = owners.get(id(node))
                name = f"{owner.name}.{node.name}" if owner else node.name
                yield f"{path}:{node.lineno} {name}", node, owner


def _statements(node: ast.ClassDef | ast.If) -> Iterator[ast.stmt]:
    """What is in the body of a class, under `if TYPE_CHECKING` too."""
    for each in (*node.body, *(node.orelse if isinstance(node, ast.If) else ())):
        yield each
        if isinstance(each, ast.If):
            yield from _statements(each)


def body_of(function: Function) -> list[ast.stmt]:
    """The statements after the docstring."""
    first = function.body[0]
    documented = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and len(function.body) > 1
    return function.body[1:] if documented else function.body


def lines_of(function: Function) -> int:
    """How many lines the body has, decorators, signature and docstring left out."""
    body = body_of(function)
    return (body[-1].end_lineno or 0) - body[0].lineno + 1


def complexity_of(function: Function) -> int:
    """McCabe's complexity with boolean operators; functions inside have their own."""
    count = 1
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, Function | ast.ClassDef):
            continue
        waiting += ast.iter_child_nodes(node)
        count += isinstance(node, _BRANCHES)
        count += len(node.values) - 1 if isinstance(node, ast.BoolOp) else 0
        count += len(node.ifs) + 1 if isinstance(node, ast.comprehension) else 0
    return count


def parameters_of(function: Function, owner: ast.ClassDef | None) -> int:
    """The parameters that a caller fills in: not `self`, `cls`, `*args` or `**kwargs`."""
    arguments = function.args
    count = len(arguments.posonlyargs) + len(arguments.args) + len(arguments.kwonlyargs)
    static = any(isinstance(each, ast.Name) and each.id == "staticmethod" for each in function.decorator_list)
    return count - (owner is not None and not static)


def is_internal(function: Function, owner: ast.ClassDef | None) -> bool:
    """Whether only this package calls the function, in the way in which it is written."""
    public = function.name in kaizen_batch.__all__ or (owner is not None and owner.name in kaizen_batch.__all__)
    decorators = " ".join(ast.unparse(each) for each in function.decorator_list)
    foreign = re.search(r"\b(command|option|options|override|validator|overload)\b", decorators.replace("_", " "))
    return not public and foreign is None


def hops() -> list[tuple[str, str]]:
    """The file and function of each hop in the life of an item."""
    table = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    return [(file, name) for _, file, name in _HOP.findall(table)]


def function_at(file: str, name: str) -> Function:
    """The function that a hop names. Raises: LookupError."""
    path = Path(file) if file.split("/")[0] in ("nodes", "workflows") else Path("kaizen_batch", file)
    for where, function, owner in functions():
        if where.startswith(f"{path}:") and name == (f"{owner.name}.{function.name}" if owner else function.name):
            return function
    raise LookupError(f"{file}:{name}")


def forwards(function: Function) -> bool:
    """Whether a function only hands its own arguments to another one."""
    body = body_of(function)
    value = getattr(body[0], "value", None)
    call = value.value if isinstance(value, ast.Await) else value
    if len(body) > 1 or not isinstance(call, ast.Call):
        return False
    handed = [*call.args, *(keyword.value for keyword in call.keywords)]
    return all(isinstance(each, ast.Name | ast.Starred | ast.Constant) for each in handed)


@cache
def imports() -> grimp.ImportGraph:
    """Who imports whom."""
    return grimp.build_graph("kaizen_batch", cache_dir=None)


def package_of(module: str) -> str:
    """The module or package right below kaizen_batch."""
    return ".".join(module.split(".")[1:2]) or "__init__"


def top_level() -> list[str]:
    """The packages and modules of the two upper levels: kaizen_batch's own, nodes and workflows included."""
    return sorted({package_of(module) for module in imports().modules})


def upward_imports() -> list[str]:
    """`importer -> imported` for each import of a module above its own layer, or beside it."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    level = {name.strip(): n for n, layer in enumerate(layers) for name in layer.split("|")}
    found = []
    for importer in sorted(imports().modules):
        for imported in sorted(imports().find_modules_directly_imported_by(importer)):
            here, there = package_of(importer), package_of(imported)
            if here != there and "__init__" not in (here, there) and level[there] <= level[here]:
                found.append(f"{importer} -> {imported}")
    return found


def cycles() -> list[str]:
    """Groups of modules that import each other, by Tarjan's algorithm."""
    order: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found = []

    def visit(module: str) -> None:
        order[module] = low[module] = len(order)
        stack.append(module)
        for other in sorted(imports().find_modules_directly_imported_by(module)):
            if other not in order:
                visit(other)
            if other in stack:
                low[module] = min(low[module], low[other])
        if low[module] == order[module]:
            group = stack[stack.index(module) :]
            del stack[stack.index(module) :]
            if len(group) > 1:
                found.append(", ".join(sorted(group)))

    for module in sorted(imports().modules):
        if module not in order:
            visit(module)
    return found


def package_cycles() -> list[str]:
    """Pairs of packages right below kaizen_batch of which each imports the other."""
    arrows = {
        (package_of(importer), package_of(imported))
        for importer in imports().modules
        for imported in imports().find_modules_directly_imported_by(importer)
    }
    return sorted(f"{a} <-> {b}" for a, b in arrows if a < b and (b, a) in arrows and "__init__" not in (a, b))


def uses_of_any() -> list[str]:
    """Where `Any` stands in the code, imports included."""
    found = []
    for path in sources():
        text = io.StringIO((ROOT / path).read_text(encoding="utf-8"))
        tokens = tokenize.generate_tokens(text.readline)
        found += [f"{path}:{token.start[0]}" for token in tokens if token.string == "Any"]
    return found


def mirror_of(path: Path) -> Path | None:
    """The test module of a source module; one that only has names (exports, constants) needs none."""
    tree = sources()[path]
    named = (Path("kaizen_batch/__init__.py"), Path("kaizen_batch/__main__.py"))
    if path in named or not any(isinstance(node, Function | ast.ClassDef) for node in tree.body):
        return None
    below = path.relative_to("kaizen_batch") if path.parts[0] == "kaizen_batch" else path
    name = below.parent.name if path.name == "__init__.py" else path.stem
    return Path("tests") / below.parent / f"test_{name.strip('_')}.py"


def without_mirror() -> list[str]:
    """Source modules without a test module of their own."""
    mirrors = {path: mirror_of(path) for path in sources()}
    return [f"{path}: {mirror}" for path, mirror in mirrors.items() if mirror and not (ROOT / mirror).is_file()]


def figures() -> list[Found]:
    """Every figure with its bound."""
    all_functions = functions()
    lengths = {str(path): len((ROOT / path).read_text(encoding="utf-8").splitlines()) for path in sources()}
    top, upward, rings, pairs, untested = top_level(), upward_imports(), cycles(), package_cycles(), without_mirror()
    way = [f"{file}:{name}" for file, name in hops()]
    forwarders = [f"{file}:{name}" for file, name in hops() if forwards(function_at(file, name))]
    any_uses = uses_of_any()
    long_files = [f"{path} {count}" for path, count in lengths.items() if count > 300]
    long_functions = [f"{where} {lines_of(each)}" for where, each, _ in all_functions if lines_of(each) > 50]
    complex_functions = [
        f"{where} {complexity_of(each)}" for where, each, _ in all_functions if complexity_of(each) > 10
    ]
    many_parameters = [
        f"{where} {parameters_of(each, owner)}"
        for where, each, owner in all_functions
        if is_internal(each, owner) and parameters_of(each, owner) > 4
    ]
    median = sorted(lines_of(each) for _, each, _ in all_functions)[len(all_functions) // 2]
    per_thousand = round(1_000 * len(any_uses) / sum(lengths.values()), 1)
    return [
        Found("hops of an item", len(way), 19, way),
        Found("files on its way", len({file for file, _ in hops()}), 14, []),
        Found("hops that only forward", len(forwarders), 2, forwarders),
        Found("packages and modules at the top two levels", len(top), 24, top),
        Found("upward imports", len(upward), 0, upward),
        Found("import cycles", len(rings), 0, rings),
        Found("packages that import each other", len(pairs), 0, pairs),
        Found("Any per 1,000 lines", per_thousand, 12, any_uses),
        Found("files over 300 lines", len(long_files), 0, long_files),
        Found("functions over 50 lines", len(long_functions), 0, long_functions),
        Found("median lines of a function", median, 6, []),
        Found("functions with a complexity over 10", len(complex_functions), 0, complex_functions),
        Found("internal functions with more than 4 parameters", len(many_parameters), 0, many_parameters),
        Found("modules without a test module", len(untested), 0, untested),
    ]


def main() -> None:
    """Print the figures; with `--places`, what each one counts."""
    for found in figures():
        print(f"{found.value:>6g}  {found.name} (at most {found.most:g})")
        if "--places" in sys.argv or (found.value > found.most and found.name != "Any per 1,000 lines"):
            print("".join(f"          {place}\n" for place in found.places), end="")


if __name__ == "__main__":
    main()
