#!/usr/bin/env python3
"""Checks a file that `receiptd export` has made, with nothing but Python, verify.py beside this file, and the ledger's key: docs/FORMAT.md section 16.
usage: verify_export.py FILE VKEY        VKEY: the ledger's key, which you have by another way than the file
Prints one verdict line. Exit status: 0 all receipts of its time are in the file, 1 the file shows no such thing, 2 could not check, or not all of the time."""
import base64, functools, hashlib, re, sys
sys.dont_write_bytecode = True  # nothing is written beside verify.py
from verify import BASE64, CHAR, HASH, N, ORIGIN, SIGNATURE, Refused, ed25519, has, is_text, jcs, parse, parse_vkey, require, sha256

# Forms (sections 4 and 7) are patterns of a value's canonical text, in which these words stand for theirs; lengths are in UTF-16 code units
WORDS = {
    "ACCESS": '{"count":(null|COUNT),"organizations":(null|GROUPS),"scope":"NAME","token":"NAME","what":"CHAR{1,256}"}', "GROUPS": r"\[GROUP(,GROUP){0,63}]", "GROUP": '"(_ledger|NAME)"',
    "ORIGIN": r"(?!(?:[^/\"]*/)*[.]{1,2}[/\"])(?=[^\"]{1,200}\")[a-z0-9.-]+(?:/[A-Za-z0-9._-]+)*", "NAME": "[a-z0-9][a-z0-9._-]{0,63}", "TREE": '{"root":HASH,"tree_size":SIZE}',
    "SEEN": '{"last_modified":TIME,"target":"CHAR{1,256}","tree_size":SIZE,"version_id":"CHAR{1,1024}"}', "SPOTS": r"\[(SPOT(,SPOT){0,63})?]", "SPOT": '{"found":(null|HASH),"log_index":COUNT}',
    "MODE": "(?:retained|forward-secure)", "WHY": '"(?:request|schedule)"', "TIME": '"DATE[.][0-9]{3}Z"', "HASH": '"sha256:HEX{64}"', "HEX": "[0-9a-f]", "COUNT": "(?:0|SIZE)", "SIZE": "[1-9][0-9]*",
    "CHAR": r'(?:[^"\\]|\\u[0-9a-f]{4}|\\[^u])', "DATE": "(?:[0-9]{4}-(?!02-(?:29|3)|(?:0[469]|11)-31)(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])|"
    "(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)-02-29)T(?:[01][0-9]|2[0-3])(?::[0-5][0-9]){2}"}
STORED = {  # in every receipt; the first nine also in those of a later schema_version
    "ledger": '"ORIGIN"', "organization": '"(?:_ledger|NAME)"', "org_seq": "SIZE", "log_index": "COUNT", "key_id": '"NAME"', "key_epoch": "COUNT", "previous_receipt_hash": "null|HASH",
    "signature": '"hmac-sha256:HEX{64}"', "schema_version": "SIZE", "type": '"CHAR*"', "recorded_at": "TIME", "receipt_id": '"HEX{8}-(?:HEX{4}-){3}HEX{12}"',
    "receipt_number": '"[A-Z][A-Z0-9]{0,15}-[0-9]{4}-(?:[0-9]{5}|[1-9][0-9]{5,})"'}
CALLER = {
    **dict.fromkeys("system_id model_version user_id region policy_version chain_id".split(), '"CHAR{1,256}"'), "summary": '"CHAR{1,4096}"', "model_epoch": "COUNT", "timestamp": '"DATE(?:[.][0-9]{1,9})?Z"',
    "decision": "(?!null$).*", **dict.fromkeys(("inputs", "metadata"), "{.*}"), **dict.fromkeys(("gates", "reasons"), r"\[.*]")}
DETAILS = {
    **dict.fromkeys(("prune", "erasure"), ".*"), "access": r'{"accesses":\[ACCESS(,ACCESS){0,127}]}', "attestation": '{"cosigned":"CHAR{1,16384}","statement":"CHAR{1,16384}"}',
    "clock_step": '{"from":TIME,"to":TIME}', "key_revocation": '{"compromised_since":TIME,"key_id":"NAME","reason":"CHAR{1,1024}"}',
    "key_rotation": '{"key_id":"NAME","mode":"MODE","previous_key_id":"NAME","reason":WHY}', "checkpoint_rotation": '{"previous_vkey":"CHAR{1,400}","reason":WHY,"vkey":"CHAR{1,400}"}',
    "ratchet_break": '{"epoch_commitment":HASH,"key_id":"NAME","mode":"MODE","previous_key_id":"NAME","ratchet":"(lost|ahead|wrong)","reason":"CHAR{1,1024}"}',
    "genesis": r'{"epoch_commitment":HASH,"format":1,"key_id":"NAME","ledger_id":"HEX{32}","mode":"MODE","vkeys":\["CHAR{1,400}"(,"CHAR{1,400}"){0,15}]}',
    "anchor": r'{"batch":{"count":COUNT,"first_index":COUNT,"root":HASH},"epoch_commitment":HASH,"next_anchor_by":(null|TIME),"observed":\[(SEEN(,SEEN){0,15})?],"org_heads_root":HASH,'
    '"previous_anchor":(null|TREE),"reason":"(start|schedule|count|heartbeat|request|shutdown)"}',
    "recovery": '{"action":"rebuild","from":"(ledger|archive|both)","log_size":SIZE,"lost":SPOTS,"lost_count":COUNT,"reason":"CHAR{1,1024}","replaced":SPOTS,"replaced_count":COUNT,"root":HASH}'}
@functools.lru_cache(None)
def form(pattern): return re.compile(functools.reduce(lambda text, word: text.replace(word, WORDS[word]), WORDS, pattern), re.S)
def fits(pattern, value): return form(pattern).fullmatch(re.sub("[\U00010000-\U0010ffff]", "xx", jcs(value)))
def gate_fits(gate): return isinstance(gate, dict) and fits('"CHAR{1,256}"', gate.get("name")) and fits('"(PASS|FAIL|WARN|SKIP|ERROR)"', gate.get("status"))
def fields_fit(r, own, kind, text):  # section 13.1 step 3; own: the names that are not in every receipt
    if kind in DETAILS: return own == {"details"} and fits(DETAILS[kind], r["details"]) and (kind != "anchor" or r["details"]["batch"]["count"] <= 65536)
    needed, gates, reasons = {"decision": {"system_id", "decision", "inputs"}}.get(kind, {"system_id"}), r.get("gates", []), r.get("reasons", [])
    return kind == "chain" or (re.fullmatch("decision|x_[a-z0-9_]{1,60}", kind) and needed <= own and len(r) <= 269 and not re.search(r'[{,]"(_sd|_sd_alg|[.]{3})":', text)
        and all(fits(CALLER[name], r[name]) if name in CALLER else re.fullmatch("x_[A-Za-z0-9_.-]{1,62}", name) for name in own) and max(len(gates), len(reasons)) <= 1000 and all(map(gate_fits, gates)))
def check_receipt(blob):  # section 13.1 without its MAC: the receipt, its hash, and whether it is of schema_version 1
    r = parse(blob, 2**20 + 4096); text = jcs(r); require(text.encode() == blob, "not_canonical"); require(isinstance(r, dict), "bad_receipt")
    later, kind = fits("[2-9]|SIZE[0-9]", r.get("schema_version")), str(r.get("type")); needed = [*STORED][:9 if later else None]
    require(all(name in r and fits(STORED[name], r[name]) for name in needed) and (r["previous_receipt_hash"] is None) == (r["org_seq"] == 1), "bad_receipt")
    require(later or (kind in DETAILS) == (r["organization"] == "_ledger") and fields_fit(r, r.keys() - needed, kind, text), "bad_receipt")
    require(later or r["receipt_number"].split("-")[1:] == [r["recorded_at"][:4], f"{r['org_seq']:05.0f}"], "number_mismatch"); return r, sha256(blob), not later

def tag(digest): return "sha256:" + digest.hex()
def node(left, right): return sha256(b"\1", left, right)
def push(tree, root):  # tree: (height, root) of perfect subtrees from the left, section 8.1
    height = 0
    while tree and tree[-1][0] == height: root, height = node(tree.pop()[1], root), height + 1
    tree.append((height, root))
def included(leaf, index, size, path, root):
    for level, sibling in enumerate(path): leaf = node(sibling, leaf) if index >> level & 1 or index >> level == size - 1 >> level else node(leaf, sibling)
    inner = (index ^ size - 1).bit_length(); return 0 <= index < size and leaf == root and len(path) == inner + bin(index >> inner).count("1")
def unbase64(text): require(is_text(text) and re.fullmatch(BASE64, text), "bad_export"); return base64.b64decode(text)
def hashes(value): require(isinstance(value, list) and len(value) <= 63 and all(is_text(one) and re.fullmatch(HASH, one) for one in value), "bad_export"); return [*map(base64.b64decode, value)]
def is_count(value): return isinstance(value, float) and value >= 0 and value % 1 == 0
def proven(value): require(has(value, ["path", "receipt"]), "bad_export"); return unbase64(value["receipt"]), hashes(value["path"])
def head(value):  # number, hash, place in the tree of section 8.2
    require(has(value, ["hash", "index", "org_seq", "path", "size"]) and all(is_count(value[name]) for name in ("index", "org_seq", "size")) and fits("HASH", value["hash"]), "bad_export")
    return int(value["org_seq"]), bytes.fromhex(value["hash"][7:]), int(value["index"]), int(value["size"]), hashes(value["path"])
def read_header(line):  # section 16.1 step 1; what is in base64 as bytes
    h = parse(line, 2**21); require(jcs(h).encode() == line, "not_canonical")
    require(has(h, "before checkpoint end first format from heads ledger left organization own_before published to vkeys".split()) and h["format"] == "receiptd-export/1", "bad_export")
    require(is_text(h["ledger"]) and re.fullmatch(ORIGIN, h["ledger"]) and is_text(h["checkpoint"]) and all(map(is_count, (h["first"], h["end"], h["own_before"]))) and h["first"] < h["end"], "bad_export")
    require(fits("null|TIME", h["from"]) and fits("null|TIME", h["to"]) and not (h["from"] and h["to"] and h["from"] >= h["to"]) and fits('null|"(_ledger|NAME)"', h["organization"]), "bad_export")
    require(all(isinstance(h[name], list) and len(h[name]) <= 16 for name in ("published", "vkeys")) and all(is_text(hint, 1024) for hint in h["vkeys"]), "bad_export")
    require(all(has(at, ["last_modified", "object", "target", "version_id"]) and all(is_text(hint, 1024) for hint in at.values()) for at in h["published"]), "bad_export")
    h.update({name: int(h[name]) for name in ("first", "end", "own_before")}); h["left"] = hashes(h["left"]); require(len(h["left"]) == bin(h["first"]).count("1"), "bad_export")
    require((h["before"] is None) == (h["first"] == 0) and (h["heads"] is None) == (h["organization"] in (None, "_ledger")), "bad_export"); h["before"] = h["before"] and proven(h["before"])
    if h["heads"] is not None:
        require(has(h["heads"], ["before", "end", "first_receipt"]), "bad_export"); of = h["heads"]
        h["heads"] = unbase64(of["first_receipt"]), None if of["before"] is None else head(of["before"]), head(of["end"])
    return h
def read_root(text, origin, vkey, size):  # step 2: the checkpoint's root
    found = re.fullmatch(f"((?:{CHAR}*\n)+)\n((?:{SIGNATURE}){{1,16}})", text) if len(text.encode()) <= 65536 else None; require(found, "bad_note"); (name, key_id), key = vkey
    signed = [base64.b64decode(value)[4:] for signer, value in re.findall(SIGNATURE, found[2]) if signer == name == origin and base64.b64decode(value)[:4] == key_id]
    require(signed and all(ed25519(key, found[1].encode(), value) for value in signed), "bad_note")
    point = re.fullmatch(f"({CHAR}+)\n{N}\n({HASH})\n", found[1]); require(point and (point[1], int(point[2])) == (origin, size), "bad_checkpoint"); return base64.b64decode(point[3])

def lines_of(file):
    for line in iter(lambda: file.readline(2**21 + 2), b""):
        ended = line[-1:] == b"\n"; require(len(line) <= 2**21 + ended, "too_large"); require(ended, "bad_export"); yield line[:-1]
def check(file, vkey):  # section 16.1, step by step; the header, the verdict, how many receipts were asked for, and the time of the last anchor receipt
    lines, digest = lines_of(file), hashlib.sha256()
    def take(): line = next(lines, None); require(line is not None, "bad_export"); digest.update(line + b"\n"); return line
    h = read_header(take()); first, end, asked, ledger = h["first"], h["end"], h["organization"], h["ledger"]; root = read_root(h["checkpoint"], ledger, vkey, end)
    def in_tree(r, digest, path): require(r["ledger"] == ledger, "ledger_mismatch"); require(included(sha256(b"\0\1", digest), int(r["log_index"]), end, path, root), "inclusion_mismatch")
    def follow(head, r, digest): require(r["org_seq"] == head[0] + 1, "org_seq_gap"); require(r["previous_receipt_hash"] == head[1], "link_mismatch"); return int(r["org_seq"]), tag(digest)
    def in_heads(anchor, head, code="org_heads_mismatch"):
        number, digest, index, size, path = head; require(anchor, code); leaf = sha256(b"\0", first_hash, number.to_bytes(8, "big"), digest)
        require(included(leaf, index, size, path, bytes.fromhex(anchor["details"]["org_heads_root"][7:])), code)
    before, heads, own, org, time, unknown, receipts, seq, others = None, h["heads"], (0, None), (0, None), "", 0, 0, 1, 0
    if first:
        blob, path = h["before"]; before, digest_before, known = check_receipt(blob); require(known and before["type"] == "anchor", "bad_export"); in_tree(before, digest_before, path)
        require(before["log_index"] == first - 1, "inclusion_mismatch"); require(h["from"] and before["recorded_at"] < h["from"], "bad_export")
        own, time, others = (int(before["org_seq"]), tag(digest_before)), before["recorded_at"], max(0, int(before["org_seq"] - before["key_epoch"]) - 2)
    require(h["own_before"] == others, "bad_export")
    if heads:
        r, first_hash, _ = check_receipt(heads[0]); require((r["ledger"], r["organization"], r["org_seq"]) == (ledger, asked, 1), "org_heads_mismatch")
        if heads[1]: in_heads(before, heads[1]); org = heads[1][0], tag(heads[1][1])
    for _ in range(others):
        line = take(); value = parse(line, 2**21); require(jcs(value).encode() == line, "not_canonical"); blob, path = proven(value); r, digest_of, known = check_receipt(blob); in_tree(r, digest_of, path)
        require(r["organization"] == "_ledger" and r["log_index"] < first - 1 and r["org_seq"] > seq and not (known and r["type"] in ("genesis", "anchor")), "bad_export"); seq, unknown = r["org_seq"], unknown + (not known)
        require(not known or r["type"] != "clock_step" or r["details"]["from"] < h["from"], "bad_export")
    tree, left = [], iter(h["left"]); tree += [(height, next(left)) for height in range(52, -1, -1) if first >> height & 1]
    for place in range(first, end):
        line, last = take(), None; found = re.fullmatch(b'"sha256:([0-9a-f]{64})"', line)
        if not found or not asked:
            require(line[:1] == b"{", "bad_export"); r, digest_of, known = check_receipt(line); require(r["ledger"] == ledger, "ledger_mismatch"); require(r["log_index"] == place, "log_index_gap")
            require(not asked or r["organization"] in (asked, "_ledger"), "bad_export"); last, unknown = r if known else None, unknown + (not known)
            if r["organization"] == "_ledger": own = follow(own, r, digest_of)
            elif asked: org = follow(org, r, digest_of)
            if known:
                at = r["recorded_at"]; step = r["details"] if r["type"] == "clock_step" else {"from": at, "to": at}; require(step["from"] >= time and step["to"] == at, "time_backwards"); time = at
                receipts += (asked in (None, r["organization"])) and (h["from"] or "") <= at < (h["to"] or "~")
        push(tree, sha256(b"\0\1", bytes.fromhex(found[1].decode()) if asked and found else digest_of))
    line = next(lines, None); require(line is not None, "bad_export"); require(line == jcs({"digest": tag(digest.digest())}).encode(), "digest_mismatch"); require(next(lines, None) is None, "bad_export")
    require(functools.reduce(lambda right, left: node(left, right), [one for _, one in tree[::-1]]) == root, "log_root_mismatch")
    require(last and last["type"] == "anchor" and last["recorded_at"] > (h["from"] or ""), "bad_export"); until = last["recorded_at"]
    if heads: in_heads(last, heads[2]); require(org[0] == heads[2][0], "org_seq_gap"); require(org[1] == tag(heads[2][1]), "link_mismatch")
    return h, "could_not_check" if unknown else "complete" if h["to"] and until >= h["to"] else "complete_until", receipts, until

if __name__ == "__main__":
    try: path, vkey = sys.argv[1:]; key = parse_vkey(vkey); file = open(path, "rb")
    except (ValueError, OSError, Refused) as error: sys.exit(print("could not check:", error or __doc__) or 2)
    try: h, verdict, receipts, until = check(file, key)
    except Refused as refusal: sys.exit(print("not verified:", refusal.args[0]) or 1)
    except OSError as error: sys.exit(print("could not check:", error) or 2)
    if verdict == "could_not_check": sys.exit(print("could not check: the file has receipts of a schema_version that this program does not know") or 2)
    whole = verdict == "complete" or not h["to"]
    print("verified:", receipts, f"receipts of {h['organization'] or 'all organizations'} in the ledger {h['ledger']} from {h['from'] or 'its beginning'} {'to ' + h['to'] if verdict == 'complete' else 'up to ' + until}",
          f"are in the file, and there was no other as of the anchor of {h['end']} receipts, of {until}, which this key has signed{'' if whole else '; what was recorded after it, to ' + h['to'] + ', is not shown'}")
    sys.exit(0 if whole else 2)
