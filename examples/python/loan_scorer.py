"""A loan scorer in one page of Python, standard library only: applicants from a CSV, a receipt for each decision over receiptd's
socket, and nothing is done before its receipt is acknowledged.

    python3 loan_scorer.py --socket receiptd-data/receiptd.sock applicants.csv

The rule and the gates are those of ../loan-scorer/README.md.
"""
import argparse, csv, hashlib, hmac, json, math, secrets, socket, sys, time, uuid
from datetime import datetime, timezone


def score(a):
    log_odds = (1.6 + 0.012 * (a["credit_score"] - 680) - 3 * (a["debt_to_income"] - 0.3)
                - 1.2 * (a["amount"] / a["annual_income"] - 0.25) + 0.08 * min(a["employment_years"], 10)
                - 0.7 * a["recent_delinquencies"] + (0.4 if a["income_verified"] else 0))
    return round(1 / (1 + math.exp(-log_odds)), 4)


def decide(row, pseudonym_key, blacklist):
    """The receipt of a decision (docs/FORMAT.md section 4.1): name and national id stay out of it."""
    a = {name: json.loads(text) for name, text in row.items() if name not in ("national_id", "full_name")}
    a["applicant_id"] = hmac.new(pseudonym_key, row["national_id"].encode(), hashlib.sha256).hexdigest()
    a["on_blacklist"] = a["applicant_id"] in blacklist
    p = score(a)
    passes = {
        "policy_bounds": a["credit_score"] >= 560 and a["debt_to_income"] <= 0.45 and 1000 <= a["amount"] <= 50_000,
        "risk_limit": (1 - p) * a["amount"] * 0.6 <= 2500,
        "blacklist_check": not a["on_blacklist"],
    }
    failed = [name for name, passed in passes.items() if not passed]
    action = "DENY" if failed or p < 0.65 else "REFER" if p < 0.8 else "APPROVE"
    return {
        "receipt_id": str(uuid.uuid4()), "organization": "loans", "system_id": "loan_scorer_py", "model_version": "v1.4.0",
        "policy_version": "2026-06", "timestamp": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "decision": {"action": action, "score": p}, "inputs": a,
        "gates": [{"name": name, "status": "PASS" if passed else "FAIL"} for name, passed in passes.items()],
        "reasons": failed or ([] if action == "APPROVE" else ["score_below_cutoff"]),
    }


def append(path, receipt, attempts=5):
    """The acknowledgement. Sending the same receipt_id again stores nothing twice, so trying again is always safe."""
    call = {"jsonrpc": "2.0", "id": 1, "method": "append", "params": {"receipt": receipt, "ack": "disk"}}
    for attempt in range(1, attempts + 1):
        try:
            with socket.socket(socket.AF_UNIX) as s:
                s.settimeout(30)
                s.connect(path)
                s.sendall(json.dumps(call).encode() + b"\n")
                line = s.makefile().readline()
            answer = json.loads(line) if line.endswith("\n") else {"error": {"message": "connection lost", "data": {"retry": True}}}
        except OSError as error:
            answer = {"error": {"message": str(error), "data": {"retry": True}}}
        if "result" in answer:
            return answer["result"]
        if not answer["error"]["data"]["retry"] or attempt == attempts:
            raise RuntimeError(answer["error"]["message"])
        time.sleep(0.1 * 2 ** attempt)


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    options.add_argument("csv")
    options.add_argument("--socket", default="receiptd-data/receiptd.sock")
    options.add_argument("--key", help="file with the key of the pseudonyms (default: one for this run only)")
    options = options.parse_args()
    key = open(options.key, "rb").read() if options.key else secrets.token_bytes(32)
    rows = list(csv.DictReader(open(options.csv, encoding="utf-8")))
    blacklist = {hmac.new(key, row["national_id"].encode(), hashlib.sha256).hexdigest() for row in rows if row["national_id"].endswith("13")}
    done = {"APPROVE": 0, "REFER": 0, "DENY": 0}
    for row in rows:
        receipt = decide(row, key, blacklist)
        try:
            acknowledgement = append(options.socket, receipt)
        except RuntimeError as error:
            sys.exit(f"not recorded, so not acted on: {error}; {sum(done.values())} of {len(rows)} decisions were")
        done[receipt["decision"]["action"]] += 1  # the act: only now
        print(acknowledgement["receipt_number"], receipt["decision"]["action"], receipt["decision"]["score"])
    print(f"{len(rows)} decisions recorded and acted on: {done['APPROVE']} approved, {done['REFER']} referred, {done['DENY']} denied.")


if __name__ == "__main__":
    main()
