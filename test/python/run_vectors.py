#!/usr/bin/env python3
"""Run every file of vectors/ through verify.py; print agreed/total per file and every disagreement; exit 1 on any.

usage: run_vectors.py [VECTORS_DIR] [NAME...]     e.g. run_vectors.py vectors notes ledgers
"""
import base64, functools, hashlib, json, math, pathlib, re, struct, sys
from operator import itemgetter
import verify as v

v.check_receipt = functools.cache(v.check_receipt)  # the same receipts are in many vectors

results = {}
current = None


def agree(label, got, expected):
    """One comparison. Unequal ones are kept with what verify.py said and what the vector says."""
    good, bad = results.setdefault(current, [0, []])
    if got == expected:
        results[current][0] += 1
    else:
        bad.append((label, got, expected))


def code_of(function, *arguments):
    """(value, None) or (None, code). Any other exception is a bug in verify.py and shows as such."""
    try:
        return function(*arguments), None
    except v.Refused as refusal:
        return None, refusal.args[0]
    except Exception as error:
        return None, f"CRASH {type(error).__name__}: {error}"


def unhex(text):
    return bytes.fromhex(text)


def pinned(vkeys):
    return dict(v.parse_vkey(vkey) for vkey in vkeys)


def flip(data, bit):
    data = bytearray(data)
    data[bit // 8] ^= 1 << (bit % 8)
    return bytes(data)


def strict_json(vectors):
    for x in vectors:
        # the README does not say what "spaces" is: so many spaces behind the text, as the names of these three vectors suggest
        value, code = code_of(v.parse, unhex(x["hex"]) + b" " * x.get("spaces", 0))
        agree(x["name"] + ": verdict", code is None, x["ok"])
        if x["ok"]:
            agree(x["name"] + ": jcs", code is None and v.jcs(value), x["jcs"])
        else:
            agree(x["name"] + ": code", code, x["code"])


def jcs(vectors):
    for x in vectors["examples"]:
        # RFC 8785's own samples hold numbers that section 3 refuses (333333333.33333329, 1E30): those go past the strict parser
        value, code = code_of(v.parse, unhex(x["input"]))
        if code:
            value = json.loads(unhex(x["input"]), parse_int=float)
        agree(x["name"], v.jcs(value).encode().hex(), x["jcs"])
    for x in vectors["numbers"]:
        value = struct.unpack(">d", unhex(x["ieee754"]))[0]
        if x["expected"] is not None:
            agree(x["ieee754"], v.jcs(value), x["expected"])
        elif math.isnan(value):
            pass  # no JSON text means NaN, so a verifier never meets it
        else:
            text = {0.0: "-0"}.get(value, "1e999" if value > 0 else "-1e999")
            agree(x["ieee754"], code_of(v.parse, text.encode())[1], x["code"])


def keys(x):
    k = v.mac(unhex(x["seed_hex"]), "receiptd/1 k0", x["ledger_id"], x["key_id"])
    for epoch in x["epochs"]:
        agree(f"K {epoch['epoch']}", k.hex(), epoch["K"])
        agree(f"S {epoch['epoch']}", v.mac(k, "receiptd/1 epoch").hex(), epoch["S"])
        agree(f"C {epoch['epoch']}", v.sha256(b"receiptd/1 commit\0", v.mac(k, "receiptd/1 epoch")).hex(), epoch["C"])
        for organization, m in epoch["M"].items():
            agree(f"M {epoch['epoch']} {organization}", v.mac(v.mac(k, "receiptd/1 epoch"), "receiptd/1 mac", organization).hex(), m)
        k = v.mac(k, "receiptd/1 ratchet")
    request = x["request"]
    r = v.mac(unhex(request["secret_hex"]), "receiptd/1 request", x["ledger_id"])
    agree("R", r.hex(), request["R"])
    agree("jcs", v.jcs(v.parse(request["jcs"].encode())), request["jcs"])
    agree("request_mac", v.mac(r, request["jcs"]).hex(), request["request_mac"])


def receipts(vectors):
    for x in vectors:
        blob = unhex(x["blob_hex"]) if "blob_hex" in x else x["blob"].replace("FILL", "a" * x.get("fill", 0)).encode()
        if "fill" not in x and "FILL" in x.get("blob", ""):
            blob = x["blob"].encode()
        mac_key = unhex(x["mac_key_hex"]) if "mac_key_hex" in x else None
        got, code = code_of(v.check_receipt, blob, mac_key)
        agree(x["name"] + ": verdict", code is None, x["ok"])
        agree(x["name"] + ": code", code, x.get("code"))
        if x["ok"] and got:
            receipt, not_checked = got
            agree(x["name"] + ": not_checked", sorted(not_checked), x["not_checked"])
            agree(x["name"] + ": receipt_hash", v.sha256(blob).hex(), x["receipt_hash"])
            if "unsigned_sha256" in x:
                unsigned = v.jcs({name: value for name, value in receipt.items() if name != "signature"})  # what verify.py's sign() covers
                agree(x["name"] + ": unsigned", v.sha256(unsigned.encode()).hex(), x["unsigned_sha256"])


# ---- requests: what a daemon does with section 4.1; not part of a verifier, so written here, with verify.py's forms
FIELDS = ("system_id model_version user_id region policy_version chain_id summary model_epoch timestamp decision inputs gates reasons "
          "metadata").split()


def pointer(*names):
    return "".join("/" + str(name).replace("~", "~0").replace("/", "~1") for name in names)


def reserved_at(value, path):
    if isinstance(value, (dict, list)):
        for name, item in value.items() if isinstance(value, dict) else enumerate(value):
            if name in ("_sd", "_sd_alg", "..."):
                return path + (name,)
            found = reserved_at(item, path + (name,))
            if found:
                return found
    return None


def gate_fault(gates):
    if not isinstance(gates, list) or len(gates) > 1000:
        return ()
    for at, gate in enumerate(gates):
        if not isinstance(gate, dict):
            return (at,)
        for name, form in (("name", '"CHAR{1,256}"'), ("status", '"(PASS|FAIL|WARN|SKIP|ERROR)"')):
            if not v.fits(form, gate.get(name)):
                return (at, name)
    return None


def check_request(text, new_id):
    """(request, None, None), or (None, code, pointer)."""
    request, code = code_of(v.parse, text.encode())
    if code:
        return None, code, None
    if not isinstance(request, dict) or len(request) > 256:
        return None, "bad_field", ""
    kind = request.get("type", "decision")
    if not isinstance(kind, str) or not re.fullmatch("[a-z0-9_]+", kind):
        return None, "bad_field", "/type"
    if kind in v.DETAILS or kind == "chain":
        return None, "reserved_type", "/type"
    if not re.fullmatch("decision|x_[a-z0-9_]{1,60}", kind):
        return None, "unknown_type", "/type"
    for name, value in request.items():
        if name in v.STORED and name not in ("type", "organization", "receipt_id") or name in ("details", "_sd", "_sd_alg"):
            return None, "reserved_field", pointer(name)
        if name == "gates":
            fault = gate_fault(value)
            if fault is not None:
                return None, "bad_field", pointer(name, *fault)
        elif name == "reasons" and (not isinstance(value, list) or len(value) > 1000):
            return None, "bad_field", pointer(name)
        elif name in ("organization", "receipt_id"):
            if not v.fits(v.STORED[name], value) or value == "_ledger":
                return None, "bad_field", pointer(name)
        elif name in FIELDS and not v.fits(v.CALLER, {name: value}):
            return None, "bad_field", pointer(name)
        elif name not in FIELDS and name != "type" and not re.fullmatch("x_[A-Za-z0-9_.-]{1,62}", name):
            return None, "unknown_field", pointer(name)
    for name in ("system_id", "decision", "inputs") if kind == "decision" else ("system_id",):
        if name not in request:
            return None, "missing_field", pointer(name)
    found = reserved_at(request, ())
    if found:
        return None, "reserved_field", pointer(*found)
    return {"type": "decision", "organization": "default", "receipt_id": new_id, **request}, None, None


def requests(vectors):
    key_file = json.loads((directory / "keys.json").read_text(encoding="utf-8"))
    r = v.mac(unhex(key_file["request"]["secret_hex"]), "receiptd/1 request", key_file["ledger_id"])
    for x in vectors:
        request, code, place = check_request(x["text"], x.get("new_id"))
        agree(x["name"] + ": code", code, x.get("code"))
        if x["ok"] and request:
            agree(x["name"] + ": jcs", v.jcs(request), x["jcs"])
            agree(x["name"] + ": request_mac", v.mac(r, v.jcs(request)).hex(), x["request_mac"])
        elif place is not None:  # verify.py's parser names no pointers; those of section 3 are not compared
            agree(x["name"] + ": pointer", place, x.get("pointer"))


def ledgers(vectors):
    first = vectors[0]["blobs"]
    for x in vectors:
        blobs = [(first[b] if isinstance(b, int) else b).encode() for b in x["blobs"]]
        seeds = [(x["key_id"], x["seed_hex"]), *x.get("rotated", {}).items()]
        got, code = code_of(v.check_ledger, blobs, x["origin"], x["ledger_id"], {name: unhex(seed) for name, seed in seeds if seed})
        if got is None:
            agree(x["name"], code, "a verdict")
            continue
        findings, not_checked, leaves, anchors, pending, _, _ = got
        agree(x["name"] + ": verdict", not findings, x["ok"])
        agree(x["name"] + ": first finding", findings[0] if findings else None, (x["code"], x["at"]) if not x["ok"] else None)
        if "findings" in x:
            agree(x["name"] + ": findings", [list(finding) for finding in findings], x["findings"])
        if x["ok"]:
            agree(x["name"] + ": not_checked", sorted(not_checked), x["not_checked"])
        if "root" in x:
            agree(x["name"] + ": root", v.tree_root(leaves).hex(), x["root"])
        if "anchors" in x:
            agree(x["name"] + ": anchors", anchors, [{"root": "sha256:" + a["root"], "tree_size": a["tree_size"]} for a in x["anchors"]])
        if "pending" in x:
            agree(x["name"] + ": pending", pending, x["pending"])


def one_target(label, x, objects, expected, blobs=None):
    leaves, rotations = (None, []) if blobs is None else itemgetter(2, 6)(v.check_ledger(blobs, x["origin"], x["ledger_id"]))
    got, code = code_of(v.check_target, objects, x["origin"], x["ledger_id"], x["vkeys"], leaves, rotations)
    if got is None:
        agree(label, code, "a verdict")
        return
    findings, aside, unanchored, _, _ = got
    agree(label + ": verdict", not findings, expected["ok"])
    agree(label + ": code", findings[0][0] if findings else None, expected.get("code"))
    agree(label + ": interference", len(aside), expected["interference"])
    if expected["ok"] and "unanchored" in expected:
        agree(label + ": unanchored", len(unanchored), expected["unanchored"])


def anchors(vectors):
    first = [(o["name"], base64.b64decode(o["base64"])) for o in vectors[0]["objects"]]
    first_blobs = json.loads((directory / "ledgers.json").read_text(encoding="utf-8"))[0]["blobs"]
    for x in vectors:
        objects = [first[o] if isinstance(o, int) else (o["name"], base64.b64decode(o["base64"])) for o in x["objects"]]
        blobs = [(first_blobs[b] if isinstance(b, int) else b).encode() for b in x["blobs"]] if "blobs" in x else None
        one_target(x["name"], x, objects, x, blobs)
    for f in vectors[0]["flips"]:
        name, data = first[f["object"]]
        flipped = flip(data, f["bit"])
        if f["renamed"]:
            name = name.replace(hashlib.sha256(data).hexdigest(), hashlib.sha256(flipped).hexdigest())
        objects = [o for at, o in enumerate(first) if at != f["object"]] + [(name, flipped)]
        one_target(f"flip of object {f['object']}, bit {f['bit']}", vectors[0], sorted(objects), f)


def flipped_proof(x, change):
    """The members of a proof vector with one flip of 'flips' made."""
    x = {k: (list(x[k]) if k == "path" else x[k]) for k in x}
    where = change["in"]
    if where in ("index", "size", "size1", "size2"):
        x[where] ^= 1 << change["bit"]
    elif where == "path":
        x["path"][change["item"]] = flip(unhex(x["path"][change["item"]]), change["bit"]).hex()
    else:
        x[where] = flip(unhex(x[where]), change["bit"]).hex()
    return x


def is_included(x):
    return v.included(unhex(x["leaf"]), x["index"], x["size"], [unhex(p) for p in x["path"]], unhex(x["root"]))


def climb(old, new, index, last, path):
    """The roots that a path leads to: of the tree that ends with this subtree, and of the whole."""
    for level, sibling in enumerate(path):
        is_right = index >> level & 1 or index >> level == last >> level
        old, new = (v.node(sibling, old), v.node(sibling, new)) if is_right else (old, v.node(new, sibling))
    inner = (index ^ last).bit_length()
    return (old, new) if len(path) == inner + bin(index >> inner).count("1") else (None, None)


def consistent(size1, root1, size2, root2, path):
    """A consistency proof (RFC 6962): no part of the format, so written here. The path leaves out the root of a full tree."""
    if size1 in (0, size2):
        return not path and root1 == (root2 if size1 == size2 else v.sha256())
    path, shift = path if size1 & (size1 - 1) else [root1] + path, (size1 & -size1).bit_length() - 1
    return size1 < size2 and path != [] and climb(path[0], path[0], size1 - 1 >> shift, size2 - 1 >> shift, path[1:]) == (root1, root2)


def is_consistent(x):
    return consistent(x["size1"], unhex(x["root1"]), x["size2"], unhex(x["root2"]), [unhex(p) for p in x["path"]])


def merkle(x):
    published = x["published"]
    leaves = [v.sha256(b"\0" + unhex(leaf)) for leaf in published["leaves"]]
    for size, root in enumerate(published["roots"]):
        agree(f"published root {size}", v.tree_root(leaves[:size]).hex(), root)
    roots = [unhex(root) for root in published["roots"]]
    nodes = {k: unhex(h) for k, h in published["nodes"].items()}
    for i in (0, 1, 4, 6):
        agree(f"node leaf{i}", leaves[i], nodes[f"leaf{i}"])
    for i in range(4):
        agree(f"node pair{i}", v.tree_root(leaves[2 * i:2 * i + 2]), nodes[f"pair{i}"])
    for i in range(2):
        agree(f"node four{i}", v.tree_root(leaves[4 * i:4 * i + 4]), nodes[f"four{i}"])
    for p in published["inclusion"]:
        path = [unhex(h) for h in p["path"]]
        agree(f"published inclusion {p['index']} {p['size']}", v.included(leaves[p["index"]], p["index"], p["size"], path, roots[p["size"]]), True)
    for p in published["consistency"]:
        path = [unhex(h) for h in p["path"]]
        agree(f"published consistency {p['size1']} {p['size2']}",
              consistent(p["size1"], roots[p["size1"]], p["size2"], roots[p["size2"]], path), True)
    own = [v.leaf_hash(v.sha256(f"receipt {i}".encode())) for i in range(max(t["size"] for t in x["trees"]))]
    for tree in x["trees"]:
        agree(f"root of {tree['size']}", v.tree_root(own[:tree["size"]]).hex(), tree["root"])
    for kind, check in (("inclusion", is_included), ("consistency", is_consistent)):
        for p in x[kind]:
            label = f"{kind} {[p[k] for k in ('index', 'size', 'size1', 'size2') if k in p]}"
            agree(label, check(p), True)
            for change in p["flips"]:
                agree(f"{label} flip {change}", check(flipped_proof(p, change)), change["ok"])
    for e in x["entries"]:
        data = unhex(e["hex"])
        if not re.fullmatch(v.ENTRIES, data):
            agree(f"entries: {e['name']}", "bad_entries", e.get("code"))
        else:
            agree(f"entries: {e['name']}", [data[at + 3:at + 35].hex() for at in range(0, len(data), 35)], e.get("receipt_hashes"))


def notes(x):
    for signer in x["signers"]:
        got, code = code_of(v.parse_vkey, signer["vkey"])
        agree(f"signer {signer['vkey']}", code, None)
    by_seed = {signer["seed"]: signer["vkey"] for signer in x["signers"]}
    for s in x["signed"]:  # a verifier does not sign; Ed25519 is deterministic, but the check is of the signatures
        got, code = code_of(v.open_note, s["note"].encode(), pinned([by_seed[seed] for seed in s["seeds"]]))
        agree(f"signed by {s['name']}", code or got, (s["text"], [(s["name"], v.parse_vkey(by_seed[seed])[0][1]) for seed in s["seeds"]]))
    for n in x["parsed_only"]:
        text, lines = v.match(v.NOTE, n["note"], "bad_note")[:2]
        agree(n["name"], text, n["text"])
        ids = [int.from_bytes(base64.b64decode(value)[:4], "big") for _, value in re.findall(v.SIGNATURE, lines)]
        agree(n["name"] + ": key ids", ids, n["key_ids"])
    for n in x["notes"]:
        data = unhex(n["hex"])
        got, code = code_of(v.open_note, data, pinned(n["vkeys"]))
        agree(n["name"] + ": verdict", code is None, n["ok"])
        if not n["ok"]:
            agree(n["name"] + ": code", code, n["code"])
        elif got:
            agree(n["name"] + ": text and signers", (got[0], [name for name, _ in got[1]]), (n["text"], n["verified"]))
            known = {v.parse_vkey(vkey)[0] for vkey in n["vkeys"]}
            lines = re.findall(v.SIGNATURE, v.match(v.NOTE, data, "bad_note")[1])
            agree(n["name"] + ": unknown", sum((name, base64.b64decode(value)[:4]) not in known for name, value in lines), n["unknown"])
        if "every_flip" in n:
            got = {code_of(v.open_note, flip(data, bit), pinned(n["vkeys"]))[1] for bit in range(8 * len(data))}
            agree(n["name"] + ": every flip", got, {n["every_flip"]})
    for k in x["vkeys"]:
        got, code = code_of(v.parse_vkey, k["vkey"])
        expected = ((k["key_name"], k["key_id"].to_bytes(4, "big")), unhex(k["public_key"])) if k["ok"] else None
        agree("vkey " + k["name"], (got, code), (expected, k.get("code")))
        if "every_flip" in k:
            data = k["vkey"].encode()
            got = {code_of(v.parse_vkey, flip(data, bit).decode("latin-1"))[1] for bit in range(8 * len(data))}
            agree("vkey " + k["name"] + ": every flip", got, {k["every_flip"]})
    for c in x["checkpoints"]:
        got, code = code_of(v.match, v.CHECKPOINT, c["text"], "bad_checkpoint")
        got = got and (got[0], int(got[1]), base64.b64decode(got[2]), got[3].split("\n")[:-1])
        expected = (c["origin"], c["size"], unhex(c["root"]), c["extensions"]) if c["ok"] else None
        agree("checkpoint " + c["name"], (got, code), (expected, c.get("code")))


def tlog_result(data, vkeys, leaf):
    extra, index, path, note, _, size, root, _ = v.match(v.PROOF, data, "bad_tlog_proof")[:8]
    v.open_note(note.encode(), pinned(vkeys))
    path = [base64.b64decode(line) for line in path.split()]
    v.require(v.included(leaf, int(index), int(size), path, base64.b64decode(root)), "not_included")
    return base64.b64decode(extra), int(index), path, note, int(size)


def tlog_proofs(x):
    for p in x["proofs"]:
        data, leaf = unhex(p["hex"]), unhex(p["leaf"])
        got, code = code_of(tlog_result, data, p["vkeys"], leaf)
        agree(p["name"], code or "ok", p["result"])
        if got:
            extra, index, path, note, size = got
            agree(p["name"] + ": parts", (extra.hex(), index, [h.hex() for h in path], note, size),
                  (p.get("extra") or "", p["index"], p["path"], p["checkpoint"], p["size"]))
        if "every_flip" in p:
            accepted = [bit for bit in range(8 * len(data)) if code_of(tlog_result, flip(data, bit), p["vkeys"], leaf)[1] is None]
            agree(p["name"] + ": every flip", accepted, [])


FILES = {"keys": keys, "receipts": receipts, "requests": requests, "ledgers": ledgers, "anchors": anchors, "merkle": merkle, "notes": notes,
         "tlog-proofs": tlog_proofs, "strict-json": strict_json, "jcs": jcs}

directory = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent / "vectors")


def main():
    global current
    unknown = [path.stem for path in directory.glob("*.json") if path.stem not in FILES and path.stem not in ("evidence", "exports", "reports", "attestations")]  # docs/verify.py and docs/verify_export.py are about the first two, test/go about all but exports
    for current, run in FILES.items():
        if not sys.argv[2:] or current in sys.argv[2:]:
            results[current] = [0, []]
            run(json.loads((directory / f"{current}.json").read_text(encoding="utf-8")))
            good, bad = results[current]
            print(f"{current}.json: {good}/{good + len(bad)} agreed", flush=True)
            for label, got, expected in bad:
                print(f"    {label}: verify.py says {str(got)[:300]!r}, the vector says {str(expected)[:300]!r}")
    for name in unknown:
        print(f"{name}.json: not known to run_vectors.py")
    return 1 if unknown or any(bad for _, bad in results.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
