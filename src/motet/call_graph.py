"""What `FunctionCall.get_call_graph()` gives."""

from motet.model.call_graph import InputInfo, InputStatus

__all__ = ["InputInfo", "InputStatus"]
