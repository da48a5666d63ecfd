// Command tlog reads what a log of ours serves with the packages of the Go checksum database, which
// share no line with it: signed heads, cosignatures, proofs, and tiles of hashes and entries.
//
// It exits 0 where all holds, 1 where something was refused, and 3 where it could not be tried.
package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const usage = `tlog head VKEY NOTE
tlog cosigned VKEY WITNESS-VKEY NOTE
tlog proof VKEY PROOF ENTRY
tlog growth VKEY OLD-NOTE NEW-NOTE HASHES
tlog tiles VKEY DIRECTORY`

func main() {
	command, args := "", []string(nil)
	if len(os.Args) > 1 {
		command, args = os.Args[1], os.Args[2:]
	}
	var err error
	switch {
	case command == "head" && len(args) == 2:
		_, _, err = open(read(args[1]), logKey(args[0]))
	case command == "cosigned" && len(args) == 3:
		err = cosigned(logKey(args[0]), args[1], read(args[2]))
	case command == "proof" && len(args) == 3:
		err = proof(logKey(args[0]), read(args[1]), read(args[2]))
	case command == "growth" && len(args) == 4:
		err = growth(logKey(args[0]), read(args[1]), read(args[2]), read(args[3]))
	case command == "tiles" && len(args) == 2:
		err = tiles(logKey(args[0]), args[1])
	default:
		fail(errors.New(usage))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "refused:", err)
		os.Exit(1)
	}
}

// fail ends where nothing was judged.
func fail(err error) {
	fmt.Fprintln(os.Stderr, "error:", err)
	os.Exit(3)
}

func read(path string) []byte {
	data, err := os.ReadFile(path)
	if err != nil {
		fail(err)
	}
	return data
}

func logKey(vkey string) note.Verifier {
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		fail(err)
	}
	return verifier
}

// open checks a signed head by every given key, and reads its three lines.
func open(data []byte, keys ...note.Verifier) (*note.Note, tlog.Tree, error) {
	opened, err := note.Open(data, note.VerifierList(keys...))
	if err != nil {
		return nil, tlog.Tree{}, err
	}
	if len(opened.Sigs) != len(keys) {
		return nil, tlog.Tree{}, fmt.Errorf("%d of %d keys signed", len(opened.Sigs), len(keys))
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[0] != keys[0].Name() {
		return nil, tlog.Tree{}, errors.New("no head of this log")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return nil, tlog.Tree{}, err
	}
	root, err := tlog.ParseHash(lines[2])
	return opened, tlog.Tree{N: size, Hash: root}, err
}

// witness verifies C2SP tlog-cosignature v1, which the note package does not know.
type witness struct {
	name string
	hash uint32
	key  ed25519.PublicKey
	// time is that of the last signature that held.
	time uint64
}

func newWitness(vkey string) (*witness, error) {
	parts := strings.SplitN(vkey, "+", 3)
	if len(parts) != 3 {
		return nil, errors.New("a verifier key has three parts")
	}
	id, err := hex.DecodeString(parts[1])
	if err != nil {
		return nil, err
	}
	key, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil {
		return nil, err
	}
	if len(key) != 1+ed25519.PublicKeySize || key[0] != 0x04 {
		return nil, errors.New("not an Ed25519 cosignature key")
	}
	sum := sha256.Sum256(append([]byte(parts[0]+"\n"), key...))
	if !bytes.Equal(id, sum[:4]) {
		return nil, errors.New("the key id is another key's")
	}
	return &witness{name: parts[0], hash: binary.BigEndian.Uint32(id), key: key[1:]}, nil
}

func (w *witness) Name() string    { return w.name }
func (w *witness) KeyHash() uint32 { return w.hash }

func (w *witness) Verify(text, signature []byte) bool {
	if len(signature) != 8+ed25519.SignatureSize {
		return false
	}
	time := binary.BigEndian.Uint64(signature)
	message := fmt.Sprintf("cosignature/v1\ntime %d\n%s", time, text)
	if !ed25519.Verify(w.key, []byte(message), signature[8:]) {
		return false
	}
	w.time = time
	return true
}

// cosigned prints when the witness signed the head.
func cosigned(key note.Verifier, vkey string, data []byte) error {
	by, err := newWitness(vkey)
	if err != nil {
		return err
	}
	if _, _, err := open(data, key, by); err != nil {
		return err
	}
	fmt.Println(by.time)
	return nil
}

func hashes(lines []string) ([]tlog.Hash, error) {
	var found []tlog.Hash
	for _, line := range lines {
		hash, err := tlog.ParseHash(line)
		if err != nil {
			return nil, err
		}
		found = append(found, hash)
	}
	return found, nil
}

// proof checks a C2SP tlog-proof v1 of an entry.
func proof(key note.Verifier, data, entry []byte) error {
	path, head, _ := strings.Cut(string(data), "\n\n")
	lines := strings.Split(path, "\n")
	if len(lines) < 2 || lines[0] != "c2sp.org/tlog-proof@v1" {
		return errors.New("no tlog-proof")
	}
	if !strings.HasPrefix(lines[1], "index ") {
		return errors.New("no index")
	}
	index, err := strconv.ParseInt(strings.TrimPrefix(lines[1], "index "), 10, 64)
	if err != nil {
		return err
	}
	siblings, err := hashes(lines[2:])
	if err != nil {
		return err
	}
	_, tree, err := open([]byte(head), key)
	if err != nil {
		return err
	}
	return tlog.CheckRecord(siblings, tree.N, tree.Hash, index, tlog.RecordHash(entry))
}

// growth checks that one head begins with another, by hashes in base64, one a line.
func growth(key note.Verifier, before, after, data []byte) error {
	_, old, err := open(before, key)
	if err != nil {
		return err
	}
	_, now, err := open(after, key)
	if err != nil {
		return err
	}
	way, err := hashes(strings.Fields(string(data)))
	if err != nil {
		return err
	}
	return tlog.CheckTree(way, now.N, now.Hash, old.N, old.Hash)
}

// height of the tiles that C2SP tlog-tiles has.
const height = 8

// directory holds the files of one log.
type directory string

func (d directory) Height() int                         { return height }
func (d directory) SaveTiles(_ []tlog.Tile, _ [][]byte) {}

func (d directory) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	var found [][]byte
	for _, tile := range wanted {
		data, err := os.ReadFile(d.path(tile))
		if err != nil {
			return nil, err
		}
		found = append(found, data)
	}
	return found, nil
}

// path is that of the checksum database without its height, and with entries for data.
func (d directory) path(tile tlog.Tile) string {
	path := strings.TrimPrefix(tile.Path(), fmt.Sprintf("tile/%d/", height))
	path = strings.Replace(path, "data/", "entries/", 1)
	return filepath.Join(string(d), "tile", filepath.FromSlash(path))
}

// entries reads every entry of a log of this size.
func (d directory) entries(size int64) ([][]byte, error) {
	var found [][]byte
	for at := int64(0); at < size; at += 1 << height {
		tile := tlog.Tile{H: height, L: -1, N: at >> height, W: 1 << height}
		if size-at < 1<<height {
			tile.W = int(size - at)
		}
		data, err := os.ReadFile(d.path(tile))
		if err != nil {
			return nil, err
		}
		for n := 0; n < tile.W; n++ {
			if len(data) < 2 || len(data) < 2+int(binary.BigEndian.Uint16(data)) {
				return nil, fmt.Errorf("%s is cut short", d.path(tile))
			}
			end := 2 + int(binary.BigEndian.Uint16(data))
			found, data = append(found, data[2:end]), data[end:]
		}
		if len(data) > 0 {
			return nil, fmt.Errorf("%s has more than its entries", d.path(tile))
		}
	}
	return found, nil
}

// tiles reads a whole log: every tile must be what the entries make, and the head must follow from
// the tiles alone. It prints proofs that it makes from them: "record N HASH...", "tree N HASH...".
func tiles(key note.Verifier, path string) error {
	files := directory(path)
	_, tree, err := open(read(filepath.Join(path, "checkpoint")), key)
	if err != nil {
		return err
	}
	entries, err := files.entries(tree.N)
	if err != nil {
		return err
	}
	if err := rebuild(files, tree, entries); err != nil {
		return err
	}
	reader := tlog.TileHashReader(tree, files)
	root, err := tlog.TreeHash(tree.N, reader)
	if err != nil {
		return err
	}
	if root != tree.Hash {
		return errors.New("the tiles make another root")
	}
	// Every place of a short log, some of a long one.
	for n := int64(0); n < tree.N; n += 1 + tree.N/1000 {
		record, err := tlog.ProveRecord(tree.N, n, reader)
		if err != nil {
			return err
		}
		hash := tlog.RecordHash(entries[n])
		if err := tlog.CheckRecord(record, tree.N, tree.Hash, n, hash); err != nil {
			return err
		}
		grown, err := tlog.ProveTree(tree.N, n+1, reader)
		if err != nil {
			return err
		}
		printed("record", n, record)
		printed("tree", n+1, grown)
	}
	return nil
}

func printed(what string, n int64, hashes []tlog.Hash) {
	fmt.Print(what, " ", n)
	for _, hash := range hashes {
		fmt.Print(" ", hash)
	}
	fmt.Println()
}

// rebuild makes the log from its entries, and compares every tile of the tree's size.
func rebuild(files directory, tree tlog.Tree, entries [][]byte) error {
	var stored []tlog.Hash
	kept := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		var found []tlog.Hash
		for _, index := range indexes {
			found = append(found, stored[index])
		}
		return found, nil
	})
	for n, entry := range entries {
		made, err := tlog.StoredHashes(int64(n), entry, kept)
		if err != nil {
			return err
		}
		stored = append(stored, made...)
	}
	for _, tile := range tlog.NewTiles(height, 0, tree.N) {
		// Of the tile at the right edge only the widest is asked for.
		if last := tree.N >> uint(height*tile.L); tile.N == last>>height && tile.W != int(last%(1<<height)) {
			continue
		}
		made, err := tlog.ReadTileData(tile, kept)
		if err != nil {
			return err
		}
		data, err := os.ReadFile(files.path(tile))
		if err != nil {
			return err
		}
		if !bytes.Equal(made, data) {
			return fmt.Errorf("%s is not what its entries make", files.path(tile))
		}
	}
	return nil
}
