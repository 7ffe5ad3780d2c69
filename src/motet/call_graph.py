"""What `FunctionCall.get_call_graph()` gives."""

from motet.records.call_graph import InputStatus
from motet.sdk.call.call_graph import InputInfo

__all__ = ["InputInfo", "InputStatus"]
