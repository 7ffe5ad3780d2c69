"""Functions that run by themselves once they are deployed: one at a time of day, one every so often.

Deploy it: motet deploy examples/server/clockwork.py
When it runs next: motet schedule list
"""

import datetime

import motet

app = motet.App("clockwork")


@app.function(schedule=motet.Cron("0 6 * * MON-FRI", timezone="Europe/Berlin"), retries=2)
def report(day: str = "") -> str:
    """Calls without arguments are about today; `report.remote("2026-03-29")` makes one of another day."""
    text = f"the report of {day or datetime.date.today()}"
    print(text)
    return text


@app.function(schedule=motet.Period(minutes=10, missed="skip", overlap=False))
def refresh() -> None:
    print("looking for what has changed")


@app.local_entrypoint()
def main():
    """`motet run` tries it out: schedules do nothing then."""
    print(report.remote("2026-03-29"))
