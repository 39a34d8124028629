"""Makes what a profile names by relative paths absolute, and tests that it is there.

A path of what is read is looked for beside the file that names it, then in the current folder. A file that is written,
such as an account's log, belongs beside the profile wherever that is started from: a second one elsewhere would know
neither the account's orders nor its kill latch. Only what a profile of Libra's own names goes into the current folder.
A strategy's file is parsed but never run: checking a profile executes no user code.
"""

from __future__ import annotations

import ast
import keyword
from pathlib import Path

from libra.config.files import display
from libra.config.problems import Problems
from libra.config.profiles import carried_folder
from libra.config.tree import KeyPath, Tree


def resolve_paths(tree: Tree, problems: Problems) -> None:
    """Resolves data files and class files in place.

    Args:
        tree: The merged configuration.
        problems: Takes files that are missing, given twice or of the wrong kind.
    """
    _resolve_data_files(tree, problems)
    _resolve_class(tree, ("market",), problems)
    groups = tree.get("account_groups")
    for index, _ in enumerate(groups.items() if groups is not None else ()):
        for what in ("log", "journal"):
            _resolve_state(tree, ("account_groups", index, what, "path"), problems)
    for list_name, keys in (("strategies", ()), ("account_groups", ("gateway",))):
        entries = tree.get(list_name)
        for index, _ in enumerate(entries.items() if entries is not None else ()):
            _resolve_class(tree, (list_name, index, *keys), problems)


def _resolve_data_files(tree: Tree, problems: Problems) -> None:
    files = tree.get("market", "files")
    seen: dict[Path, str] = {}
    for entry in files.items() if files is not None else ():
        if not isinstance(entry.value, str):
            continue  # the schema says so
        path = _locate(entry.value, entry).resolve()
        fault = _file_fault(path)
        if path in seen:
            fault = "is given twice; name each recording once"
        seen[path] = entry.value
        if fault:
            problems.add(entry.place, "market.files", f"{entry.value} {fault}")
        else:
            entry.value = str(path)


def _file_fault(path: Path) -> str:
    if path.is_dir():
        return "is a directory; name the files in it"
    if not path.exists():
        return "does not exist; correct the path"
    try:
        with path.open("rb"):
            return ""
    except OSError as error:
        return f"cannot be read: {error.strerror or error}"


def _locate(name: str, entry: Tree) -> Path:
    beside = entry.place.directory / name if entry.place.directory is not None else None
    return beside if beside is not None and beside.exists() else Path(name)


def _resolve_state(tree: Tree, path: KeyPath, problems: Problems) -> None:
    entry: Tree | None = tree
    for key in path:
        entry = entry.child(key) if entry is not None else None
    if entry is None or not isinstance(entry.value, str) or not entry.value:
        return  # the schema says so
    here, folder = Path(entry.value).resolve(), entry.place.directory
    if folder is None or folder.resolve() == carried_folder().resolve():
        entry.value = str(here)
        return
    beside = (folder / entry.value).resolve()
    if here != beside and here.exists() and not beside.exists():
        problems.at(
            tree,
            path,
            f"{here} is there, and {beside} is not: a relative path counts from its profile. Move the file there,"
            " with those whose names begin alike, or name it by its absolute path",
        )
    entry.value = str(beside)


def _resolve_class(tree: Tree, path: KeyPath, problems: Problems) -> None:
    node: Tree | None = tree
    for key in path:
        node = node.child(key) if node is not None else None
    entry = node.get("class") if node is not None else None
    if entry is None or not isinstance(entry.value, str):
        return
    module, colon, name = entry.value.rpartition(":")
    if not colon or not module or not name.isidentifier():
        return  # the schema says so
    fault = ""
    if module.endswith(".py") or "/" in module:
        file = _locate(module, entry)
        fault = _class_fault(file, name, entry)
        if not fault:
            entry.value = f"{file.resolve()}:{name}"
    elif not all(part.isidentifier() and not keyword.iskeyword(part) for part in module.split(".")):
        fault = f'"{module}" is neither a module nor a .py file; write "package.module:Class" or "path/file.py:Class"'
    if fault:
        problems.at(tree, (*path, "class"), fault)


def _class_fault(file: Path, name: str, entry: Tree) -> str:
    if not file.is_file():
        folders = [display(folder) for folder in (entry.place.directory, Path.cwd()) if folder is not None]
        looked = " and ".join(dict.fromkeys(f'"{folder}"' for folder in folders))
        return f"there is no file {file.name} at {entry.value.rpartition(':')[0]} in {looked}; correct the path"
    try:
        module = ast.parse(file.read_bytes(), filename=str(file))
    except SyntaxError as error:
        return f"{display(file)} is not Python: line {error.lineno}: {error.msg}"
    except (OSError, ValueError) as error:
        return f"{display(file)} cannot be read: {error}"
    classes = [statement.name for statement in module.body if isinstance(statement, ast.ClassDef)]
    if name in classes or name in _other_names(module):
        return ""
    known = f"it has {', '.join(classes)}" if classes else "it has no class"
    return f"{display(file)} has no class {name}; {known}"


def _other_names(module: ast.Module) -> set[str]:
    """Names that a module gets by import or assignment: they may be classes, only running the file could tell."""
    names: set[str] = set()
    for statement in module.body:
        if isinstance(statement, (ast.Import, ast.ImportFrom)):
            names.update(alias.asname or alias.name for alias in statement.names)
        elif isinstance(statement, ast.Assign):
            names.update(target.id for target in statement.targets if isinstance(target, ast.Name))
    return names
