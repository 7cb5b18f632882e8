"""Verifier for receiptd ledgers and their anchors, written from docs/FORMAT.md alone; numbers such as 13.1 are its sections.
usage: verify.py --origin O --ledger-id ID --vkey V [--vkey V2] [--seed HEX --key-id K]... [--grace SECONDS] ANCHORS_DIR [LEDGER_DB]
Prints one verdict line, then each finding as `code at where`. Exit status: 0 ok, 1 something was found, 2 could not check."""
import argparse, base64, datetime, decimal, functools, hashlib, hmac, itertools, json, pathlib, re, sqlite3, sys
Decimal, accumulate, reduce, kept, unbase64 = decimal.Decimal, itertools.accumulate, functools.reduce, functools.lru_cache(4096), base64.b64decode
class Refused(Exception): pass  # an input is not as the format says; the argument is the code
def failures(*checks): return [code for condition, code in zip(checks[::2], checks[1::2]) if not condition]
def require(*checks):  # a condition, the code of its failure, the next condition, and so on
    for code in failures(*checks): raise Refused(code)
TOKEN = r'("(?:[^"\\\x01-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*)("?)(\s*:)?|[][{}]|(?<![-+.eE0-9])-?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?(?![.eE0-9])'
def check_number(text):  # Decimal cannot read 1e-999999999999999999999
    value, exact, digits = float(text), Decimal(text if 0 < abs(float(text)) < 1e300 else float(text)), re.match("[-0.]*[1-9]", text)
    require(digits or text[0] != "-", "number_negative_zero", exact.copy_abs() <= 2**53 - 1, "number_out_of_range", exact == Decimal(repr(value)) and (value or not digits), "number_not_exact")
def parse(data, limit=2**20):  # strict JSON (3): json knows the grammar; the tokens before its error, if any, are checked in reading order
    text, end, names = data.decode(errors="surrogateescape"), len(data) + 1, []  # names: those so far in each open container
    require(len(data) <= limit, "too_large", not re.search("[\ud800-\udfff]", text), "not_utf8")
    try: value = json.loads(text, strict=False, parse_int=float, parse_constant=int)
    except (ValueError, RecursionError) as error: value, end = error, getattr(error, "pos", end) + str(error).startswith("Unterminated")
    for token in (token for token in re.finditer(TOKEN, text) if token.start() < end):
        string, is_name = json.loads((token[1] or '"') + '"', strict=False), token[3] and token.end() <= end
        require(not (bad := re.findall("[\0\ud800-\udfff]", string)), "nul_character" if bad[:1] == ["\0"] else "lone_surrogate", token[2] or not token[1], "bad_json", not is_name or string not in
            names[-1], "forbidden_name" if string == "__proto__" else "duplicate_name")
        if is_name: names[-1].add(string)
        elif token[0] in "[{]}": names = names + [{"__proto__"}] if token[0] in "[{" else names[:-1]
        elif not token[1]: check_number(token[0])
        require(len(names) <= 32, "too_deep")
    return require(not isinstance(value, Exception), "bad_json") or value
def jcs(value):  # the repr of a float has the digits that ECMAScript writes
    if isinstance(value, list): return f"[{','.join(map(jcs, value))}]"
    if isinstance(value, dict): return "{" + ",".join(f"{jcs(k)}:{jcs(value[k])}" for k in sorted(value, key=lambda k: k.encode("utf-16-be"))) + "}"
    if not isinstance(value, float): return json.dumps(value, ensure_ascii=False)
    return re.sub(r"\.0$", "", f"{Decimal(repr(value)):f}") if not value or 1e-6 <= abs(value) < 1e21 else repr(value).replace("e-0", "e-")
sha256, tag = lambda *parts: hashlib.sha256(b"".join(parts)).digest(), lambda digest: "sha256:" + digest.hex()
def mac(key, *parts): return hmac.digest(key, b"\0".join(part.encode() for part in parts), "sha256")  # section 6
def mac_fits(key, r): return "hmac-sha256:" + mac(key, jcs({name: r[name] for name in r if name != "signature"})).hex() == r["signature"]
leaf_hash, node = lambda receipt_hash: sha256(b"\0\1", receipt_hash), lambda left, right: sha256(b"\1", left, right)  # 8; trees: (height, root) from the left
def push(tree, root, h=0): return tree + [(h, root)] if not tree or tree[-1][0] > h else push(tree[:-1], node(tree[-1][1], root), h + 1)
def fold(tree): return reduce(lambda right, left: node(left, right), [root for _, root in tree[::-1]] or [sha256()])
def tree_root(leaves): return fold(reduce(push, leaves, []))
def included(leaf, index, size, path, root):
    for level, sibling in enumerate(path): leaf = node(sibling, leaf) if index >> level & 1 or index >> level == size - 1 >> level else node(leaf, sibling)
    return 0 <= index < size and leaf == root and len(path) == (inner := (index ^ size - 1).bit_length()) + bin(index >> inner).count("1")
P, L, D, ZERO = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493, -121665 * pow(121666, -1, 2**255 - 19), (0, 1, 1, 0)
def add(p, q):  # Ed25519 (RFC 8032), without the cofactor, in extended coordinates
    a, b, c, d = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P, 2 * p[3] * q[3] % P * D % P, 2 * p[2] * q[2] % P
    return (b - a) * (d - c) % P, (d + c) * (b + a) % P, (d - c) * (d + c) % P, (b - a) * (b + a) % P
def point(data):
    y, odd = int.from_bytes(data, "little") % 2**255, data[31] >> 7; sq = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    roots = (pow(2, (P - 1) // 4 * i, P) * pow(sq, (P + 3) // 8, P) % P for i in range(4)); return next(((x, y, 1, x * y % P) for x in roots if y < P and x * x % P == sq and x & 1 == odd), ZERO)
multiples = kept(lambda key: [[*accumulate([p] * 15, add, initial=ZERO)] for p in [*accumulate([point(key)] * 253, lambda p, _: add(p, p))][::4]])
times = kept(lambda n, key: reduce(add, (row[n >> 4 * i & 15] for i, row in enumerate(multiples(key)))))  # digit by digit
def ed25519(key, text, signature):  # only a canonical R can be equal
    s, h = (int.from_bytes(data, "little") for data in (signature[32:], hashlib.sha512(signature[:32] + key + text).digest()))
    (a, b, c, d), base = times(h % L, key), times(s % L, b"\x58" + b"\x66" * 31); x, y, z, _ = add(base, (-a, b, c, -d))
    r = y * pow(z, -1, P) % P | (x * pow(z, -1, P) % P & 1) << 255; return len(signature) == 64 and s < L and r.to_bytes(32, "little") == signature[:32]
BASE64, INTEGER = "(?=[^ \n])(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?", "0|[1-9][0-9]{0,15}"
ENTRIES, HASH, CHAR, NAME = b"(?:\0\x21\x01(?s:.){32})*", "[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=", "[^\0-\x1f\ud800-\udfff]", "[^\\s+\0-\x1f\ud800-\udfff]+"
SIGNATURE, VKEY = f"— ({NAME}) (?=[^=\n]{{7}})({BASE64})\n", f"({NAME})[+]([0-9a-f]{{8}})[+](A[Q-Za-f][A-Za-z0-9+/]{{42}})"  # > 4 bytes; type 1
CHECKPOINT, NOTE = f"({CHAR}+)\n(?P<size>{INTEGER})\n({HASH})\n((?:{CHAR}+\n)*)", f"((?:{CHAR}*\n)+)\n((?:{SIGNATURE}){{1,16}})"
PROOF = f"c2sp[.]org/tlog-proof@v1\n(?:extra ({BASE64})\n)?index (?P<n>{INTEGER})\n((?:{HASH}\n){{0,63}})\n({CHECKPOINT}\n(?:{SIGNATURE}){{1,16}})"
def match(pattern, text, code):  # the groups of a pattern (9, 10) that is the whole text, its numbers at most 2**53 - 1
    found = re.fullmatch(pattern, text if isinstance(text, str) else text.decode(errors="surrogateescape"))
    return require(found and all(int(n) < 2**53 for n in found.groupdict().values()), code) or found.groups("")
def parse_vkey(vkey):  # a point of small order is no key
    name, key_id, key = (change(text) for change, text in zip((str, bytes.fromhex, unbase64), match(VKEY, vkey, "bad_vkey")))
    return require(sha256(name.encode(), b"\n", key)[:4] == key_id and times(8, key[1:])[0], "bad_vkey") or ((name, key_id), key[1:])
def open_note(data, keys):  # the text, and (name, key ID) of the pinned keys that signed it, of which no signature may be wrong
    text, lines = match(NOTE, data, "bad_note")[:2]; signed = [((name, unbase64(value)[:4]), unbase64(value)[4:]) for name, value in re.findall(SIGNATURE, lines)]
    known = [(key, ed25519(keys[key], text.encode(), value)) for key, value in signed if key in keys]; return require(known and all(good for _, good in known), "bad_note") or (text, list(dict(known)))
WORDS = {"ACCESS": '{"count":(null|COUNT),"organizations":(null|GROUPS),"scope":"NAME","token":"NAME","what":"CHAR{1,256}"}', "GROUPS": r"\[GROUP(,GROUP){0,63}]", "GROUP": '"(_ledger|NAME)"', "ORIGIN": r"(?!(?:[^/\"]*/)*[.]{1,2}[/\"])(?=[^\"]{1,200}\")[a-z0-9.-]+(?:/[A-Za-z0-9._-]+)*", "NAME": "[a-z0-9][a-z0-9._-]{0,63}", "TREE": '{"root":HASH,"tree_size":SIZE}', "SEEN":
    '{"last_modified":TIME,"target":TEXT,"tree_size":SIZE,"version_id":TEXT}', "TEXT": '"CHAR*"', "SPOTS": r"\[(SPOT(,SPOT){0,63})?]", "SPOT": '{"found":(null|HASH),"log_index":COUNT}', "MODE":
    "(?:retained|forward-secure)", "WHY": '"(?:request|schedule)"', "TIME": '"DATE[.][0-9]{3}Z"', "HASH": '"sha256:HEX{64}"', "HEX": "[0-9a-f]", "COUNT": "(?:0|SIZE)", "SIZE": "[1-9][0-9]*", "CHAR":
    r'(?:[^"\\]|\\u[0-9a-f]{4}|\\[^u])', "DATE": "(?:[0-9]{4}-(?!02-(?:29|3)|(?:0[469]|11)-31)(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])|"
    "(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)-02-29)T(?:[01][0-9]|2[0-3])(?::[0-5][0-9]){2}"}
STORED = {"ledger": '"ORIGIN"', "organization": '"(?:_ledger|NAME)"', "org_seq": "SIZE", "log_index": "COUNT", "key_id": '"NAME"', "key_epoch": "COUNT", "previous_receipt_hash": "null|HASH",
    "signature": '"hmac-sha256:HEX{64}"', "schema_version": "SIZE", "type": "TEXT", "recorded_at": "TIME", "receipt_id": '"HEX{8}-(?:HEX{4}-){3}HEX{12}"', "receipt_number":
    '"[A-Z][A-Z0-9]{0,15}-[0-9]{4}-(?:[0-9]{5}|[1-9][0-9]{5,})"'}
CALLER = ('{"(?:(?:system_id|model_version|user_id|region|policy_version|chain_id)":"CHAR{1,256}"|summary":"CHAR{1,4096}"|model_epoch":COUNT|'
    r'timestamp":"DATE(?:[.][0-9]{1,9})?Z"|decision":(?!null}).*|(?:inputs|metadata)":{.*}|(?:gates|reasons)":\[.*]|x_[A-Za-z0-9_.-]{1,62}":.*)}')
DETAILS = {**dict.fromkeys("prune erasure".split(), ".*"), "access": r'{"accesses":\[ACCESS(,ACCESS){0,127}]}', "attestation": '{"cosigned":"CHAR{1,16384}","statement":"CHAR{1,16384}"}', "clock_step": '{"from":TIME,"to":TIME}', "key_revocation": '{"compromised_since":TIME,"key_id":"NAME","reason":'
    '"CHAR{1,1024}"}', "key_rotation": '{"key_id":"NAME","mode":"MODE","previous_key_id":"NAME","reason":WHY}', "checkpoint_rotation":
    '{"previous_vkey":"CHAR{1,400}","reason":WHY,"vkey":"CHAR{1,400}"}', "ratchet_break": '{"epoch_commitment":HASH,"key_id":"NAME",'
    '"mode":"MODE","previous_key_id":"NAME","ratchet":"(lost|ahead|wrong)","reason":"CHAR{1,1024}"}', "genesis": r'{"epoch_commitment":HASH,"format":1,"key_id":"NAME","ledger_id":"HEX{32}",'
    r'"mode":"MODE","vkeys":\[(TEXT,){0,15}TEXT]}', "anchor": r'{"batch":{"count":COUNT,"first_index":COUNT,"root":HASH},"epoch_commitment":HASH,"next_anchor_by":(null|TIME),"observed":\[('
    r'SEEN(,SEEN){0,15})?],"org_heads_root":HASH,"previous_anchor":(null|TREE),"reason":"(start|schedule|count|heartbeat|request|shutdown)"}', "recovery": '{"action":"rebuild","from":"('
    'ledger|archive|both)","log_size":SIZE,"lost":SPOTS,"lost_count":COUNT,"reason":"CHAR{1,1024}","replaced":SPOTS,"replaced_count":COUNT,"root":HASH}'}
def fits(pattern, value):  # forms are patterns of a value's canonical text, in which WORDS stand for theirs; lengths are in UTF-16 code units
    return re.fullmatch(reduce(lambda text, word: text.replace(word, WORDS[word]), WORDS, pattern), re.sub("[\U00010000-\U0010ffff]", "xx", jcs(value)), re.S)
def gate_fits(gate): return fits("{.*}", gate) and fits('"CHAR{1,256}"', gate.get("name")) and fits('"(PASS|FAIL|WARN|SKIP|ERROR)"', gate.get("status"))
def fields_fit(r, own, kind):  # 13.1 step 3; own: the names that are not in every receipt
    if kind in DETAILS: return own == {"details"} and fits(DETAILS[kind], r["details"]) and (kind != "anchor" or r["details"]["batch"]["count"] <= 65536)
    needed, gates, reasons = {"decision": {"system_id", "decision", "inputs"}}.get(kind, {"system_id"}), r.get("gates", []), r.get("reasons", [])
    return kind == "chain" or (re.fullmatch("decision|x_[a-z0-9_]{1,60}", kind) and needed <= own and all(fits(CALLER, {name: r[name]}) for name in own) and len(r) <= 269 and max(len(gates),
        len(reasons)) <= 1000 and all(map(gate_fits, gates)) and not re.search(r'[{,]"(_sd|_sd_alg|[.]{3})":', jcs(r)))
def check_receipt(blob, key=None):  # 13.1: the receipt and the names of what was not checked in it
    require(jcs(r := parse(blob, 2**20 + 4096)).encode() == blob, "not_canonical", isinstance(r, dict), "bad_receipt")
    later, kind = fits("[2-9]|SIZE[0-9]", r.get("schema_version")), str(r.get("type")); own = r.keys() - (needed := [*STORED][:9 if later else None])
    require(all(name in r and fits(STORED[name], r[name]) for name in needed) and (r["previous_receipt_hash"] is None) == (r["org_seq"] == 1), "bad_receipt")
    require(later or (kind in DETAILS) == (r["organization"] == "_ledger") and fields_fit(r, own, kind), "bad_receipt", later or r["receipt_number"].split("-")[1:] == [r["recorded_at"][:4],
        f"{r['org_seq']:05.0f}"], "number_mismatch", not key or mac_fits(key, r), "mac_mismatch"); return r, own if later or kind == "chain" or DETAILS.get(kind) == ".*" else set()
def check_ledger(blobs, origin, ledger_id, seeds={}):  # 13.2: findings, what was not checked, leaves, anchors, number of pending, unsure?, checkpoint rotations
    findings, not_checked, leaves, tree, anchors, ids, heads, prefixes = [], set(), [], [], [None], set(), {}, {"_ledger": "LEDGER", "LEDGER": "_ledger"}
    key, key_id, time, published, due, rotated, new, start, before, epoch, position, unsure, handed, newest, named = *[None] * 7, 0, 0, 0, 0, False, [], [], []  # key: K of the open epoch
    def first_key(name): return mac(seeds[name], "receiptd/1 k0", ledger_id, name) if name in seeds else None
    def expect(*checks): findings.extend((code, place) for code in failures(*checks))
    for place, blob in enumerate(blobs):
        digest, position = sha256(blob), position + 1; leaves.append(leaf_hash(digest)); tree = push(tree, leaves[-1])
        try: r, unchecked = check_receipt(blob)
        except Refused as refusal: findings.append((refusal.args[0], place)); time = None; continue
        kind, now, receipt_id, number, details = (r.get(name) if r["schema_version"] == 1 else None for name in [*STORED][9:] + ["details"])
        org, index, prefix, head = r["organization"], r["log_index"], number and number.split("-")[0], heads.get(r["organization"], digest + bytes(8))
        follows, opens, key_id = r["org_seq"] == int.from_bytes(head[32:40], "big") + 1, key_id is None, key_id or due or r["key_id"]
        said = details if kind in ("key_rotation", "ratchet_break") else {"previous_key_id": r["key_id"], "key_id": None}; key = key if due else key or first_key(key_id)
        was, old, new = new, *((details["previous_vkey"], details["vkey"]) if kind == "checkpoint_rotation" else (None, None))  # of the key that signs the anchors
        expect(index == position - 1, "log_index_gap", not kind or (kind == "genesis") == (index == 0) and (index > 0 or (r["key_id"], r["key_epoch"], ledger_id) == (details["key_id"], 0,
            details["ledger_id"])), "genesis_mismatch", r["ledger"] == origin, "ledger_mismatch", not kind or not (receipt_id in ids or ids.add(receipt_id)), "duplicate_receipt_id", follows,
            "org_seq_gap", not follows or r["previous_receipt_hash"] == (tag(head[40:]) if head[40:] else None), "link_mismatch", not kind or (prefixes.setdefault(org, prefix),
            prefixes.setdefault(prefix, org)) == (prefix, org), "number_mismatch", not now or not time or (now >= time if kind != "clock_step" else details == {"from": time, "to": now} and now <
            time), "time_backwards", r["key_epoch"] == epoch, "epoch_mismatch", r["key_id"] == (said["key_id"] if kind == "ratchet_break" else key_id) and (not rotated or kind in (None, "anchor"))
            and said["previous_key_id"] == key_id != said["key_id"], "key_mismatch", (not was or kind in (None, "anchor")) and (not new or old in (newest or [old]) and new not in [*named, old]),
            "vkey_mismatch", kind != "ratchet_break", "ratchet_break")
        newest, handed = details["vkeys"] if kind == "genesis" else [new] if new else newest, handed + ([(index + 2, old, new)] if new else []); named = named + newest + [old]
        if kind == "ratchet_break": key_id, key, opens, published = r["key_id"], first_key(r["key_id"]), True, details["epoch_commitment"]
        secret, published = key and mac(key, "receiptd/1 epoch"), details["epoch_commitment"] if kind == "genesis" else published; known = key and r["key_id"] == key_id and r["key_epoch"] == epoch
        expect(not opens or not key or tag(sha256(b"receiptd/1 commit\0", secret)) == published, "commitment_mismatch", not known or mac_fits(mac(secret, "receiptd/1 mac", org), r), "mac_mismatch")
        not_checked, unsure = not_checked | unchecked | (set() if known else {"signature"}), unsure or not kind or bool(seeds and not known)
        if kind == "anchor":
            batch, org_heads = details["batch"], tree_root([sha256(b"\0", entry) for entry in heads.values()]); right = (batch["first_index"], batch["count"]) == (before, index -
                before); expect(right, "batch_gap", not right or batch["root"] == tag(tree_root(leaves[start:-1])), "batch_root_mismatch", details["previous_anchor"] == anchors[-1],
                "anchor_link_mismatch", details["org_heads_root"] == tag(org_heads), "org_heads_mismatch"); anchors.append({"root": tag(fold(tree)), "tree_size": index +
                1}); key = first_key(rotated) if rotated not in (None, key_id) else key and mac(key, "receiptd/1 ratchet")
            start, before, epoch, due, key_id, published = len(leaves), index + 1, epoch + 1, rotated or key_id, None, details["epoch_commitment"]
        rotated, heads[org], time, position = said["key_id"], head[:32] + int(r["org_seq"]).to_bytes(8, "big") + digest, now, index + 1
    return findings, not_checked, leaves, anchors[1:], len(leaves) - start, unsure, handed
def read_anchor(data, size, origin, keys):  # the anchor's receipt, its leaf hash and the root of the tree that ends with it
    extra, index, path, note, name, tree_size, root, extensions = match(PROOF, data if len(data) <= 65536 else b"", "bad_tlog_proof")[:8]
    signers = open_note(note.encode(), keys)[1]; require((name, int(tree_size), extensions) == (origin, size, ""), "bad_checkpoint", int(index) == size - 1, "bad_tlog_proof"); blob = unbase64(extra)
    r, leaf, root = check_receipt(blob)[0], leaf_hash(sha256(blob)), unbase64(root); require((r["schema_version"], r.get("type"), r["log_index"]) == (1, "anchor", size - 1), "bad_receipt",
        r["ledger"] == origin, "ledger_mismatch", included(leaf, size - 1, size, [unbase64(line) for line in path.split()], root), "inclusion_mismatch"); return r, leaf, root, signers
def read_batch(receipt, batches):  # the leaves of an anchor's batch or None, and what is wrong if no object has them
    first, count, root = (receipt["details"]["batch"][name] for name in ("first_index", "count", "root")); objects = batches.get((first, receipt["log_index"] - 1), []) if count else [b""]
    formed = [[leaf_hash(data[at:at + 32]) for at in range(3, len(data), 35)] for data in objects if re.fullmatch(ENTRIES, data) and len(data) == 35 * count]
    fitting = [leaves for leaves in formed if tag(tree_root(leaves)) == root]; return fitting[0] if fitting else None, "batch_root_mismatch" if formed else "bad_entries" if objects else "batch_missing"
def check_signers(groups, vkeys, handed, known):  # 13.3 step 3: a finding or None, and whether it counts, by size and root
    names = {vkey: parse_vkey(vkey)[0] for vkey in vkeys}; handed = [(size, names.get(a, a), names.get(b, b)) for size, a, b in handed]; seen, verdicts = [a for _, a, _ in handed[:1]], {}
    for size, group in sorted(groups.items()):
        while handed and handed[0][0] < size: seen += handed.pop(0)[1:]  # the last one is in force
        due, signed, after = {*handed[0][1:]} if handed and handed[0][0] == size else set(), {}, []
        for _, _, root, by, _ in group: signed[root] = [*dict.fromkeys(signed.get(root, []) + by)]
        for root, by in signed.items():
            key, late = (seen or by)[-1 if seen else 0], size > known; fresh = [one for one in by if one not in seen + [key]]; step = late and not fresh[1:]
            code, then = ("" if due & {*names.values()} <= {*by} else "vkey_mismatch", []) if due & {*by} else ("" if not fresh or step else "vkey_mismatch", [key] * (not seen) + fresh *
                step) if key in by else ("retired_key", []) if {*by} & {*seen} else ("vkey_mismatch", by[:1] * late)
            verdicts[size, root] = code, due & {*by} or key in by or then; after = after or then
        seen += after
    return verdicts
def check_target(objects, origin, ledger_id, vkeys, ledger=None, handed=()):  # 13.3, 13.4: findings, what is set aside, spare batches, sizes, newest promise
    findings, behind, aside, batches, groups, named, tree, own, before, previous = [], [], [], {}, {}, set(), [], [], 0, None
    epoch, promise, n, h, keys = 0, None, "([0-9]{20})", "([0-9a-f]{64})", {key: public for key, public in map(parse_vkey, vkeys) if key[0] == origin}
    form = re.escape(f"v1/{origin}/{ledger_id}/") + f"(?:anchors/(?!0+-){n}-{h}[.]tlog-proof|(?:batches(?=.*[.]entries$)|(receipts)(?=.*[.]ndjson[.]gz))/{n}-{n}-{h}[.](?:entries|ndjson[.]gz([.]age)?))"
    for name, data in objects:
        size, hash1, archived, first, last, hash2, _ = (re.fullmatch(form, name) or re.match("()()()(1)(0)()()", "10")).groups(""); formed = first <= last and max(size, last) < f"{2**53:020}"
        if not formed or hash1 + hash2 != sha256(data).hex(): aside.append(("name_mismatch" if formed else "bad_object_name", name))
        elif hash2: archived or batches.setdefault((int(first), int(last)), []).append(data)
        else:
            try: groups[int(size)] = groups.get(int(size), []) + [(*read_anchor(data, int(size), origin, keys), name)]
            except Refused as no: findings.append((no.args[0] if re.search("proof|note|point|ledger|incl", no.args[0]) else "bad_receipt", name))
    signers = check_signers(groups, [vkey for vkey in vkeys if parse_vkey(vkey)[0][0] == origin], [*handed], len(ledger or []))
    findings += [(code, next(one[4] for one in groups[size] if one[2] == root)) for (size, root), (code, _) in signers.items() if code]
    groups = {size: kept for size, group in groups.items() if (kept := [one for one in group if signers[size, one[2]][1]])}
    findings += [("fork", group[0][4]) for _, group in sorted(groups.items()) if len({one[2] for one in group}) > 1]
    for size, group in sorted(groups.items()):
        r, leaf, root, _, name = next((anchor for anchor in group if read_batch(anchor[0], batches)[0] is not None), group[0])
        (leaves, problem), said, first, number = read_batch(r, batches), r["details"]["previous_anchor"], *(r["details"]["batch"][name] for name in ("first_index", "count"))
        tree = reduce(push, leaves + [leaf], tree) if None not in (leaves, tree) and first == before else None
        findings += [(code, name) for code in failures(said == previous and first == before, "anchor_link_mismatch", (said or {"tree_size": 0})["tree_size"] != before or r["key_epoch"] == epoch,
            "epoch_mismatch", number == size - 1 - first, "batch_gap", leaves is not None, problem, tree is None or fold(tree) == root, "log_root_mismatch")]
        own, there = reduce(push, ledger[before:size], own) if ledger else [], ledger is None or size <= len(ledger); named |= {(r["details"]["batch"]["first_index"], size - 2) for r, *_ in group}
        behind += [(code, name) for code in failures(there, "ledger_behind", not there or not ledger or fold(own) == root, "log_root_mismatch")]
        previous, before, epoch, promise = {"root": tag(root), "tree_size": size}, size, r["key_epoch"] + 1, r["details"]["next_anchor_by"]
    return findings + behind, aside, [span for span in batches if span not in named for _ in batches[span]], sorted(groups), promise
if __name__ == "__main__":
    parser, path, more = argparse.ArgumentParser(usage=__doc__.split("\n")[1][7:]), {"type": pathlib.Path}, {"action": "append", "default": []}
    for name, how in {"--origin": {"required": True}, "--ledger-id": {"required": True}, "--vkey": {**more, "required": True}, "--seed": more, "--key-id": more, "--grace": {"type": float, "default":
        60}, "ANCHORS_DIR": path, "LEDGER_DB": {**path, "nargs": "?"}}.items(): parser.add_argument(name, **how)
    try:
        o = parser.parse_args(); top, base = o.ANCHORS_DIR, o.LEDGER_DB and sqlite3.connect(o.LEDGER_DB.resolve().as_uri() + "?mode=ro", uri=True)
        blobs = (bytes(row[0]) for row in (base.execute("SELECT bytes FROM blob ORDER BY log_index") if base else ()))
        found, not_checked, leaves, anchors, pending, unsure, handed = check_ledger(blobs, o.origin, o.ledger_id, dict(zip(o.key_id, map(bytes.fromhex, o.seed))))
        files = [*top.iterdir()] and sorted((top / "v1" / o.origin / o.ledger_id).rglob("*"))  # without the folder the target does not answer
        objects = ((file.relative_to(top).as_posix(), file.read_bytes()) for file in files if file.is_file())
        findings, aside, spare, sizes, promise = check_target(objects, o.origin, o.ledger_id, o.vkey, leaves if base else None, handed)
        now = f"{datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=o.grace):%Y-%m-%dT%H:%M:%S.%fZ}"  # 13.3 step 7
        fresh = failures(sizes or base and not anchors, "anchor_missing", not promise or now <= promise, "anchor_late")
    except Exception as error: sys.exit(print("could not check:", type(error).__name__, error) or 2)
    findings = [(code, f"receipt {place}") for code, place in found] + findings + [(code, f"target, newest anchor {sizes[-1:]}") for code in fresh]
    print("found:" if findings else "could not check:" if unsure else "ok:", f"{len(sizes)} anchors, next promised: {promise}, {len(spare)} batches without "
        f"anchor, {len(aside)} objects set aside; {len(leaves)} receipts, {pending} pending; not checked: {', '.join(sorted(not_checked)) or 'nothing'}")
    printed = [print(code, "at", where) for code, where in findings + aside]; sys.exit(1 if findings else 2 if unsure else 0)
