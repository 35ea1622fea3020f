"""Parses PowerShell files and prints each place where the grammar does not hold; exit code 1 if there is one."""
import sys

import tree_sitter_powershell
from tree_sitter import Language, Parser

parser = Parser(Language(tree_sitter_powershell.language()))


def wrong(node):
    if node.type == "ERROR" or node.is_missing:
        yield node
    for child in node.children:
        yield from wrong(child)


found = [(path, node) for path in sys.argv[1:] for node in wrong(parser.parse(open(path, "rb").read()).root_node)]
for path, node in found:
    print(f"{path}:{node.start_point[0] + 1}: {node.text[:60]!r}")
sys.exit(bool(found))
