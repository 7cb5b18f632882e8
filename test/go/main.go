// Reads test/vectors with the standard implementations of what docs/FORMAT.md takes from C2SP: golang.org/x/mod/sumdb (notes, trees) and
// filippo.io/torchwood (checkpoints, proofs, cosignatures). Where they take more than this format does, or less, that is listed here by
// name with the reason, and nothing else may differ. usage: go run . ../vectors
package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const (
	once     = "of several signatures by one key they look at the first only; FORMAT.md section 9: a wrong one refuses the note"
	most     = "they allow 100 signatures; here 16"
	stray    = "encoding/base64 takes bits that are not used; here one spelling only"
	spelling = "strconv takes other spellings of a number; here one only"
	point    = "a key is any 32 bytes there; here a canonical point that is not of small order"
	control  = "control characters and empty lines are refused here wherever they stand"
	large    = "numbers are at most 2^53 - 1 here"
	extra    = "section 15: a proof in evidence has no extra data; section 10: none that is empty"
)

// differs has the vectors with another verdict there, by file, and why. All of these the libraries take, and this format refuses.
var differs = map[string]map[string]string{
	"notes.json": {
		"a good and a wrong signature by one known key": once, "17 signatures": most, "base64 with stray bits": stray, "root with stray bits": stray, "key ID in upper case": spelling,
		"control character in the name": control, "newline at the end": stray, "empty origin": control, "tab in the origin": control, "size 2^53": large,
		"identity point": point, "point of order 8": point, "y = p + 1, not canonical": point, "not on the curve": point,
	},
	"tlog-proofs.json": {"index with a leading zero": spelling, "index with a sign": spelling, "empty extra": extra, "extra with stray bits": stray},
	"evidence.json": {
		"a countersignature at a time beyond 2^53 − 1": large, "one good and one wrong countersignature": once, "one good and one wrong signature of the key": once, "17 signatures": most,
		"an index with a zero": spelling, "extra data": extra, "log_index 8, and logged": "what is proven is right; that the receipt says another index is section 15.1 step 7",
	},
}

type tally struct {
	file     string
	checked  int
	known    int
	problems []string
	used     map[string]bool
}

// judge compares a verdict with that of the vector.
func (t *tally) judge(name string, want bool, err error) {
	t.checked++
	if want == (err == nil) {
		return
	}
	if _, ok := differs[t.file][name]; ok {
		t.known++
		t.used[name] = true
		return
	}
	t.problems = append(t.problems, fmt.Sprintf("%s: %q: the vector says ok=%v, the library: %v", t.file, name, want, err))
}

func (t *tally) end() bool {
	for name := range differs[t.file] {
		if !t.used[name] {
			t.problems = append(t.problems, fmt.Sprintf("%s: %q: listed as different, and is not", t.file, name))
		}
	}
	fmt.Printf("%-18s %4d agree, %2d differ as listed, %d problems\n", t.file, t.checked-t.known-len(t.problems), t.known, len(t.problems))
	for _, problem := range t.problems {
		fmt.Println("  " + problem)
	}
	return len(t.problems) == 0
}

var folder string

func begin(file string, into any) *tally {
	data, err := os.ReadFile(filepath.Join(folder, file))
	if err == nil {
		err = json.Unmarshal(data, into)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	return &tally{file: file, used: map[string]bool{}}
}

func unhex(text string) []byte {
	data, err := hex.DecodeString(text)
	if err != nil {
		panic(err)
	}
	return data
}

func hashOf(text string) (hash tlog.Hash) {
	copy(hash[:], unhex(text))
	return hash
}

func hashes(texts []string) (all []tlog.Hash) {
	for _, text := range texts {
		all = append(all, hashOf(text))
	}
	return all
}

func verifiers(vkeys []string) (all []note.Verifier, err error) {
	seen := map[string]bool{}
	for _, vkey := range vkeys {
		v, err := note.NewVerifier(vkey)
		if err != nil {
			return nil, err
		}
		if !seen[vkey] {
			all = append(all, v)
		}
		seen[vkey] = true
	}
	return all, nil
}

func notes() bool {
	var v struct {
		Notes []struct {
			Name, Hex, Text string
			Vkeys           []string
			Ok              bool
		}
		Vkeys []struct {
			Name, Vkey string
			Ok         bool
		}
		Checkpoints []struct {
			Name, Text string
			Ok         bool
			Origin     string
			Size       int64
			Root       string
		}
	}
	t := begin("notes.json", &v)
	for _, one := range v.Notes {
		keys, err := verifiers(one.Vkeys)
		var opened *note.Note
		if err == nil {
			opened, err = note.Open(unhex(one.Hex), note.VerifierList(keys...))
		}
		if err == nil && one.Ok && opened.Text != one.Text {
			err = errors.New("another text")
		}
		t.judge(one.Name, one.Ok, err)
	}
	for _, one := range v.Vkeys {
		_, err := note.NewVerifier(one.Vkey)
		t.judge(one.Name, one.Ok, err)
	}
	for _, one := range v.Checkpoints {
		c, err := torchwood.ParseCheckpoint(one.Text)
		if err == nil && one.Ok && (c.Origin != one.Origin || c.N != one.Size || c.Hash != hashOf(one.Root)) {
			err = errors.New("other values")
		}
		t.judge(one.Name, one.Ok, err)
	}
	return t.end()
}

func merkle() bool {
	var v struct {
		Inclusion []struct {
			Index, Size int64
			Leaf, Root  string
			Path        []string
		}
		Consistency []struct {
			Size1, Size2 int64
			Root1, Root2 string
			Path         []string
		}
	}
	t := begin("merkle.json", &v)
	for _, one := range v.Inclusion {
		t.judge(fmt.Sprintf("inclusion %d of %d", one.Index, one.Size), true, tlog.CheckRecord(hashes(one.Path), one.Size, hashOf(one.Root), one.Index, hashOf(one.Leaf)))
	}
	for _, one := range v.Consistency {
		if one.Size1 == 0 {
			continue // of the empty tree, with which every tree is consistent, CheckTree does not want to be asked
		}
		t.judge(fmt.Sprintf("consistency %d to %d", one.Size1, one.Size2), true, tlog.CheckTree(hashes(one.Path), one.Size2, hashOf(one.Root2), one.Size1, hashOf(one.Root1)))
	}
	return t.end()
}

// anyOf is a policy of one of these keys, each for the log of its name.
func anyOf(keys []note.Verifier) torchwood.Policy {
	var policies []torchwood.Policy
	for _, key := range keys {
		policies = append(policies, torchwood.ThresholdPolicy(2, torchwood.SingleVerifierPolicy(key), torchwood.OriginPolicy(key.Name())))
	}
	if len(policies) == 0 {
		return torchwood.OriginPolicy("")
	}
	return torchwood.ThresholdPolicy(1, policies...)
}

func proofs() bool {
	var v struct {
		Proofs []struct {
			Name, Hex, Leaf, Result string
			Vkeys                   []string
		}
	}
	t := begin("tlog-proofs.json", &v)
	for _, one := range v.Proofs {
		keys, err := verifiers(one.Vkeys)
		if err == nil {
			err = torchwood.VerifyProof(anyOf(keys), hashOf(one.Leaf), unhex(one.Hex))
		}
		t.judge(one.Name, one.Result == "ok", err)
	}
	return t.end()
}

func leafOf(receipt []byte) tlog.Hash {
	hash := sha256.Sum256(receipt)
	return tlog.RecordHash(append([]byte{1}, hash[:]...))
}

func anchors() bool {
	var v []struct {
		Name    string
		Ok      bool
		Vkeys   []string
		Objects []any
	}
	t := begin("anchors.json", &v)
	for _, target := range v[:1] {
		keys, err := verifiers(target.Vkeys)
		if err != nil {
			panic(err)
		}
		for _, object := range target.Objects {
			members := object.(map[string]any)
			name := members["name"].(string)
			if !strings.HasSuffix(name, ".tlog-proof") {
				continue
			}
			data, err := base64.StdEncoding.DecodeString(members["base64"].(string))
			var extra []byte
			if err == nil {
				extra, err = torchwood.ProofExtraData(data)
			}
			if err == nil {
				err = torchwood.VerifyProof(anyOf(keys), leafOf(extra), data)
			}
			t.judge(filepath.Base(name), target.Ok, err)
		}
	}
	return t.end()
}

// evidence: the proof in each file under the ledger's key, and the countersignatures. What a file is beyond that the library does not know.
func evidence() bool {
	var v []struct {
		Name, File, Code, Vkey string
		Ok, Anchored           bool
		Auditors               []string
	}
	t := begin("evidence.json", &v)
	for _, one := range v {
		inProof := one.Code == "bad_note" || one.Code == "bad_tlog_proof" || one.Code == "inclusion_mismatch"
		if !one.Ok && !inProof {
			continue
		}
		var file struct{ Receipt, Proof, Ledger string }
		if err := json.Unmarshal([]byte(one.File), &file); err != nil {
			continue
		}
		receipt, err := base64.StdEncoding.DecodeString(file.Receipt)
		if err != nil {
			continue
		}
		t.judge(one.Name, one.Ok, verifyEvidence(one.Vkey, one.Auditors, one.Ok, one.Anchored, file.Ledger, receipt, []byte(file.Proof)))
	}
	return t.end()
}

func verifyEvidence(vkey string, auditors []string, ok, anchored bool, origin string, receipt, proof []byte) error {
	key, err := note.NewVerifier(vkey)
	if err != nil {
		return err
	}
	if key.Name() != origin {
		return errors.New("a key of another name")
	}
	if err := torchwood.VerifyProof(anyOf([]note.Verifier{key}), leafOf(receipt), proof); err != nil {
		return err
	}
	_, checkpoint, _ := bytes.Cut(proof, []byte("\n\n"))
	seen := 0
	for _, auditor := range auditors {
		cosigner, err := torchwood.NewCosignatureVerifier(auditor)
		if err != nil {
			return err
		}
		opened, err := note.Open(checkpoint, note.VerifierList(cosigner))
		var unverified *note.UnverifiedNoteError
		if errors.As(err, &unverified) {
			continue // nobody of that name and key ID
		}
		if err != nil {
			return err
		}
		seen += len(opened.Sigs)
	}
	if ok && anchored != (seen > 0) {
		return fmt.Errorf("%d countersignatures", seen)
	}
	return nil
}

// reports: the note in each, under the ledger's key. That it is this report's is our own check.
func reports() bool {
	var v []struct {
		Name, File, Vkey, Code string
		Ok, Signed             bool
	}
	t := begin("reports.json", &v)
	for _, one := range v {
		var file struct{ Note any }
		if err := json.Unmarshal([]byte(one.File), &file); err != nil || (one.Code != "bad_note" && !one.Signed) {
			continue
		}
		keys, err := verifiers([]string{one.Vkey})
		if err == nil {
			text, _ := file.Note.(string)
			_, err = note.Open([]byte(text), note.VerifierList(keys...))
		}
		t.judge(one.Name, one.Ok, err)
	}
	return t.end()
}

// attestations: the statement as a note, and the checkpoint that is countersigned. What the statement says is our own check.
func attestations() bool {
	var v []struct {
		Name, Code string
		Ok         bool
		Details    struct{ Statement, Cosigned string }
		Auditors   []string
	}
	t := begin("attestations.json", &v)
	for _, one := range v {
		if one.Ok || one.Code == "bad_note" {
			t.judge(one.Name, one.Ok, verifyAttestation([]byte(one.Details.Statement), []byte(one.Details.Cosigned), one.Auditors))
		}
	}
	return t.end()
}

func verifyAttestation(statement, cosigned []byte, auditors []string) error {
	var signers, cosigners []note.Verifier
	for _, auditor := range auditors {
		cosigner, err := torchwood.NewCosignatureVerifier(auditor)
		if err != nil {
			return err
		}
		parts := strings.SplitN(auditor, "+", 3)
		key, _ := base64.StdEncoding.DecodeString(parts[2])
		vkey, err := note.NewEd25519VerifierKey(parts[0], ed25519.PublicKey(key[1:])) // the same key, as one that signs notes
		if err != nil {
			return err
		}
		signer, err := note.NewVerifier(vkey)
		if err != nil {
			return err
		}
		signers, cosigners = append(signers, signer), append(cosigners, cosigner)
	}
	signed, err := note.Open(statement, note.VerifierList(signers...))
	if err != nil {
		return err
	}
	seen, err := note.Open(cosigned, note.VerifierList(cosigners...))
	if err != nil {
		return err
	}
	for _, one := range signed.Sigs {
		for _, other := range seen.Sigs {
			if one.Name == other.Name {
				return nil
			}
		}
	}
	return errors.New("signed by one, countersigned by another")
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: go run . ../vectors")
		os.Exit(2)
	}
	folder = os.Args[1]
	agree := true
	for _, check := range []func() bool{notes, merkle, proofs, anchors, evidence, reports, attestations} {
		agree = check() && agree
	}
	if !agree {
		os.Exit(1)
	}
}
