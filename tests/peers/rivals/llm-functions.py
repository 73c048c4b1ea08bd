import json
import os


def buy(ticker: str, qty: int) -> str:
    "Buy shares"
    with open(os.environ["RAN"], "a", encoding="utf-8") as ran:
        ran.write(json.dumps({"ticker": ticker, "qty": qty}) + "\n")
    return "OK"
