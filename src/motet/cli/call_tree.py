"""What an input called, as a tree."""

from __future__ import annotations

from collections import Counter

from rich.text import Text
from rich.tree import Tree

from motet.cli.summary import seconds
from motet.cli.tables import kind_word, state_cell
from motet.records.call_graph import CallNode, GraphLimits, InputNode

TREE_LIMITS = GraphLimits(depth=20, inputs=200, inputs_of_call=10, calls_of_input=50)


def call_tree(node: InputNode, label: str) -> Tree:
    """The tree below an input."""
    tree = Tree(Text(label, style="bold"), guide_style="dim")
    _add(tree, node)
    return tree


def _add(tree: Tree, node: InputNode) -> None:
    for call in node.calls:
        name = call.summary.function_name + (f".{call.summary.call.method}" if call.summary.call.method else "")
        if len(call.inputs) == 1 and not call.more_inputs:
            _add(tree.add(_input_text(call.inputs[0], name)), call.inputs[0])
            continue
        branch = tree.add(_call_text(call, name))
        for each in call.inputs:
            _add(branch.add(_input_text(each, "")), each)
        if call.more_inputs:
            branch.add(Text(f"and {call.more_inputs:,} others: motet call {call.summary.call.call_id}", style="dim"))
    if node.more_calls:
        tree.add(Text("and other calls", style="dim"))


def _call_text(call: CallNode, name: str) -> Text:
    summary = call.summary
    counts = {"success": summary.succeeded, "failure": summary.failed, "timed out": summary.timed_out}
    counts |= {"cancelled": summary.cancelled, "lost": summary.lost}
    counts |= Counter(each.view.state for each in call.inputs if each.record is None and each.view is not None)
    parts = [Text(f"{number:,} ") + state_cell(word) for word, number in counts.items() if number]
    return Text.assemble((name, "bold"), f"  {summary.call.call_id}  ", Text(", ").join(parts))


def _input_text(node: InputNode, name: str) -> Text:
    text = Text(f"{name}  " if name else "", style="bold")
    text += Text(f"{node.input_id}  ", style="not bold")
    if node.record is not None:
        text += state_cell(kind_word(node.record.kind))
        text += Text(f" {seconds(max(0.0, node.record.ended_at - node.record.submitted_at))}", style="dim")
        if len(node.record.attempts) > 1:
            text += Text(f"  {len(node.record.attempts)} attempts", style="yellow")
    else:
        text += state_cell("waiting" if node.view is None else node.view.state)
    return text
