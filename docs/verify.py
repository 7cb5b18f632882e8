#!/usr/bin/env python3
"""Checks a file that `receiptd evidence` has made, with nothing but Python and the ledger's key: docs/FORMAT.md section 15.
usage: verify.py FILE VKEY [AUDITOR...]        VKEY: the ledger's key, which you have by another way than the file; AUDITOR: keys of auditors who countersign
Prints one verdict line. Exit status: 0 the receipt is in that ledger, 1 the file shows no such thing, 2 could not check."""
import base64, decimal, hashlib, json, re, sys

class Refused(Exception): pass  # the argument is the code of FORMAT.md section 14
def require(condition, code):
    if not condition: raise Refused(code)

# Strict JSON (section 3): one text has one meaning. json knows the grammar; what it lets through is checked token by token.
TOKEN = r'("(?:[^"\\\x01-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*)("?)(\s*:)?|[][{}]|(?<![-+.eE0-9])-?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?(?![.eE0-9])'
DECODE, ENCODE = json.JSONDecoder(strict=False).decode, json.JSONEncoder(ensure_ascii=False).encode  # made once: to make them takes longer than to use them
def check_number(text):
    value, digits = float(text), re.match("[-0.]*[1-9]", text)
    exact = decimal.Decimal(text if 0 < abs(value) < 1e300 else value)
    require(digits or text[0] != "-", "number_negative_zero")
    require(exact.copy_abs() <= 2**53 - 1, "number_out_of_range")
    require(exact == decimal.Decimal(repr(value)) and (value or not digits), "number_not_exact")
def parse(data, limit):
    text, end, names = data.decode(errors="surrogateescape"), len(data) + 1, []  # names: of each open object
    require(len(data) <= limit, "too_large"); require(not re.search("[\ud800-\udfff]", text), "not_utf8")
    try: value = json.loads(text, strict=False, parse_int=float, parse_constant=int)
    except (ValueError, RecursionError) as error: value, end = error, getattr(error, "pos", end) + str(error).startswith("Unterminated")
    for token in (token for token in re.finditer(TOKEN, text) if token.start() < end):
        string, is_name = DECODE(token[1] + '"') if token[1] else "", token[3] and token.end() <= end
        bad = string and re.findall("[\0\ud800-\udfff]", string)
        require(not bad, "nul_character" if bad[:1] == ["\0"] else "lone_surrogate"); require(token[2] or not token[1], "bad_json")
        if is_name: require(string not in names[-1], "forbidden_name" if string == "__proto__" else "duplicate_name"); names[-1].add(string)
        elif token[0] in "[{]}": names = names + [{"__proto__"}] if token[0] in "[{" else names[:-1]
        elif not token[1]: check_number(token[0])
        require(len(names) <= 32, "too_deep")
    require(not isinstance(value, Exception), "bad_json"); return value
def jcs(value):  # RFC 8785; the repr of a float has the digits that ECMAScript writes
    if isinstance(value, list): return f"[{','.join(map(jcs, value))}]"
    if isinstance(value, dict): return "{" + ",".join(f"{jcs(k)}:{jcs(value[k])}" for k in sorted(value, key=lambda k: k.encode("utf-16-be"))) + "}"
    if not isinstance(value, float): return ENCODE(value)
    return re.sub(r"\.0$", "", f"{decimal.Decimal(repr(value)):f}") if not value or 1e-6 <= abs(value) < 1e21 else repr(value).replace("e-0", "e-")
def sha256(*parts): return hashlib.sha256(b"".join(parts)).digest()
def unbase64(text):
    require(re.fullmatch(BASE64, text), "bad_evidence"); return base64.b64decode(text)

# Ed25519 (RFC 8032), in extended coordinates
P, L, D, ZERO = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493, -121665 * pow(121666, -1, 2**255 - 19), (0, 1, 1, 0)
def add(p, q):
    a, b, c, d = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P, 2 * p[3] * q[3] % P * D % P, 2 * p[2] * q[2] % P
    return (b - a) * (d - c) % P, (d + c) * (b + a) % P, (d - c) * (d + c) % P, (b - a) * (b + a) % P
def times(n, p):
    q = ZERO
    for bit in bin(n)[2:]: q = add(add(q, q), p if bit == "1" else ZERO)
    return q
def point(data):  # ZERO for what is no point
    y, odd = int.from_bytes(data, "little") % 2**255, data[31] >> 7; square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    roots = (pow(2, (P - 1) // 4 * i, P) * pow(square, (P + 3) // 8, P) % P for i in range(4))
    return next(((x, y, 1, x * y % P) for x in roots if y < P and x * x % P == square and x & 1 == odd), ZERO)
def ed25519(key, text, signature):
    s, h = (int.from_bytes(data, "little") for data in (signature[32:], hashlib.sha512(signature[:32] + key + text).digest()))
    (a, b, c, d), base = times(h % L, point(key)), times(s % L, point(b"\x58" + b"\x66" * 31)); x, y, z, _ = add(base, (-a, b, c, -d))
    r = y * pow(z, -1, P) % P | (x * pow(z, -1, P) % P & 1) << 255
    return len(signature) == 64 and s < L and r.to_bytes(32, "little") == signature[:32]

# The forms of a vkey, a signed checkpoint and a proof (sections 9 and 10), each in its one spelling
BASE64, N = "(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?", "(0|[1-9][0-9]{0,15})"
HASH, CHAR, NAME = "[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=", "[^\0-\x1f\ud800-\udfff]", "[^\\s+\0-\x1f\ud800-\udfff]+"
SIGNATURE, VKEY = f"— ({NAME}) (?=[^=\n]{{7}})({BASE64})\n", f"({NAME})[+]([0-9a-f]{{8}})[+](%s[A-Za-z0-9+/]{{42}})"
PROOF = (f"c2sp[.]org/tlog-proof@v1\n(?:extra {BASE64}\n)?index {N}\n((?:{HASH}\n){{0,63}})\n"
         f"((?:{CHAR}+)\n{N}\n{HASH}\n(?:{CHAR}+\n)*\n(?:{SIGNATURE}){{1,16}})")
def parse_vkey(vkey, kind="A[Q-Za-f]"):  # (name, key ID) and the key; a point of small order is none. kind: of a key that countersigns B[A-P]
    found = re.fullmatch(VKEY % kind, vkey); require(found, "bad_vkey"); key = base64.b64decode(found[3])
    require(sha256(found[1].encode(), b"\n", key)[:4].hex() == found[2] and times(8, point(key[1:])) and point(key[1:]) != ZERO, "bad_vkey")
    x, y, z, _ = times(8, point(key[1:])); require(x or y != z, "bad_vkey")
    return (found[1], bytes.fromhex(found[2])), key[1:]
ORIGIN = r"(?!(?:.*/)?[.]{1,2}(?:/|$))(?=.{1,200}$)[a-z0-9.-]+(?:/[A-Za-z0-9._-]+)*"
def is_text(value, most=10**9): return isinstance(value, str) and len(value.encode("utf-16-le", "surrogatepass")) // 2 <= most
def has(value, names, of=dict): return isinstance(value, of) and sorted(value) == names

def check(data, vkey, auditors=()):  # section 15.1, step by step; the receipt's members, its index, the size of the tree, the names and times of who has countersigned
    e = parse(data, 2**21)
    require((jcs(e) + "\n").encode() == data, "not_canonical")
    require(has(e, ["digest", "format", "ledger", "proof", "published", "receipt", "vkeys"]) and e["format"] == "receiptd-evidence/1", "bad_evidence")
    require(is_text(e["receipt"]), "bad_evidence"); blob = unbase64(e["receipt"])
    require(is_text(e["ledger"]) and re.fullmatch(ORIGIN, e["ledger"]) and is_text(e["proof"]) and all(isinstance(e[name], list) and len(e[name]) <= 16 for name in ("published", "vkeys")), "bad_evidence")
    require(all(has(at, ["last_modified", "object", "target", "version_id"]) and all(is_text(hint, 1024) for hint in at.values()) for at in e["published"]), "bad_evidence")
    require(all(is_text(hint, 1024) for hint in e["vkeys"] + [e["digest"]]), "bad_evidence")
    require("sha256:" + sha256(jcs({name: e[name] for name in e if name != "digest"}).encode()).hex() == e["digest"], "digest_mismatch")
    r = parse(blob, 2**20 + 4096); require(jcs(r).encode() == blob, "not_canonical")
    require(isinstance(r, dict) and isinstance(r.get("ledger"), str) and isinstance(r.get("log_index"), float) and r["log_index"] >= 0 and r["log_index"] % 1 == 0, "bad_receipt")
    require(r["ledger"] == e["ledger"], "ledger_mismatch")
    found = re.fullmatch(PROOF, e["proof"]) if len(e["proof"].encode()) <= 65536 else None
    require(found and int(found[1]) < 2**53 and int(found[4]) < 2**53 and "\nextra " not in e["proof"][:40], "bad_tlog_proof")
    text = found[3][:found[3].rindex("\n\n") + 1]; (name, key_id), key = vkey
    lines = [(signer, unbase64(value)) for signer, value in re.findall(SIGNATURE, found[3][len(text) + 1:])]
    signed = [value[4:] for signer, value in lines if signer == name == e["ledger"] and value[:4] == key_id]
    require(signed and all(ed25519(key, text.encode(), value) for value in signed), "bad_note")
    origin, size, root, *extensions = text.split("\n")[:-1]; require(origin == e["ledger"] and not extensions, "bad_checkpoint")
    times = [(line[0], int.from_bytes(line[1][4:12], "big"), line[1][12:], auditor) for line in lines for (who, auditor) in auditors if who == (line[0], line[1][:4])]
    require(all(at < 2**53 and ed25519(auditor, f"cosignature/v1\ntime {at}\n{text}".encode(), value) for _, at, value, auditor in times), "bad_note")
    require(int(found[1]) == r["log_index"], "inclusion_mismatch")
    index, last, node = int(found[1]), int(size) - 1, sha256(b"\0\1", sha256(blob)); require(index <= last, "inclusion_mismatch")
    for sibling in map(base64.b64decode, found[2].split()):  # RFC 9162 section 2.1.3.2
        require(last > 0, "inclusion_mismatch")
        if index % 2 or index == last:
            node = sha256(b"\1", sibling, node)
            while index % 2 == 0 and index: index, last = index // 2, last // 2
        else: node = sha256(b"\1", node, sibling)
        index, last = index // 2, last // 2
    require(last == 0 and node == base64.b64decode(root), "inclusion_mismatch"); return r, int(found[1]), int(size), [seen[:2] for seen in times]

if __name__ == "__main__":
    try:
        path, vkey, *others = sys.argv[1:]; key = parse_vkey(vkey); auditors = [parse_vkey(other, "B[A-P]") for other in others]; data = open(path, "rb").read(2**21 + 1)
    except (ValueError, OSError, Refused) as error: sys.exit(print("could not check:", error or __doc__) or 2)
    try: receipt, index, size, seen = check(data, key, auditors)
    except Refused as refusal: sys.exit(print("not verified:", refusal.args[0]) or 1)
    print("verified:", ascii(receipt.get("receipt_number")), "is in the ledger", receipt["ledger"], "at log index", index, "under a root over", size, "receipts that this key has signed",
          *(f"and {ascii(name)} has countersigned at {at} s since 1970" for name, at in seen))
