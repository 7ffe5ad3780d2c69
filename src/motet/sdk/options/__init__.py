"""The keywords of decorators, checked, as the values that a function's specification is made of."""
