// How the store on bbolt is filled and asked.

package main

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	cryptorand "crypto/rand"
	"errors"
	"fmt"
	"math/rand"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"time"

	bolt "go.etcd.io/bbolt"
)

var bboltVersion string // of the package that it was built with

const (
	fillBatch    = 10000                // sessions in a transaction of the filling
	lifetime     = 365 * 24 * time.Hour // of a session
	databases    = 20                   // that sessions are on
	perPrincipal = 4                    // sessions, about
)

// filledSession is what is remembered of a session that was filled, to ask for it.
type filledSession struct {
	alias      uint64
	generation uint64 // of the caller whose turn it is: callers share no session
	public     []byte
}

// boltPeer measures a boltStore.
type boltPeer struct {
	chosen  options
	store   *boltStore
	filled  []filledSession
	created int64 // atomic: since then
}

func (p *boltPeer) name() string    { return "bbolt" }
func (p *boltPeer) version() string { return "bbolt " + bboltVersion + ", " + runtime.Version() }
func (p *boltPeer) path() string    { return filepath.Join(p.chosen.folder, "session.db") }
func (p *boltPeer) close() error    { return p.store.db.Close() }
func (p *boltPeer) sessions() int   { return len(p.filled) + int(atomic.LoadInt64(&p.created)) }

// newSession makes what a client asks for. The private key is sealed, bound to the public one.
func (p *boltPeer) newSession(pair keyPair, source *rand.Rand) (*session, error) {
	private, err := p.store.seal(pair)
	now := time.Now()
	principals := 1 + p.chosen.sessions/perPrincipal
	return &session{
		label:      []byte("a benchmark's session"),
		principal:  []byte(fmt.Sprintf("principal-%06d@example.com", source.Intn(principals))),
		database:   []byte(fmt.Sprintf("database-%02d", source.Intn(databases))),
		created:    uint64(now.UnixMicro()),
		expiry:     uint64(now.Add(lifetime).UnixMicro()),
		generation: 1,
		lastUsed:   uint64(now.UnixMicro()),
		public:     pair.public,
		private:    private,
	}, err
}

// fill shares transactions, and syncs once, at the end. Its public keys are random bytes: nobody
// asks for them by more than their bytes, and a million real ones would take half a minute.
func (p *boltPeer) fill(count int) error {
	key := make([]byte, 32)
	if _, err := cryptorand.Read(key); err != nil {
		return err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return err
	}
	sealer, err := cipher.NewGCM(block)
	if err != nil {
		return err
	}
	if p.store, err = openBolt(p.path(), sealer); err != nil {
		return err
	}
	p.store.db.NoSync = true
	source := rand.New(rand.NewSource(1))
	for len(p.filled) < count {
		if err := p.fillSome(min(fillBatch, count-len(p.filled)), source); err != nil {
			return err
		}
	}
	p.store.db.NoSync = false
	return p.store.db.Sync()
}

func (p *boltPeer) fillSome(count int, source *rand.Rand) error {
	return p.store.db.Update(func(tx *bolt.Tx) error {
		for i := 0; i < count; i++ {
			pair := keyPair{make([]byte, keyBytes), make([]byte, keyBytes)}
			source.Read(pair.public)
			source.Read(pair.private)
			made, err := p.newSession(pair, source)
			if err != nil {
				return err
			}
			if err := insert(tx, made); err != nil {
				return err
			}
			p.filled = append(p.filled, filledSession{made.alias, made.generation, made.public})
		}
		return nil
	})
}

func min(a, b int) int {
	if a < b {
		return a
	}
	return b
}

func max(a, b int) int {
	if a > b {
		return a
	}
	return b
}

func (p *boltPeer) questions() []question {
	return []question{
		{name: "create", prepare: p.creating, batch: 1},
		{name: "turn", prepare: p.turning, batch: 1},
		{name: "find", prepare: p.finding, batch: 1},
		{name: "find_key", prepare: p.findingKey, batch: 1},
		{name: "open", prepare: p.opening, batch: 1, once: true},
	}
}

func sourceOf(caller int) *rand.Rand {
	return rand.New(rand.NewSource(time.Now().UnixNano() + int64(caller)))
}

func (p *boltPeer) creating(caller, _ int) operation {
	source := sourceOf(caller)
	return func() error {
		pair, err := newKeyPair()
		if err != nil {
			return err
		}
		made, err := p.newSession(pair, source)
		if err != nil {
			return err
		}
		atomic.AddInt64(&p.created, 1)
		return p.store.create(made)
	}
}

func (p *boltPeer) turning(caller, callers int) operation {
	source := sourceOf(caller)
	own := max(1, len(p.filled)/callers) // of the filled sessions, every one of so many
	return func() error {
		chosen := &p.filled[(source.Intn(own)*callers+caller)%len(p.filled)]
		err := p.store.turn(chosen.alias, chosen.generation)
		chosen.generation++
		return err
	}
}

func (p *boltPeer) finding(caller, _ int) operation {
	source := sourceOf(caller)
	return func() error {
		wanted := &p.filled[source.Intn(len(p.filled))]
		found, err := p.store.find(wanted.alias)
		if err == nil && !bytes.Equal(found.public, wanted.public) {
			err = errors.New("another session was found")
		}
		return err
	}
}

func (p *boltPeer) findingKey(caller, _ int) operation {
	source := sourceOf(caller)
	return func() error {
		wanted := &p.filled[source.Intn(len(p.filled))]
		found, err := p.store.findKey(wanted.public)
		if err == nil && found.alias != wanted.alias {
			err = errors.New("another session was found")
		}
		return err
	}
}

// opening closes the store, opens it again, and waits until every session has been read.
func (p *boltPeer) opening(_, _ int) operation {
	return func() error {
		if err := p.store.db.Close(); err != nil {
			return err
		}
		var err error
		if p.store, err = openBolt(p.path(), p.store.sealer); err != nil {
			return err
		}
		count, err := p.store.loadAll()
		if err == nil && count != p.sessions() {
			err = fmt.Errorf("%d sessions of %d", count, p.sessions())
		}
		return err
	}
}

func main() {
	chosen := parseOptions()
	serve(&boltPeer{chosen: chosen}, chosen)
}
